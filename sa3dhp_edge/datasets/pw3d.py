"""3DPW: people outdoors before a moving telephone, with SMPL bodies, as released.

    sequenceFiles/{train,validation,test}/<sequence>.pkl    a Python 2 pickle of arrays
    imageFiles/<sequence>/image_00000.jpg                   T pictures at 30 per second

Read from a pickle, P people, T frames; nothing the pickle asks for is run (`containers.python2_pickle`):

    jointPositions    P x (T, 72)      24 SMPL joints, metres, world
    poses2d           P x (T, 3, 18)   18 COCO points of a detector: x, y, sureness; all 0 where it found fewer than six
    cam_poses         (T, 4, 4)        world to camera, metres
    campose_valid     P x (T,)         whether the camera was aligned to this person in this frame
    cam_intrinsics    (3, 3)           no distortion
    genders           P x text         m or f

A row is given where `campose_valid` holds and the detector saw the person. The joints in the picture are the projected
SMPL joints: the detector's points are other points. The world's y axis points up, roughly: it comes from inertial
sensors. The picture's size is that of the first picture, or twice the principal point where there are none.

Checked against: the release's readme, nkolot/SPIN (datasets/preprocess/pw3d.py), mkocabas/VIBE
(lib/data_utils/threedpw_utils.py), open-mmlab/mmhuman3d (data_converters/pw3d.py), isarandi/posepile (ds/tdpw).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.containers import Array, python2_pickle, shaped
from sa3dhp_edge.datasets.pictures import ImagePictures
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Split, Take
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_UP_TO_DOWN = np.diag([1.0, -1.0, -1.0])
"""From a world with y up to one with y down."""
_FPS = 30.0
_NEEDED = ("jointPositions", "poses2d", "cam_poses", "campose_valid", "cam_intrinsics")


@final
class Pw3d:
    """Reads 3DPW as released; takes are `test/downtown_walking_00/1`, the last part the person."""

    name = "pw3d"
    title = "3DPW"
    layout = "sequenceFiles/{train,validation,test}/<sequence>.pkl and imageFiles/<sequence>/image_00000.jpg"

    def recognises(self, folder: Path) -> bool:
        """Whether a sequence file is there."""
        return any(True for split in _SPLITS for _ in (folder / "sequenceFiles" / split).glob("*.pkl"))

    def inventory(self, folder: Path) -> Inventory:
        """Every person of every sequence; damaged sequences are among what is missing.

        Raises:
            DataError: there is no sequence.
        """
        takes: list[str] = []
        missing: list[str] = []
        for split in _SPLITS:
            files = sorted((folder / "sequenceFiles" / split).glob("*.pkl"))
            if not files:
                missing.append(f"sequenceFiles/{split}")
            for file in files:
                try:
                    people = len(_sequence(file)["jointPositions"])
                except DataError as error:
                    missing.append(error.message)
                    continue
                takes += [f"{split}/{file.stem}/{i}" if people > 1 else f"{split}/{file.stem}" for i in range(people)]
                if not (folder / "imageFiles" / file.stem).is_dir():
                    missing.append(f"imageFiles/{file.stem}")
        if not takes:
            raise DataError(
                "; ".join([f"{folder} holds no sequence of {self.title}", *missing]), f"expected {self.layout}"
            )
        return Inventory(self.name, folder, tuple(takes), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        """One person of one sequence.

        Raises:
            DataError: the sequence is not there, is damaged, or has no such person.
        """
        parts = take.split("/")
        if len(parts) not in (2, 3) or parts[0] not in _SPLITS or ".." in parts or not parts[-1]:
            raise DataError(f"{self.title} has no take {take!r}", "takes are named like test/downtown_walking_00/1")
        file = folder / "sequenceFiles" / parts[0] / f"{parts[1]}.pkl"
        data = _sequence(file)
        people = [str(i) for i in range(len(data["jointPositions"]))]
        if len(parts) == 3 and parts[2] not in people:
            raise DataError(f"{file} has no person {parts[2]!r}", f"its people are {', '.join(people)}")
        person = int(parts[2]) if len(parts) == 3 else 0
        joints_mm, rotation, position_mm, frames, dropped = _person(file, data, person)
        camera = _camera(file, data)
        pictures, size_wh, notes = _pictures(folder, parts[1], camera, len(data["cam_poses"]))
        if dropped:
            notes.append(f"{dropped} frames are left out: the camera was not aligned, or the person not seen")
        gender = data.get("genders")
        if isinstance(gender, list) and len(gender) > person:
            notes.append(f"gender {gender[person]}")
        return Take(
            dataset=self.name,
            name=take,
            subject="",
            action=re.sub(r"_\d+$", "", parts[1]),
            split=_SPLITS[_SPLITS.index(parts[0])],
            fps=_FPS,
            skeleton="smpl24",
            joints_mm=joints_mm.astype(np.float32),
            joints_px=project_px(joints_mm, camera),
            camera=camera,
            size_wh=size_wh,
            rot_world_to_camera=(rotation @ _UP_TO_DOWN).astype(np.float32),
            camera_position_mm=(position_mm @ _UP_TO_DOWN).astype(np.float32),
            pictures=pictures,
            frames=frames,
            notes=tuple(notes),
        )


READER = Pw3d()


def _sequence(file: Path) -> dict[str, Any]:
    """A sequence's dictionary with all that is needed in it."""
    data = python2_pickle(file)
    if not isinstance(data, dict):
        raise DataError(f"{file} holds a {type(data).__name__}, expected a dictionary", "unpack sequenceFiles again")
    if missing := [name for name in _NEEDED if name not in data]:
        raise DataError(f"{file} holds no {', '.join(missing)}", "unpack sequenceFiles again")
    counts = {}
    for name in ("jointPositions", "poses2d", "campose_valid"):
        if not isinstance(data[name], list | np.ndarray) or np.ndim(data[name]) == 0 or not len(data[name]):
            raise DataError(f"{file}: {name} is not a list of people", "unpack sequenceFiles again")
        counts[name] = len(data[name])
    if len(set(counts.values())) > 1:
        raise DataError(f"{file}: people are counted differently: {counts}", "unpack sequenceFiles again")
    return data


def _person(file: Path, data: dict[str, Any], person: int) -> tuple[Array, Array, Array, NDArray[np.int64], int]:
    """Of the rows that are given, and how many are not.

    Returns:
        joints (t, 24, 3) mm in the camera frame, rotation (t, 3, 3) from the file's world, camera (t, 3) mm in that
        world, frames (t,), count of frames left out.
    """
    poses = shaped(file, "cam_poses", data["cam_poses"], None, 4, 4)
    count = len(poses)
    world_mm = 1000 * shaped(file, "jointPositions", data["jointPositions"][person], count, 72).reshape(-1, 24, 3)
    seen = shaped(file, "poses2d", data["poses2d"][person], count, 3, 18).any((1, 2))
    aligned = shaped(file, "campose_valid", np.ravel(data["campose_valid"][person]), count) > 0
    frames = np.flatnonzero(seen & aligned)
    rotation, shift_mm = poses[frames, :3, :3], 1000 * poses[frames, :3, 3]
    if len(frames) and not np.allclose(rotation @ rotation.swapaxes(1, 2), np.eye(3), atol=1e-3):
        raise DataError(f"{file}: cam_poses holds matrices that are no rotations", "unpack sequenceFiles again")
    camera_mm = np.einsum("tij,tsj->tsi", rotation, world_mm[frames]) + shift_mm[:, None]
    if not np.all(np.isfinite(camera_mm)):
        raise DataError(f"{file}: jointPositions or cam_poses holds no finite numbers", "unpack sequenceFiles again")
    position_mm = -np.einsum("tji,tj->ti", rotation, shift_mm)
    return camera_mm, rotation, position_mm, frames, count - len(frames)


def _camera(file: Path, data: dict[str, Any]) -> Intrinsics:
    k = shaped(file, "cam_intrinsics", data["cam_intrinsics"], 3, 3)
    if not (np.all(np.isfinite(k)) and k[0, 0] > 0 and k[1, 1] > 0):
        raise DataError(f"{file}: cam_intrinsics has focal lengths {k[0, 0]:g}, {k[1, 1]:g}", "unpack it again")
    return Intrinsics((float(k[0, 0]), float(k[1, 1])), (float(k[0, 2]), float(k[1, 2])))


def _pictures(
    folder: Path, sequence: str, camera: Intrinsics, count: int
) -> tuple[ImagePictures | None, tuple[int, int], list[str]]:
    """The sequence's pictures where there are any, their size, and what to say of them."""
    place = folder / "imageFiles" / sequence
    pictures = ImagePictures(tuple(place / f"image_{i:05d}.jpg" for i in range(count)))
    if count and pictures.paths[0].is_file():
        return pictures, pictures.size_wh, []
    cx, cy = camera.center_px
    return None, (round(2 * cx), round(2 * cy)), [f"imageFiles/{sequence} has no pictures; the size is a guess"]

"""Human3.6M: four cameras around one person in a hall, marker-based joints, as released.

    S1/Videos/Walking 1.54138969.mp4                                1000 x 1002 or 1000 x 1000, 50 frames per second
    S1/MyPoseFeatures/D3_Positions/Walking 1.cdf                    variable Pose (1, T, 96): 32 joints, world, mm
    S1/MyPoseFeatures/D3_Positions_mono/Walking 1.54138969.cdf      variable Pose (1, T, 96): the same, camera, mm
    S1/MyPoseFeatures/D2_Positions/Walking 1.54138969.cdf           variable Pose (1, T, 64): the same, pixels
    metadata.xml, or Release-v1.2/metadata.xml                      the cameras (`human36m_cameras`); may be missing

One of the two 3D folders is enough: world joints are brought to the camera. Without `D2_Positions` the joints in the
picture are the projected ones, with distortion. A video may run a few frames longer than the poses; row i is frame i of
both. The world's z axis points up.

Subjects 1, 5, 6, 7, 8 are for training and 9, 11 for testing; poses of 2, 3, 4 and 10 were never published, so their
videos are given as unlabelled ones, and `_ALL` recordings are left out.

What is known to be wrong in the release: `Directions.54138969` of S11 is damaged or missing. In three recordings of S9
(Greeting, SittingDown 1, Waiting 1) the joints lie about 200 mm beside the person: good for poses, not for crops.

Checked against: facebookresearch/VideoPose3D (data/prepare_data_h36m.py, common/h36m_dataset.py), anibali/h36m-fetch
(process_all.py, metadata.xml), isarandi/posepile (ds/h36m), nkolot/SPIN (datasets/preprocess/h36m.py),
open-mmlab/mmhuman3d (data_converters/h36m.py); the three recordings of S9: posepile, and karfly's
learnable-triangulation-pytorch, which leaves them out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import final

import numpy as np

from sa3dhp_edge.datasets import record
from sa3dhp_edge.datasets.containers import Array, cdf, shaped
from sa3dhp_edge.datasets.human36m_cameras import CAMERAS, SIZE_WH, StudioCamera, metadata_file, studio_camera
from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Split, Take
from sa3dhp_edge.errors import DataError

_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("S1", "S5", "S6", "S7", "S8"), "train"),
    **dict.fromkeys(("S9", "S11"), "test"),
    **dict.fromkeys(("S2", "S3", "S4", "S10"), "unlabelled"),
}
_FPS = 50.0
_Z_UP_TO_Y_DOWN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_DAMAGED = ("S11", "Directions", "54138969")
_SHIFTED = {("S9", "Greeting"), ("S9", "SittingDown 1"), ("S9", "Waiting 1")}
_FAR_PX = 20.0
_AGAIN = "unpack this subject's archives again"


@final
class Human36m:
    """Reads Human3.6M as released; takes are `S9/Walking 1/55011271`."""

    name = "human36m"
    title = "Human3.6M"
    layout = "S1/Videos/<action>.<camera>.mp4 and S1/MyPoseFeatures/D3_Positions/<action>.cdf (or D3_Positions_mono)"

    def recognises(self, folder: Path) -> bool:
        """Whether a subject's folder holds poses, or a video named after one of the four cameras."""
        return any(
            next((folder / subject / "MyPoseFeatures").glob("D3_Positions*"), None) is not None
            or any(_action_camera(video) for video in (folder / subject / "Videos").glob("*.mp4"))
            for subject in _SPLITS
        )

    def inventory(self, folder: Path) -> Inventory:
        """Every recording with poses, by every camera, and every video of the subjects without poses.

        Raises:
            DataError: there is none.
        """
        takes: list[str] = []
        missing: list[str] = []
        for subject, split in _SPLITS.items():
            videos = {pair for file in (folder / subject / "Videos").glob("*.mp4") if (pair := _action_camera(file))}
            poses = _posed(folder / subject / "MyPoseFeatures")
            found = sorted(videos if split == "unlabelled" else poses)
            takes += [f"{subject}/{action}/{camera}" for action, camera in found]
            if split == "unlabelled":
                continue
            if not poses:
                missing.append(f"{subject}/MyPoseFeatures/D3_Positions")
            elif without := len(poses - videos):
                missing.append(f"{subject}/Videos: {without} of {len(poses)} videos")
        if not takes:
            raise DataError(f"{folder} holds no recording of {self.title}", f"expected {self.layout}")
        if metadata_file(folder) is None:
            missing.append("metadata.xml (the published cameras are used instead)")
        return Inventory(self.name, folder, tuple(takes), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        """One recording by one camera.

        Raises:
            DataError: the recording is not there, is damaged, or its files contradict each other.
        """
        parts = take.split("/")
        if len(parts) != 3 or parts[0] not in _SPLITS or parts[2] not in CAMERAS or parts[1] in ("", ".", ".."):
            raise DataError(f"{self.title} has no take {take!r}", "takes are named like S9/Walking 1/55011271")
        subject, action, number = parts
        camera = studio_camera(folder, subject, number)
        video = VideoPictures(folder / subject / "Videos" / f"{action}.{number}.mp4")
        notes = [f"{video.path.name} is missing"] if not video.path.is_file() else []
        joints_mm = joints_px = None
        if _SPLITS[subject] == "unlabelled":
            count = len(video)
        else:
            joints_mm, joints_px = _joints(folder / subject / "MyPoseFeatures", action, number, camera)
            count = len(joints_mm)
            if (subject, action) in _SHIFTED:
                notes.append("the released joints lie about 200 mm beside the person")
            if (subject, action, number) == _DAMAGED:
                notes.append("this video is known to be damaged in the release")
        rotation, position_mm = _outer(camera, count)
        return Take(
            dataset=self.name,
            name=take,
            subject=subject,
            action=re.sub(r" \d+$", "", action),
            split=_SPLITS[subject],
            fps=_FPS,
            skeleton="human36m32" if joints_mm is not None else "",
            joints_mm=None if joints_mm is None else joints_mm.astype(np.float32),
            joints_px=None if joints_px is None else joints_px.astype(np.float32),
            camera=camera.intrinsics,
            size_wh=SIZE_WH[number],
            rot_world_to_camera=rotation,
            camera_position_mm=position_mm,
            pictures=video if video.path.is_file() else None,
            frames=np.arange(count),
            notes=tuple(notes),
        )


READER = Human36m()


def _action_camera(file: Path) -> tuple[str, str] | None:
    """`Walking 1.54138969.mp4` is (Walking 1, 54138969); None for whole sessions and other files."""
    action, _, camera = file.stem.rpartition(".")
    return (action, camera) if camera in CAMERAS and action and not action.startswith("_ALL") else None


def _posed(features: Path) -> set[tuple[str, str]]:
    """(action, camera) with 3D joints; world joints serve all four cameras."""
    world = {file.stem for file in (features / "D3_Positions").glob("*.cdf") if not file.stem.startswith("_ALL")}
    mono = {pair for file in (features / "D3_Positions_mono").glob("*.cdf") if (pair := _action_camera(file))}
    every = {(action, camera) for action in world for camera in CAMERAS}
    damaged = {_DAMAGED[1:]} if features.parent.name == _DAMAGED[0] else set()
    return mono | (every - damaged)


def _joints(features: Path, action: str, number: str, camera: StudioCamera) -> tuple[Array, Array]:
    """(T, 32, 3) mm in the camera frame and (T, 32, 2) px."""
    mono = features / "D3_Positions_mono" / f"{action}.{number}.cdf"
    source = mono if mono.is_file() else features / "D3_Positions" / f"{action}.cdf"
    joints_mm = _table(source, 3)
    if source != mono:
        joints_mm = camera.see(joints_mm)
    projected = project_px(joints_mm, camera.intrinsics).astype(np.float64)
    two = features / "D2_Positions" / f"{action}.{number}.cdf"
    if not two.is_file():
        return joints_mm, projected
    joints_px = _table(two, 2)
    if len(joints_px) != len(joints_mm):
        raise DataError(f"{two} has {len(joints_px)} frames, {source} has {len(joints_mm)}", _AGAIN)
    far = float(np.median(np.linalg.norm(joints_px - projected, axis=-1)))
    if not far <= _FAR_PX:
        raise DataError(f"{two} lies {far:.0f} px from {source} seen by this camera", _AGAIN)
    return joints_mm, joints_px


def _table(file: Path, axes: int) -> Array:
    """(T, 32, axes) of a Pose."""
    pose = cdf(file, "Pose")
    rows = pose[0] if pose.ndim == 3 and len(pose) == 1 else pose
    table = shaped(file, "Pose", rows, None, 32 * axes).reshape(-1, 32, axes)
    if not len(table) or not np.all(np.isfinite(table)):
        raise DataError(f"{file}: Pose has {len(table)} frames, or numbers that are not finite", _AGAIN)
    return table


def _outer(camera: StudioCamera, count: int) -> tuple[record.Array | None, record.Array | None]:
    """Rotation (T, 3, 3) and position (T, 3) mm in a world with y down."""
    if camera.rotation is None or camera.position_mm is None:
        return None, None
    rotation = (camera.rotation @ _Z_UP_TO_Y_DOWN.T).astype(np.float32)
    position_mm = (_Z_UP_TO_Y_DOWN @ camera.position_mm).astype(np.float32)
    return np.tile(rotation, (count, 1, 1)), np.tile(position_mm, (count, 1))

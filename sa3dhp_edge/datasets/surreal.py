"""SURREAL: rendered SMPL bodies in short clips, as released.

    cmu/{train,val,test}/run{0,1,2}/<sequence>/<sequence>_cNNNN.mp4         320 x 240, 30 frames per second
    cmu/{train,val,test}/run{0,1,2}/<sequence>/<sequence>_cNNNN_info.mat    MATLAB, version 5

Read from `_info.mat`, T frames (MATLAB drops the last axis where T is 1):

    joints3D    (3, 24, T)   24 SMPL joints in metres, world: y down, the camera looks along -x
    joints2D    (2, 24, T)   the same in the picture, rounded to whole pixels; all 0 where the body was not drawn
    camLoc      (3, 1)       the camera in the world, metres, one place for the clip

The camera is the same in every clip: 60 mm lens on a 32 mm sensor, 600 pixels, level, no distortion. Blender counts
from the edge of the picture, so its centre (160, 120) is (159.5, 119.5) where pixels are counted from their centres.

The trap: the camera's matrix is a mirror (its determinant is -1), so every picture shows the mirror image of the body
in the file, and the joint called left lies on the right of the person one sees. Left and right are therefore exchanged
here, in 3D and in 2D. On the info files that gulvarol/surreal and gulvarol/bodynet carry (3 clips, 300 frames) the
projection gives `joints2D` exactly after rounding, and the exchanged body has its toes in front.

`zrot` is not needed: it turns the SMPL pose into the world where `joints3D` already is. `val` is a small part of
`test`.

Checked against: gulvarol/surreal (README, datageneration/misc/3Dto2D, training/loader_SURREAL.lua), isarandi/posepile
(ds/surreal, which mirrors the pictures instead), open-mmlab/mmhuman3d (data_converters/surreal.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.containers import matlab, shaped
from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.record import Inventory, Split, Take
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics, project

_SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_SIZE_WH = (320, 240)
_CAMERA = Intrinsics((600.0, 600.0), (159.5, 119.5))
_WORLD_TO_CAMERA = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""A mirror, on purpose: see above."""
_FPS = 30.0
_FAR_PX = 2.0
"""Rounding moves a joint by half a pixel; more means that joints and camera do not belong together."""


@final
class Surreal:
    """Reads SURREAL as released; takes are `train/run0/01_01/01_01_c0001`."""

    name = "surreal"
    title = "SURREAL"
    layout = "cmu/{train,val,test}/run{0,1,2}/<sequence>/<sequence>_c0001.mp4 and <sequence>_c0001_info.mat"

    def recognises(self, folder: Path) -> bool:
        """Whether a run with an info file is there."""
        return any(True for run in _runs(folder) for _ in run.glob("*/*_info.mat"))

    def inventory(self, folder: Path) -> Inventory:
        """Every clip with an info file.

        Raises:
            DataError: there is none.
        """
        takes, missing = [], []
        base = _base(folder)
        for split in _SPLITS:
            runs = [run for run in _runs(folder) if run.parent.name == split]
            missing += [f"cmu/{split}/run{i}" for i in range(3) if not any(run.name == f"run{i}" for run in runs)]
            for run in runs:
                infos = sorted(run.glob("*/*_info.mat"))
                names = {info.name.removesuffix("_info.mat") for info in infos}
                takes += [info.relative_to(base).as_posix().removesuffix("_info.mat") for info in infos]
                videos = {video.stem for video in run.glob("*/*.mp4")}
                if without := len(names - videos):
                    missing.append(f"cmu/{split}/{run.name}: {without} of {len(names)} clips have no video")
                if without := len(videos - names):
                    missing.append(f"cmu/{split}/{run.name}: {without} videos have no _info.mat")
        if not takes:
            raise DataError(f"{folder} holds no clip of {self.title}", f"expected {self.layout}")
        return Inventory(self.name, folder, tuple(takes), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        """One clip, left and right exchanged as the pictures ask.

        Raises:
            DataError: the clip is not there, is damaged, or its 2D and 3D joints contradict each other.
        """
        parts = take.split("/")
        if len(parts) != 4 or parts[0] not in _SPLITS or ".." in parts:
            raise DataError(f"{self.title} has no clip {take!r}", "clips are named like train/run0/01_01/01_01_c0001")
        stem = _base(folder).joinpath(*parts)
        info = stem.with_name(f"{stem.name}_info.mat")
        camera_mm, pixels, position_mm, frames = _joints(info)
        t = len(frames)
        video = stem.with_name(f"{stem.name}.mp4")
        notes = ["pictures are mirror images of the bodies in the file: left and right joints are exchanged"]
        if not video.is_file():
            notes.append(f"{video.name} is missing")
        return Take(
            dataset=self.name,
            name=take,
            subject=re.sub(r"_\d+$", "", parts[2]),
            action="",
            split=_SPLITS[parts[0]],
            fps=_FPS,
            skeleton="smpl24",
            joints_mm=camera_mm.astype(np.float32),
            joints_px=pixels.astype(np.float32),
            camera=_CAMERA,
            size_wh=_SIZE_WH,
            rot_world_to_camera=np.tile(np.eye(3, dtype=np.float32), (t, 1, 1)),
            camera_position_mm=np.tile(position_mm.astype(np.float32), (t, 1)),
            pictures=VideoPictures(video) if video.is_file() else None,
            frames=frames,
            notes=tuple(notes),
        )


READER = Surreal()


def _joints(
    info: Path,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Joints in the camera frame (t, 24, 3) mm and in the picture (t, 24, 2) px, camera (3,) mm, frames (t,).

    Frames whose joints are all 0 are left out: nothing was drawn there.
    """
    held = matlab(info, "joints3D", "joints2D", "camLoc")
    three, two = (held[name][..., None] if held[name].ndim == 2 else held[name] for name in ("joints3D", "joints2D"))
    world_mm = 1000 * shaped(info, "joints3D", three, 3, 24, None).transpose(2, 1, 0)
    rounded = shaped(info, "joints2D", two, 2, 24, len(world_mm)).transpose(2, 1, 0)
    location_mm = 1000 * shaped(info, "camLoc", held["camLoc"].reshape(-1), 3)
    frames = np.flatnonzero(np.any(world_mm != 0, axis=(1, 2)))
    if not len(frames):
        raise DataError(f"{info}: every joint of every frame is 0", "leave this clip out")
    camera_mm = (world_mm[frames] - location_mm) @ _WORLD_TO_CAMERA.T
    if not np.all(np.isfinite(camera_mm)) or np.any(camera_mm[..., 2] <= 0):
        raise DataError(f"{info}: joints lie behind the camera or nowhere", "leave this clip out")
    pixels = project(camera_mm, _CAMERA.matrix())
    far = float(np.median(np.abs(pixels + 0.5 - rounded[frames])))
    if not far <= _FAR_PX:
        raise DataError(
            f"{info}: joints2D lies {far:.0f} px from joints3D seen from camLoc",
            "this is not the released file, or it was changed; unpack it again",
        )
    mirror = list(SKELETONS["smpl24"].mirror)
    return camera_mm[:, mirror], pixels[:, mirror], _WORLD_TO_CAMERA @ location_mm, frames


def _base(folder: Path) -> Path:
    """The folder that holds `train`, `val`, `test`: the given one, or its `cmu`, or `data/cmu` below it."""
    places = (folder / "cmu", folder / "data" / "cmu", folder / "SURREAL" / "data" / "cmu")
    return next((place for place in places if place.is_dir()), folder)


def _runs(folder: Path) -> list[Path]:
    base = _base(folder)
    return [run for split in _SPLITS for run in sorted((base / split).glob("run[0-9]")) if run.is_dir()]

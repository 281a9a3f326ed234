"""OpenCap: phones around a person, the markers found in their videos, the kinematics made of them.

A session, as app.opencap.ai gives it out:

    sessionMetadata.yaml                                    checkerBoard: placement (ground or backWall)
    MarkerData/<trial>.trc                                  markers, m, Y up; or MarkerData/PostAugmentation/...
    MarkerData/Settings/settings_<trial>.yaml               verticalOffset, m
    OpenSimData/Kinematics/<trial>.mot                      joint angles, not read
    Videos/CamN/cameraIntrinsicsExtrinsics.pickle           intrinsicMat (3, 3), distortion (1, 5), imageSize (2, 1):
                                                            height and width, rotation (3, 3), translation (3, 1) mm
    Videos/CamN/InputMedia/<trial>/<trial>_sync.mp4         cut to the rows of the TRC; .avi and .mov as well

The cameras know the checkerboard's axes: x_camera = rotation x_board + translation. Markers are turned from those to
OpenSim's (about x by 90, then y by 90 degrees with the board on the ground; about y by 90, then z by 180 with the board
on a wall; about y by -90 with it upside down there), then lowered by verticalOffset until the feet stand on the floor.
Without the settings that offset is not known and nothing can be put in front of a camera: such trials are read as
motion only. Synchronised videos are often halved in size: the inner geometry is scaled to the pictures. The layout of
the paper's public release is in `opencap_lab`; this reader reads both.

Compared with stanfordnmbl/opencap-core (main.py, utils.py, utilsChecker.py, utilsAugmenter.py), stanfordnmbl/
opencap-processing (utils.py) and willwng/opencap-overlay (camera.py) and its examples.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets import opencap_lab
from sa3dhp_edge.datasets.opencap_camera import Calibrated, read_camera
from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.trc import Markers, read_trc
from sa3dhp_edge.errors import DataError

Array = NDArray[np.float64]

SKELETONS_HERE = ("opencap63", "opencap20")
_LEVEL = np.array([1.0, -1.0, -1.0])
"""From Y up to the project's y down, z forward."""
_OPENSIM_OF_BOARD = {
    "ground": np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    "wall": np.array([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]]),
    "wall, upside down": np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]),
}
"""Axes of OpenSim from those of the checkerboard, by where it is."""
_PLACEMENTS = {"ground": "ground", "Lying": "ground", "backWall": "wall", "Perpendicular": "wall"}


class OpenCapReader:
    """Sessions of OpenCap, and the release of its validation; see the module."""

    name = "opencap"
    title = "OpenCap"
    layout = (
        "MarkerData/<trial>.trc, Videos/CamN/cameraIntrinsicsExtrinsics.pickle and Videos/CamN/InputMedia/<trial>/"
        "<trial>_sync.mp4, or subjectN/VideoData/SessionN/CamN and subjectN/MarkerData/Mocap of the validation"
    )

    def recognises(self, folder: Path) -> bool:
        sessions = _sessions(folder).values()
        return any(_markers(s) and (s / "Videos").is_dir() for s in sessions) or opencap_lab.recognises(folder)

    def inventory(self, folder: Path) -> Inventory:
        found = {**_all_trials(folder), **opencap_lab.takes(folder)}
        if not found:
            raise DataError(f"{folder} has no OpenCap session", f"expected {self.layout}")
        missing = [line for name, session in _sessions(folder).items() for line in _missing(name, session)]
        return Inventory(self.name, folder, tuple(found), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        trials = _all_trials(folder)
        if take in trials:
            return _read(trials[take], take)
        if take in opencap_lab.takes(folder):
            return opencap_lab.read(folder, take, self.name)
        raise DataError(f"{folder} has no take {take}", "`inventory` lists them")


READER = OpenCapReader()


class _Trial(NamedTuple):
    """One trial in one camera, or as motion only where `camera` is empty."""

    session: Path
    trial: str
    camera: str


def _sessions(folder: Path) -> dict[str, Path]:
    """Prefix of take names -> session folder: the folder itself, or those within."""
    if (folder / "MarkerData").is_dir() and not (folder / "MarkerData" / "Mocap").is_dir():
        return {"": folder}
    inner = sorted(path.parent for path in folder.glob("*/MarkerData") if not (path / "Mocap").is_dir())
    return {f"{path.name}/": path for path in inner}


def _markers(session: Path) -> dict[str, Path]:
    """Trial -> TRC."""
    found: dict[str, Path] = {}
    for depth in ("PostAugmentation/*/*.trc", "PostAugmentation/*.trc", "*.trc"):
        for path in sorted((session / "MarkerData").glob(depth)):
            found[path.parent.name if depth.count("/") == 2 else path.stem] = path
    return dict(sorted(found.items()))


def _offset_m(session: Path, trial: str) -> float | None:
    """What the markers were lowered by; None where nobody wrote it down."""
    for name in (f"settings_{trial}", f"Settings_{trial}"):
        path = session / "MarkerData" / "Settings" / f"{name}.yaml"
        found = re.search(r"^verticalOffset:\s*([-+.\deE]+)\s*$", _text(path), re.MULTILINE)
        if found:
            try:
                return float(found.group(1))
            except ValueError as e:
                raise DataError(f"{path}: verticalOffset is {found.group(1)!r}, expected metres") from e
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _video(session: Path, camera: str, trial: str) -> Path | None:
    folder = session / "Videos" / camera / "InputMedia" / trial
    return next((p for end in ("mp4", "avi", "mov") for p in sorted(folder.glob(f"*_sync.{end}"))), None)


def _cameras(session: Path) -> list[str]:
    return sorted(path.parent.name for path in session.glob("Videos/Cam*/cameraIntrinsicsExtrinsics.pickle"))


def _trials(session: Path) -> list[_Trial]:
    """Every trial in every camera that shows it; as motion where no camera does."""
    found = []
    for trial in _markers(session):
        placed = _offset_m(session, trial) is not None and bool(_placement(session))
        seen = [camera for camera in _cameras(session) if _video(session, camera, trial)] if placed else []
        found += [_Trial(session, trial, camera) for camera in seen or [""]]
    return found


def _all_trials(folder: Path) -> dict[str, _Trial]:
    return {
        f"{prefix}{t.trial}" + (f"/{t.camera}" if t.camera else ""): t
        for prefix, session in _sessions(folder).items()
        for t in _trials(session)
    }


def _missing(prefix: str, session: Path) -> list[str]:
    lines = [] if _cameras(session) else [f"{prefix}Videos/CamN/cameraIntrinsicsExtrinsics.pickle"]
    if not _placement(session):
        lines.append(f"{prefix}sessionMetadata.yaml with the placement of the checkerboard: motion only")
    for trial in _markers(session):
        if _offset_m(session, trial) is None:
            lines.append(f"{prefix}MarkerData/Settings/settings_{trial}.yaml with verticalOffset: motion only")
        elif not any(_video(session, camera, trial) for camera in _cameras(session)):
            lines.append(f"{prefix}Videos/CamN/InputMedia/{trial}/{trial}_sync.mp4: motion only")
    return lines


def _placement(session: Path) -> str:
    """ground, wall, or empty where the session does not say."""
    block = re.search(r"^checkerBoard:\s*\n((?:[ \t]+.*\n?)+)", _text(session / "sessionMetadata.yaml"), re.MULTILINE)
    word = re.search(r"^\s+placement:\s*['\"]?(\w+)", block.group(1), re.MULTILINE) if block else None
    return _PLACEMENTS.get(word.group(1), "") if word else ""


def _board(session: Path) -> Array:
    """(3, 3) OpenSim's axes from the checkerboard's."""
    where = _placement(session)
    if where == "wall":
        first = read_camera(session / "Videos" / _cameras(session)[0] / "cameraIntrinsicsExtrinsics.pickle")
        where = "wall, upside down" if first.rotation[1, 1] < 0 else where
    return _OPENSIM_OF_BOARD[where]


def _read(trial: _Trial, name: str) -> Take:
    markers = read_trc(_markers(trial.session)[trial.trial])
    skeleton, points = markers.best_skeleton(SKELETONS_HERE)
    level = points * _LEVEL
    motion = Take(
        dataset=READER.name, name=name, subject=trial.session.name, action=trial.trial, split="unlabelled",
        fps=markers.fps, skeleton=skeleton, joints_mm=level.astype(np.float32), frames=np.arange(len(level)),
        notes=("no camera that it can be placed in front of: motion only",),
    )  # fmt: skip
    return _in_camera(trial, motion, markers) if trial.camera else motion


def _in_camera(trial: _Trial, motion: Take, markers: Markers) -> Take:
    """The same in front of the trial's camera."""
    assert motion.joints_mm is not None
    level = motion.joints_mm.astype(np.float64)
    camera = read_camera(trial.session / "Videos" / trial.camera / "cameraIntrinsicsExtrinsics.pickle")
    offset_m = _offset_m(trial.session, trial.trial)
    assert offset_m is not None  # else the trial has no camera
    rotation, translation = _level_to_camera(camera, _board(trial.session), offset_m)
    path = _video(trial.session, trial.camera, trial.trial)
    assert path is not None
    pictures = VideoPictures(path)
    count = min(len(level), len(pictures))
    notes = ["joints are triangulated from what a network saw in all videos, not from worn markers"]
    if count < len(level):
        notes.append(f"{path.name} has {count} frames, {markers.path.name} {len(level)} rows: the rest is left out")
    seen = (level[:count] @ rotation.T + translation).astype(np.float32)
    intrinsics = camera.scaled_to(pictures.size_wh, path)
    return replace(
        motion, joints_mm=seen, joints_px=project_px(seen, intrinsics), camera=intrinsics,
        size_wh=pictures.size_wh,
        rot_world_to_camera=np.tile(rotation, (count, 1, 1)).astype(np.float32),
        camera_position_mm=np.tile(-rotation.T @ translation, (count, 1)).astype(np.float32),
        pictures=pictures, frames=np.arange(count), notes=tuple(notes),
    )  # fmt: skip


def _level_to_camera(camera: Calibrated, board: Array, offset_m: float) -> tuple[Array, Array]:
    """(3, 3), (3,) mm: from the level world, whose floor is that of the markers, to the camera."""
    to_camera = camera.rotation @ board.T
    return to_camera * _LEVEL, camera.translation_mm + to_camera @ np.array([0.0, offset_m * 1000, 0.0])

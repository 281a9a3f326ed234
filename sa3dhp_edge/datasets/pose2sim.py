"""Pose2Sim: calibrated cameras, their videos, and markers triangulated from them.

    calibration/*.toml      [cam_01] name, size [w, h], matrix 3 x 3, distortions [k1, k2, p1, p2], rotation (rotation
                            vector, world to camera), translation (3) m, fisheye; [metadata] is skipped
    videos/cam01.mp4        in the order of the calibration's cameras
    pose-3d/<trial>_0-99.trc                     m; <trial>_P1_0-99.trc for each of several persons
    pose-3d/<trial>_0-99_filt_butterworth.trc    filtered; *_LSTM.trc with added markers

x_camera = R X + translation, with Z up in X. The TRC is turned to Y up: its (X, Y, Z) are the world's (Y, Z, X). The
first row belongs to the frame of OrigDataStartFrame. Where the cameras were synchronised afterwards, what each was
moved by is not written down; frames are those of the videos as they are. A filtered file is preferred to a raw one,
and both to one with added markers. A folder of such projects (a batch) may have one `calibration` for all.

Compared with perfanalytics/pose2sim (triangulation.py, common.py, calibration.py, reproj_from_trc_calib.py) and
davidpagnon/Pose2Sim_Blender (cameras.py, markers.py), and with the demonstration both ship.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.trc import read_trc
from sa3dhp_edge.datasets.video_folder import SUFFIXES
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics

Array = NDArray[np.float64]

SKELETONS_HERE = ("pose2sim_halpe26", "pose2sim_body25b")
_AGAIN = "calibrate again with Pose2Sim, or take the file from the project anew"
_WORLD_OF_LEVEL = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])
"""World (Z up) from the level world, whose x is the X of the TRC, y its -Y and z its -Z."""
_LEVEL = np.array([1.0, -1.0, -1.0])


class Camera(NamedTuple):
    """One section of the calibration: inner geometry, x_camera = rotation X + translation_mm."""

    name: str
    intrinsics: Intrinsics
    size_wh: tuple[int, int]
    rotation: Array
    translation_mm: Array


class _Source(NamedTuple):
    project: Path
    trc: Path
    video: Path
    camera: int


class Pose2SimReader:
    """A project folder, or a folder of several; see the module."""

    name = "pose2sim"
    title = "Pose2Sim"
    layout = "calibration/*.toml, videos/*.mp4, pose-3d/*.trc"

    def recognises(self, folder: Path) -> bool:
        return any((project / "pose-3d").is_dir() for project in _projects(folder))

    def inventory(self, folder: Path) -> Inventory:
        projects = _projects(folder)
        if not projects:
            raise DataError(f"{folder} is no Pose2Sim project", f"expected {self.layout}")
        missing = [f"{p.name}/{what}" for p in projects for what, there in _parts(p).items() if not there]
        return Inventory(self.name, folder, tuple(_sources(folder)), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        sources = _sources(folder)
        if take not in sources:
            raise DataError(f"{folder} has no take {take}", "`inventory` lists them")
        return _read(sources[take], take)


READER = Pose2SimReader()


def _projects(folder: Path) -> list[Path]:
    inner = [folder, *sorted(p for p in folder.glob("*") if p.is_dir())] if folder.is_dir() else []
    return [p for p in inner if (p / "pose-3d").is_dir() and (p / "videos").is_dir()]


def _parts(project: Path) -> dict[str, bool]:
    return {
        "calibration/*.toml": _calibration_file(project) is not None,
        "videos/*.mp4": bool(_videos(project)),
        "pose-3d/*.trc": bool(_persons(project)),
    }


def _calibration_file(project: Path) -> Path | None:
    places = (project / "calibration", project.parent / "calibration")
    return next((p for place in places for p in sorted(place.glob("*.toml"))), None)


def _videos(project: Path) -> list[Path]:
    found = [p for p in (project / "videos").glob("*") if p.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda p: [int(w) if w.isdigit() else w.lower() for w in re.split(r"(\d+)", p.name)])


def _persons(project: Path) -> dict[str, Path]:
    """Trial, with _P1 and so on where there are several persons -> its best TRC."""
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted((project / "pose-3d").glob("*.trc")):
        trial = re.sub(r"_\d+-\d+(_.*)?$", "", path.stem)
        rank = 2 if path.stem.endswith("_LSTM") else 0 if "_filt" in path.stem else 1
        if trial not in found or rank < found[trial][0]:
            found[trial] = (rank, path)
    return {trial: path for trial, (_, path) in found.items()}


def _sources(folder: Path) -> dict[str, _Source]:
    found = {}
    for project in _projects(folder):
        if _calibration_file(project) is None:
            continue
        for trial, trc in _persons(project).items():
            for i, video in enumerate(_videos(project)):
                found[f"{trial}/{video.stem}"] = _Source(project, trc, video, i)
    return found


def read_calibration(path: Path) -> list[Camera]:
    """All cameras of a calibration, in its order.

    Raises:
        DataError: missing, damaged, or of a kind that does not fit (fisheye, moving cameras); names the camera.
    """
    cameras = []
    for section, facts in _sections(path).items():
        if section in ("metadata", "capture_volume", "charuco", "checkerboard") or "matrix" not in facts:
            continue
        if facts.get("fisheye") is True or facts.get("moving"):
            raise DataError(f"{path}, [{section}]: a fisheye or moving camera, which cannot be read", _AGAIN)
        shapes = {"size": (2,), "matrix": (3, 3), "rotation": (3,), "translation": (3,)}
        parts = {key: _numbers(path, section, facts, key, shape) for key, shape in shapes.items()}
        bent = _numbers(path, section, facts, "distortions", None)
        k = parts["matrix"]
        fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        intrinsics = Intrinsics((fx, fy), (cx, cy), tuple(float(v) for v in bent))
        turn = np.asarray(cv2.Rodrigues(parts["rotation"])[0], np.float64)
        size = (round(parts["size"][0]), round(parts["size"][1]))
        cameras.append(Camera(str(facts.get("name", section)), intrinsics, size, turn, parts["translation"] * 1000))
    if not cameras:
        raise DataError(f"{path} has no camera: no section with a matrix", _AGAIN)
    return cameras


def _numbers(path: Path, section: str, facts: dict[str, Any], key: str, shape: tuple[int, ...] | None) -> Array:
    try:
        values = np.asarray(facts[key], np.float64)
    except (KeyError, TypeError, ValueError):
        values = np.full(0, np.nan)
    fits = values.ndim == 1 and 4 <= len(values) <= 5 if shape is None else values.shape == shape
    if not fits or not (np.abs(values) < 1e9).all():
        wanted = "4 or 5 numbers" if shape is None else f"numbers {shape}"
        raise DataError(f"{path}, [{section}]: {key} is {facts.get(key)!r}, expected {wanted}", _AGAIN)
    return values


def _sections(path: Path) -> dict[str, dict[str, Any]]:
    """The part of TOML that calibrations are written in: sections of numbers, texts, true and false, nested arrays."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{path} cannot be read: {e}", _AGAIN) from e
    sections: dict[str, dict[str, Any]] = {}
    here: dict[str, Any] = {}
    pending = ""
    for number, line in enumerate(lines, 1):
        text = (pending + line.split("#")[0]).strip()
        if text.count("[") > text.count("]"):
            pending = text + " "
            continue
        pending = ""
        if not text:
            continue
        if (head := re.fullmatch(r"\[([^\[\]]+)\]", text)) is not None:
            here = sections.setdefault(head.group(1).strip().strip('"'), {})
            continue
        key, is_there, value = text.partition("=")
        try:
            here[key.strip()] = json.loads(re.sub(r",\s*]", "]", value.strip().replace("'", '"')))
        except ValueError:
            is_there = ""
        if not is_there:
            raise DataError(f"{path}, line {number}: expected key = value, found {text[:60]!r}", _AGAIN) from None
    return sections


def _read(source: _Source, name: str) -> Take:
    calibration = _calibration_file(source.project)
    assert calibration is not None  # else it is no source
    camera, how = _camera_of(read_calibration(calibration), source, calibration)
    markers = read_trc(source.trc)
    skeleton, points = markers.best_skeleton(SKELETONS_HERE)
    pictures = VideoPictures(source.video)
    frames = markers.start_frame + markers.frame - markers.frame[0]
    there = frames < len(pictures)
    notes = [how, "joints are triangulated from what a network saw in all videos, not from worn markers"]
    if (source.project / "pose-sync").is_dir():
        notes.append("the videos were synchronised afterwards: joints may be a few frames beside the pictures")
    if not there.all():
        notes.append(f"{source.video.name} has {len(pictures)} frames: {int((~there).sum())} rows are left out")
    if camera.size_wh != pictures.size_wh:
        notes.append(f"the calibration is for {camera.size_wh[0]} x {camera.size_wh[1]} px; it is used as it is")
    rotation = camera.rotation @ _WORLD_OF_LEVEL
    seen = ((points[there] * _LEVEL) @ rotation.T + camera.translation_mm).astype(np.float32)
    count = int(there.sum())
    return Take(
        dataset=READER.name, name=name, subject="", action=name.split("/")[0], split="unlabelled", fps=markers.fps,
        skeleton=skeleton, joints_mm=seen, joints_px=project_px(seen, camera.intrinsics), camera=camera.intrinsics,
        size_wh=pictures.size_wh, rot_world_to_camera=np.tile(rotation, (count, 1, 1)).astype(np.float32),
        camera_position_mm=np.tile(-rotation.T @ camera.translation_mm, (count, 1)).astype(np.float32),
        pictures=pictures, frames=frames[there], notes=tuple(notes),
    )  # fmt: skip


def _camera_of(cameras: list[Camera], source: _Source, calibration: Path) -> tuple[Camera, str]:
    """The video's camera: by its number where that names one, else by its place in the order."""
    number = re.findall(r"\d+", source.video.stem)[-1:]
    same = [c for c in cameras if number and [int(n) for n in re.findall(r"\d+", c.name)[-1:]] == [int(number[0])]]
    if len(same) == 1:
        return same[0], f"camera {same[0].name} by its number"
    if len(cameras) != len(_videos(source.project)):
        raise DataError(
            f"{calibration} has {len(cameras)} cameras ({', '.join(c.name for c in cameras)}), "
            f"{source.project / 'videos'} {len(_videos(source.project))} videos",
            "name each video by its camera's number",
        )
    return cameras[source.camera], f"camera {cameras[source.camera].name} by its place in the order"

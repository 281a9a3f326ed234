"""The public release of OpenCap's validation in the laboratory: videos of five phones, and worn markers beside them.

    subjectN/VideoData/SessionN/CamN/cameraIntrinsicsExtrinsics.pickle
    subjectN/VideoData/SessionN/CamN/<trial>/<trial>_syncdWithMocap.avi   or <trial>.avi, not cut to the markers
    subjectN/MarkerData/Mocap/<trial>.trc                                 worn markers, mm or m by the header, Y up

The markers are in the laboratory's frame. mocapToVideoTransform.yaml should lead from there to the cameras, but has no
inverse for the sessions with walking, and the synchronised videos are up to six frames apart. So videos and motion are
takes of their own here: videos without truth, and motion without pictures.

Compared with stanfordnmbl/opencap-core (labValidationVideosToKinematics.py) and willwng/opencap-overlay, and with what
three public readers of the release do and warn of (calibration of cameras from motion, comparison of kinematics).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.opencap_camera import read_camera
from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.record import Take
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.datasets.trc import Markers, read_trc
from sa3dhp_edge.datasets.video_folder import fps_of
from sa3dhp_edge.errors import DataError

Array = NDArray[np.float64]

SKELETON = "opencap20"
_LEVEL = np.array([1.0, -1.0, -1.0])
_SIDE = {
    "Shoulder": ("{U}_Shoulder",), "Elbow": ("{U}_elbow_lat", "{U}_elbow_med"),
    "Wrist": ("{U}_wrist_radius", "{U}_wrist_ulna"), "Hip": ("{U}_HJC",), "Knee": ("{l}_knee", "{l}_mknee"),
    "Ankle": ("{l}_ankle", "{l}_mankle"), "BigToe": ("{l}_toe",), "SmallToe": ("{l}_5meta",), "Heel": ("{l}_calc",),
}  # fmt: skip
"""Point of `opencap20` -> the worn markers that it lies midway between; {U} is R or L, {l} is r or L."""


def recognises(folder: Path) -> bool:
    """Whether it looks like the release, from names alone."""
    return bool(_videos(folder)) or any((subject / "MarkerData" / "Mocap").is_dir() for subject in _subjects(folder))


def takes(folder: Path) -> dict[str, Path]:
    """Take name -> video or TRC."""
    found = dict(_videos(folder))
    for subject in _subjects(folder):
        for path in sorted((subject / "MarkerData" / "Mocap").glob("*.trc")):
            found[f"{subject.name}/Mocap/{path.stem}"] = path
    return dict(sorted(found.items()))


def read(folder: Path, take: str, dataset: str) -> Take:
    """One video without truth, or one motion without pictures.

    Raises:
        DataError: a file is damaged, or markers are missing.
    """
    path = takes(folder)[take]
    subject = take.split("/")[0]
    if path.suffix == ".trc":
        markers = read_trc(path)
        joints = points_of(markers) * _LEVEL
        note = "points are midway between worn markers; shoulders are the markers on top of them"
        return Take(
            dataset=dataset, name=take, subject=subject, action=path.stem, split="train", fps=markers.fps,
            skeleton=SKELETON, joints_mm=joints.astype(np.float32), frames=np.arange(len(joints)), notes=(note,),
        )  # fmt: skip
    pictures = VideoPictures(path)
    camera = read_camera(path.parent.parent / "cameraIntrinsicsExtrinsics.pickle")
    return Take(
        dataset=dataset, name=take, subject=subject, action=path.parent.name, split="unlabelled", fps=fps_of(path),
        camera=camera.scaled_to(pictures.size_wh, path), size_wh=pictures.size_wh, pictures=pictures,
        frames=np.arange(len(pictures)),
        notes=("the worn markers are a take of their own: their frame and time do not lead to this camera reliably",),
    )  # fmt: skip


def points_of(markers: Markers) -> Array:
    """(T, 20, 3) mm from worn markers.

    Raises:
        DataError: markers are missing; lists them.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for side, letter in (("R", "r"), ("L", "L")):
        wanted |= {side + point: tuple(n.format(U=side, l=letter) for n in names) for point, names in _SIDE.items()}
    wanted["Neck"] = (*wanted["RShoulder"], *wanted["LShoulder"])
    wanted["midHip"] = (*wanted["RHip"], *wanted["LHip"])
    lacking = sorted({name for names in wanted.values() for name in names} - set(markers.names))
    if lacking:
        raise DataError(
            f"{markers.path} has no marker {', '.join(lacking)}; it has {', '.join(markers.names)}",
            "the trials of the release have them; static trials may have others",
        )
    at = {name: markers.xyz_mm[:, i] for i, name in enumerate(markers.names)}
    return np.stack([np.mean([at[n] for n in wanted[joint]], 0) for joint in SKELETONS[SKELETON].joints], 1)


def _subjects(folder: Path) -> list[Path]:
    inner = sorted(path for path in folder.glob("subject*") if path.is_dir())
    return inner or ([folder] if (folder / "VideoData").is_dir() or (folder / "MarkerData" / "Mocap").is_dir() else [])


def _videos(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for subject in _subjects(folder):
        for path in sorted(subject.glob("VideoData/Session*/Cam*/*/*.avi")):
            session, camera, trial = path.parts[-4:-1]
            if path.stem in (trial, f"{trial}_syncdWithMocap"):  # sorted: the synchronised one comes last and stays
                found[f"{subject.name}/{session}/{camera}/{trial}"] = path
    return found

"""A model's error where the truth is known: a labelled frame set, or a clip folder with its 3D joints.

A clip folder holds `video.mp4` and `gt_joints.npz` (joints: names; xyz_cam_mm (T, J, 3); in_mocap_range (T,); uv_px
(T, J, 2) where there is 2D truth), and perhaps `camera.json`. See `datasets/prepared.py`.

Figures, in mm where no other unit is named:

    mpjpe, pa_mpjpe, pck_150, auc, …   of the pose; see `metrics`
    mpjpe_rigid                        of a clip: after one rotation for all of it
    jitter, jitter_truth               of a clip: second difference of pose and truth, mm per frame squared
    px                                 mean distance of the 2D joints, pixels of the frame (a clip) or of the crop
    pck_torso                          share of 2D joints within 0.2 torsos: the mean of its two diagonals as it is seen
    root, root_depth, root_lateral     the pelvis before the camera; only where the camera is known
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.model import Model
from runtime.service import iterate_poses
from sa3dhp_edge import metrics
from sa3dhp_edge.crop import CropCamera
from sa3dhp_edge.datasets.prepared import camera_of
from sa3dhp_edge.errors import DataError, NobodyFound
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.records import Box, Frame, Pose
from sa3dhp_edge.skeleton import JOINTS

COMMON = {
    "pelvis": "mid_hip", "right_hip": "r_hip", "right_knee": "r_knee", "right_ankle": "r_ankle", "left_hip": "l_hip",
    "left_knee": "l_knee", "left_ankle": "l_ankle", "right_shoulder": "r_shoulder", "right_elbow": "r_elbow",
    "right_wrist": "r_wrist", "left_shoulder": "l_shoulder", "left_elbow": "l_elbow", "left_wrist": "l_wrist",
}  # fmt: skip
"""Our joint -> the clip folder's name for the same place."""
_INDEX = [JOINTS.index(name) for name in COMMON]
_DIAGONALS = (("right_shoulder", "left_hip"), ("left_shoulder", "right_hip"))

Array = NDArray[np.float64]


def evaluate(*, model: str, data: Path, box: Box | None) -> Report:
    """Errors of an exported model on labelled data; see the module for the figures."""
    loaded = Model.load(model)
    if (data / "set.json").exists():
        return {"data": str(data)} | on_frame_set(loaded, FrameSet.load(data))
    return {"data": str(data)} | on_clip_folder(loaded, data, box)


def on_frame_set(model: Model, frames: FrameSet, batch: int = 64) -> Report:
    """Crops as labelled; the template is brought to each clip's mean size."""
    if frames.joints_mm is None:
        raise DataError("the frame set has no labels", "evaluate on a labelled one")
    parts = [model.estimate(pictures) for pictures in nominal_crops(frames, model.crop_px, batch)]
    plain, camera, uv = (np.concatenate([getattr(p, k) for p in parts]) for k in ("pose_mm", "camera", "joints_uv"))
    pose = metrics.at_subject_size(plain, frames.joints_mm, frames.clips())
    report = {"frames": len(frames), "found": 1.0} | metrics.summary(pose, frames.joints_mm)
    if frames.joints_uv is not None:
        half = model.crop_px / 2
        report |= in_picture(half * uv.astype(float), half * frames.joints_uv.astype(float), JOINTS)
    if frames.root_mm is not None and frames.focal_uv is not None:
        ratio = np.linalg.norm(pose, axis=(1, 2)) / np.linalg.norm(plain, axis=(1, 2))
        crops = [CropCamera(np.eye(3), np.eye(3), float(f)) for f in frames.focal_uv]
        root = np.stack([c.root_mm(w, float(r)) for c, w, r in zip(crops, camera, ratio, strict=True)])
        report |= of_root(root, frames.root_mm.astype(float))
    return report


def nominal_crops(frames: FrameSet, crop_px: int, batch: int = 64) -> list[NDArray[np.uint8]]:
    """What a model with crops of that side sees of a frame set's pictures, batch by batch.

    Raises:
        DataError: a frame set cut for other crops.
    """
    if frames.crop_px != crop_px:
        raise DataError(
            f"the frame set has crops of {frames.crop_px} px, the model takes {crop_px}",
            "cut or render the frame set anew with the model's crops",
        )
    return crops_of(frames.images, crop_px, batch)


def crops_of(images: NDArray[np.uint8], crop_px: int, batch: int = 64) -> list[NDArray[np.uint8]]:
    """The nominal crops within stored pictures (N, P, P, 3), batch by batch."""
    inner = slice(rim := (picture_px(crop_px) - crop_px) // 2, rim + crop_px)
    return [np.ascontiguousarray(images[n : n + batch, inner, inner]) for n in range(0, len(images), batch)]


@dataclass(frozen=True)
class ClipTruth:
    """What a clip folder knows of its T frames, on the joints `COMMON`.

    Attributes:
        joints_mm: (T, 13, 3) in the camera frame.
        scored: (T,) which frames have truth.
        joints_px: (T, 13, 2) in the frame, or None.
        camera: None where nothing tells of it.
    """

    joints_mm: Array
    scored: NDArray[np.bool_]
    joints_px: Array | None
    camera: Intrinsics | None


def on_clip_folder(model: Model, clip: Path, box: Box | None) -> Report:
    """The whole runtime over the clip's video, with the clip's camera where it is known.

    A frame without a pose takes the nearest one in time, so silence earns nothing.
    """
    truth = clip_truth(clip)
    found = by_frame(iterate_poses(model, clip / "video.mp4", box=box, intrinsics=truth.camera), len(truth.scored))
    if not any(found):
        raise NobodyFound(f"nobody was found in {clip / 'video.mp4'}", "give --box x0,y0,x1,y1")
    poses = common_joints_mm(found)
    report = clip_figures(poses, truth.joints_mm, truth.scored)
    nearest = [found[n] for n in _nearest(poses)[truth.scored]]
    if truth.joints_px is not None:
        px = np.stack([p.joints_px[_INDEX] for p in nearest if p is not None]).astype(float)
        report |= in_picture(px, truth.joints_px[truth.scored], tuple(COMMON))
    roots = [p.root_mm for p in nearest if p is not None and p.root_mm is not None]
    if len(roots) == len(nearest):
        report |= of_root(np.stack(roots).astype(float), truth.joints_mm[truth.scored, 0])
    return report


def by_frame(seen: Iterable[tuple[Frame, Sequence[Pose]]], frames: int) -> list[Pose | None]:
    """The first person's poses in the first so many frames of an input, None where there is nobody."""
    found: list[Pose | None] = [None] * frames
    for frame, poses in seen:
        if frame.index < frames:
            found[frame.index] = next(iter(poses), None)
    return found


def common_joints_mm(found: Sequence[Pose | None]) -> Array:
    """(T, 13, 3) mm on the joints `COMMON`, NaN where there is nobody."""
    nobody = np.full((len(JOINTS), 3), np.nan)
    return np.stack([nobody if pose is None else pose.joints_mm for pose in found])[:, _INDEX].astype(np.float64)


def clip_figures(poses_mm: Array, truth_mm: Array, scored: NDArray[np.bool_]) -> Report:
    """Figures of the 3D poses of a clip.

    Args:
        poses_mm: (T, 13, 3), NaN in frames without a pose, of which there is at least one.
        truth_mm: (T, 13, 3).
        scored: (T,) which frames have truth.
    """
    filled, truth = poses_mm[_nearest(poses_mm)][scored], truth_mm[scored]
    good = np.isfinite(poses_mm).all((1, 2)) & scored
    return {
        "frames": int(scored.sum()),
        "found": float(good.sum() / scored.sum()),
        "mpjpe": float(metrics.mpjpe(filled, truth).mean()),
        "mpjpe_rigid": metrics.mpjpe_rigid(filled, truth),
        "pa_mpjpe": float(metrics.pa_mpjpe(filled, truth).mean()),
        "pck_150": metrics.pck(filled, truth),
        "auc": metrics.auc(filled, truth),
        "jitter": metrics.jitter(poses_mm, good),
        "jitter_truth": metrics.jitter(truth_mm, good),
    }


def in_picture(joints: Array, truth: Array, names: tuple[str, ...]) -> Report:
    """Figures of 2D joints (N, J, 2) px; joints without truth are left out."""
    ends = [[names.index(name) for name in pair] for pair in _DIAGONALS]
    torso = np.mean([np.linalg.norm(truth[:, a] - truth[:, b], axis=-1) for a, b in ends], 0)
    return {
        "px": float(np.nanmean(np.linalg.norm(joints - truth, axis=-1))),
        "pck_torso": metrics.pck_torso(joints, truth, torso),
    }


def of_root(root_mm: Array, truth_mm: Array) -> Report:
    """Figures of pelvises (N, 3) mm before the camera: mean distance, and along and across the optical axis."""
    off = root_mm - truth_mm
    return {
        "root": float(np.linalg.norm(off, axis=-1).mean()),
        "root_depth": float(np.abs(off[:, 2]).mean()),
        "root_lateral": float(np.linalg.norm(off[:, :2], axis=-1).mean()),
    }


def _nearest(poses_mm: Array) -> NDArray[np.intp]:
    """(T,) the frame with a pose nearest in time to each."""
    have = np.flatnonzero(np.isfinite(poses_mm).all((1, 2)))
    return np.asarray(have[np.abs(np.arange(len(poses_mm))[:, None] - have).argmin(1)])


def clip_truth(clip: Path) -> ClipTruth:
    """Read a clip folder's truth.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = clip / "gt_joints.npz"
    try:
        with path.open("rb") as file, np.load(file) as data:
            names = [str(n) for n in data["joints"]]
            index = [names.index(name) for name in COMMON.values()]
            truth, scored = data["xyz_cam_mm"][:, index].astype(float), data["in_mocap_range"].astype(bool)
            px = data["uv_px"][:, index].astype(float) if "uv_px" in data else None
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as e:
        raise DataError(
            f"{clip} is neither a labelled frame set nor a clip with its truth: {e}",
            "a frame set holds set.json; a clip folder holds video.mp4 and gt_joints.npz",
        ) from e
    if truth.shape != (len(scored), len(COMMON), 3) or not scored.any():
        raise DataError(f"{path} has no frame with truth, or joints of shape {truth.shape}", "measure the clip again")
    if px is not None and px.shape != (*truth.shape[:2], 2):
        raise DataError(f"{path} has uv_px of shape {px.shape} for joints of {truth.shape}", "measure the clip again")
    camera = None
    if px is not None or (clip / "camera.json").is_file():
        there = np.where(scored[:, None, None], truth, np.nan).astype(np.float32)
        camera, _ = camera_of(clip, there, None if px is None else px.astype(np.float32))
    return ClipTruth(truth, scored, px, camera)

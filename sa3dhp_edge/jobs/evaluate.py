"""A model's error in mm where the truth is known: a labelled frame set, or a clip folder with its 3D joints.

A clip folder holds `video.mp4` and `gt_joints.npz` (joints: names; xyz_cam_mm (T, J, 3); in_mocap_range (T,)).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.model import Model
from runtime.service import iterate_poses
from sa3dhp_edge import metrics
from sa3dhp_edge.errors import DataError, NobodyFound
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.records import Box
from sa3dhp_edge.skeleton import JOINTS

COMMON = {
    "pelvis": "mid_hip", "right_hip": "r_hip", "right_knee": "r_knee", "right_ankle": "r_ankle", "left_hip": "l_hip",
    "left_knee": "l_knee", "left_ankle": "l_ankle", "right_shoulder": "r_shoulder", "right_elbow": "r_elbow",
    "right_wrist": "r_wrist", "left_shoulder": "l_shoulder", "left_elbow": "l_elbow", "left_wrist": "l_wrist",
}  # fmt: skip
"""Our joint -> the clip folder's name for the same place."""


def evaluate(*, model: str, data: Path, box: Box | None) -> Report:
    """Errors of an exported model on labelled data; every figure in mm, shares where named so."""
    loaded = Model.load(model)
    if (data / "set.json").exists():
        return {"data": str(data)} | on_frame_set(loaded, FrameSet.load(data))
    return {"data": str(data)} | on_clip_folder(loaded, data, box)


def on_frame_set(model: Model, frames: FrameSet, batch: int = 64) -> Report:
    """Crops as labelled; the template is brought to each clip's mean size."""
    if frames.joints_mm is None:
        raise DataError("the frame set has no labels", "evaluate on a labelled one")
    if frames.crop_px != model.crop_px:
        raise DataError(
            f"the frame set has crops of {frames.crop_px} px, the model takes {model.crop_px}",
            "cut or render the frame set anew with the model's crops",
        )
    rim = (picture_px(frames.crop_px) - frames.crop_px) // 2
    parts = []
    for start in range(0, len(frames), batch):
        pictures = frames.images[start : start + batch, rim : rim + model.crop_px, rim : rim + model.crop_px]
        parts.append(model.estimate(np.ascontiguousarray(pictures)).pose_mm)
    pose = np.concatenate(parts)
    pose = metrics.at_subject_size(pose, frames.joints_mm, frames.clips())
    return {"frames": len(frames), "found": 1.0} | metrics.summary(pose, frames.joints_mm)


def on_clip_folder(model: Model, clip: Path, box: Box | None) -> Report:
    """The whole runtime over the clip's video; a frame without a pose takes the nearest one in time."""
    truth, scored = _truth(clip)
    poses = np.full((len(truth), len(COMMON), 3), np.nan)
    index = [JOINTS.index(name) for name in COMMON]
    for frame, pose in iterate_poses(model, clip / "video.mp4", box=box):
        if pose is not None and frame.index < len(poses):
            poses[frame.index] = pose.joints_mm[index]
    found = np.isfinite(poses).all((1, 2))
    if not found.any():
        raise NobodyFound(f"nobody was found in {clip / 'video.mp4'}", "give --box x0,y0,x1,y1")
    have = np.flatnonzero(found)
    filled = poses[have[np.abs(np.arange(len(poses))[:, None] - have).argmin(1)]][scored]
    return {
        "frames": int(scored.sum()),
        "found": float((found & scored).sum() / scored.sum()),
        "mpjpe": float(metrics.mpjpe(filled, truth[scored]).mean()),
        "pa_mpjpe": float(metrics.pa_mpjpe(filled, truth[scored]).mean()),
        "pck_150": metrics.pck(filled, truth[scored]),
        "auc": metrics.auc(filled, truth[scored]),
    }


def _truth(clip: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(T, 13, 3) mm in the camera frame, and which frames have truth."""
    path = clip / "gt_joints.npz"
    try:
        with path.open("rb") as file, np.load(file) as data:
            names = [str(n) for n in data["joints"]]
            index = [names.index(name) for name in COMMON.values()]
            truth, scored = data["xyz_cam_mm"][:, index].astype(float), data["in_mocap_range"].astype(bool)
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as e:
        raise DataError(
            f"{clip} is neither a labelled frame set nor a clip with its truth: {e}",
            "a frame set holds set.json; a clip folder holds video.mp4 and gt_joints.npz",
        ) from e
    if truth.shape != (len(scored), len(COMMON), 3) or not scored.any():
        raise DataError(f"{path} has no frame with truth, or joints of shape {truth.shape}", "measure the clip again")
    return truth, scored

"""Real clips with 3D truth as crops to be scored: the same crops for every network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.lens import Lens
from sa3dhp_edge import metrics
from sa3dhp_edge.crop import CropCamera, square_box
from sa3dhp_edge.datasets.mapping import to_project
from sa3dhp_edge.datasets.prepared import READER
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import picture_px
from sa3dhp_edge.geometry import project
from sa3dhp_edge.jobs.evaluate import COMMON
from sa3dhp_edge.jobs.take_clips import cut_straight
from sa3dhp_edge.skeleton import JOINTS, PARENTS

HEAD_SHARE = 0.16
"""How far the crown is above the highest joint of a truth without heads, over the height of that truth's box."""
SCORED = tuple(JOINTS.index(name) for name in COMMON)
_LIMBS = [(SCORED.index(PARENTS[j]), n) for n, j in enumerate(SCORED) if PARENTS[j] > 0 and PARENTS[j] in SCORED]
"""Thighs, shins, upper arms and forearms, by their ends in `SCORED`."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ScoredClip:
    """Some frames of a clip.

    Attributes:
        name: of the clip within its folder.
        images: (N, P, P, 3) uint8 RGB, as a frame set has them.
        truth_mm: (N, 13, 3) mm, camera frame: the joints `SCORED`.
        truth_uv: (N, 13, 2) the same joints in crop coordinates.
        rot_camera_to_crop: (N, 3, 3).
    """

    name: str
    images: NDArray[np.uint8]
    truth_mm: Array
    truth_uv: Array
    rot_camera_to_crop: Array

    def pa_mpjpe(self, pose_mm: Array) -> float:
        """Mean PA-MPJPE of poses (N, 17, 3), of any scale, over the clip's 13 joints."""
        return float(metrics.pa_mpjpe(pose_mm[:, list(SCORED)], self.truth_mm).mean())

    def placed(self, pose_mm: Array) -> Array:
        """The clip's joints (N, 13, 3) of poses (N, 17, 3) in the frames of their crops, to be compared with the truth.

        Poses are turned into the camera's frame and brought to the person's size: the mean length of the limbs over
        the clip, never that of the frame.
        """
        pose = pose_mm[:, list(SCORED)] @ self.rot_camera_to_crop
        return np.asarray(pose * (_limbs_mm(self.truth_mm) / _limbs_mm(pose)))

    def figures(self, pose_mm: Array) -> dict[str, float]:
        """Errors in mm and shares of poses (N, 17, 3) in the frames of their crops, on the clip's 13 joints.

        Bones to neck, head and feet have no truth, so there is no figure with the true bones.
        """
        pose = self.placed(pose_mm)
        return {
            "mpjpe": float(metrics.mpjpe(pose, self.truth_mm).mean()),
            "pa_mpjpe": float(metrics.pa_mpjpe(pose, self.truth_mm).mean()),
            "pck_150": metrics.pck(pose, self.truth_mm),
            "auc": metrics.auc(pose, self.truth_mm),
        }

    def uv_error(self, joints_uv: Array) -> float:
        """Mean distance in the picture of joints (N, 17, 2) uv from the clip's 13."""
        return float(np.linalg.norm(joints_uv[:, list(SCORED)] - self.truth_uv, axis=-1).mean())


def scored_clips(folder: Path, crop_px: int, most_frames: int) -> tuple[ScoredClip, ...]:
    """The prepared clips of a folder, each by at most so many evenly spaced frames that have truth.

    Raises:
        DataError: there is no clip, or one is damaged or has no frame with truth.
    """
    inventory = READER.inventory(folder)
    if inventory.missing:
        raise DataError(f"{folder} lacks {', '.join(inventory.missing)}", "copy the clips again")
    return tuple(_scored(folder, name, crop_px, most_frames) for name in inventory.takes)


def _scored(folder: Path, name: str, crop_px: int, most_frames: int) -> ScoredClip:
    take = READER.read(folder, name)
    assert take.camera is not None
    assert take.pictures is not None
    pose = to_project(take, allow_lossy=True)
    assert pose.joints_mm is not None
    whole = np.flatnonzero(np.isfinite(pose.joints_mm[:, pose.known]).all((1, 2)))
    if not len(whole):
        raise DataError(f"{folder / name} has no frame in which all joints are known", "prepare the clip again")
    rows = whole[np.unique(np.linspace(0, len(whole) - 1, min(most_frames, len(whole))).round().astype(int))]
    lens, side = Lens(take.camera), picture_px(crop_px)
    images, uv = np.empty((len(rows), side, side, 3), np.uint8), np.empty((len(rows), len(SCORED), 2), np.float32)
    turns = np.empty((len(rows), 3, 3), np.float32)
    matrix, scored = take.camera.matrix(), pose.joints_mm[rows][:, list(SCORED)]
    headless = not pose.known[JOINTS.index("head_top")]
    for n, frame in enumerate(take.pictures.read(take.frames[rows].tolist())):
        px = project(pose.joints_mm[rows[n]][pose.known].astype(np.float64), matrix)
        crop = CropCamera.looking_at(square_box(with_head(px) if headless else px), take.camera)
        images[n] = cut_straight(frame, lens, crop, side)
        uv[n] = crop.px_to_uv(project(scored[n].astype(np.float64), matrix))
        turns[n] = crop.rot_camera_to_crop
    return ScoredClip(name, images, scored, uv, turns)


def _limbs_mm(joints_mm: Array) -> float:
    """Mean length of a limb over all frames of joints (N, 13, 3)."""
    ends = [[pair[side] for pair in _LIMBS] for side in (0, 1)]
    return float(np.linalg.norm(joints_mm[:, ends[1]] - joints_mm[:, ends[0]], axis=-1).mean())


def with_head(joints_px: NDArray[np.floating]) -> NDArray[np.floating]:
    """Joints (J, 2) px of somebody upright without a head, and a point (J + 1, 2) about where the crown is."""
    low, high = joints_px.min(0), joints_px.max(0)
    crown = [(low[0] + high[0]) / 2, low[1] - HEAD_SHARE * (high[1] - low[1])]
    return np.concatenate([joints_px, [crown]])

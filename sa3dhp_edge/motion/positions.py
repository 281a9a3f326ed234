"""Joint positions at any rate, of any person, turned into the directions and the rate of a motion set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.motion_set import MOTION_HZ, MotionSet
from sa3dhp_edge.skeleton import BONES, JOINTS, TEMPLATE_BONE_MM, bone_directions, bone_lengths_mm, to_template

Array = NDArray[np.float64]

_LEG = [BONES.index(name) for name in ("right_knee", "right_ankle", "left_knee", "left_ankle")]


def motion_of_positions(positions_mm: NDArray[np.floating], hz: float, name: str, hint: str = "") -> MotionSet:
    """One sequence at 60 Hz; the root is brought to the leg length of the template.

    Args:
        positions_mm: (T, 17, 3) mm in the world frame, pelvis midway between the hips; two frames or more.
        hz: their rate.
        name: of the sequence, for messages too.
        hint: what to do where a bone has no length.

    Raises:
        DataError: fewer than two frames, a joint that is not known, or a bone without length.
    """
    if len(positions_mm) < 2:
        raise DataError(f"{name} has {len(positions_mm)} frames, a motion has two or more", "leave this file out")
    unknown = ~np.isfinite(positions_mm).all((0, 2))
    if unknown.any():
        names = ", ".join(JOINTS[i] for i in np.flatnonzero(unknown))
        raise DataError(f"{name}: {names} are not known in every frame", "leave this file out")
    pose = _resample(np.asarray(positions_mm, np.float64), hz).astype(np.float32)
    lengths = bone_lengths_mm(pose)
    if (lengths < 1).any():
        names = ", ".join(BONES[i] for i in np.flatnonzero((lengths < 1).any(0)))
        raise DataError(f"{name}: no length in the bone to {names}", hint)
    scale = TEMPLATE_BONE_MM[_LEG].sum() / lengths[:, _LEG].sum(-1).mean()
    directions = bone_directions(to_template(pose))
    return MotionSet(directions, pose[:, 0] * scale, np.zeros(len(pose), np.int32), MOTION_HZ, (name,))


def _resample(pose: Array, from_hz: float) -> Array:
    """Linear interpolation of (T, ...) to the motion rate; first frame kept."""
    count = int((len(pose) - 1) / from_hz * MOTION_HZ + 1e-2) + 1  # frame times are rounded in files
    at = np.minimum(np.arange(count) * from_hz / MOTION_HZ, len(pose) - 1)
    before = np.minimum(at.astype(int), len(pose) - 2)
    share = (at - before).reshape(-1, *([1] * (pose.ndim - 1)))
    return np.asarray(pose[before] * (1 - share) + pose[before + 1] * share)

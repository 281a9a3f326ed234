"""A take in the project's 17 joints, and how its bones compare with the template's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.record import Take
from sa3dhp_edge.datasets.skeleton_maps import map_of
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.skeleton import BONES, PARENTS, TEMPLATE_BONE_MM, J

Array = NDArray[np.float32]


class ProjectPose(NamedTuple):
    """A take in the project's joints.

    Attributes:
        joints_mm: (T, 17, 3) mm, in the take's frame, NaN where unknown; None where the take has none.
        joints_px: (T, 17, 2) pixels, or None. Joints between two others are taken in the picture.
        visible: (T, 17) bool, or None; a joint made of several is visible where all of them are.
        known: (17,) bool: joints that the skeleton gives and that some frame has.
    """

    joints_mm: Array | None
    joints_px: Array | None
    visible: NDArray[np.bool_] | None
    known: NDArray[np.bool_]


def to_project(take: Take, allow_lossy: bool = False) -> ProjectPose:
    """A take's joints as the project's 17.

    Args:
        take: with a skeleton.
        allow_lossy: accept a map that lacks joints or puts them elsewhere.

    Raises:
        DataError: the take has no joints, an unknown skeleton, or a lossy one that is not allowed.
    """
    where = f"{take.dataset} {take.name}"
    if not take.skeleton or (take.joints_mm is None and take.joints_px is None):
        raise DataError(f"{where} has no joints", "it can be used as unlabelled video")
    chosen = map_of(take.skeleton)
    if chosen.lossy and not allow_lossy:
        raise DataError(
            f"{where}: {chosen.skeleton.title}: not all 17 joints can be had: {chosen.loss}",
            "with --allow-lossy they are left out, and everything else is used",
        )
    for what, array in (("joints_mm", take.joints_mm), ("joints_px", take.joints_px), ("visible", take.visible)):
        if array is not None and array.shape[1] != len(chosen.skeleton):
            wanted = f"{len(chosen.skeleton)} of {take.skeleton}"
            raise DataError(f"{where}: {what} has {array.shape[1]} joints, not the {wanted}")
    joints_mm = None if take.joints_mm is None else chosen.apply(take.joints_mm)
    joints_px = None if take.joints_px is None else chosen.apply(take.joints_px)
    visible = None
    if take.visible is not None:
        visible = np.asarray(~chosen.touched(~take.visible) & chosen.known)
    seen = joints_mm if joints_mm is not None else joints_px
    assert seen is not None  # checked above
    known = chosen.known & (np.isfinite(seen).all(-1).any(0) if len(seen) else True)
    return ProjectPose(joints_mm, joints_px, visible, np.asarray(known))


def bone_lengths_of(joints_mm: Array) -> tuple[Array, Array]:
    """Mean and spread of the 16 bones over a take: (16,) mm each, NaN where a bone was never seen.

    Args:
        joints_mm: (T, 17, 3) mm, NaN where unknown.
    """
    lengths = np.linalg.norm(_differences(joints_mm), axis=-1)
    mean, spread = np.full(len(BONES), np.nan, np.float32), np.full(len(BONES), np.nan, np.float32)
    seen = np.isfinite(lengths).any(0)
    mean[seen], spread[seen] = np.nanmean(lengths[:, seen], 0), np.nanstd(lengths[:, seen], 0)
    return mean, spread


def template_offsets_mm(lengths_mm: Array) -> Array:
    """(17,) mm: difference of every joint's bone from the template's, at the template's size; NaN where unknown.

    The size is the one that fits all known bones best in the sense of least squares. A person's own proportions are in
    the difference, so that 20 to 30 mm of it say nothing about the joint.

    Args:
        lengths_mm: (16,) mm, NaN where unknown.
    """
    there = np.isfinite(lengths_mm)
    offsets = np.full(J, np.nan, np.float32)
    offsets[0] = 0
    if there.any() and (lengths_mm[there] > 0).any():
        mine, template = lengths_mm[there], TEMPLATE_BONE_MM[there]
        size = float((mine * template).sum() / (mine * mine).sum())
        offsets[1:][there] = np.abs(mine * size - template)
    return offsets


def _differences(joints_mm: Array) -> Array:
    """(..., 16, 3) mm, NaN where an end is unknown; a plain product would spread one NaN over all bones."""
    parents = np.array(PARENTS[1:])
    return np.asarray(joints_mm[..., 1:, :] - joints_mm[..., parents, :], np.float32)

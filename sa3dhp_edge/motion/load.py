"""The unpaired motion a training run learns from."""

from __future__ import annotations

from pathlib import Path

from sa3dhp_edge.motion.bvh import read_bvh_folder
from sa3dhp_edge.motion.motion_set import MotionSet, concatenate
from sa3dhp_edge.motion.procedural import procedural_motion


def unpaired_motion(poses_folder: Path | None, procedural_seconds: float, seed: int) -> MotionSet:
    """Motion capture where there is some, with made-up motion for what it lacks; else made-up motion only.

    Args:
        poses_folder: folder of *.bvh files in the CMU unit, or None; `datasets.motion` reads more than these.
        procedural_seconds: length of the made-up part; 0 leaves it out when there is motion capture.
        seed: of the made-up part.
    """
    return with_made_up(None if poses_folder is None else read_bvh_folder(poses_folder), procedural_seconds, seed)


def with_made_up(captured: MotionSet | None, procedural_seconds: float, seed: int) -> MotionSet:
    """Captured motion, if there is any, and made-up motion behind it."""
    if captured is None:
        return procedural_motion(procedural_seconds, seed)
    if procedural_seconds == 0:
        return captured
    return concatenate([captured, procedural_motion(procedural_seconds, seed)])

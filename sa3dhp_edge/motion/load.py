"""The unpaired motion a training run learns from."""

from __future__ import annotations

from pathlib import Path

from sa3dhp_edge.motion.bvh import read_bvh_folder
from sa3dhp_edge.motion.motion_set import MotionSet, concatenate
from sa3dhp_edge.motion.procedural import procedural_motion


def unpaired_motion(poses_folder: Path | None, procedural_seconds: float, seed: int) -> MotionSet:
    """Motion capture where there is some, with made-up motion for what it lacks; else made-up motion only.

    Args:
        poses_folder: folder of *.bvh files in the CMU unit, or None.
        procedural_seconds: length of the made-up part; 0 leaves it out when there is motion capture.
        seed: of the made-up part.
    """
    if poses_folder is None:
        return procedural_motion(procedural_seconds, seed)
    captured = read_bvh_folder(poses_folder)
    if procedural_seconds == 0:
        return captured
    return concatenate([captured, procedural_motion(procedural_seconds, seed)])

"""Motion without pictures, from data sets of motion capture to the one format that training reads."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sa3dhp_edge.datasets import amass, cmu
from sa3dhp_edge.datasets.mapping import to_project
from sa3dhp_edge.datasets.record import Reader, Take
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.bvh import pose_of_file
from sa3dhp_edge.motion.load import with_made_up
from sa3dhp_edge.motion.motion_set import MotionSet, concatenate
from sa3dhp_edge.motion.positions import motion_of_positions

log = logging.getLogger(__name__)


def unpaired_motion(poses_folder: Path | None, procedural_seconds: float, seed: int) -> MotionSet:
    """Motion capture where there is some, with made-up motion for what it lacks; else made-up motion only.

    Args:
        poses_folder: AMASS, CMU's ASF/AMC, or *.bvh files in the CMU unit; None for no motion capture.
        procedural_seconds: length of the made-up part; 0 leaves it out when there is motion capture.
        seed: of the made-up part.

    Raises:
        DataError: the folder holds none of these, or a file is damaged.
    """
    return with_made_up(None if poses_folder is None else captured_motion(poses_folder), procedural_seconds, seed)


def captured_motion(folder: Path) -> MotionSet:
    """All motion capture of a folder, one sequence per file, at 60 Hz.

    Raises:
        DataError: there is none, or a file is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", "name the folder that holds the motion capture")
    if amass.READER.recognises(folder):
        return _all_of(amass.READER, folder)
    if any(folder.glob("**/*.amc")):
        return _all_of(cmu.READER, folder)
    return _bvh_folder(folder)


def motion_of(takes: Iterable[Take]) -> MotionSet:
    """Takes without a camera as a motion set, each resampled to 60 Hz and brought to the template's size.

    Raises:
        DataError: a take is seen by a camera, has no joints, or lacks some of the project's 17.
    """
    parts = []
    told: Counter[str] = Counter()
    for take in takes:
        where = f"{take.dataset} {take.name}"
        if take.camera is not None or take.pictures is not None:
            raise DataError(f"{where} is seen by a camera: it has no level world frame", "use motion capture")
        joints_mm = to_project(take, allow_lossy=True).joints_mm
        if joints_mm is None:
            raise DataError(f"{where} has no joints in 3D", "use motion capture")
        parts.append(replace(motion_of_positions(joints_mm, take.fps, where), names=(take.name,)))
        told.update(take.notes)
    _tell(told)
    return concatenate(parts)


def _all_of(reader: Reader, folder: Path) -> MotionSet:
    inventory = reader.inventory(folder)
    if not inventory.takes:
        raise DataError(f"{folder}: no take of {reader.title} can be read: {'; '.join(inventory.missing[:3])}")
    _tell(Counter(f"{reader.title}: missing {line}" for line in inventory.missing[:10]))
    return motion_of(reader.read(folder, name) for name in inventory.takes)


def _bvh_folder(folder: Path) -> MotionSet:
    """All *.bvh files of a folder, with the flaws of CMU's conversions mended where they can be."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".bvh")
    if not paths:
        raise DataError(
            f"{folder} has no motion capture: no *.bvh in it, no *.amc and no *_poses.npz below it",
            "name the folder that holds the files",
        )
    parts = []
    told: Counter[str] = Counter()
    for path in paths:
        file, notes = cmu.repaired(path)
        told.update(notes)
        motion = motion_of_positions(
            pose_of_file(file, path), file.hz, str(path), "repair the OFFSET lines of these joints"
        )
        parts.append(replace(motion, names=(path.stem,)))
    _tell(told)
    return concatenate(parts)


def _tell(notes: Counter[str]) -> None:
    for note, count in notes.items():
        log.warning("%s%s", note, f" ({count} files)" if count > 1 else "")

"""CSV: one row per frame and person, units in the column names."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from runtime.outputs.reading import numbered_records
from runtime.outputs.tables import poses_in, world_of
from sa3dhp_edge.atomic import publish_file
from sa3dhp_edge.skeleton import JOINTS

COLUMNS = (
    *("frame", "time_s", "track", "confidence", "root_x_mm", "root_y_mm", "root_z_mm"),
    *(f"{joint}_{axis}_mm" for joint in JOINTS for axis in "xyz"),
    *(f"{joint}_{axis}_px" for joint in JOINTS for axis in "xy"),
    *(f"{joint}_confidence" for joint in JOINTS),
)
WORLD_COLUMNS = tuple(f"{joint}_{axis}_world_mm" for joint in JOINTS for axis in "xyz")
"""Behind the others, where the recording has a world."""


def write_csv(recording: Path, path: Path) -> None:
    """All persons of a recording; `root_*` and `*_confidence` are empty where unknown, a frame with nobody has no row.

    Raises:
        DataError, OutputError: a damaged recording; a disk that refuses.
    """
    world = world_of(recording, next(numbered_records(recording))[1])
    with publish_file(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS if world is None else (*COLUMNS, *WORLD_COLUMNS))
        for _, frame, time_s, pose in poses_in(recording):
            if pose is not None:
                root = pose["root_mm"] or ("", "", "")
                joints = [v for name in ("joints_mm", "joints_px") for point in pose[name] for v in point]
                joints += pose.get("joint_confidence") or [""] * len(JOINTS)
                if world is not None:
                    place = None if pose["root_mm"] is None else np.array(pose["root_mm"])
                    joints += world.joints_mm(np.array(pose["joints_mm"]), place).round(2).ravel().tolist()
                rows.writerow((frame, time_s, pose["track"], pose["confidence"], *root, *joints))

"""A recording as tables on disk: its frames, and each person's poses; however long it is, little is in memory."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from runtime.outputs.reading import numbered_records
from runtime.world import World
from sa3dhp_edge.errors import DataError, InputError
from sa3dhp_edge.skeleton import JOINTS, J

log = logging.getLogger(__name__)

FRAME = np.dtype([("frame", "<i8"), ("time_s", "<f8")])
ROW = np.dtype(
    [
        ("order", "<i8"),  # of its frame among those of the recording: neighbours were looked at one after the other
        ("frame", "<i8"),
        ("time_s", "<f8"),
        ("confidence", "<f4"),
        ("joints_mm", "<f4", (J, 3)),
        ("root_mm", "<f4", (3,)),  # NaN where unknown
        ("joints_px", "<f4", (J, 2)),
        ("joint_confidence", "<f4", (J,)),  # NaN where unknown
    ]
)
_AT_ONCE = 1024
"""So many rows are collected before they go to disk."""

Table = NDArray[np.void]


@final
class Tracks(Mapping[int, Table]):
    """Person -> (N,) of ROW; each is mapped when it is asked for, since a mapped file takes one of the open files."""

    def __init__(self, folder: Path, tracks: tuple[int, ...]) -> None:
        self._files = {track: folder / f"{track}.rows" for track in tracks}

    def __getitem__(self, track: int) -> Table:
        return _mapped(self._files[track], ROW)

    def __iter__(self) -> Iterator[int]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True)
class Tables:
    """A recording.

    Attributes:
        fps: the header's.
        frames: (F,) of FRAME, in the recording's order.
        tracks: person -> (N,) of ROW, in order; persons as they appeared.
        world: the header's, or None.
    """

    fps: float
    frames: Table
    tracks: Tracks
    world: World | None = None


def poses_in(path: Path) -> Iterator[tuple[int, int, float, dict[str, Any] | None]]:
    """Order of the frame, its number, its time in seconds, and a person's checked record or None; headers are checked.

    A frame whose time does not go on is left out, which is logged; so is a last line that is cut off.

    Raises:
        DataError: a damaged record, named by its line.
    """
    order, last, stale = -1, (-1, -np.inf), 0
    for number, record in numbered_records(path, forgive_cut_end=True):
        if record["record"] == "header":
            if record.get("joints") != list(JOINTS) or not _positive(record.get("fps")):
                raise DataError(f"{path}, line {number}: a header of another skeleton, or without a frame rate")
            continue
        pose = record if record["record"] == "pose" else None
        try:
            if not _sound(record):
                raise ValueError
            now = (record["frame"], float(record["time_s"]))
        except (KeyError, TypeError, ValueError, OverflowError) as e:
            raise DataError(
                f"{path}, line {number}: no record of this schema", "`sa3dhp-edge schema` describes it"
            ) from e
        if now != last:
            if now[1] <= last[1]:
                stale += 1
                continue
            order, last = order + 1, now
        yield order, *now, pose
    if stale:
        log.warning("%s: %d records whose time does not go on are left out", path, stale)


def load_tables(path: Path, folder: Path) -> Tables:
    """The recording's tables, laid into an empty folder that must stay while they are used.

    Raises:
        DataError: a damaged recording.
        OSError: the disk refuses.
    """
    _, first = next(numbered_records(path))
    waiting: dict[int, list[tuple[Any, ...]]] = {}
    seen: dict[int, int] = {}  # track -> order of its newest frame
    frames: list[tuple[int, float]] = []
    count, newest = 0, -1
    for order, frame, time_s, pose in poses_in(path):
        if order != newest:
            frames.append((frame, time_s))
            newest = order
        if pose is not None:
            track = pose["track"]
            if seen.get(track) == order:
                raise DataError(f"{path}: frame {frame} has track {track} twice", "record it again")
            seen[track] = order
            waiting.setdefault(track, []).append(_row(order, frame, time_s, pose))
            count += 1
        if count >= _AT_ONCE or len(frames) >= _AT_ONCE:
            _flush(folder, frames, waiting)
            count = 0
    _flush(folder, frames, waiting)
    tracks = Tracks(folder, tuple(seen))
    return Tables(float(first["fps"]), _mapped(folder / "frames", FRAME), tracks, world_of(path, first))


def world_of(path: Path, header: dict[str, Any]) -> World | None:
    """The world that a recording's header names, or None.

    Raises:
        DataError: it is none.
    """
    if header.get("world") is None:
        return None
    try:
        return World.of_dict(header["world"])
    except (InputError, KeyError, TypeError, ValueError) as e:
        raise DataError(f"{path}, line 1: the world is damaged: {e}", "`sa3dhp-edge schema` describes it") from e


def positions_mm(rows: Table, in_camera_space: bool, world: World | None = None) -> NDArray[np.float64]:
    """(N, 17, 3) mm in the camera's axes: before the camera, NaN where that is unknown; or relative to the pelvis.

    With a world they are as a level camera at its origin would see them.
    """
    joints: NDArray[np.float64] = rows["joints_mm"].astype(np.float64)
    if in_camera_space:
        joints = joints + rows["root_mm"][:, None].astype(np.float64)
    return joints if world is None else world.as_level_camera(joints, in_camera_space)


def pieces_of(rows: Table, size: int = 4096) -> Iterator[Table]:
    """A table in pieces, each with the row before it where there is one."""
    for start in range(0, len(rows), size):
        yield rows[max(start - 1, 0) : start + size]


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 < value < 1e6


def _sound(record: dict[str, Any]) -> bool:
    if not (_whole(record["frame"]) and _finite(record["time_s"])):
        return False
    if record["record"] == "pose":
        return _whole(record["track"]) and _finite(record["confidence"]) and _shaped(record)
    return bool(record["record"] == "empty")


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _shaped(pose: dict[str, Any]) -> bool:
    root, sure = pose["root_mm"], pose.get("joint_confidence")
    shapes = ((pose["joints_mm"], (J, 3)), (pose["joints_px"], (J, 2)), (root, (3,)), (sure, (J,)))
    found = [(np.asarray(values, np.float64), shape) for values, shape in shapes if values is not None]
    return all(a.shape == shape and bool(np.isfinite(a).all()) for a, shape in found)


def _row(order: int, frame: int, time_s: float, pose: dict[str, Any]) -> tuple[Any, ...]:
    root = (np.nan,) * 3 if pose["root_mm"] is None else pose["root_mm"]
    sure = pose.get("joint_confidence") or (np.nan,) * J
    return order, frame, time_s, pose["confidence"], pose["joints_mm"], root, pose["joints_px"], sure


def _flush(folder: Path, frames: list[tuple[int, float]], waiting: dict[int, list[tuple[Any, ...]]]) -> None:
    with (folder / "frames").open("ab") as file:
        file.write(np.array(frames, FRAME).tobytes())
    frames.clear()
    for track, rows in waiting.items():
        table = np.zeros(len(rows), ROW)
        for i, row in enumerate(rows):
            table[i] = tuple(np.asarray(v) if isinstance(v, (list, tuple)) else v for v in row)
        with (folder / f"{track}.rows").open("ab") as file:
            file.write(table.tobytes())
    waiting.clear()


def _mapped(path: Path, dtype: np.dtype[Any]) -> Table:
    if not path.stat().st_size:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r")

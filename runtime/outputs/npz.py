"""NPZ: all of a recording as NumPy arrays over frames and persons; `numpy.load` without pickle reads it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from runtime.outputs.tables import Table, Tables, pieces_of
from runtime.world import World
from sa3dhp_edge.atomic import publish_file
from sa3dhp_edge.skeleton import JOINTS, PARENTS, J

_PERSON: dict[str, tuple[str, tuple[int, ...], Any]] = {
    "joints_mm": ("<f4", (J, 3), np.nan),
    "root_mm": ("<f4", (3,), np.nan),
    "joints_px": ("<f4", (J, 2), np.nan),
    "confidence": ("<f4", (), np.nan),
    "joint_confidence": ("<f4", (J,), np.nan),
    "track": ("<i8", (), -1),
    "present": ("|b1", (), False),
}
"""Array over frames and persons -> its type, its further axes, and what stands where nobody is."""
_IN_WORLD = {"world_joints_mm": _PERSON["joints_mm"]}
"""The same, where the recording has a world."""


def write_npz(tables: Tables, path: Path, folder: Path) -> None:
    """A recording as (F, P, ...) arrays; P is the most people there are at once.

    A person keeps a column from the first to the last frame; a column serves another one afterwards, so a recording of
    weeks in which people come and go stays as small as its crowd. `track` says who it is.

    Args:
        tables: the recording.
        path: of the file.
        folder: for arrays on their way.

    Raises:
        OutputError: the disk refuses.
    """
    columns = columns_of(tables)
    shape = (len(tables.frames), max(columns.values(), default=-1) + 1)
    with publish_file(path) as new, zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
        for name, values in _small(tables).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, values, allow_pickle=False)
        persons = _PERSON if tables.world is None else _PERSON | _IN_WORLD
        for name, (dtype, axes, nobody) in persons.items():
            part = folder / f"{name}.npy"
            _fill(part, name, (*shape, *axes), np.dtype(dtype), nobody, tables, columns)
            archive.write(part, part.name)
            part.unlink()


def columns_of(tables: Tables) -> dict[int, int]:
    """Track -> column, the first that is free for all of its time."""
    busy_until: list[int] = []
    columns = {}
    for track, rows in tables.tracks.items():  # by first appearance
        first, last = int(rows[0]["order"]), int(rows[-1]["order"])
        free = next((i for i, until in enumerate(busy_until) if until < first), None)
        if free is None:
            free = len(busy_until)
            busy_until.append(last)
        busy_until[free] = last
        columns[track] = free
    return columns


def _small(tables: Tables) -> dict[str, Any]:
    world = {} if tables.world is None else tables.world.to_dict()
    return {
        "frame": np.ascontiguousarray(tables.frames["frame"]),
        "time_s": np.ascontiguousarray(tables.frames["time_s"]),
        "fps": np.float64(tables.fps),
        "joints": np.array(JOINTS),
        "parents": np.array(PARENTS, np.int64),
    } | {name: np.array(value) for name, value in world.items() if name != "axes"}


def _fill(
    part: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    nobody: Any,
    tables: Tables,
    columns: dict[int, int],
) -> None:
    if 0 in shape:
        np.save(part, np.zeros(shape, dtype))
        return
    array = np.lib.format.open_memmap(part, "w+", dtype, shape)
    for start in range(0, len(array), 4096):
        array[start : start + 4096] = nobody
    for track, rows in tables.tracks.items():
        for piece in pieces_of(rows):
            array[piece["order"], columns[track]] = _of_person(name, track, piece, tables.world)
    array.flush()


def _of_person(name: str, track: int, piece: Table, world: World | None) -> Any:
    if world is not None and name in _IN_WORLD:
        place = piece["root_mm"][:, None]
        relative, placed = (world.joints_mm(piece["joints_mm"], root) for root in (None, place))
        return np.where(np.isfinite(place), placed, relative)
    return {"track": track, "present": True}.get(name) if name in ("track", "present") else piece[name]

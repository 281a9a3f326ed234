"""Marker tables (TRC) and joint-angle tables (MOT, STO), the text files of OpenSim and of what feeds it.

TRC: line 1 `PathFileType 4 (X/Y/Z) name`; line 2 the keys `DataRate CameraRate NumFrames NumMarkers Units OrigDataRate
OrigDataStartFrame OrigNumFrames`; line 3 their values; line 4 `Frame# Time` and each marker's name over three columns;
line 5 `X1 Y1 Z1 X2 ...`; then, in some files after an empty line, one row per frame. Columns are parted by tabs; an
empty cell is a coordinate nobody knows. MOT and STO: a header that ends with `endheader`, a line of labels of which the
first is `time`, one row per time.

Compared with the writers and readers in stanfordnmbl/opencap-core (utils.py, utilsDataman.py) and
perfanalytics/pose2sim (triangulation.py, reproj_from_trc_calib.py), and files those projects ship.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError

Array = NDArray[np.float64]

_UNIT_MM = {"mm": 1.0, "millimeters": 1.0, "cm": 10.0, "m": 1000.0, "meters": 1000.0}
_LARGEST = 1e9
"""No time, angle or coordinate is as large."""
_AGAIN = "the file is damaged or no such table: export or unpack it again"


@dataclass(frozen=True)
class Markers:
    """A TRC file.

    Attributes:
        path: of the file, for messages.
        names: of the S markers, in the file's order.
        xyz_mm: (T, S, 3) mm in the file's axes; NaN where a cell is empty.
        frame: (T,) the file's frame numbers.
        time_s: (T,) increasing.
        fps: the header's data rate.
        start_frame: the header's OrigDataStartFrame.
    """

    path: Path
    names: tuple[str, ...]
    xyz_mm: Array
    frame: NDArray[np.int64]
    time_s: Array
    fps: float
    start_frame: int

    def best_skeleton(self, family: Sequence[str]) -> tuple[str, Array]:
        """The first skeleton of a family whose joints are all among the markers, and (T, S, 3) mm in its order.

        Raises:
            DataError: there is none; lists the markers, and what each skeleton lacks.
        """
        for name in family:
            joints = SKELETONS[name].joints
            if set(joints) <= set(self.names):
                return name, self.xyz_mm[:, [self.names.index(joint) for joint in joints]]
        lacks = "; ".join(
            f"{n} lacks {', '.join(j for j in SKELETONS[n].joints if j not in self.names)}" for n in family
        )
        raise DataError(
            f"{self.path} has the markers {', '.join(self.names)}: of no known set ({lacks})",
            "rename the markers in line 4 as one of these sets has them",
        )


@dataclass(frozen=True)
class Table:
    """A MOT or STO file: (T, C) values with one label per column, `time` first."""

    labels: tuple[str, ...]
    values: Array
    in_degrees: bool


def read_trc(path: Path) -> Markers:
    """A TRC file in mm.

    Raises:
        DataError: missing, damaged, or in an unknown unit; names the file and the line.
    """
    lines = _lines(path)
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise DataError(f"{path}, line 1: expected PathFileType, found {_shown(lines[0] if lines else '')}", _AGAIN)
    header = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    missing = [key for key in ("DataRate", "NumFrames", "Units") if key not in header]
    if missing:
        raise DataError(f"{path}, lines 2 and 3: no {', '.join(missing)} in {_shown(lines[1])}", _AGAIN)
    unit = _UNIT_MM.get(header["Units"].lower())
    if unit is None:
        raise DataError(f"{path}, line 3: unit {header['Units']!r}, known are {', '.join(_UNIT_MM)}", _AGAIN)
    names = _marker_names(path, lines[3])
    rows = _rows(path, lines, 5, 2 + 3 * len(names))
    if not np.isfinite(rows[:, :2]).all() or np.any(np.diff(rows[:, 1]) <= 0):
        raise DataError(f"{path}: frame numbers or times are missing or do not increase", _AGAIN)
    rate, start = (_number(path, header.get(key, "0"), key) for key in ("DataRate", "OrigDataStartFrame"))
    if not rate > 0:
        raise DataError(f"{path}, line 3: DataRate is {header['DataRate']}, expected more than 0", _AGAIN)
    xyz = rows[:, 2:].reshape(len(rows), len(names), 3) * unit
    return Markers(path, names, xyz, rows[:, 0].astype(np.int64), rows[:, 1], rate, int(start))


def read_table(path: Path) -> Table:
    """A MOT or STO file.

    Raises:
        DataError: missing or damaged; names the file and the line.
    """
    lines = _lines(path)
    end = next((i for i, line in enumerate(lines) if line.strip().lower() == "endheader"), None)
    if end is None or end + 2 > len(lines):
        raise DataError(f"{path}: expected a header that ends with 'endheader', then labels and rows", _AGAIN)
    facts = dict(line.lower().replace(" ", "").split("=", 1) for line in lines[:end] if line.count("=") == 1)
    labels = tuple(lines[end + 1].split())
    if not labels or labels[0] != "time":
        raise DataError(
            f"{path}, line {end + 2}: expected labels from 'time' on, found {_shown(lines[end + 1])}", _AGAIN
        )
    values = _rows(path, lines, end + 2, len(labels))
    told = facts.get("nrows", str(len(values)))
    if told != str(len(values)):
        raise DataError(f"{path} has {len(values)} rows, its header says {told}", _AGAIN)
    return Table(labels, values, facts.get("indegrees") == "yes")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="latin-1").splitlines()
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror}", "unpack or download this file") from e


def _marker_names(path: Path, line: str) -> tuple[str, ...]:
    cells = line.rstrip().split("\t")
    if cells[0] != "Frame#" or len(cells) < 3:
        raise DataError(f"{path}, line 4: expected Frame#, Time and marker names, found {_shown(line)}", _AGAIN)
    names = tuple(cell.strip() for cell in cells[2:] if cell.strip())
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{path}, line 4: {', '.join(twice)} is named twice", _AGAIN)
    return names


def _rows(path: Path, lines: list[str], first: int, columns: int) -> Array:
    """(T, columns) from the lines that are not empty; an empty cell is NaN."""
    filled = [(number, line) for number, line in enumerate(lines[first:], first + 1) if line.strip()]
    table = []
    for number, line in filled:
        cells = line.split("\t") if "\t" in line else line.split()
        while len(cells) > columns and not cells[-1].strip():
            cells.pop()
        cells += [""] * (columns - len(cells) if "\t" in line and len(cells) > columns // 2 else 0)
        if len(cells) != columns:
            raise DataError(f"{path}, line {number}: {len(cells)} columns, expected {columns}", _AGAIN)
        table.append([cell.strip() or "nan" for cell in cells])
    if not table:
        raise DataError(f"{path} has no row of data", _AGAIN)
    try:
        values = np.array(table, np.float64)
        if not (np.abs(values) > _LARGEST).any():
            return values
    except ValueError:
        pass
    for (number, _), row in zip(filled, table, strict=True):
        if odd := [cell for cell in row if not _is_number(cell) or abs(float(cell)) > _LARGEST]:
            raise DataError(f"{path}, line {number}: expected numbers, found {_shown(odd[0])}", _AGAIN)
    raise DataError(f"{path} holds no numbers", _AGAIN)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, text: str, key: str) -> float:
    if not _is_number(text):
        raise DataError(f"{path}, line 3: {key} is {_shown(text)}, expected a number", _AGAIN)
    return float(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")

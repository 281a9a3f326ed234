"""Recordings read back: all records at once, or one after the other."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.outputs.header import SCHEMA
from sa3dhp_edge.errors import DataError

log = logging.getLogger(__name__)


def read_poses(path: Path) -> list[dict[str, Any]]:
    """All records of a pose file, headers among them, in their order.

    Raises:
        DataError: a missing file, another schema, or a damaged line, which is named.
    """
    return [record for _, record in numbered_records(path)]


def numbered_records(path: Path, forgive_cut_end: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and record, one after the other, in little memory.

    Args:
        path: of the recording.
        forgive_cut_end: leave out a last line that a power cut left in two, and say so.

    Raises:
        DataError: as `read_poses`.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if forgive_cut_end and number > 1 and not line.endswith("\n"):
                    log.warning("%s, line %d, the last, is cut off and left out", path, number)
                    return
                yield number, _record(path, number, line)
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{path} cannot be read: {e}", "check the path, and that it is a recording of `run`") from e
    if not number:
        raise DataError(f"{path} is empty", "a pose file begins with a header line")


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
        kind = record["record"]
    except (ValueError, KeyError, TypeError) as e:
        raise DataError(f"{path}, line {number} is damaged: {line[:60]!r}", "record it again") from e
    if (number == 1 and kind != "header") or (kind == "header" and record.get("schema") != SCHEMA):
        raise DataError(f"{path}, line {number}: expected a header of {SCHEMA}, found {line[:60]!r}")
    return record

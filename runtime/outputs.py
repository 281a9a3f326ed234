"""Poses as JSON Lines (schema sa3dhp-edge/poses/1), written so that a killed run leaves whole lines."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.errors import DataError, OutputError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import JOINTS, PARENTS

SCHEMA = "sa3dhp-edge/poses/1"
CAMERA_FRAME = "x right, y down, z forward"

log = logging.getLogger(__name__)

_O = TypeVar("_O", bound="AbstractOutput")


class AbstractOutput(ABC):
    """Takes every frame of a run; a context manager that closes it whole."""

    @abstractmethod
    def write(self, frame: Frame, pose: Pose | None, latency_ms: float) -> None:
        """One frame with its person, or with nobody."""

    @abstractmethod
    def close(self) -> None:
        """Finish the output; a second call does nothing."""

    def __enter__(self: _O) -> _O:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.close()
        except OutputError as e:
            if error is None:
                raise
            log.warning("%s", e.message)  # what ended the run is the error to show


@dataclass(frozen=True)
class Stream:
    """What the header says of the input.

    Attributes:
        source: name of the input.
        fps: frames per second.
        size_wh: of the frames, px.
        intrinsics: of the camera, guessed or calibrated.
        height_mm: of the person.
    """

    source: str
    fps: float
    size_wh: tuple[int, int]
    intrinsics: Intrinsics
    height_mm: float


@final
class PoseWriter(AbstractOutput):
    """Poses to a JSON Lines file; each line is one write, and a line that does not fit is taken back.

    Raises:
        OutputError: the file exists (unless `overwrite`), or the disk refuses.
    """

    def __init__(self, path: Path, stream: Stream, model: ModelContract, overwrite: bool = False) -> None:
        self._path, self._stream = path, stream
        if not overwrite:
            refuse_existing(path, "name another path, or replace it with --overwrite")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as e:
            raise OutputError(f"{path} cannot be written: {e.strerror}", "name another path") from e
        self.new_model(model)

    def new_model(self, model: ModelContract) -> None:
        """Say in a header that the poses below come from this model."""
        self._line(_header(self._stream, model))

    def write(self, frame: Frame, pose: Pose | None, latency_ms: float) -> None:
        if pose is None:
            self._line({"record": "empty", "frame": frame.index, "time_s": round(frame.time_s, 4)})
        else:
            self._line(_record(frame, pose, latency_ms))

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _line(self, record: dict[str, Any]) -> None:
        if self._fd is None:
            raise OutputError(f"{self._path} is closed already")
        data = (json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n").encode()
        start = os.lseek(self._fd, 0, os.SEEK_CUR)
        try:
            whole = os.write(self._fd, data) == len(data)
            reason = "the disk is full"
        except OSError as e:
            whole, reason = False, str(e.strerror)
        if not whole:
            with contextlib.suppress(OSError):  # devices cannot be cut; the message below says what happened
                os.ftruncate(self._fd, start)
                os.lseek(self._fd, start, os.SEEK_SET)
            raise OutputError(
                f"{self._path} cannot be written: {reason}; the lines so far are whole",
                "free some space or name another path",
            )


def read_poses(path: Path) -> list[dict[str, Any]]:
    """All records of a pose file, headers among them, in their order.

    Raises:
        DataError: a missing file, another schema, or a damaged line, which is named.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{path} cannot be read: {e}") from e
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            kind = record["record"]
        except (ValueError, KeyError, TypeError) as e:
            raise DataError(f"{path}, line {number} is damaged: {line[:60]!r}", "record it again") from e
        if (number == 1 and kind != "header") or (kind == "header" and record.get("schema") != SCHEMA):
            raise DataError(f"{path}, line {number}: expected a header of {SCHEMA}, found {line[:60]!r}")
        records.append(record)
    if not records:
        raise DataError(f"{path} is empty", "a pose file begins with a header line")
    return records


def _header(stream: Stream, model: ModelContract) -> dict[str, Any]:
    camera = stream.intrinsics
    return {
        "record": "header",
        "schema": SCHEMA,
        "unit": "mm",
        "camera_frame": CAMERA_FRAME,
        "root": JOINTS[0],
        "joints": list(JOINTS),
        "parents": list(PARENTS),
        "source": stream.source,
        "fps": stream.fps,
        "size_wh": list(stream.size_wh),
        "model": {"name": model.name, "sha256": model.sha256()},
        "intrinsics": {
            "focal_px": list(camera.focal_px),
            "center_px": list(camera.center_px),
            "distortion": list(camera.distortion),
            "assumed": camera.assumed,
        },
        "subject_height_mm": stream.height_mm,
    }


def _record(frame: Frame, pose: Pose, latency_ms: float) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    if pose.raw_joints_mm is not None:
        raw["raw_joints_mm"] = _rounded(pose.raw_joints_mm)
        raw["raw_root_mm"] = None if pose.raw_root_mm is None else _rounded(pose.raw_root_mm)
    return {
        "record": "pose",
        "frame": frame.index,
        "time_s": round(frame.time_s, 4),
        "track": pose.track,
        "box_xyxy_px": [round(v, 2) for v in pose.box_xyxy_px],
        "joints_mm": _rounded(pose.joints_mm),
        "root_mm": None if pose.root_mm is None else _rounded(pose.root_mm),
        "joints_px": _rounded(pose.joints_px),
        "confidence": round(pose.confidence, 4),
        "expected_error_mm": None if pose.expected_error_mm is None else round(pose.expected_error_mm, 1),
        "expected_pa_error_mm": None if pose.expected_pa_error_mm is None else round(pose.expected_pa_error_mm, 1),
        "latency_ms": round(latency_ms, 2),
    } | raw


def _rounded(array: NDArray[np.float32]) -> Any:
    return array.astype(np.float64).round(2).tolist()

"""Poses as JSON Lines (schema sa3dhp-edge/poses/1), written so that a killed run leaves whole lines."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from runtime.outputs.base import AbstractOutput
from runtime.outputs.header import Stream, header
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.records import Frame, Pose


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
        self._line(header(self._stream, model))

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        for record in frame_records(frame, poses, latency_ms):
            self._line(record)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _line(self, record: dict[str, Any]) -> None:
        if self._fd is None:
            raise OutputError(f"{self._path} is closed already")
        data = f"{as_text(record)}\n".encode()
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


def as_text(record: Mapping[str, Any]) -> str:
    """A record in one line of JSON."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def frame_records(frame: Frame, poses: Sequence[Pose], latency_ms: float) -> list[dict[str, Any]]:
    """What a recording holds of a frame: a pose for each person, or that nobody was there."""
    if not poses:
        return [{"record": "empty", "frame": frame.index, "time_s": round(frame.time_s, 4)}]
    return [pose_record(frame, pose, latency_ms) for pose in poses]


def pose_record(frame: Frame, pose: Pose, latency_ms: float) -> dict[str, Any]:
    """One person in one frame; mm and px are rounded to hundredths."""
    more: dict[str, Any] = {}
    if pose.raw_joints_mm is not None:
        more["raw_joints_mm"] = _rounded(pose.raw_joints_mm)
        more["raw_root_mm"] = None if pose.raw_root_mm is None else _rounded(pose.raw_root_mm)
    if pose.world_joints_mm is not None:
        more["world_joints_mm"] = _rounded(pose.world_joints_mm)
    if pose.joint_confidence is not None:
        more["joint_confidence"] = pose.joint_confidence.astype(np.float64).round(3).tolist()
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
    } | more


def _rounded(array: NDArray[np.float32]) -> Any:
    return array.astype(np.float64).round(2).tolist()

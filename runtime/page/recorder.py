"""Recordings that are begun and ended while the run goes on, by whoever looks at its page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import final

from runtime.outputs.apart import Apart
from runtime.outputs.base import AbstractOutput
from runtime.outputs.header import Stream
from runtime.outputs.jsonl import PoseWriter
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.errors import OutputError, Sa3dhpError
from sa3dhp_edge.records import Frame, Pose

log = logging.getLogger(__name__)

_WAIT = 300


@dataclass(frozen=True)
class RecordingNow:
    """The recording that is being made, or the last one.

    Attributes:
        active: whether frames go into it.
        path: its file; None before the first.
        frames: in it.
        error: why it ended by itself; empty where it did not.
    """

    active: bool = False
    path: Path | None = None
    frames: int = 0
    error: str = ""


@final
class Recorder(AbstractOutput):
    """Passes frames on to a recording while there is one; what goes wrong with it ends the recording and not the run.

    Args:
        folder: gets a folder for each recording, named by the time in UTC.
        stream, model: for the recording's header.
        clock: the time now; replaced in tests.
    """

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        model: ModelContract,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._folder, self._stream, self._model, self._clock = folder, stream, model, clock
        self._lock = threading.Lock()
        self._output: Apart | None = None
        self._now = RecordingNow()

    @property
    def now(self) -> RecordingNow:
        """What is recorded."""
        with self._lock:
            return self._now

    def start(self) -> RecordingNow:
        """Begin a recording; one that runs goes on.

        Raises:
            OutputError: the folder cannot be written.
        """
        with self._lock:
            if self._output is None:
                path = self._folder / self._clock().strftime("%Y%m%dT%H%M%S.%fZ") / "poses.jsonl"
                self._output = Apart(PoseWriter(path, self._stream, self._model), str(path), _WAIT)
                self._now = RecordingNow(True, path)
                log.info("recording to %s", path)
            return self._now

    def stop(self) -> RecordingNow:
        """End the recording, whole; without one nothing happens."""
        with self._lock:
            output, self._output = self._output, None
            self._now = RecordingNow(False, self._now.path, self._now.frames, self._now.error)
        if output is not None:
            self._end(output)
        return self.now

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        with self._lock:
            output = self._output
            if output is None:
                return
            try:
                output.write(frame, poses, latency_ms)
                self._now = RecordingNow(True, self._now.path, self._now.frames + 1)
                return
            except OutputError as e:
                self._output = None
                self._now = RecordingNow(False, self._now.path, self._now.frames, e.message)
                log.warning("the recording has ended: %s", e.message)
        # a dead disk is waited for elsewhere
        threading.Thread(target=self._end, args=(output,), daemon=True).start()

    def close(self) -> None:
        self.stop()

    def _end(self, output: Apart) -> None:
        try:
            output.close()
        except Sa3dhpError as e:
            with self._lock:
                self._now = RecordingNow(self._now.active, self._now.path, self._now.frames, e.message)
            log.warning("%s", e.message)

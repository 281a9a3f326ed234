"""An output in a thread of its own, so that a slow or dead disk never slows a live camera's loop."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import final

from runtime.outputs.base import AbstractOutput
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.records import Frame, Pose

log = logging.getLogger(__name__)

_Item = tuple[Frame, tuple[Pose, ...], float]


@final
class Apart(AbstractOutput):
    """Hands frames to another output through a bounded queue; a frame that finds it full is left out and counted.

    For live sources: a file can wait, and its outputs are written in the loop, so that nothing is lost.

    Args:
        output: what is written; only the thread touches it from now on.
        name: for messages.
        most: frames that may wait.
        pictures: the output wants the frames' pictures; without them waiting costs little memory.
        close_s: so long `close` waits for what is in the queue.

    Raises:
        OutputError: at the next `write` or at `close`, what went wrong in the thread; at `close`, an output that did
            not end in time.
    """

    def __init__(
        self, output: AbstractOutput, name: str, most: int, pictures: bool = False, close_s: float = 10.0
    ) -> None:
        self._output, self._name, self._pictures, self._close_s = output, name, pictures, close_s
        self._queue: queue.Queue[_Item] = queue.Queue(most)
        self._ending, self._closed = threading.Event(), False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"output {name}", daemon=True)
        self._thread.start()

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        if self._closed:
            raise OutputError(f"{self._name} is closed already")
        self._raise()
        item = (frame if self._pictures else frame.without_picture(), tuple(poses), latency_ms)
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            if not self.missed:
                log.warning("%s is too slow: frames are left out of it from frame %d on", self._name, frame.index)
            self.missed += 1

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._ending.set()
        self._thread.join(self._close_s)
        if self.missed:
            log.warning("%s lacks %d frames that it was too slow for", self._name, self.missed)
        if self._thread.is_alive():
            raise OutputError(
                f"{self._name} did not take its last {self._queue.qsize() + 1} frames in {self._close_s:g} s",
                "what was written before is whole; write to another disk",
            )
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, OutputError):
            raise error
        if error is not None:
            raise OutputError(f"{self._name} cannot be written: {error}") from error

    def _work(self) -> None:
        try:
            try:
                self._take_all()
            finally:
                self._output.close()
        except BaseException as e:  # noqa: BLE001  the loop's thread raises it
            self._error = e

    def _take_all(self) -> None:
        while True:
            ending = self._ending.is_set()  # asked before the queue: nothing comes after it
            try:
                item = self._queue.get(timeout=0.0 if ending else 0.1)
            except queue.Empty:
                if ending:
                    return
                continue
            self.busy_since_s = time.monotonic()
            self._output.write(*item)
            self.busy_since_s = None

"""The next frames of a file, read while the last ones are looked at."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from threading import Event
from typing import final

from runtime.sources import AbstractSource
from sa3dhp_edge.records import Frame

_TICK_S = 0.2
_CLOSE_S = 2.0
_MOST = 4
"""Frames that wait: some MB each."""


@final
class ReadAhead(AbstractSource):
    """Another source, read by a thread that is a few frames ahead and waits when nobody takes them; none is lost.

    Args:
        source: gives every frame; closed with this one.
    """

    def __init__(self, source: AbstractSource) -> None:
        self.name, self.fps, self.size_wh = source.name, source.fps, source.size_wh
        self._source = source
        self._queue: queue.Queue[Frame] = queue.Queue(_MOST)
        self._stop, self._turns = Event(), Event()
        self._source.pulse = lambda _: self._turns.set()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)

    def frames(self, stop: Event) -> Iterator[Frame]:
        if self._thread.ident is None:
            self._thread.start()
        while not stop.is_set() and self.state != "closed":
            ended = not self._thread.is_alive()  # asked first: what it left is still taken
            try:
                frame = self._queue.get(timeout=0.0 if ended else _TICK_S)
            except queue.Empty:
                if not ended:
                    if self._turns.is_set():  # what is read may hang, and must not be vouched for
                        self._turns.clear()
                        self._turned(False)
                    continue
                if self._failure is not None:
                    raise self._failure from None
                self.corrupt = self._source.corrupt
                return
            self.corrupt = self._source.corrupt
            self._turned(True)
            yield frame

    def close(self) -> None:
        self._stop.set()
        self.state = "closed"
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)
        self._source.close()

    def _run(self) -> None:
        try:
            for frame in self._source.frames(self._stop):
                while not self._stop.is_set():
                    try:
                        self._queue.put(frame, timeout=_TICK_S)
                        break
                    except queue.Full:
                        continue
        except Exception as e:  # noqa: BLE001 - it is told who takes the frames, whatever it is
            self._failure = e

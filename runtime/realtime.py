"""A video or pipe that behaves like a live camera: frames come at their time, and the newest wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import final

from runtime.newest import Newest
from runtime.sources import AbstractSource
from sa3dhp_edge.records import Frame

_TICK_S = 0.2
_CLOSE_S = 2.0


@final
class RealtimeSource(AbstractSource):
    """Another source, read by a thread that waits for nobody.

    Args:
        source: gives every frame; closed with this one.
        paced: its frames wait for their time stamps, as those of a file must; else they come as fast as they are
            written, and their time is that of their arrival.
    """

    live = True

    def __init__(self, source: AbstractSource, paced: bool) -> None:
        self.name, self.fps, self.size_wh = source.name, source.fps, source.size_wh
        self._source, self._paced = source, paced
        self._newest = Newest[Frame]()
        self._stop = Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="realtime", daemon=True)

    def frames(self, stop: Event) -> Iterator[Frame]:
        if self._thread.ident is None:
            self._thread.start()
        while not stop.is_set() and self.state != "closed":
            ended = not self._thread.is_alive()  # asked first: what it left is still taken
            frame = self._newest.take(0.0 if ended else _TICK_S)
            self.dropped, self.corrupt = self._newest.dropped, self._source.corrupt
            self._turned(frame is not None)
            if frame is not None:
                yield frame
            elif ended:
                if self._failure is not None:
                    raise self._failure
                return

    def close(self) -> None:
        self._stop.set()
        self.state = "closed"
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)
        self._source.close()

    def _run(self) -> None:
        try:
            start_s: float | None = None
            for frame in self._source.frames(self._stop):
                now_s = time.monotonic()
                if start_s is None:
                    start_s = now_s - (frame.time_s if self._paced else 0.0)
                if self._paced and self._stop.wait(max(start_s + frame.time_s - now_s, 0.0)):
                    return
                now_s = time.monotonic()
                time_s = frame.time_s if self._paced else now_s - start_s
                self._newest.put(replace(frame, time_s=time_s, captured_s=now_s))
        except Exception as e:  # noqa: BLE001 - it is told who takes the frames, whatever it is
            self._failure = e

"""One connection to a camera, read by a thread of its own that can be abandoned when a read does not come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol, final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.captures import Capture
from runtime.newest import Newest
from runtime.turning import Turn, as_it_is

_BAD_PICTURES = 30
"""So many pictures in a row that cannot be decoded end a connection."""
_THREAD_ERRORS = (cv2.error, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Picture:
    """What a camera gave.

    Attributes:
        image_bgr: (H, W, 3) uint8.
        number: 0, 1, 2… within the connection.
        captured_s: when it arrived, before it was decoded; monotonic clock.
        decode_ms: time spent decoding and turning it.
    """

    image_bgr: NDArray[np.uint8]
    number: int
    captured_s: float
    decode_ms: float = 0.0


class Reader(Protocol):
    """A connection as the camera sees it.

    Attributes:
        failure: why it ended by itself, in words; None while it goes on.
        fps: what the device reports; 0 before it is open.
        corrupt: pictures that could not be decoded.
    """

    @property
    def failure(self) -> str | None: ...
    @property
    def fps(self) -> float: ...
    @property
    def corrupt(self) -> int: ...
    def take(self, wait_s: float) -> Picture | None:
        """The newest picture that was not taken yet, or None after `wait_s` seconds."""

    def close(self, wait_s: float) -> bool:
        """Let go of the device; whether that was done within `wait_s` seconds."""


@final
class CameraReader:
    """Opens a capture, reads it and turns its pictures until it fails or is closed; all of that in its thread."""

    def __init__(self, open_capture: Callable[[], Capture], turn: Turn = as_it_is) -> None:
        self._open, self._turn = open_capture, turn
        self._newest = Newest[Picture]()
        self._closed = Event()
        self._ended: str | None = None
        self.fps = 0.0
        self.corrupt = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        return None if self._thread.is_alive() else self._ended or "the thread that reads it has ended"

    def take(self, wait_s: float) -> Picture | None:
        if not self._thread.is_alive():
            wait_s = 0.0
        return self._newest.take(wait_s)

    def close(self, wait_s: float) -> bool:
        self._closed.set()
        if wait_s > 0:
            self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            capture = self._open()
            try:
                self._ended = self._read(capture) if capture.isOpened() else "it cannot be opened"
            finally:
                capture.release()
        except _THREAD_ERRORS as e:
            self._ended = str(e) or type(e).__name__

    def _read(self, capture: Capture) -> str:
        """Hand over pictures; why that ended."""
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if np.isfinite(fps) else 0.0
        number = bad = 0
        while not self._closed.is_set():
            if not capture.grab():  # waits for the camera; what follows is decoding
                return "a read failed"
            captured_s, start = time.monotonic(), time.perf_counter()
            ok, image = capture.retrieve()
            if not ok or image is None:
                self.corrupt += 1
                bad += 1
                if bad >= _BAD_PICTURES:
                    return f"{bad} pictures in a row cannot be decoded"
                continue
            bad = 0
            turned = self._turn(np.asarray(image, np.uint8))
            self._newest.put(Picture(turned, number, captured_s, 1000 * (time.perf_counter() - start)))
            number += 1
        return "it was closed"

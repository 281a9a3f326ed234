"""Live cameras: a thread keeps the newest frame, older ones are dropped and counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any, Protocol, final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.sources import ASSUMED_FPS, AbstractSource
from sa3dhp_edge.errors import CameraLost, InputError
from sa3dhp_edge.records import Frame

_WAIT_S = 0.2
_REOPEN_AFTER_S = 0.5
_THREAD_ERRORS = (cv2.error, OSError, RuntimeError, ValueError)


class Capture(Protocol):
    """The part of OpenCV's VideoCapture that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, what: int) -> float: ...
    def release(self) -> None: ...


@final
class CameraSource(AbstractSource):
    """A camera or network stream; a failed read reopens it until `timeout_s` have passed without a frame.

    Args:
        address: index of a camera, /dev/videoN, or a stream's address.
        timeout_s: without a frame for so long the camera counts as lost.
        open_capture: opens the device; given in tests.

    Raises:
        InputError: the camera cannot be opened or gives no first frame.
    """

    live = True

    def __init__(
        self, address: int | str, timeout_s: float = 5.0, open_capture: Callable[[int | str], Capture] | None = None
    ) -> None:
        self.name = f"camera {address}" if isinstance(address, int) else address
        self._address, self._timeout_s = address, timeout_s
        self._open = open_capture or _open_capture
        self._new = threading.Condition()
        self._latest: Frame | None = None
        self._failure: BaseException | None = None
        self._closed = Event()
        capture = self._open(address)
        ok, image = capture.retrieve() if capture.isOpened() and capture.grab() else (False, None)
        if not ok or image is None:
            capture.release()
            raise InputError(
                f"{self.name} cannot be opened or gives no picture",
                "check that it is connected, that no other program uses it, and that you may read the device",
            )
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if np.isfinite(fps) and 1 <= fps <= 480 else ASSUMED_FPS
        self.size_wh = (image.shape[1], image.shape[0])
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._watch, args=(capture,), name="camera", daemon=True)
        self._thread.start()

    def frames(self, stop: Event) -> Iterator[Frame]:
        last, since = -1, time.monotonic()
        while not stop.is_set():
            with self._new:
                if self._latest is None:
                    self._new.wait(_WAIT_S)
                frame, self._latest = self._latest, None
            if frame is not None:
                self.dropped += frame.index - last - 1
                last = frame.index
                yield frame
                since = time.monotonic()
            elif self._failure is not None:
                raise CameraLost(f"{self.name} failed: {self._failure}", "reconnect it") from self._failure
            elif not self._thread.is_alive():
                raise CameraLost(f"{self.name}: the thread that reads it has ended", "reconnect it")
            elif time.monotonic() - since > self._timeout_s:
                raise CameraLost(f"{self.name} gave no frame for {self._timeout_s:g} s", "check the cable or network")

    def close(self) -> None:
        self._closed.set()
        self._thread.join(timeout=2.0)

    def _watch(self, capture: Capture) -> None:
        try:
            index = 0
            while not self._closed.is_set():
                ok = capture.grab()  # waits for the camera; what follows is decoding
                start = time.perf_counter()
                ok, image = capture.retrieve() if ok else (False, None)
                if not ok:
                    capture.release()
                    self._closed.wait(_REOPEN_AFTER_S)
                    capture = self._open(self._address)
                    continue
                self._hand_over(np.asarray(image, np.uint8), index, 1000 * (time.perf_counter() - start))
                index += 1
        except _THREAD_ERRORS as e:
            self._failure = e
        finally:
            capture.release()

    def _hand_over(self, image: NDArray[np.uint8], index: int, decode_ms: float) -> None:
        with self._new:
            self._latest = Frame(image, index, time.monotonic() - self._start, decode_ms)
            self._new.notify()


def _open_capture(address: int | str) -> Capture:
    capture = cv2.VideoCapture()
    if isinstance(address, str) and "://" in address:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 3000]
        capture.open(address, cv2.CAP_FFMPEG, limits)
    else:
        capture.open(address)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    made: Capture = capture
    return made

"""Frames that another program writes into a pipe: JPEG pictures or plain BGR bytes."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from threading import Event
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.mjpeg import JpegSplitter
from runtime.sources import ASSUMED_FPS, AbstractSource
from runtime.turning import Turn, as_it_is
from sa3dhp_edge.errors import CameraLost, InputError
from sa3dhp_edge.records import Frame

_TICK_S = 0.2
_FIRST_S = 30.0
"""A program in front of the pipe may take so long to start."""
_CHUNK_BYTES = 2**20
_MOST_FOREIGN_BYTES = 16 * 2**20


@final
class PipeSource(AbstractSource):
    """Every frame of a pipe, in order; frame n is shown at n / fps.

    Args:
        fd: file descriptor to read; it stays open.
        name: what the user called it.
        raw_wh: size of plain BGR frames; None for JPEG pictures.
        fps: of the frames.
        timeout_s: without a byte for so long the pipe counts as lost; None waits for ever.
        turn: done to every picture.

    Raises:
        InputError: no picture comes.
    """

    def __init__(
        self,
        fd: int,
        name: str,
        *,
        raw_wh: tuple[int, int] | None = None,
        fps: float = ASSUMED_FPS,
        timeout_s: float | None = None,
        turn: Turn = as_it_is,
    ) -> None:
        self.name, self.fps = name, fps
        self._fd, self._raw_wh, self._timeout_s, self._turn = fd, raw_wh, timeout_s, turn
        self._closed = Event()
        self._pictures = self._raw() if raw_wh is not None else self._jpegs()
        self._silence_s: float | None = _FIRST_S
        self._stop = self._closed
        try:
            first = next(self._pictures, None)
        except (OSError, ValueError) as e:
            raise InputError(f"{name} cannot be read: {e}", "name an open file descriptor or pipe") from e
        except CameraLost as e:
            raise InputError(f"{name} gives nothing for {_FIRST_S:g} s", "start the program that writes it") from e
        if first is None:
            raise InputError(
                f"{name} ends without a picture",
                "MJPEG for `--input -`, width x height x 3 bytes of BGR per frame for `--input raw:WxH@FPS`",
            )
        self._first: tuple[int, NDArray[np.uint8], float] | None = first
        self.size_wh = (first[1].shape[1], first[1].shape[0])

    def frames(self, stop: Event) -> Iterator[Frame]:
        self._stop, self._silence_s = stop, self._timeout_s
        while not stop.is_set() and not self._closed.is_set():
            taken, self._first = self._first or next(self._pictures, None), None
            if taken is None:
                return
            index, image, decode_ms = taken
            if image.shape[1::-1] != self.size_wh:
                raise InputError(
                    f"{self.name}: picture {index} is {image.shape[1]} x {image.shape[0]}, the first one is "
                    f"{self.size_wh[0]} x {self.size_wh[1]}",
                    "write pictures of one size",
                )
            self._turned(True)
            yield Frame(image, index, index / self.fps, decode_ms)

    def close(self) -> None:
        self._closed.set()

    def _jpegs(self) -> Iterator[tuple[int, NDArray[np.uint8], float]]:
        """Number, picture and milliseconds of decoding."""
        splitter, index, unread = JpegSplitter(), 0, 0
        for data in self._chunks():
            unread += len(data)
            for jpeg in splitter.feed(data):
                start, unread = time.perf_counter(), 0
                image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                self.corrupt += image is None
                if image is not None:
                    turned = self._turn(np.asarray(image, np.uint8))
                    yield index, turned, 1000 * (time.perf_counter() - start)
                index += 1
            self.corrupt += splitter.damaged
            index, splitter.damaged = index + splitter.damaged, 0
            if unread > _MOST_FOREIGN_BYTES and not splitter.waiting > 2:
                raise InputError(f"{self.name} holds no JPEG pictures", "write MJPEG: ffmpeg … -f mjpeg -")
        self.corrupt += splitter.waiting > 2  # the last one broke off

    def _raw(self) -> Iterator[tuple[int, NDArray[np.uint8], float]]:
        assert self._raw_wh is not None
        width, height = self._raw_wh
        waiting, index = bytearray(), 0
        for data in self._chunks():
            waiting += data
            while len(waiting) >= 3 * width * height:
                image = np.frombuffer(bytes(waiting[: 3 * width * height]), np.uint8).reshape(height, width, 3)
                del waiting[: image.size]
                yield index, self._turn(image), 0.0
                index += 1
        self.corrupt += bool(waiting)

    def _chunks(self) -> Iterator[bytes]:
        """Bytes as they come, until the writer ends or a stop.

        Raises:
            CameraLost: a silence longer than allowed.
        """
        heard_s = time.monotonic()
        while not self._stop.is_set() and not self._closed.is_set():
            if select.select([self._fd], [], [], _TICK_S)[0]:
                data = os.read(self._fd, _CHUNK_BYTES)
                if not data:
                    return
                yield data
                heard_s = time.monotonic()
                continue
            self._turned(False)
            if self._silence_s is not None and time.monotonic() - heard_s > self._silence_s:
                raise CameraLost(
                    f"{self.name} gave nothing for {self._silence_s:g} s", "look at the program that writes it"
                )


def stdin_fd() -> int:
    """Standard input as a file descriptor.

    Raises:
        InputError: it is a terminal or closed.
    """
    try:
        fd = sys.stdin.fileno()
        terminal = os.isatty(fd)
    except (AttributeError, OSError, ValueError) as e:
        raise InputError("standard input is closed", "ffmpeg … -f mjpeg - | sa3dhp-edge run --input -") from e
    if terminal:
        raise InputError("nothing is piped in", "ffmpeg … -f mjpeg - | sa3dhp-edge run --input -")
    return fd

"""How OpenCV opens a camera of this machine or a network stream so that little is buffered and every wait ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import cv2

_OPEN_MS, _READ_MS = 5000, 3000
"""A server that does not answer for so long is gone."""
_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_LOW_LATENCY = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
"""Packets are not gathered before they are decoded; TCP, since a lost packet smears the picture for seconds."""
_environment = threading.Lock()


class Capture(Protocol):
    """The part of OpenCV's VideoCapture that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, what: int) -> float: ...
    def release(self) -> None: ...


def open_capture(address: int | str) -> Capture:
    """A capture of a camera's index, /dev/videoN, or a stream's address; ask `isOpened` whether it worked."""
    capture = cv2.VideoCapture()
    if isinstance(address, str) and "://" in address:
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS),
            *(cv2.CAP_PROP_N_THREADS, 1),  # with more, FFmpeg decodes frames side by side and gives each one late
        ]
        with _ffmpeg_options():
            capture.open(address, cv2.CAP_FFMPEG, limits)
    else:
        capture.open(address, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    made: Capture = capture
    return made


@contextmanager
def _ffmpeg_options() -> Iterator[None]:
    """OpenCV takes these from the environment only; what the user set there is left alone."""
    if _FFMPEG_OPTIONS in os.environ:
        yield
        return
    with _environment:
        os.environ[_FFMPEG_OPTIONS] = _LOW_LATENCY
    try:
        yield
    finally:
        with _environment:
            os.environ.pop(_FFMPEG_OPTIONS, None)

"""How OpenCV opens a camera of this machine or a network stream so that little is buffered and every wait ends."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Protocol

import cv2

from runtime.config import InputConfig
from sa3dhp_edge.errors import InputError

_OPEN_MS, _READ_MS = 5000, 3000
"""A server that does not answer for so long is gone."""
_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_LOW_LATENCY = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
"""Packets are not gathered before they are decoded; TCP, since a lost packet smears the picture for seconds."""
_CSI_WH = (1280, 720)
_PIPELINE_END = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
_environment, _openings = threading.Lock(), 0


class Capture(Protocol):
    """The part of OpenCV's VideoCapture that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, what: int) -> float: ...
    def release(self) -> None: ...


def open_capture(address: int | str, cfg: InputConfig | None = None) -> Capture:
    """A capture of a camera's index, /dev/videoN, csi://N, gst:PIPELINE or a stream's address.

    Ask `isOpened` whether it worked.
    """
    cfg = cfg or InputConfig()
    capture = cv2.VideoCapture()
    if isinstance(address, str) and address.startswith(("csi://", "gst:")):
        capture.open(pipeline_of(address, cfg), cv2.CAP_GSTREAMER)
    elif isinstance(address, str) and "://" in address:
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS),
            *(cv2.CAP_PROP_N_THREADS, 1),  # with more, FFmpeg decodes frames side by side and gives each one late
        ]
        with _ffmpeg_options():
            capture.open(address, cv2.CAP_FFMPEG, limits)
    else:
        capture.open(address, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
        for what, value in _wishes(cfg):
            capture.set(what, value)
    made: Capture = capture
    return made


def pipeline_of(address: str, cfg: InputConfig) -> str:
    """GStreamer's pipeline for csi://N (a Jetson's camera) or gst:PIPELINE; a missing end is added."""
    if address.startswith("csi://"):
        width, height = cfg.camera_size_wh or _CSI_WH
        rate = Fraction(cfg.camera_fps or 30.0).limit_denominator(1001)
        size = f"width={width},height={height},framerate={rate.numerator}/{rate.denominator}"
        start = f"nvarguscamerasrc sensor-id={int(address[6:])} ! video/x-raw(memory:NVMM),{size}"
        return f"{start} ! nvvidconv ! video/x-raw,format=BGRx ! {_PIPELINE_END}"
    pipeline = address[4:].strip()
    return pipeline if "appsink" in pipeline else f"{pipeline} ! {_PIPELINE_END}"


def need_gstreamer(uri: str) -> None:
    """Stop where this OpenCV has no GStreamer.

    Raises:
        InputError: it has none.
    """
    if not re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()):
        raise InputError(
            f"{uri} needs an OpenCV with GStreamer; the one installed, {cv2.__version__}, has none",
            "take JetPack's or the system's OpenCV (docs/jetson.md); `sa3dhp-edge doctor` says which one is seen",
        )


def _wishes(cfg: InputConfig) -> Iterator[tuple[int, float]]:
    """The format comes first: a size may exist in one format only."""
    if cfg.camera_format is not None:
        yield cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*cfg.camera_format)
    if cfg.camera_size_wh is not None:
        yield cv2.CAP_PROP_FRAME_WIDTH, cfg.camera_size_wh[0]
        yield cv2.CAP_PROP_FRAME_HEIGHT, cfg.camera_size_wh[1]
    if cfg.camera_fps is not None:
        yield cv2.CAP_PROP_FPS, cfg.camera_fps
    yield cv2.CAP_PROP_BUFFERSIZE, 1


@contextmanager
def _ffmpeg_options() -> Iterator[None]:
    """OpenCV takes these from the environment only; what the user set there is left alone.

    Several streams may be opened at once: the last one clears up.
    """
    global _openings
    with _environment:
        ours = _openings > 0 or _FFMPEG_OPTIONS not in os.environ
        if ours:
            _openings += 1
            os.environ[_FFMPEG_OPTIONS] = _LOW_LATENCY
    try:
        yield
    finally:
        if ours:
            with _environment:
                _openings -= 1
                if not _openings:
                    os.environ.pop(_FFMPEG_OPTIONS, None)

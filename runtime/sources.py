"""Where frames come from: videos and folders of pictures give every frame; cameras see `cameras.py`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Literal, TypeVar, final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.turning import Turn, as_it_is
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.records import Frame

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
ASSUMED_FPS = 30.0
_PROBE_FRAMES = 31
_BAD_READS = 10
"""So many failed reads in a row are the end of a video; fewer are damaged frames."""

SourceState = Literal["opening", "live", "stalled", "reopening", "lost", "closed"]
StateListener = Callable[[SourceState, str], None]
"""Hears what a live source does from now on, and why."""
Pulse = Callable[[bool], None]
"""Hears each turn of a live source: true where it hands a frame over, false where it still waits for one."""

_S = TypeVar("_S", bound="AbstractSource")


class AbstractSource(ABC):
    """Frames of one input, in order; a context manager that opens and closes it.

    Attributes:
        name: what the user called it.
        fps: frames per second, checked for sense.
        size_wh: of every frame, in pixels.
        live: newest frame wins, and time is the monotonic clock's.
        state: what a live source is doing now; see `runtime.cameras`.
        dropped: frames the input had and nobody got.
        corrupt: frames that could not be decoded.
        outages: times a live source that was live gave no more frames, or none that may be used.
        listener: hears each change of `state` at once, in the thread that takes the frames, also while none comes.
        pulse: hears a few times a second, in the same thread, that a live source is not stuck.
    """

    name: str
    fps: float
    size_wh: tuple[int, int]
    live: bool = False
    state: SourceState = "live"
    dropped: int = 0
    corrupt: int = 0
    outages: int = 0
    listener: StateListener | None = None
    pulse: Pulse | None = None

    @abstractmethod
    def frames(self, stop: Event) -> Iterator[Frame]:
        """Frames until the input ends or `stop` is set."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the input; a second call does nothing."""

    def _turned(self, handed_over: bool) -> None:
        if self.pulse is not None:
            self.pulse(handed_over)

    def __iter__(self) -> Iterator[Frame]:
        return self.frames(Event())

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


@final
class VideoSource(AbstractSource):
    """A video file; times are the container's time stamps, counts are of decoded frames.

    Raises:
        InputError: no such file, not a video, or a video without a single frame.
    """

    def __init__(self, path: Path, turn: Turn = as_it_is) -> None:
        if not path.exists():
            raise InputError(f"{path} is not there", "check the path of the video")
        self.name, self._turn = str(path), turn
        first, stamps, reported = _probe(path)
        first = turn(first)
        self.fps = _sane_fps(stamps, reported)
        self.size_wh = (first.shape[1], first.shape[0])
        self._capture = cv2.VideoCapture(str(path))
        self.duration_s = max(float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 1.0) / self.fps
        """By the header, which may be wrong: a bound for planning, never for counting."""
        self._next = 0
        self._time_s = -1.0 / self.fps

    def frames(self, stop: Event) -> Iterator[Frame]:
        while not stop.is_set():
            start = time.perf_counter()
            if not self.skip():
                return
            ok, image = self._capture.retrieve()
            if not ok or image is None:
                self.corrupt += 1
                continue
            image = self._turn(np.asarray(image, np.uint8))
            decode_ms = 1000 * (time.perf_counter() - start)
            yield Frame(image, self._next - 1, self._time_s, decode_ms)

    def skip(self) -> bool:
        """Go one frame on without converting it; false at the end."""
        for _ in range(_BAD_READS):
            if self._capture.grab():
                self._next += 1
                stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
                expected = self._time_s + 1 / self.fps
                self._time_s = stamp if stamp > self._time_s and np.isfinite(stamp) else expected
                return True
            bad = self._next < self.duration_s * self.fps - 1
            self.corrupt += bad
            if not bad:
                return False
        self.corrupt -= _BAD_READS  # the header promised more than there is
        return False

    def seek(self, time_s: float) -> None:
        """Continue at the frame shown at `time_s`; frame numbers are by the frame rate from then on."""
        self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * time_s)
        self._next = round(time_s * self.fps)
        self._time_s = -1 / self.fps  # whatever stamp comes next is believed

    def close(self) -> None:
        self._capture.release()


@final
class FolderSource(AbstractSource):
    """Pictures of one size in a folder, in the order of their names.

    Raises:
        InputError: no pictures, or none that can be read.
    """

    def __init__(self, folder: Path, fps: float = ASSUMED_FPS, turn: Turn = as_it_is) -> None:
        self.name, self.fps, self._turn = str(folder), fps, turn
        self._paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        first = next((image for image in map(_read_picture, self._paths) if image is not None), None)
        if first is None:
            raise InputError(
                f"{folder} holds no picture that can be read", f"put {', '.join(PICTURE_SUFFIXES)} files there"
            )
        self._picture_wh = first.shape[1::-1]
        first = turn(first)
        self.size_wh = (first.shape[1], first.shape[0])

    def frames(self, stop: Event) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            if stop.is_set():
                return
            start = time.perf_counter()
            image = _read_picture(path)
            if image is None:
                self.corrupt += 1
                continue
            if image.shape[1::-1] != self._picture_wh:
                raise InputError(
                    f"{path} is {image.shape[1]} x {image.shape[0]}, the first picture is "
                    f"{self._picture_wh[0]} x {self._picture_wh[1]}",
                    "keep pictures of one camera in one folder",
                )
            yield Frame(self._turn(image), index, index / self.fps, 1000 * (time.perf_counter() - start))

    def close(self) -> None:
        self._paths = []


def _probe(path: Path) -> tuple[NDArray[np.uint8], list[float], float]:
    """First frame, the first time stamps in seconds, and the reported frame rate."""
    hint = "check that it plays; formats are those of OpenCV's FFmpeg (mp4, mov, avi, mkv, …)"
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise InputError(f"{path} is not a video that can be read", hint)
        stamps: list[float] = []
        first: NDArray[np.uint8] | None = None
        for _ in range(_PROBE_FRAMES):
            if not capture.grab():
                break
            stamps.append(float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000)
            if first is None:
                ok, image = capture.retrieve()
                first = np.asarray(image, np.uint8) if ok and image is not None else None
        if first is None:
            raise InputError(f"{path} has no frame that can be decoded", hint)
        return first, stamps, float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()


def _sane_fps(stamps: list[float], reported: float) -> float:
    """The rate the time stamps speak of; else the reported one, if a camera can have it; else 30."""
    step = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    for fps in (1 / step if step > 0 else 0.0, reported):
        if np.isfinite(fps) and 0.5 <= fps <= 1000:
            return round(fps, 3)
    return ASSUMED_FPS


def _read_picture(path: Path) -> NDArray[np.uint8] | None:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)

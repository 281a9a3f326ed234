"""How many milliseconds a frame takes on this machine, stage by stage and beside others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from threading import Event
from typing import final

import cv2
import numpy as np

from runtime.backends.base import BackendName
from runtime.bench.board import open_board
from runtime.bench.conditions import Watch
from runtime.bench.cores import held_to, usable_cores
from runtime.bench.crops import time_crops
from runtime.bench.peers import trtexec_times
from runtime.bench.report import BenchReport, CropToPose, PeerTimes, Percentiles, Soak, WarmUp, machine
from runtime.bench.soak import soak
from runtime.config import TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import FixedBox
from runtime.follow_one import FollowOne
from runtime.inputs import open_source
from runtime.loop import poses_of
from runtime.model import Model
from runtime.service import make_finder, nobody_in
from runtime.sources import AbstractSource
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Box, Frame

_SIZE_WH = (1280, 720)
_BOX: Box = (_SIZE_WH[0] / 2 - 250.0, 100.0, _SIZE_WH[0] / 2 + 250.0, 600.0)
_WARM_FRAMES = 5


@dataclass
class _Measured:
    """What is gathered; names and meanings are those of `BenchReport`."""

    frames: dict[str, int] = field(default_factory=dict)
    latency_ms: dict[str, dict[str, Percentiles]] = field(default_factory=dict)
    frames_per_s: dict[str, float] = field(default_factory=dict)
    warm_up: dict[str, WarmUp] = field(default_factory=dict)
    pinned: dict[str, tuple[int, ...]] = field(default_factory=dict)
    crop_to_pose: tuple[CropToPose, ...] = ()
    peers: tuple[PeerTimes, ...] = ()
    soak: Soak | None = None


def bench(
    model: Path | str,
    video: Path | None = None,
    frames: int = 200,
    threads: tuple[int, ...] = (1, 2),
    people: tuple[int, ...] = (1,),
    backend: BackendName = "onnx",
    engines: Path | None = None,
    soak_s: float = 0.0,
    pin: bool = False,
    peers: Mapping[str, Path] | None = None,
    command: str = "",
) -> BenchReport:
    """Run the very loop of `run_stream`, without outputs, once per number of threads; then its parts.

    Args:
        model: model folder, or `shipped`.
        video: what to look at; None makes noise in memory, looked at in one fixed box.
        frames: timed frames, at most.
        threads: of the inference engine and of OpenCV.
        people: boxes in a frame for the timing from crop to pose.
        backend: what computes the network; see `runtime.backends.opening`.
        engines: where TensorRT's engines are stored; None for the default folder.
        soak_s: seconds that the whole loop runs at the end, with the first number of threads.
        pin: hold the process, and its peers, to as many cores as threads.
        peers: "blazepose" -> a Python with mediapipe, "trtexec" -> an engine.
        command: the command line, for the report.

    Raises:
        ModelError, InputError: as `run_stream`.
        NobodyFound: nobody is seen in the first `frames` of the video.
        MissingPackage: a peer that is not there.
    """
    peers = peers or {}
    if "blazepose" in peers and video is None:
        raise InputError("BlazePose finds nobody in noise", "give --video with a person in it")
    served = _Served(model, backend, engines)
    look, done = _Input(video, frames), _Measured()
    with open_board() as board, _opencv_threads_kept():
        watch = Watch(board, usable_cores())
        for number in threads:
            with held_to(number if pin else None) as cores:
                if pin:
                    done.pinned[str(number)] = cores
                _time(served, look, number, people, peers.get("blazepose"), watch, done)
                if soak_s > 0 and done.soak is None:
                    done.soak = _soak(served, look, number, soak_s, watch)
        if "trtexec" in peers:
            done.peers += (trtexec_times(peers["trtexec"]),)
        conditions = watch.conditions()
    return BenchReport(
        model=str(model), source=look.name, size_wh=look.size_wh, backend=backend, conditions=conditions,
        machine=machine(), command=command, **vars(done),
    )  # fmt: skip


@dataclass(frozen=True)
class _Served:
    """Which model is timed, and what computes it."""

    model: Path | str
    backend: BackendName
    engines: Path | None

    def started(self, threads: int, size_wh: tuple[int, int]) -> tuple[Estimator, WarmUp]:
        """A warm model before a camera of this size, and what it took to get there."""
        clock = [time.perf_counter()]
        model = Model.load(self.model, threads, self.backend, self.engines)
        clock.append(time.perf_counter())
        for _ in range(_WARM_FRAMES):
            model.warm_up()
            clock.append(time.perf_counter())
        load, first, *_, last = (round(1000 * (b - a), 3) for a, b in pairwise(clock))
        return Estimator(model, Intrinsics.guess(size_wh)), WarmUp(load, first, last)


@final
class _Input:
    """What is looked at, again and again: a video with whoever is in it, or noise in one box."""

    def __init__(self, video: Path | None, frames: int) -> None:
        self.video, self.frames = video, frames
        with self.open() as source:
            self.name, self.size_wh = source.name, source.size_wh

    def open(self) -> AbstractSource:
        """The frames from the first one on."""
        return _NoiseSource() if self.video is None else open_source(video=self.video)

    def tracker(self) -> FollowOne:
        """One that has seen nothing yet."""
        return FollowOne(FixedBox(_BOX) if self.video is None else make_finder(), TrackerConfig())


def _time(
    served: _Served,
    look: _Input,
    threads: int,
    people: tuple[int, ...],
    blazepose: Path | None,
    watch: Watch,
    done: _Measured,
) -> None:
    """Everything that is timed with one number of threads: start, whole loop, and from crop to pose."""
    key = str(threads)
    cv2.setNumThreads(threads)
    estimator, done.warm_up[key] = served.started(threads, look.size_wh)
    with closing(estimator.model), look.open() as source:
        boxes: dict[int, Box] = {}
        start = time.perf_counter()
        followed = poses_of(source, look.tracker(), estimator, Event())
        for count, (frame, poses, _) in enumerate(islice(followed, look.frames), 1):
            if poses:
                boxes[frame.index] = poses[0].box_xyxy_px
            done.frames[key] = count
            watch.look()
        if not boxes:
            raise nobody_in(source.name)
        done.frames_per_s[key] = round(done.frames[key] / (time.perf_counter() - start), 2)
        done.latency_ms[key] = estimator.timings.summary()
        rival = None if blazepose is None or look.video is None else (blazepose, look.video)
        with look.open() as again:
            crops, peers = time_crops(again, boxes, estimator, threads, people, watch, rival)
    done.crop_to_pose += tuple(crops)
    done.peers += tuple(peers)


def _soak(served: _Served, look: _Input, threads: int, seconds: float, watch: Watch) -> Soak:
    estimator, _ = served.started(threads, look.size_wh)
    with closing(estimator.model):
        return soak(look.open, look.tracker, estimator, watch, seconds, usable_cores())


@contextmanager
def _opencv_threads_kept() -> Iterator[None]:
    before = cv2.getNumThreads()
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@final
class _NoiseSource(AbstractSource):
    """The same noise for ever, in patches that are still seen in a crop."""

    name, fps, size_wh = "noise", 30.0, _SIZE_WH

    def frames(self, stop: Event) -> Iterator[Frame]:
        patches = np.random.default_rng(0).integers(0, 256, (_SIZE_WH[1] // 40, _SIZE_WH[0] // 40, 3), np.uint8)
        image = np.asarray(cv2.resize(patches, _SIZE_WH, interpolation=cv2.INTER_NEAREST), np.uint8)
        index = 0
        while not stop.is_set():
            yield Frame(image, index, index / self.fps)
            index += 1

    def close(self) -> None:
        """Nothing is open."""

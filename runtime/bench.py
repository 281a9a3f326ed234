"""How many milliseconds a frame takes on this machine, stage by stage."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, final

import cv2
import numpy as np

from runtime.config import TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import FixedBox
from runtime.inputs import open_source
from runtime.loop import poses_of
from runtime.model import Model
from runtime.service import make_finder
from runtime.sources import AbstractSource
from runtime.tracker import Tracker
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame

_SIZE_WH = (1280, 720)
_WARM_FRAMES = 5


@dataclass(frozen=True)
class BenchReport:
    """Milliseconds per frame: `latency_ms[threads][stage]` gives p50 and p95; `frames[threads]` counts them."""

    model: str
    source: str
    frames: dict[str, int]
    latency_ms: dict[str, dict[str, dict[str, float]]]
    machine: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return dataclasses.asdict(self)


def bench(
    model: Path | str, video: Path | None = None, frames: int = 200, threads: tuple[int, ...] = (1, 2)
) -> BenchReport:
    """Run the very loop of `run_stream`, without outputs, once per number of threads.

    Args:
        model: model folder, or `shipped`.
        video: what to look at; None makes noise in memory, looked at in one fixed box.
        frames: timed frames, at most.
        threads: of the inference engine and of OpenCV.

    Raises:
        ModelError, InputError: as `run_stream`.
    """
    counts: dict[str, int] = {}
    latency: dict[str, dict[str, dict[str, float]]] = {}
    name = ""
    threads_before = cv2.getNumThreads()
    try:
        for number in threads:
            cv2.setNumThreads(number)
            with _NoiseSource() if video is None else open_source(video=video) as source:
                name = source.name
                estimator = _estimator(model, number, source)
                box = (_SIZE_WH[0] / 2 - 250.0, 100.0, _SIZE_WH[0] / 2 + 250.0, 600.0)
                finder = make_finder() if video is not None else FixedBox(box)
                followed = poses_of(source, Tracker(finder, TrackerConfig()), estimator, Event())
                counts[str(number)] = sum(1 for _ in islice(followed, frames))
                latency[str(number)] = estimator.timings.summary()
                estimator.model.close()
    finally:
        cv2.setNumThreads(threads_before)
    return BenchReport(str(model), name, counts, latency, _machine())


def _estimator(folder: Path | str, threads: int, source: AbstractSource) -> Estimator:
    model = Model.load(folder, threads)
    for _ in range(_WARM_FRAMES):
        model.warm_up()
    return Estimator(model, Intrinsics.guess(source.size_wh))


@final
class _NoiseSource(AbstractSource):
    """The same noise for ever."""

    name, fps, size_wh = "noise", 30.0, _SIZE_WH

    def frames(self, stop: Event) -> Iterator[Frame]:
        image = np.random.default_rng(0).integers(0, 256, (_SIZE_WH[1], _SIZE_WH[0], 3), np.uint8)
        index = 0
        while not stop.is_set():
            yield Frame(image, index, index / self.fps)
            index += 1

    def close(self) -> None:
        """Nothing is open."""


def _machine() -> dict[str, str]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }

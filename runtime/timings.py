"""Where the milliseconds of a frame go; monotonic clock."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

KEPT = 20_000
"""The newest measurements that percentiles are taken over, so that memory does not grow for hours."""

STAGES = ("decode", "search", "crop", "inference", "post")
"""What the milliseconds of a frame are spent on; `total` is their sum, `age` the time since a live capture."""

_PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """p50, p95 and p99 of at least one value, to a thousandth."""
    kept = np.fromiter(values, np.float64)
    return {name: round(float(np.percentile(kept, q)), 3) for name, q in _PERCENTILES.items()}


class Timings:
    """Milliseconds per stage of the frame at hand, and of the `kept` newest before."""

    def __init__(self, kept: int = KEPT) -> None:
        self._frame: dict[str, float] = {}
        self._kept: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=kept))

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the block's time to `stage` of the frame at hand."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, 1000 * (time.perf_counter() - start))

    def add(self, stage: str, ms: float) -> None:
        """Add milliseconds to `stage` of the frame at hand."""
        self._frame[stage] = self._frame.get(stage, 0.0) + ms

    def note(self, name: str, ms: float) -> None:
        """Keep a figure of the frame at hand that is no part of its total."""
        self._kept[name].append(ms)

    def next_frame(self) -> float:
        """Close the frame at hand; its total in milliseconds."""
        total = sum(self._frame.values())
        for stage, ms in self._frame.items():
            self._kept[stage].append(ms)
        self._kept["total"].append(total)
        self._frame = {}
        return total

    def summary(self) -> dict[str, dict[str, float]]:
        """Percentiles in milliseconds by stage, over the frames in which the stage was run."""
        kept = {
            stage: tuple(self._kept.get(stage, ())) for stage in (*STAGES, "total", "age")
        }  # another thread may ask
        return {stage: percentiles(values) for stage, values in kept.items() if values}


@dataclass(frozen=True)
class Spent:
    """What one piece of work took, done again and again.

    Attributes:
        count: how often it was done.
        wall_ms: percentiles of the wall's milliseconds; a busy machine makes them longer.
        cpu_ms: percentiles of the milliseconds that this process computed, all its threads together.
        mean_ms: mean of the wall's.
    """

    count: int
    wall_ms: dict[str, float]
    cpu_ms: dict[str, float]
    mean_ms: float

    @staticmethod
    def of(wall_ms: list[float], cpu_ms: list[float]) -> Spent:
        """From the milliseconds of each time it was done, at least one."""
        return Spent(len(wall_ms), percentiles(wall_ms), percentiles(cpu_ms), round(float(np.mean(wall_ms)), 3))


class Stopwatch:
    """Wall and CPU milliseconds of the same piece of work, again and again."""

    def __init__(self) -> None:
        self._wall_ms: list[float] = []
        self._cpu_ms: list[float] = []

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Time the block once."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._cpu_ms.append(1000 * (time.process_time() - cpu))
        self._wall_ms.append(1000 * (time.perf_counter() - wall))

    def spent(self) -> Spent:
        """The summary, once something was timed."""
        return Spent.of(self._wall_ms, self._cpu_ms)

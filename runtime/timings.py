"""Where the milliseconds of a frame go; monotonic clock."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

KEPT = 20_000
"""The newest measurements that percentiles are taken over, so that memory does not grow for hours."""

STAGES = ("decode", "search", "crop", "inference", "post")


class Timings:
    """Milliseconds per stage of the frame at hand, and of the frames before."""

    def __init__(self) -> None:
        self._frame: dict[str, float] = {}
        self._kept: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))

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

    def next_frame(self) -> float:
        """Close the frame at hand; its total in milliseconds."""
        total = sum(self._frame.values())
        for stage, ms in self._frame.items():
            self._kept[stage].append(ms)
        self._kept["total"].append(total)
        self._frame = {}
        return total

    def summary(self) -> dict[str, dict[str, float]]:
        """p50 and p95 in milliseconds by stage, over the frames in which the stage was run."""
        return {
            stage: {name: round(float(np.percentile(self._kept[stage], q)), 3) for name, q in _PERCENTILES.items()}
            for stage in (*STAGES, "total")
            if self._kept[stage]
        }


_PERCENTILES = {"p50": 50.0, "p95": 95.0}

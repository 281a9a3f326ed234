"""Does it stay as fast, and does memory stay as small, when it runs for long?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import numpy as np

from runtime.bench.conditions import Watch, fastest_mhz, hottest_c
from runtime.bench.report import Soak, SoakPoint
from runtime.estimator import Estimator
from runtime.loop import poses_of
from runtime.sources import AbstractSource
from runtime.timings import Timings, percentiles
from runtime.tracker import AbstractTracker
from sa3dhp_edge.errors import InputError

MOST_POINTS = 600
"""More looks would themselves make the memory grow that is measured."""
_STATM = Path("/proc/self/statm")


def soak(
    open_again: Callable[[], AbstractSource],
    make_tracker: Callable[[], AbstractTracker],
    estimator: Estimator,
    watch: Watch,
    seconds: float,
    cores: tuple[int, ...],
) -> Soak:
    """Run the whole loop for so long, the input from its start again whenever it ends.

    Args:
        open_again: the input, opened anew.
        make_tracker: somebody who has seen nothing yet.
        estimator: a warm one.
        watch: who asks the board.
        seconds: how long; the last frame is finished.
        cores: whose clocks count.

    Raises:
        InputError: as the input does, and when it gives no frame.
    """
    every_s = max(1.0, seconds / MOST_POINTS)
    start = then = time.monotonic()
    estimator.timings = Timings(kept=1)  # the history would be the memory that grows
    frames, since, points = 0, list[float](), list[SoakPoint]()
    while time.monotonic() - start < seconds:
        before = frames
        with open_again() as source:
            for _, _, frame_ms in poses_of(source, make_tracker(), estimator, Event()):
                frames += 1
                since.append(frame_ms)
                now = time.monotonic()
                if now - then >= every_s or now - start >= seconds:
                    points.append(_point(now - start, since, watch, cores))
                    then, since = now, []
                if now - start >= seconds:
                    break
        if frames == before:
            raise InputError(f"{source.name} gave no frame to soak with", "name a video that can be played")
    if since:  # the input ended just before the time did
        points.append(_point(time.monotonic() - start, since, watch, cores))
    return _summary(time.monotonic() - start, frames, points)


def _point(at_s: float, frame_ms: list[float], watch: Watch, cores: tuple[int, ...]) -> SoakPoint:
    reading = watch.look(at_once=True)
    return SoakPoint(
        round(at_s, 1),
        round(float(np.median(frame_ms)), 3),
        round(rss_mb(), 2),
        hottest_c(reading),
        fastest_mhz(reading, cores),
        reading.power_w,
    )


def _summary(seconds: float, frames: int, points: list[SoakPoint]) -> Soak:
    first, steady = points[: max(len(points) // 10, 1)], points[len(points) // 2 :]
    line = slope_and_error([p.at_s / 3600 for p in steady], [p.rss_mb for p in steady])
    return Soak(
        seconds=round(seconds, 1),
        frames=frames,
        first_ms=percentiles(p.frame_ms for p in first),
        steady_ms=percentiles(p.frame_ms for p in steady),
        rss_slope_mb_per_h=None if line is None else round(line[0], 3),
        rss_slope_error=None if line is None else round(line[1], 3),
        points=tuple(points),
    )


def rss_mb(statm: Path = _STATM) -> float:
    """Memory that this process holds, in 10^6 bytes."""
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def slope_and_error(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """The slope of the least-squares line and its standard error; None of fewer than three points.

    Source: ordinary least squares; the error takes the points' scatter about the line as independent.
    """
    if len(x) < 3:
        return None
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    apart = float(((xs - xs.mean()) ** 2).sum())
    slope = float(((xs - xs.mean()) * (ys - ys.mean())).sum()) / apart
    rest = ys - ys.mean() - slope * (xs - xs.mean())
    return slope, float(np.sqrt((rest**2).sum() / (len(xs) - 2) / apart))

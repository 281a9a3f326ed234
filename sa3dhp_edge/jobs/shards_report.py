"""What writing shards reports, while it lasts and at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sa3dhp_edge.datasets.shards import Shards


@dataclass(frozen=True)
class ShardsReport:
    """What was written.

    Attributes:
        seconds: that it took, without what an earlier command had done.
        left_out: takes that could not be used, by the reason; and how many there were.
    """

    out: str
    shards: int
    clips: int
    frames: int
    gigabytes: float
    seconds: float
    unknown_joints: tuple[str, ...]
    left_out: dict[str, int]


def report_on(shards: Shards, left_out: dict[str, int], begun: float) -> ShardsReport:
    """The report of finished shards.

    Args:
        begun: `time.monotonic()` when the work began.
    """
    size = sum(s.bytes for s in shards.shards)
    return ShardsReport(
        str(shards.folder),
        len(shards.shards),
        shards.clips,
        len(shards),
        size / 1e9,
        time.monotonic() - begun,
        shards.unknown,
        left_out,
    )


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; the yielded function says how much is done."""
    columns = (TextColumn("{task.description:22}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=total)
        yield lambda done: bars.update(task, completed=done)

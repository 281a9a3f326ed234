"""Which processor cores a measurement may use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_THREADS = Path("/proc/self/task")


def usable_cores() -> tuple[int, ...]:
    """Numbers of the cores that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


@contextlib.contextmanager
def held_to(count: int | None) -> Iterator[tuple[int, ...]]:
    """Keep this process and what it starts on the last `count` cores it may use, as long as the block runs.

    The last, since the system's own work is more often on the first. None holds nothing.
    """
    before = usable_cores()
    cores = before if count is None else before[-count:]
    try:
        _hold(cores)
        yield cores
    finally:
        _hold(before)


def _hold(cores: tuple[int, ...]) -> None:
    """Every thread there is; those to come inherit it from the one that starts them."""
    for thread in _THREADS.iterdir():
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)

"""Memory that several processes map, and that is gone with the last of them: no name for it lies in any folder."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Layout = dict[str, tuple[tuple[int, ...], str]]
"""Name of an array -> shape and NumPy type."""


class SharedArrays:
    """Named arrays in one block of memory; a process that is given this object as an argument sees the same block.

    Args:
        layout: the arrays; all are zero at first.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._open(_new_block(bytes_of(layout)))

    def _open(self, descriptor: int) -> None:
        self._descriptor = descriptor
        block = mmap.mmap(descriptor, bytes_of(self.layout))
        self.arrays: dict[str, NDArray[Any]] = {}
        start = 0
        for name, (shape, kind) in self.layout.items():
            count = int(np.prod(shape))
            self.arrays[name] = np.frombuffer(block, kind, count, start).reshape(shape)
            start += _rounded(count * np.dtype(kind).itemsize)

    def __getstate__(self) -> dict[str, Any]:
        return {"layout": self.layout, "descriptor": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.layout = state["layout"]
        self._open(state["descriptor"].detach())

    def close(self) -> None:
        """Let go of the block; arrays taken from it stay usable."""
        self.arrays = {}
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def bytes_of(layout: Layout) -> int:
    """Size of the block that a layout asks for."""
    return sum(_rounded(int(np.prod(shape)) * np.dtype(kind).itemsize) for shape, kind in layout.values())


def free_bytes() -> int:
    """Memory that a process may still take: what the machine has left, and what its container allows."""
    free = _machine_bytes()
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            allowed, taken = Path(limit).read_text().strip(), int(Path(used).read_text())
        except (OSError, ValueError):
            continue
        if allowed.isdigit():
            free = min(free, max(int(allowed) - taken, 0))
    return free


def _machine_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _rounded(size: int) -> int:
    """Up to a whole number of cache lines, so that every array starts on one."""
    return -(-size // 64) * 64


def _new_block(size: int) -> int:
    """The descriptor of a file without a name, in memory where the system has such files."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("sa3dhp-edge")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, max(size, 1))
    return descriptor

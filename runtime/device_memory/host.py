"""Device memory that is ordinary memory: everything around a GPU can be tested without one.

Like a GPU it does nothing before it is waited for, so a forgotten `synchronise` shows in the results.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import DTypeLike

from runtime.device_memory.errors import DeviceError
from runtime.device_memory.ledger import Ledger
from runtime.device_memory.protocol import Array

Work = Callable[[], object]


@final
class HostMemory:
    """`DeviceMemory` on NumPy; an address is one that `ctypes` can read.

    Args:
        can_capture: whether it records graphs.

    Attributes:
        ledger: what is held, and how much was ever asked for.
    """

    def __init__(self, can_capture: bool = True) -> None:
        self.can_capture = can_capture
        self.ledger = Ledger()
        self._numbers = itertools.count(1)
        self._queues: dict[int, list[Work]] = {}
        self._recordings: dict[int, list[Work]] = {}
        self._graphs: dict[int, list[Work]] = {}

    def check_thread(self) -> None:
        self.ledger.check()

    def allocate(self, size_bytes: int) -> int:
        return self._address_of(np.zeros(max(size_bytes, 1), np.uint8), "memory")

    def free(self, address: int) -> None:
        self.ledger.release("memory", address)

    def pinned(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
        array: Array = np.zeros(shape, dtype)
        self._address_of(array, "pinned array")
        return array

    def free_pinned(self, array: Array) -> None:
        self.ledger.release("pinned array", array.ctypes.data)

    def copy_to_device_async(self, address: int, array: Array, stream: int) -> None:
        self.submit(stream, lambda: ctypes.memmove(address, array.ctypes.data, array.nbytes))

    def copy_to_host_async(self, array: Array, address: int, stream: int) -> None:
        self.submit(stream, lambda: ctypes.memmove(array.ctypes.data, address, array.nbytes))

    def create_stream(self) -> int:
        stream = self._numbered("stream", lambda number: self._queues.pop(number))
        self._queues[stream] = []
        return stream

    def submit(self, stream: int, work: Work) -> None:
        """Put work on a stream, as an engine does; it is recorded where a recording goes on."""
        self.ledger.check()
        if stream not in self._queues:
            raise DeviceError(f"stream {stream:#x} is not held")
        self._recordings.get(stream, self._queues[stream]).append(work)

    def recording(self, stream: int) -> bool:
        """Whether what is put on a stream is recorded and not done."""
        return stream in self._recordings

    def synchronise(self, stream: int) -> None:
        self.ledger.check()
        if stream in self._recordings:
            raise DeviceError("a stream cannot be waited for while it is recorded")
        while self._queues[stream]:
            self._queues[stream].pop(0)()

    def destroy_stream(self, stream: int) -> None:
        self.ledger.release("stream", stream)

    def begin_capture(self, stream: int) -> None:
        self.ledger.check()
        if not self.can_capture:
            raise DeviceError("this memory records no graphs")
        self._recordings[stream] = []

    def end_capture(self, stream: int) -> int:
        self.ledger.check()
        graph = self._numbered("graph", lambda number: self._graphs.pop(number))
        self._graphs[graph] = self._recordings.pop(stream)
        return graph

    def launch(self, graph: int, stream: int) -> None:
        for work in self._graphs[graph]:
            self.submit(stream, work)

    def destroy_graph(self, graph: int) -> None:
        self.ledger.release("graph", graph)

    def close(self) -> None:
        self.ledger.close()

    def _address_of(self, array: Array, kind: str) -> int:
        self.ledger.check()
        kept = [array]  # alive for as long as the ledger knows how to give it back
        return self.ledger.enter(kind, array.ctypes.data, kept.clear)

    def _numbered(self, kind: str, release: Callable[[int], object]) -> int:
        self.ledger.check()
        number = next(self._numbers)
        return self.ledger.enter(kind, number, lambda: release(number))

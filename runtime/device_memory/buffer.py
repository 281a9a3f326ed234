"""Room for one tensor on both sides, made once for the largest batch."""

from __future__ import annotations

from typing import final

from numpy.typing import DTypeLike

from runtime.device_memory.protocol import Array, DeviceMemory


@final
class Buffer:
    """A pinned host array and device memory of the same size.

    Attributes:
        array: (most rows, ...) what is copied from and to.
        address: of the device memory.
    """

    def __init__(self, memory: DeviceMemory, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._memory = memory
        self.array: Array = memory.pinned(shape, dtype)
        try:
            self.address = memory.allocate(self.array.nbytes)
        except Exception:
            memory.free_pinned(self.array)
            raise

    def upload(self, rows: int, stream: int) -> None:
        """Put the copy of the first rows to the device on a stream."""
        self._memory.copy_to_device_async(self.address, self.array[:rows], stream)

    def download(self, rows: int, stream: int) -> None:
        """Put the copy of the first rows from the device on a stream."""
        self._memory.copy_to_host_async(self.array[:rows], self.address, stream)

    def free(self) -> None:
        """Give both back."""
        self._memory.free(self.address)
        self._memory.free_pinned(self.array)

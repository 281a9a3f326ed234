"""What an engine needs of a GPU's memory; addresses and handles are plain integers, as TensorRT takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


class DeviceMemory(Protocol):
    """Memory, streams and graphs of one GPU, all used by the one thread that made this object.

    Every method raises `WrongThread` in another thread and `DeviceError` where the GPU refuses, or where something is
    given back that is not held. Copies are asynchronous: the host array must stay as it is until `synchronise`.

    Attributes:
        can_capture: whether work can be recorded as a graph.
    """

    can_capture: bool

    def check_thread(self) -> None:
        """Stop in any thread but the owner, and once all was given back."""

    def allocate(self, size_bytes: int) -> int:
        """The address of new device memory."""

    def free(self, address: int) -> None:
        """Give device memory back."""

    def pinned(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
        """A host array that the GPU reads and writes directly; not to be touched after `free_pinned`."""

    def free_pinned(self, array: Array) -> None:
        """Give a host array back."""

    def copy_to_device_async(self, address: int, array: Array, stream: int) -> None:
        """Copy all of a contiguous host array to an address."""

    def copy_to_host_async(self, array: Array, address: int, stream: int) -> None:
        """Fill a contiguous host array from an address."""

    def create_stream(self) -> int:
        """A queue of work that does not wait for others."""

    def synchronise(self, stream: int) -> None:
        """Wait until all work on a stream is done; raises what went wrong in it."""

    def destroy_stream(self, stream: int) -> None:
        """Give a stream back."""

    def begin_capture(self, stream: int) -> None:
        """From now on record what is put on the stream instead of doing it."""

    def end_capture(self, stream: int) -> int:
        """End the recording, also after a failure in it; the graph, ready to be launched."""

    def launch(self, graph: int, stream: int) -> None:
        """Do on a stream what was recorded."""

    def destroy_graph(self, graph: int) -> None:
        """Give a graph back."""

    def close(self) -> None:
        """Give everything back that is still held, the newest first; once is enough."""

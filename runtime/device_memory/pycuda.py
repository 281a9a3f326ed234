"""Device memory through PyCUDA, which is compiled on the machine where it is installed (extra `pycuda`).

The primary context, which TensorRT shares, is made current in the owning thread once and taken away at the end; no
other thread can reach it through this object, so that "no currently active context" cannot happen.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from runtime.device_memory.errors import DeviceError
from runtime.device_memory.ledger import Ledger
from runtime.device_memory.protocol import Array
from sa3dhp_edge.errors import MissingPackage
from sa3dhp_edge.extras import EXTRAS, findable


@final
class PycudaMemory:
    """`DeviceMemory` of the first NVIDIA GPU; it records no graphs, since not every PyCUDA can.

    Raises:
        MissingPackage: PyCUDA is not installed, or was built for another driver.
        DeviceError: no driver answers, or it has no GPU.
    """

    can_capture = False

    def __init__(self) -> None:
        self._cuda = _driver()
        self.ledger = Ledger()
        self._streams: dict[int, Any] = {}
        with self._told("a context"):
            self._cuda.init()
            self._context = self._cuda.Device(0).retain_primary_context()
            self._context.push()

    def check_thread(self) -> None:
        self.ledger.check()

    def allocate(self, size_bytes: int) -> int:
        self.ledger.check()
        with self._told(f"{size_bytes} bytes"):
            memory = self._cuda.mem_alloc(max(size_bytes, 1))
        return self._enter("memory", int(memory), memory.free)

    def free(self, address: int) -> None:
        self.ledger.release("memory", address)

    def pinned(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
        self.ledger.check()
        with self._told("a pinned array"):
            array: Array = self._cuda.pagelocked_empty(tuple(shape), np.dtype(dtype))
        owner: Any = array.base
        self._enter("pinned array", array.ctypes.data, owner.free)
        return array

    def free_pinned(self, array: Array) -> None:
        self.ledger.release("pinned array", array.ctypes.data)

    def copy_to_device_async(self, address: int, array: Array, stream: int) -> None:
        self.ledger.check()
        with self._told("a copy to the device"):
            self._cuda.memcpy_htod_async(address, array, self._streams[stream])

    def copy_to_host_async(self, array: Array, address: int, stream: int) -> None:
        self.ledger.check()
        with self._told("a copy to the host"):
            self._cuda.memcpy_dtoh_async(array, address, self._streams[stream])

    def create_stream(self) -> int:
        self.ledger.check()
        with self._told("a stream"):
            made = self._cuda.Stream()
        handle = int(made.handle)
        self._streams[handle] = made
        return self._enter("stream", handle, lambda: self._streams.pop(handle))

    def synchronise(self, stream: int) -> None:
        self.ledger.check()
        with self._told("work on a stream"):
            self._streams[stream].synchronize()

    def destroy_stream(self, stream: int) -> None:
        self.ledger.release("stream", stream)

    def begin_capture(self, stream: int) -> None:
        raise _no_graphs()

    def end_capture(self, stream: int) -> int:
        raise _no_graphs()

    def launch(self, graph: int, stream: int) -> None:
        raise _no_graphs()

    def destroy_graph(self, graph: int) -> None:
        self.ledger.release("graph", graph)

    def stream_object(self, stream: int) -> Any:
        """PyCUDA's own stream, which its kernels ask for."""
        self.ledger.check()
        return self._streams[stream]

    def close(self) -> None:
        if self.ledger.closed:
            return
        self.ledger.check()
        try:
            self.ledger.close()
        finally:  # a context that stays current ends the whole process when Python ends
            with self._told("the end"):
                self._context.pop()
                self._context.detach()

    def _enter(self, kind: str, handle: int, release: Callable[[], object]) -> int:
        def told() -> None:
            with self._told(f"to take back a {kind}"):
                release()

        return self.ledger.enter(kind, handle, told)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """PyCUDA's errors as ours."""
        try:
            yield
        except self._cuda.Error as e:
            raise DeviceError(f"the GPU refuses {what}: {e}", "sa3dhp-edge doctor") from e


def _no_graphs() -> DeviceError:
    return DeviceError("graphs are not recorded through PyCUDA", EXTRAS["tensorrt"].command)


def _driver() -> Any:
    if not findable("pycuda"):
        raise MissingPackage("GPU memory through PyCUDA needs pycuda, which is not installed", _how_to_build())
    try:
        return import_module("pycuda.driver")
    except ImportError as e:
        raise MissingPackage(f"pycuda is installed and does not fit this machine's driver: {e}", _how_to_build()) from e


def _how_to_build() -> str:
    """There are no wheels for any processor; a Jetson has the compiler, and often not on its path."""
    command = EXTRAS["pycuda"].command
    if platform.machine() == "aarch64":
        return f"PATH=/usr/local/cuda/bin:$PATH CUDA_ENABLE_CURAND=False {command}   # compiles it here: some minutes"
    return f"CUDA_ENABLE_CURAND=False {command}   # compiles it here: needs the CUDA toolkit"

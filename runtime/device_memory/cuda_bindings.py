"""Device memory through NVIDIA's own bindings (package cuda-bindings 12.x or 13.x): CUDA's runtime API.

That API works in the device's primary context, which TensorRT and PyTorch share, so no context is pushed or popped.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from importlib import import_module
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from runtime.device_memory.errors import DeviceError, cuda_error
from runtime.device_memory.ledger import Ledger
from runtime.device_memory.protocol import Array
from sa3dhp_edge.errors import MissingPackage
from sa3dhp_edge.extras import EXTRAS, need


@final
class CudaMemory:
    """`DeviceMemory` of the first NVIDIA GPU.

    Raises:
        MissingPackage: cuda-bindings is not installed, or too old.
        DeviceError: no driver answers, or it has no GPU.
    """

    can_capture = True

    def __init__(self) -> None:
        need("tensorrt", "an engine on the GPU")
        try:
            self._cuda: Any = import_module("cuda.bindings.runtime")
        except ImportError as e:  # older ones, and other packages below `cuda`, have no `cuda.bindings`
            raise MissingPackage(f"cuda-bindings does not import: {e}", EXTRAS["tensorrt"].command) from e
        self.ledger = Ledger()
        self._call("cudaSetDevice", 0)
        self._call("cudaFree", 0)  # CUDA before 12 makes the context at the first call that needs it

    def check_thread(self) -> None:
        self.ledger.check()

    def allocate(self, size_bytes: int) -> int:
        self.ledger.check()
        address = int(self._call("cudaMalloc", max(size_bytes, 1)))
        return self.ledger.enter("memory", address, lambda: self._call("cudaFree", address))

    def free(self, address: int) -> None:
        self.ledger.release("memory", address)

    def pinned(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
        self.ledger.check()
        kind, count = np.dtype(dtype), int(np.prod(shape))
        size = max(count * kind.itemsize, 1)
        address = int(self._call("cudaHostAlloc", size, self._cuda.cudaHostAllocDefault))
        self.ledger.enter("pinned array", address, lambda: self._call("cudaFreeHost", address))
        block: Any = (ctypes.c_char * size).from_address(address)
        array: Array = np.frombuffer(block, kind, count).reshape(shape)
        return array

    def free_pinned(self, array: Array) -> None:
        self.ledger.release("pinned array", array.ctypes.data)

    def copy_to_device_async(self, address: int, array: Array, stream: int) -> None:
        self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice", stream)

    def copy_to_host_async(self, array: Array, address: int, stream: int) -> None:
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost", stream)

    def create_stream(self) -> int:
        self.ledger.check()
        stream = int(self._call("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking))
        return self.ledger.enter("stream", stream, lambda: self._call("cudaStreamDestroy", stream))

    def synchronise(self, stream: int) -> None:
        self.ledger.check()
        self._call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: int) -> None:
        self.ledger.release("stream", stream)

    def begin_capture(self, stream: int) -> None:
        self.ledger.check()
        self._call("cudaStreamBeginCapture", stream, self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)

    def end_capture(self, stream: int) -> int:
        self.ledger.check()
        recorded = self._call("cudaStreamEndCapture", stream)
        try:
            graph = int(self._call("cudaGraphInstantiate", recorded, 0))
        finally:
            self._call("cudaGraphDestroy", recorded)
        return self.ledger.enter("graph", graph, lambda: self._call("cudaGraphExecDestroy", graph))

    def launch(self, graph: int, stream: int) -> None:
        self.ledger.check()
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        self.ledger.release("graph", graph)

    def close(self) -> None:
        self.ledger.close()

    def _copy(self, to: int, source: int, size_bytes: int, direction: str, stream: int) -> None:
        self.ledger.check()
        kind = getattr(self._cuda.cudaMemcpyKind, direction)
        self._call("cudaMemcpyAsync", to, source, size_bytes, kind, stream)

    def _call(self, name: str, *arguments: object) -> Any:
        """What a function of CUDA answers behind its error code."""
        try:
            code, *answers = getattr(self._cuda, name)(*arguments)
            if code == self._cuda.cudaError_t.cudaSuccess:
                return answers[0] if answers else None
            text = self._cuda.cudaGetErrorString(code)[1]
            self._cuda.cudaGetLastError()  # else a later, innocent call would report this error again
        except RuntimeError as e:  # how the bindings of CUDA 12 say that there is no driver
            raise DeviceError(f"no NVIDIA driver answers: {e}", "sa3dhp-edge doctor") from e
        raise cuda_error(name, code.name, text.decode() if isinstance(text, bytes) else "")

"""Three kinds of device memory: on NumPy, by cuda-bindings, by PyCUDA.

The last two run on a GPU where one is, and everywhere on a stand-in for NVIDIA's library that keeps count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime.device_memory import cuda_bindings, pycuda
from runtime.device_memory.host import HostMemory
from runtime.device_memory.opening import open_device_memory
from runtime.device_memory.protocol import DeviceMemory
from sa3dhp_edge.errors import Sa3dhpError

HUGE = 1 << 50


class Code(Enum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815


OK = Code.cudaSuccess


class FakeCuda:
    """`cuda.bindings.runtime` on the memory of the host: the same names, arguments and answers."""

    cudaError_t = Code  # noqa: N815
    cudaHostAllocDefault = 0  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)  # noqa: N815
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)  # noqa: N815

    def __init__(self, host: HostMemory) -> None:
        self._arrays: dict[int, np.ndarray] = {}
        self._host = host

        def copy(to: int, source: int, size: int, kind: int, stream: int) -> tuple[Code]:
            host.copy_to_device_async(to, _bytes_at(source, size), stream)
            return (OK,)

        plain: dict[str, Callable[..., Any]] = {
            "cudaSetDevice": lambda device: None,
            "cudaStreamCreateWithFlags": lambda flags: host.create_stream(),
            "cudaStreamSynchronize": host.synchronise,
            "cudaStreamDestroy": host.destroy_stream,
            "cudaStreamBeginCapture": lambda stream, mode: host.begin_capture(stream),
            "cudaStreamEndCapture": host.end_capture,
            "cudaGraphInstantiate": lambda graph, flags: graph,
            "cudaGraphDestroy": lambda graph: None,
            "cudaGraphLaunch": host.launch,
            "cudaGraphExecDestroy": host.destroy_graph,
            "cudaGetLastError": lambda: None,
            "cudaGetErrorString": lambda code: b"out of memory",
        }
        for name, function in plain.items():
            setattr(self, name, lambda *given, function=function: (OK, function(*given)))
        self.cudaMemcpyAsync = copy

    def cudaMalloc(self, size: int) -> tuple[Code, int]:  # noqa: N802
        return (Code.cudaErrorMemoryAllocation, 0) if size >= HUGE else (OK, self._host.allocate(size))

    def cudaFree(self, address: int) -> tuple[Code]:  # noqa: N802
        if address:
            self._host.free(address)
        return (OK,)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Code, int]:  # noqa: N802
        array = self._host.pinned((size,), np.uint8)
        self._arrays[array.ctypes.data] = array
        return OK, array.ctypes.data

    def cudaFreeHost(self, address: int) -> tuple[Code]:  # noqa: N802
        self._host.free_pinned(self._arrays.pop(address))
        return (OK,)


def _bytes_at(address: int, size: int) -> np.ndarray:
    block: Any = (np.ctypeslib.ctypes.c_char * size).from_address(address)
    return np.frombuffer(block, np.uint8)


class FakePycuda:
    """`pycuda.driver` on the memory of the host, with a count of the contexts that are current."""

    class Error(Exception):
        pass

    def __init__(self, host: HostMemory) -> None:
        self._host, self.current = host, 0

    def init(self) -> None:
        pass

    def Device(self, number: int) -> Any:  # noqa: N802
        def moved(by: int) -> None:
            self.current += by

        context = SimpleNamespace(push=lambda: moved(1), pop=lambda: moved(-1), detach=lambda: None)
        return SimpleNamespace(retain_primary_context=lambda: context)

    def mem_alloc(self, size: int) -> Any:
        assert self.current == 1
        if size >= HUGE:
            raise self.Error("cuMemAlloc failed: out of memory")
        address, host = self._host.allocate(size), self._host
        return type("Memory", (), {"__int__": lambda _: address, "free": lambda _: host.free(address)})()

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        owner, host = self._host.pinned(shape, dtype), self._host

        class Base:
            __array_interface__ = owner.__array_interface__

            def free(self) -> None:
                host.free_pinned(owner)

        return np.asarray(Base())

    def memcpy_htod_async(self, to: int, source: np.ndarray, stream: Any) -> None:
        self._host.copy_to_device_async(to, source, stream.handle)

    def memcpy_dtoh_async(self, to: np.ndarray, source: int, stream: Any) -> None:
        self._host.copy_to_host_async(to, source, stream.handle)

    def Stream(self) -> Any:  # noqa: N802
        handle = self._host.create_stream()
        return SimpleNamespace(handle=handle, synchronize=lambda: self._host.synchronise(handle))


@pytest.fixture
def stood_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[DeviceMemory, HostMemory]]:
    """Memory of a kind on its stand-in, and what lies below that."""

    def make(kind: str) -> tuple[DeviceMemory, HostMemory]:
        below = HostMemory()
        if kind == "cuda-bindings":
            monkeypatch.setattr(cuda_bindings, "need", lambda *_: None)
            monkeypatch.setattr(cuda_bindings, "import_module", lambda name: FakeCuda(below))
            return cuda_bindings.CudaMemory(), below
        monkeypatch.setattr(pycuda, "_driver", lambda: FakePycuda(below))
        return pycuda.PycudaMemory(), below

    return make


@pytest.fixture
def fake_cuda() -> FakeCuda:
    return FakeCuda(HostMemory())


@pytest.fixture
def fake_pycuda() -> FakePycuda:
    return FakePycuda(HostMemory())


KINDS = ("cuda-bindings", "pycuda")
ON_A_GPU = [pytest.param((kind, True), marks=pytest.mark.gpu, id=f"{kind} on a GPU") for kind in KINDS]
STOOD_IN = [pytest.param((kind, False), id=f"{kind} stood in") for kind in KINDS]


@pytest.fixture(params=[pytest.param(("host", False), id="host"), *STOOD_IN, *ON_A_GPU])
def memory(
    request: pytest.FixtureRequest, stood_in: Callable[[str], tuple[DeviceMemory, HostMemory]]
) -> Iterator[DeviceMemory]:
    kind, real = request.param
    if real:
        try:
            made = open_device_memory(kind)
        except Sa3dhpError as e:
            pytest.skip(e.message)
        yield made
        made.close()
        return
    if kind == "host":
        yield HostMemory()
        return
    made, below = stood_in(kind)
    yield made
    made.close()
    kinds = (
        ("memory", "pinned array") if kind == "pycuda" else below.ledger.made
    )  # PyCUDA's streams go with their objects
    assert not any(below.ledger.holds(what) for what in kinds), "all that was asked for is given back"

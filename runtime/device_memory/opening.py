"""Which way leads to the GPU."""

from __future__ import annotations

from typing import Literal

from runtime.device_memory.cuda_bindings import CudaMemory
from runtime.device_memory.protocol import DeviceMemory
from runtime.device_memory.pycuda import PycudaMemory
from sa3dhp_edge.extras import findable

By = Literal["cuda-bindings", "pycuda"]


def open_device_memory(by: By | None = None) -> DeviceMemory:
    """The first GPU's memory, owned by the calling thread.

    Args:
        by: None takes cuda-bindings, or PyCUDA where that alone is installed.

    Raises:
        MissingPackage: the bindings are not installed.
        DeviceError: no driver answers, or it has no GPU.
    """
    if by is None:
        by = "pycuda" if findable("pycuda") and not findable("cuda.bindings") else "cuda-bindings"
    return PycudaMemory() if by == "pycuda" else CudaMemory()

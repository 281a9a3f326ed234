"""Which way leads to the GPU."""

from __future__ import annotations

from typing import Literal

from runtime.device_memory.cuda_bindings import CudaMemory
from runtime.device_memory.protocol import DeviceMemory
from runtime.device_memory.pycuda import PycudaMemory

By = Literal["cuda-bindings", "pycuda"]


def open_device_memory(by: By = "cuda-bindings", device: int = 0) -> DeviceMemory:
    """The GPU's memory, owned by the calling thread.

    Raises:
        MissingPackage: the bindings are not installed.
        DeviceError: no driver, or no such device.
    """
    return PycudaMemory(device) if by == "pycuda" else CudaMemory(device)

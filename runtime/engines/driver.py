"""Is there an NVIDIA driver, and which GPU does it drive?

Asked of the driver's own library, before TensorRT is touched: without a driver TensorRT's Runtime ends the process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.jetson import l4t_release
from sa3dhp_edge.errors import EngineError

LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18  # CUdevice_attribute, cuda.h
_NAME_BYTES = 256
_KERNEL_MODULE = Path("/sys/module/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """The first GPU and its driver.

    Attributes:
        name: as the driver says it, such as "Orin".
        capability: compute capability, major and minor.
        memory_mb: all of its memory, MiB; on an integrated GPU that is the machine's memory.
        integrated: whether GPU and processor share one memory, as on a Jetson.
        cuda: newest CUDA that the driver speaks, such as "12.6".
        driver: the driver's own release, or a Jetson's L4T release; "unknown" where nothing says it.
        devices: how many GPUs the driver has in all.
    """

    name: str
    capability: tuple[int, int]
    memory_mb: int
    integrated: bool
    cuda: str
    driver: str
    devices: int = 1

    @property
    def sm(self) -> str:
        """The capability as compilers write it: "sm87"."""
        return f"sm{self.capability[0]}{self.capability[1]}"


def find_gpu(load: Callable[[str], Any] = ctypes.CDLL) -> Gpu | None:
    """The first GPU; None where no driver answers."""
    try:
        cuda = load(LIBRARY)
    except OSError:
        return None
    version, count, device, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    calls: tuple[Callable[[], int], ...] = (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDriverGetVersion(ctypes.byref(version)),
        lambda: cuda.cuDeviceGetCount(ctypes.byref(count)),
        lambda: cuda.cuDeviceGet(ctypes.byref(device), 0),
        lambda: cuda.cuDeviceGetName(name, _NAME_BYTES, device),
        lambda: cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device),
    )
    if any(call() for call in calls):
        return None
    major, minor, integrated = (_attribute(cuda, which, device) for which in (_MAJOR, _MINOR, _INTEGRATED))
    return Gpu(
        name=name.value.decode(errors="replace"),
        capability=(major, minor),
        memory_mb=size.value >> 20,
        integrated=bool(integrated),
        cuda=f"{version.value // 1000}.{version.value % 1000 // 10}",
        driver=driver_release(),
        devices=count.value,
    )


def need_gpu(purpose: str) -> Gpu:
    """The first GPU.

    Raises:
        EngineError: no driver answers.
    """
    gpu = find_gpu()
    if gpu is None:
        raise EngineError(
            f"{purpose} needs an NVIDIA GPU, and no driver answers ({LIBRARY})",
            "see what `sa3dhp-edge doctor` finds; without a GPU the model runs on ONNX Runtime, and "
            "`sa3dhp-edge engine build MODEL --for sm86` builds for another machine",
        )
    return gpu


def driver_release(module: Path = _KERNEL_MODULE) -> str:
    """A Jetson's "L4T 36.4.0", else the kernel module's version such as "550.54.14", else "unknown"."""
    if (l4t := l4t_release()) not in (None, "unknown"):
        return f"L4T {l4t}"
    try:
        return module.read_text().strip()
    except OSError:
        return "unknown"


def _attribute(cuda: Any, which: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    if cuda.cuDeviceGetAttribute(ctypes.byref(value), which, device):
        return 0
    return value.value

"""CUDA source to something that can be launched: by NVRTC, or by PyCUDA with the toolkit's compiler."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from runtime.device_memory.errors import DeviceError, KernelError, cuda_error
from runtime.device_memory.protocol import DeviceMemory
from runtime.device_memory.pycuda import PycudaMemory
from sa3dhp_edge.errors import MissingPackage

Arguments = Sequence[NDArray[Any]]
"""One array per parameter, of one element and of the parameter's very type; a struct is a structured one."""

_OPTIONS = ("--fmad=false",)
"""A product and a sum are rounded one by one, as a processor does it."""
_NVRTC = "pip install nvidia-cuda-nvrtc for CUDA 13, nvidia-cuda-nvrtc-cu12 for CUDA 12; JetPack brings it"


class Kernel(Protocol):
    """A compiled kernel."""

    def launch(self, grid_xy: tuple[int, int], block_xy: tuple[int, int], arguments: Arguments, stream: int) -> None:
        """Put it on a stream."""

    def close(self) -> None:
        """Unload it."""


def compile_kernel(source: str, name: str, file: str, memory: DeviceMemory) -> Kernel:
    """A kernel for the GPU whose memory is given.

    Args:
        source: CUDA.
        name: of the function.
        file: what messages call the source.

    Raises:
        KernelError: it does not compile; with the compiler's words.
        MissingPackage: there is no compiler.
    """
    memory.check_thread()
    if isinstance(memory, PycudaMemory):
        return PycudaKernel(source, name, memory)
    return NvrtcKernel(source, name, file)


@final
class NvrtcKernel:
    """A kernel compiled and launched through cuda-bindings."""

    def __init__(self, source: str, name: str, file: str) -> None:
        self._driver: Any = import_module("cuda.bindings.driver")
        image = compiled(source, file, _architecture())
        self._module = self._call("cuModuleLoadData", image)
        self._function = self._call("cuModuleGetFunction", self._module, name.encode())

    def launch(self, grid_xy: tuple[int, int], block_xy: tuple[int, int], arguments: Arguments, stream: int) -> None:
        pointers = np.array([a.ctypes.data for a in arguments], np.uint64)
        grid, block = (*grid_xy, 1), (*block_xy, 1)
        self._call("cuLaunchKernel", self._function, *grid, *block, 0, stream, pointers.ctypes.data, 0)

    def close(self) -> None:
        if self._module is not None:
            self._call("cuModuleUnload", self._module)
            self._module = None

    def _call(self, name: str, *arguments: object) -> Any:
        code, *answers = getattr(self._driver, name)(*arguments)
        if code != self._driver.CUresult.CUDA_SUCCESS:
            raise cuda_error(name, code.name)
        return answers[0] if answers else None


@final
class PycudaKernel:
    """A kernel compiled and launched through PyCUDA."""

    def __init__(self, source: str, name: str, memory: PycudaMemory) -> None:
        compiler: Any = import_module("pycuda.compiler")
        driver: Any = import_module("pycuda.driver")
        self._memory = memory
        try:
            self._module = compiler.SourceModule(source, options=list(_OPTIONS), no_extern_c=True)
            self._function = self._module.get_function(name)
        except driver.CompileError as e:
            raise KernelError(f"{name} does not compile for this GPU: {e}", "sa3dhp-edge doctor") from e
        except (driver.Error, OSError) as e:  # OSError: there is no nvcc
            raise KernelError(f"{name} cannot be compiled: {e}", "put the CUDA toolkit's nvcc on the PATH") from e

    def launch(self, grid_xy: tuple[int, int], block_xy: tuple[int, int], arguments: Arguments, stream: int) -> None:
        block = (*block_xy, 1)
        scalars = [a[()] for a in arguments]
        self._function(*scalars, block=block, grid=grid_xy, stream=self._memory.stream_object(stream))

    def close(self) -> None:
        self._function = self._module = None


def compiled(source: str, file: str, architecture: str) -> bytes:
    """Machine code for one architecture, such as sm_87; needs no GPU.

    Machine code rather than PTX: a driver may be older than the compiler, and would refuse its PTX.

    Raises:
        KernelError: the source or the architecture is refused; with the compiler's words.
        MissingPackage: NVRTC is not there.
    """
    nvrtc: Any = import_module("cuda.bindings.nvrtc")
    try:
        _, program = nvrtc.nvrtcCreateProgram(source.encode(), file.encode(), 0, [], [])
    except RuntimeError as e:  # how the bindings say that a library is missing
        raise MissingPackage(f"a kernel is compiled by NVRTC, which is not here: {e}", _NVRTC) from e
    try:
        options = [option.encode() for option in (f"--gpu-architecture={architecture}", *_OPTIONS)]
        (code,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            said = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode(errors="replace")
            raise KernelError(
                f"{file} does not compile for {architecture}: {code.name}\n{said.strip(chr(0)).strip()}",
                "cut crops on the processor, and report this message",
            )
        return _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _text(size_of: Any, fill: Any, program: Any) -> bytes:
    size = int(size_of(program)[1])
    room = bytes(size + 1)  # at least two: Python keeps one shared object for every single byte, not to be written to
    fill(program, room)
    return room[:size]


def _architecture() -> str:
    """Of the device that is current in this thread."""
    runtime: Any = import_module("cuda.bindings.runtime")
    kind = runtime.cudaDeviceAttr
    numbers = []
    _, device = runtime.cudaGetDevice()
    for attribute in (kind.cudaDevAttrComputeCapabilityMajor, kind.cudaDevAttrComputeCapabilityMinor):
        code, number = runtime.cudaDeviceGetAttribute(attribute, device)
        if code != runtime.cudaError_t.cudaSuccess:
            raise DeviceError(f"the GPU does not tell its architecture: {code.name}", "sa3dhp-edge doctor")
        numbers.append(number)
    return f"sm_{numbers[0]}{numbers[1]}"

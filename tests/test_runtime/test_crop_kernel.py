"""The GPU's crop is the processor's: its arithmetic, run here as C, and its compiler's answers."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from runtime.crop_kernel import BLOCK, CROP, FILE, CropKernel, crop_struct, source
from runtime.device_memory.errors import DeviceError, KernelError
from runtime.device_memory.host import HostMemory
from runtime.device_memory.kernels import compiled
from runtime.device_memory.opening import open_device_memory
from sa3dhp_edge.crop import CropCamera, cut, normalise
from sa3dhp_edge.errors import MissingPackage, ShapeError
from sa3dhp_edge.geometry import Intrinsics

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEVEL = 1 / 255
ROUNDING = 1e-6
"""Of float32, in picture units."""

SHIM = """
#include <math.h>
#define __global__
#define __device__
struct index { unsigned x, y, z; };
static struct index blockIdx, blockDim, threadIdx;
#include "crop_kernel.cu"
void every_thread(const unsigned char *frame, float *planes, const struct Crop *crop, unsigned blocks, unsigned side)
{
    blockDim.x = blockDim.y = side;
    for (blockIdx.y = 0; blockIdx.y < blocks; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
            for (threadIdx.y = 0; threadIdx.y < side; threadIdx.y++)
                for (threadIdx.x = 0; threadIdx.x < side; threadIdx.x++)
                    crop_frame(frame, planes, *crop);
}
unsigned long size_of_crop(void) { return sizeof(struct Crop); }
"""

Kernel = Callable[[np.ndarray, CropCamera, int], np.ndarray]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / FILE).write_text(source())
    (folder / "shim.c").write_text(SHIM)
    flags = ["-std=c99", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(
        [compiler, *flags, folder / "shim.c", "-o", folder / "kernel.so", "-lm"], check=True, timeout=60, cwd=folder
    )
    return ctypes.CDLL(str(folder / "kernel.so"))


@pytest.fixture(scope="module")
def kernel(library: ctypes.CDLL) -> Kernel:
    def run(frame: np.ndarray, crop: CropCamera, side: int, field: float = 1.0) -> np.ndarray:
        h, w = frame.shape[:2]
        struct = crop_struct(crop, (w, h), side, MEAN, STD, field)
        planes = np.full((3, side, side), np.nan, np.float32)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (frame, planes, struct)]
        library.every_thread(*pointers, -(-side // BLOCK), BLOCK)
        return planes

    return run


def difference(planes: np.ndarray, frame: np.ndarray, crop: CropCamera, side: int, field: float = 1.0) -> np.ndarray:
    """Between the kernel's crop and the processor's, in picture units, where 1 is white."""
    wanted = normalise(cut(frame, crop, side, field)[None], MEAN, STD)[0]
    return np.abs(planes - wanted) * np.array(STD, np.float32)[:, None, None]


def turned(crop: CropCamera, by: float) -> CropCamera:
    """The crop camera, rolled about its own axis."""
    c, s = np.cos(by), np.sin(by)
    roll = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return CropCamera(roll @ crop.rot_camera_to_crop, roll @ crop.crop_from_px, crop.focal_uv)


def chances(count: int):
    """Noise, on which every wrong pixel shows; boxes in and over the border, rolled, and shrunk up to 12 times."""
    rng = np.random.default_rng(3)
    for _ in range(count):
        w, h = (int(v) for v in rng.integers(40, 700, 2))
        frame = rng.integers(0, 256, (h, w, 3), np.uint8)
        side = int(rng.integers(20, 100))
        size = float(np.exp(rng.uniform(np.log(0.3), np.log(12)))) * side
        x, y = rng.uniform(-0.2, 1.2, 2) * (w, h)
        camera = Intrinsics((1.2 * max(w, h),) * 2, ((w - 1) / 2, (h - 1) / 2))
        crop = CropCamera.looking_at((x - size / 2, y - size / 2, x + size / 2, y + size / 2), camera)
        yield frame, turned(crop, rng.uniform(-np.pi, np.pi)), side


def test_the_kernel_cuts_what_the_processor_cuts(kernel: Kernel) -> None:
    worst, shares, shrunk = 0.0, [], 0
    for frame, crop, side in chances(120):
        planes = kernel(frame, crop, side)
        apart = difference(planes, frame, crop, side)
        worst = max(worst, float(apart.max()))
        shares.append(float((apart > ROUNDING).mean()))
        h, w = frame.shape[:2]
        shrunk += int(crop_struct(crop, (w, h), side, MEAN, STD)["shrink_x"] > 1)
    assert worst <= LEVEL + ROUNDING
    assert np.mean(shares) < 0.05, "those shrunk by halves are rounded more than once, others in a stray pixel only"
    assert np.median(shares) < 1e-3
    assert 20 < shrunk < 100, "both ways are tried"


@pytest.mark.parametrize("k", [2, 3, 4, 5, 8])
def test_whole_boxes_are_averaged_as_the_processor_does(kernel: Kernel, rng: np.random.Generator, k: int) -> None:
    frame = rng.integers(0, 256, (48 * k, 64 * k, 3), np.uint8)
    camera = Intrinsics((1e5, 1e5), (32 * k - 0.5, 24 * k - 0.5))
    reach = 20 * k + 0.1
    crop = CropCamera.looking_at((32 * k - reach, 24 * k - reach, 32 * k + reach, 24 * k + reach), camera)
    assert crop_struct(crop, (64 * k, 48 * k), 40, MEAN, STD)["shrink_x"] == k
    apart = difference(kernel(frame, crop, 40), frame, crop, 40)
    assert apart.max() <= LEVEL + ROUNDING
    halved_twice = k % 4 == 0  # and rounded twice, which the kernel does not do
    assert (apart > ROUNDING).mean() < (0.5 if halved_twice else 1e-3)


def test_a_wider_field_and_a_side_that_fills_no_block(kernel: Kernel, rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (200, 300, 3), np.uint8)
    crop = CropCamera.looking_at((100, 50, 180, 130), Intrinsics.guess((300, 200)))
    for side in (1, 15, 16, 17, 50):
        assert difference(kernel(frame, crop, side, 1.5), frame, crop, side, 1.5).max() <= LEVEL + ROUNDING


def test_pixels_at_the_horizon_are_finite(library: ctypes.CDLL) -> None:
    """There the way back to the frame divides by zero."""
    frame, planes = np.full((40, 60, 3), 200, np.uint8), np.full((3, 16, 16), np.nan, np.float32)
    struct = crop_struct(CropCamera.looking_at((5, 5, 30, 30), Intrinsics.guess((60, 40))), (60, 40), 16, MEAN, STD)
    struct["frame_from_crop"][6:] = (1, 0, -8)
    library.every_thread(*(ctypes.c_void_p(a.ctypes.data) for a in (frame, planes, struct)), 1, BLOCK)
    assert np.isfinite(planes).all()


def test_python_and_the_kernel_lay_the_struct_out_alike(library: ctypes.CDLL) -> None:
    library.size_of_crop.restype = ctypes.c_ulong
    assert library.size_of_crop() == CROP.itemsize
    members = re.sub(r"/\*.*?\*/", "", re.search(r"struct Crop \{(.*?)\};", source(), re.DOTALL)[1], flags=re.DOTALL)
    declared = re.findall(r"\b(\w+)(?:\[\d+\])?[,;]", members)
    assert list(CROP.names or ()) == declared


def test_the_cuda_compiler_takes_the_source(tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc here")
    (tmp_path / FILE).write_text(source())
    done = subprocess.run(
        ["nvcc", "-ptx", "-arch=sm_87", "-fmad=false", "-Werror", "all-warnings", FILE, "-o", "crop.ptx"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ".entry crop_frame(" in (tmp_path / "crop.ptx").read_text()


def _nvrtc() -> None:
    if importlib.util.find_spec("cuda") is None:
        pytest.skip("cuda-bindings is not installed")
    try:
        compiled("", "empty.cu", "sm_87")
    except MissingPackage as e:
        pytest.skip(e.message)


def test_nvrtc_compiles_the_source_without_a_gpu() -> None:
    _nvrtc()
    for architecture in ("sm_87", "sm_90"):
        image = compiled(source(), FILE, architecture)
        assert image[:4] == b"\x7fELF"
        assert b"crop_frame" in image


def test_nvrtc_says_what_it_does_not_like() -> None:
    _nvrtc()
    with pytest.raises(KernelError, match=r"(?s)broken\.cu does not compile for sm_87: .*expected"):
        compiled("__global__ void f( {", "broken.cu", "sm_87")
    with pytest.raises(KernelError, match="does not compile for sm_1"):
        compiled(source(), FILE, "sm_1")


class FakeNvrtc:
    """What NVRTC answers to source it refuses."""

    class nvrtcResult:  # noqa: N801
        NVRTC_SUCCESS = 0

    destroyed = 0

    def nvrtcCreateProgram(self, *given: object) -> tuple[int, str]:  # noqa: N802
        return 0, "program"

    def nvrtcCompileProgram(self, *given: object) -> tuple[object]:  # noqa: N802
        class Refused:
            name = "NVRTC_ERROR_COMPILATION"

        return (Refused(),)

    def nvrtcGetProgramLogSize(self, program: str) -> tuple[int, int]:  # noqa: N802
        return 0, 5

    def nvrtcGetProgramLog(self, program: str, room: bytes) -> tuple[int]:  # noqa: N802
        ctypes.memmove(ctypes.c_char_p(room), b"line\0", 5)
        return (0,)

    def nvrtcDestroyProgram(self, program: str) -> tuple[int]:  # noqa: N802
        self.destroyed += 1
        return (0,)


def test_a_refusal_carries_the_compilers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvrtc()
    monkeypatch.setattr("runtime.device_memory.kernels.import_module", lambda name: fake)
    with pytest.raises(
        KernelError, match=r"bad\.cu does not compile for sm_87: NVRTC_ERROR_COMPILATION\nline"
    ) as error:
        compiled("nonsense", "bad.cu", "sm_87")
    assert "processor" in error.value.hint
    assert fake.destroyed == 1


def test_a_machine_without_nvrtc_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        def nvrtcCreateProgram(self, *given: object) -> None:  # noqa: N802
            raise RuntimeError("Failed to dlopen libnvrtc.so.12")

    monkeypatch.setattr("runtime.device_memory.kernels.import_module", lambda name: Absent())
    with pytest.raises(MissingPackage, match=r"libnvrtc\.so\.12") as error:
        compiled("", "x.cu", "sm_87")
    assert "nvidia-cuda-nvrtc" in error.value.hint


class FakeDriver:
    """`cuda.bindings.driver` that launches the C build of the kernel as work on a stream of the host's memory."""

    class CUresult(Enum):
        CUDA_SUCCESS = 0
        CUDA_ERROR_INVALID_VALUE = 1

    def __init__(self, library: ctypes.CDLL, memory: HostMemory) -> None:
        self._library, self._memory = library, memory
        self.loaded = 0

    def cuModuleLoadData(self, image: bytes) -> tuple[CUresult, str]:  # noqa: N802
        self.loaded += 1
        return self.CUresult.CUDA_SUCCESS, "module"

    def cuModuleGetFunction(self, module: str, name: bytes) -> tuple[CUresult, str]:  # noqa: N802
        found = name == b"crop_frame"
        return (self.CUresult.CUDA_SUCCESS if found else self.CUresult.CUDA_ERROR_INVALID_VALUE), name.decode()

    def cuLaunchKernel(self, function: str, *given: int) -> tuple[CUresult]:  # noqa: N802
        grid, block, (shared, stream, parameters, extra) = given[:3], given[3:6], given[6:]
        assert (grid[0], grid[2], block[2], shared, extra) == (grid[1], 1, 1, 0, 0)
        of_frame, of_planes, of_struct = (ctypes.c_uint64 * 3).from_address(parameters)
        addresses = [ctypes.c_uint64.from_address(p).value for p in (of_frame, of_planes)]
        struct = ctypes.create_string_buffer(ctypes.string_at(of_struct, CROP.itemsize), CROP.itemsize)
        pointers = [*map(ctypes.c_void_p, addresses), struct]  # a launch copies its arguments
        self._memory.submit(stream, lambda: self._library.every_thread(*pointers, grid[0], block[0]))
        return (self.CUresult.CUDA_SUCCESS,)

    def cuModuleUnload(self, module: str) -> tuple[CUresult]:  # noqa: N802
        self.loaded -= 1
        return (self.CUresult.CUDA_SUCCESS,)


def test_the_stand_in_has_the_names_of_the_real_bindings() -> None:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    driver, runtime = (pytest.importorskip(f"cuda.bindings.{name}") for name in ("driver", "runtime"))
    for name in vars(FakeDriver):
        if name.startswith(("cu", "CU")):
            assert hasattr(driver, name), name
    assert driver.CUresult.CUDA_SUCCESS.value == 0
    for name in ("cudaDevAttrComputeCapabilityMajor", "cudaDevAttrComputeCapabilityMinor"):
        assert hasattr(runtime.cudaDeviceAttr, name)
    assert hasattr(runtime, "cudaGetDevice")
    assert hasattr(runtime, "cudaDeviceGetAttribute")


def test_frames_go_to_the_device_once_and_crops_lie_where_they_are_asked_for(
    library: ctypes.CDLL, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = HostMemory()
    driver = FakeDriver(library, memory)
    monkeypatch.setattr("runtime.device_memory.kernels.import_module", lambda name: driver)
    monkeypatch.setattr("runtime.device_memory.kernels.compiled", lambda *_: b"code")
    monkeypatch.setattr("runtime.device_memory.kernels._architecture", lambda: "sm_87")
    cutter = CropKernel(memory, 24, MEAN, STD)
    stream, planes = memory.create_stream(), np.zeros((2, 3, 24, 24), np.float32)
    address = memory.allocate(planes.nbytes)
    for size_wh in ((120, 90), (120, 90), (64, 48)):
        frame = rng.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
        crops = [CropCamera.looking_at(box, Intrinsics.guess(size_wh)) for box in ((5, 5, 40, 40), (9, 2, 45, 30))]
        cutter.load(frame, stream)
        for i, crop in enumerate(crops):
            cutter.cut(crop, address + i * planes[0].nbytes, stream)
        memory.copy_to_host_async(planes, address, stream)
        memory.synchronise(stream)
        for crop, made in zip(crops, planes, strict=True):
            assert difference(made, frame, crop, 24).max() <= LEVEL + ROUNDING
    assert memory.ledger.made["memory"] == 3, "one for the planes, one for each size of frame"
    with pytest.raises(ShapeError, match=r"\(h, w, 3\) uint8"):
        cutter.load(np.zeros((4, 4), np.uint8), stream)
    cutter.close()
    cutter.close()
    assert driver.loaded == 0
    memory.close()


@pytest.mark.gpu
@pytest.mark.parametrize("by", ["cuda-bindings", "pycuda"])
def test_the_gpu_cuts_what_the_processor_cuts(by) -> None:
    try:
        memory = open_device_memory(by)
        cutter = CropKernel(memory, 64, MEAN, STD)
    except (MissingPackage, DeviceError) as e:
        pytest.skip(e.message)
    stream, planes = memory.create_stream(), memory.pinned((3, 64, 64))
    address = memory.allocate(planes.nbytes)
    for frame, crop, _ in chances(40):
        cutter.load(frame, stream)
        cutter.cut(crop, address, stream)
        memory.copy_to_host_async(planes, address, stream)
        memory.synchronise(stream)
        assert difference(planes, frame, crop, 64).max() <= LEVEL + ROUNDING
    cutter.close()
    memory.close()

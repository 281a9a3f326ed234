"""Crops cut on the GPU: the frame goes there once, and what comes out is the network's input, where it is needed."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from runtime.device_memory.buffer import Buffer
from runtime.device_memory.kernels import Kernel, compile_kernel
from runtime.device_memory.protocol import DeviceMemory
from sa3dhp_edge.crop import CropCamera, shrunk_first
from sa3dhp_edge.errors import ShapeError

FILE, NAME = "crop_kernel.cu", "crop_frame"
BLOCK = 16
"""Threads of a block along each side."""

CROP = np.dtype(
    [
        ("frame_from_crop", np.float64, 9), ("shrink_x", np.float64), ("shrink_y", np.float64),
        ("mean", np.float32, 3), ("std", np.float32, 3),
        ("width", np.int32), ("height", np.int32), ("small_width", np.int32), ("small_height", np.int32),
        ("side", np.int32),
    ],
    align=True,
)  # fmt: skip
"""`struct Crop` of the kernel."""

Three = tuple[float, float, float]


def source() -> str:
    """The kernel's text."""
    return (files("runtime") / FILE).read_text()


def crop_struct(
    crop: CropCamera, frame_wh: tuple[int, int], side: int, mean: Three, std: Three, field: float = 1.0
) -> NDArray[Any]:
    """What the kernel must know to give what `normalise(cut(frame, crop, side, field), mean, std)` gives.

    Args:
        frame_wh: of the frame, px.
        side: of the crop, px.
    """
    w, h = frame_wh
    (used_w, used_h), (small_w, small_h), crop_from_small = shrunk_first(crop, frame_wh, side, field)
    small_from_crop = np.linalg.inv(crop_from_small).ravel()
    values = (small_from_crop, used_w / small_w, used_h / small_h, mean, std, w, h, small_w, small_h, side)
    return np.array(values, CROP)


@final
class CropKernel:
    """Cuts crops of one size out of frames; for the thread that owns the memory.

    Args:
        memory: of the GPU; stays open.
        side: of the crops, px.
        mean, std: RGB, of the contract.

    Raises:
        KernelError, MissingPackage: the kernel cannot be compiled here; cut on the processor instead.
    """

    def __init__(self, memory: DeviceMemory, side: int, mean: Three, std: Three) -> None:
        self._memory, self._side, self._mean, self._std = memory, side, mean, std
        self._frame: Buffer | None = None
        self._kernel: Kernel = compile_kernel(source(), NAME, FILE, memory)

    @property
    def crop_bytes(self) -> int:
        """Of one crop, (3, side, side) float32."""
        return 3 * self._side * self._side * 4

    def load(self, frame_bgr: NDArray[np.uint8], stream: int) -> None:
        """Put a frame's copy to the device on a stream; it must be waited for before the next frame is loaded.

        Args:
            frame_bgr: (h, w, 3) uint8, straight; room is made anew where its size changes.
        """
        if frame_bgr.ndim != 3 or frame_bgr.shape[2] != 3 or frame_bgr.dtype != np.uint8:
            raise ShapeError(f"a frame must be (h, w, 3) uint8, got {frame_bgr.shape} {frame_bgr.dtype}")
        if self._frame is None or self._frame.array.shape != frame_bgr.shape:
            self._free()
            self._frame = Buffer(self._memory, frame_bgr.shape, np.uint8)
        np.copyto(self._frame.array, frame_bgr)
        self._frame.upload(len(frame_bgr), stream)

    def cut(self, crop: CropCamera, address: int, stream: int, field: float = 1.0) -> None:
        """Put on a stream: the loaded frame's crop, (3, side, side) float32, is written to an address."""
        self._memory.check_thread()
        assert self._frame is not None, "load a frame first"
        h, w = self._frame.array.shape[:2]
        struct = crop_struct(crop, (w, h), self._side, self._mean, self._std, field)
        blocks = -(-self._side // BLOCK)
        pointers = (np.array(self._frame.address, np.uint64), np.array(address, np.uint64))
        self._kernel.launch((blocks, blocks), (BLOCK, BLOCK), (*pointers, struct), stream)

    def close(self) -> None:
        """Give its memory back; once is enough."""
        self._free()
        self._kernel.close()

    def _free(self) -> None:
        if self._frame is not None:
            self._frame.free()
            self._frame = None

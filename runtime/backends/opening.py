"""Which library computes a model's image network here: TensorRT where an engine of it is stored, else ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.backends.base import AbstractBackend, Arrays, BackendName
from runtime.backends.onnx_runtime import OnnxBackend
from runtime.backends.tensorrt import TensorRtBackend
from runtime.crop_kernel import CropKernel
from runtime.device_memory.errors import KernelError
from runtime.device_memory.opening import open_device_memory
from runtime.device_memory.protocol import DeviceMemory
from runtime.engines.canary import canary_pictures, check_canary
from runtime.engines.driver import find_gpu
from runtime.engines.load import LoadedEngine, load_for
from runtime.engines.store import default_engines
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.crop import CropCamera, cut, normalise
from sa3dhp_edge.errors import ContractMismatch, EngineError, MissingPackage
from sa3dhp_edge.geometry import Intrinsics

CUT_BUDGET_MM = 1.0
"""Mean distance that joints may move by where a crop is cut: of a picture, a value in ten thousand is one level off."""
_TRIED_WH = (640, 480)
_TRIED_BOX = (150.0, 20.0, 450.0, 460.0)

log = logging.getLogger(__name__)


def open_network(
    folder: Path, contract: ModelContract, backend: BackendName = "onnx", threads: int = 0, engines: Path | None = None
) -> AbstractBackend:
    """The image network of a model folder, ready to be asked; by the thread that opens it, where it is on a GPU.

    Args:
        folder: the model's.
        contract: of that folder.
        backend: "auto" takes TensorRT where a GPU answers and a stored engine passes its canary, else ONNX Runtime, and
            says why.
        threads: of ONNX Runtime's operators; 0 leaves the choice to it.
        engines: where engines are stored; None for the default folder.

    Raises:
        ModelError: a network that does not load, or is not the promised one.
        EngineError, MissingPackage: "tensorrt" was asked for, and there is no driver, no TensorRT, no engine for this
            machine, or one that does not give the poses it should.
    """
    if backend == "tensorrt" or (backend == "auto" and find_gpu() is not None):
        try:
            return _tensorrt(folder, contract, engines or default_engines())
        except (EngineError, ContractMismatch, MissingPackage) as e:
            if backend == "tensorrt":
                raise
            log.warning("ONNX Runtime on the processor, because: %s\nhint: %s", e.message, e.hint)
    return OnnxBackend(folder / "g.onnx", contract.inputs, contract.outputs, threads)


def _tensorrt(folder: Path, contract: ModelContract, engines: Path) -> AbstractBackend:
    loaded = load_for(folder, engines)
    with ExitStack() as opened:
        memory = open_device_memory()
        opened.callback(memory.close)
        engine = TensorRtBackend(
            loaded.engine, memory, contract.inputs, contract.outputs, loaded.most_people, loaded.record.model
        )
        opened.callback(engine.close)
        away_mm = _canary_mm(engine, contract, loaded)
        cutter = _cutter(memory, contract)
        if cutter is not None:
            opened.callback(cutter.close)
        served = _OnDevice(engine, cutter, opened.pop_all())
    served.cuts_crops = cutter is not None and _cuts_as_here(served, contract)
    depends = loaded.record.fingerprint
    log.info("%s %s on %s: %.3f mm from ONNX Runtime", depends.flavour, depends.tensorrt, depends.gpu, away_mm)
    return served


def _canary_mm(backend: AbstractBackend, contract: ModelContract, loaded: LoadedEngine) -> float:
    """How far the engine's poses are from those that are expected of it.

    Raises:
        CanaryError: too far.
    """
    images = normalise(loaded.canary.pictures_rgb, contract.mean, contract.std)
    return check_canary(backend.infer({"image": images})["pose_mm"], loaded.canary, loaded.budget_mm)


def _cutter(memory: DeviceMemory, contract: ModelContract) -> CropKernel | None:
    """What cuts crops on the GPU; None where its kernel cannot be compiled."""
    try:
        return CropKernel(memory, contract.crop_px, contract.mean, contract.std)
    except (KernelError, MissingPackage) as e:
        log.info("crops are cut on the processor: %s", e.message)
        return None


def _cuts_as_here(served: _OnDevice, contract: ModelContract) -> bool:
    """Whether a crop that is cut on the GPU gives the pose that the same crop gives when it is cut here."""
    (picture, *_), side = canary_pictures(contract.crop_px), contract.crop_px
    frame = np.asarray(cv2.resize(picture, _TRIED_WH, interpolation=cv2.INTER_LINEAR), np.uint8)
    crop = CropCamera.looking_at(_TRIED_BOX, Intrinsics.guess(_TRIED_WH))
    there = served.infer_crops(frame, [crop])["pose_mm"]
    here = served.infer({"image": normalise(cut(frame, crop, side)[None], contract.mean, contract.std)})["pose_mm"]
    away_mm = float(np.linalg.norm(there - here, axis=-1).mean())
    if away_mm <= CUT_BUDGET_MM:
        return True
    log.warning("crops are cut on the processor: cut on the GPU they move joints by %.2f mm", away_mm)
    return False


@final
class _OnDevice(AbstractBackend):
    """An engine together with the memory that was opened for it, and what cuts crops there."""

    def __init__(self, engine: TensorRtBackend, cutter: CropKernel | None, opened: ExitStack) -> None:
        self._engine, self._cutter, self._opened = engine, cutter, opened

    def infer(self, inputs: Arrays) -> Arrays:
        return self._engine.infer(inputs)

    def infer_crops(self, frame_bgr: NDArray[np.uint8], crops: Sequence[CropCamera]) -> Arrays:
        assert self._cutter is not None, "asked only where cuts_crops"
        self._cutter.load(frame_bgr, self._engine.stream)
        (image,) = self._engine.inputs
        address, step = self._engine.input_address(image.name), self._cutter.crop_bytes
        parts = []
        for start in range(0, len(crops), self._engine.max_batch):
            turn = crops[start : start + self._engine.max_batch]
            for row, crop in enumerate(turn):
                self._cutter.cut(crop, address + row * step, self._engine.stream)
            parts.append(self._engine.infer_filled(len(turn)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def warm_up(self) -> None:
        self._engine.warm_up()

    def close(self) -> None:
        self._opened.close()

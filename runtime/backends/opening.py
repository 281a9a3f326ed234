"""Which library computes a model's image network here: TensorRT where an engine of it is stored, else ONNX Runtime."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import final

from runtime.backends.base import AbstractBackend, Arrays, BackendName
from runtime.backends.onnx_runtime import OnnxBackend
from runtime.backends.tensorrt import TensorRtBackend
from runtime.device_memory.opening import open_device_memory
from runtime.device_memory.protocol import DeviceMemory
from runtime.engines.canary import check_canary
from runtime.engines.driver import find_gpu
from runtime.engines.load import LoadedEngine, load_for
from runtime.engines.store import default_engines
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.errors import ContractMismatch, EngineError, MissingPackage

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
    memory = open_device_memory()
    try:
        backend = TensorRtBackend(
            loaded.engine, memory, contract.inputs, contract.outputs, loaded.most_people, str(loaded.record.model)
        )
        served = _OnDevice(backend, memory)
    except BaseException:
        memory.close()
        raise
    try:
        away_mm = _canary_mm(served, contract, loaded)
    except BaseException:
        served.close()
        raise
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


@final
class _OnDevice(AbstractBackend):
    """An engine together with the memory that was opened for it."""

    def __init__(self, engine: TensorRtBackend, memory: DeviceMemory) -> None:
        self._engine, self._memory = engine, memory

    def infer(self, inputs: Arrays) -> Arrays:
        return self._engine.infer(inputs)

    def warm_up(self) -> None:
        self._engine.warm_up()

    def close(self) -> None:
        self._engine.close()
        self._memory.close()

"""TensorRT serves where a stored engine gives the right poses, else ONNX Runtime does, and the user hears why."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import runtime.backends.opening as opening
from runtime.backends.base import AbstractBackend, Arrays
from runtime.backends.onnx_runtime import OnnxBackend
from runtime.backends.opening import open_network
from runtime.device_memory.errors import KernelError
from runtime.engines.canary import Canary, canary_pictures
from runtime.model import Model
from sa3dhp_edge.contract import Tensor, read_contract
from sa3dhp_edge.errors import CanaryError, EngineError, EngineStale

STALE = EngineStale("no engine for hall here", "sa3dhp-edge engine build MODEL")


class Closed:
    """Memory, or an engine on it, that counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class FakeTensorRt(Closed, AbstractBackend):
    """Gives everybody the same pose, `off_mm` from the expected one."""

    def __init__(self, off_mm: float) -> None:
        self.off_mm = off_mm

    def infer(self, inputs: Arrays) -> Arrays:
        return {"pose_mm": np.full((len(inputs["image"]), 17, 3), self.off_mm / np.sqrt(3), np.float32)}

    def warm_up(self) -> None:
        """Nothing is cold."""

    stream, max_batch = 5, 2
    inputs = (Tensor("image", ("batch", 3, 64, 64)),)

    def input_address(self, name: str) -> int:
        return {"image": 1000}[name]

    def infer_filled(self, rows: int) -> Arrays:
        return self.infer({"image": np.zeros((rows, 1))}) | {"rows": np.full((rows, 1), rows, np.float32)}


class FakeCutter(Closed):
    """Writes down what it is told."""

    crop_bytes = 3 * 64 * 64 * 4

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def load(self, frame_bgr: np.ndarray, stream: int) -> None:
        self.told.append(("frame", frame_bgr.shape, stream))

    def cut(self, crop: Any, address: int, stream: int) -> None:
        self.told.append((crop, address, stream))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine with a GPU; what `load_for` raises, the engine and the memory can be looked at and changed."""
    side = 64
    canary = Canary(canary_pictures(side), np.zeros((4, 17, 3), np.float32))
    fingerprint = SimpleNamespace(flavour="tensorrt", tensorrt="10.3.0", gpu="Orin")
    record = SimpleNamespace(model="hall", fingerprint=fingerprint)
    loaded = SimpleNamespace(engine=object(), record=record, canary=canary, budget_mm=0.5, most_people=4)
    made = SimpleNamespace(raises=None, engine=FakeTensorRt(0.1), memory=Closed(), cutter=FakeCutter(), taken=[])

    def load_for(*_: Any) -> Any:
        if made.raises:
            raise made.raises
        return loaded

    def backend(*arguments: Any) -> FakeTensorRt:
        made.taken.append(arguments)
        return made.engine

    monkeypatch.setattr(opening, "find_gpu", lambda: SimpleNamespace(name="Orin"))
    monkeypatch.setattr(opening, "load_for", load_for)
    monkeypatch.setattr(opening, "open_device_memory", lambda: made.memory)

    def compiled(*_: Any) -> FakeCutter:
        if made.cutter is None:
            raise KernelError("no compiler", "")
        return made.cutter

    monkeypatch.setattr(opening, "TensorRtBackend", backend)
    monkeypatch.setattr(opening, "CropKernel", compiled)
    return made


def test_without_a_gpu_auto_is_onnx_runtime_and_says_nothing(
    fake_model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "find_gpu", lambda: None)
    network = open_network(fake_model, read_contract(fake_model), "auto")
    assert isinstance(network, OnnxBackend)
    network.close()
    assert not caplog.records


def test_without_an_engine_auto_says_why_and_goes_on(
    fake_model: Path, gpu: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.raises = STALE
    with caplog.at_level(logging.WARNING):
        network = open_network(fake_model, read_contract(fake_model), "auto")
    assert isinstance(network, OnnxBackend)
    network.close()
    assert "no engine for hall here" in caplog.text
    assert "sa3dhp-edge engine build" in caplog.text


def test_asked_for_tensorrt_nothing_else_will_do(fake_model: Path, gpu: SimpleNamespace) -> None:
    gpu.raises = STALE
    with pytest.raises(EngineStale, match="no engine for hall"):
        open_network(fake_model, read_contract(fake_model), "tensorrt")


def test_an_engine_that_passes_its_canary_serves(fake_model: Path, gpu: SimpleNamespace) -> None:
    network = open_network(fake_model, read_contract(fake_model), "auto")
    contract = read_contract(fake_model)
    assert gpu.taken[0][1:5] == (gpu.memory, contract.inputs, contract.outputs, 4)
    image = np.zeros((3, 3, contract.crop_px, contract.crop_px), np.float32)
    assert network.infer({"image": image})["pose_mm"].shape == (3, 17, 3)
    network.close()
    assert (gpu.engine.closed, gpu.cutter.closed, gpu.memory.closed) == (1, 1, 1)


def test_crops_are_cut_into_the_engines_input_as_many_as_it_takes_at_once(
    fake_model: Path, gpu: SimpleNamespace
) -> None:
    network = open_network(fake_model, read_contract(fake_model), "tensorrt")
    assert network.cuts_crops
    frame, step = np.zeros((480, 640, 3), np.uint8), FakeCutter.crop_bytes
    crops: Any = ["a", "b", "c"]
    gpu.cutter.told.clear()
    answer = network.infer_crops(frame, crops)
    network.close()
    assert gpu.cutter.told == [("frame", (480, 640, 3), 5), ("a", 1000, 5), ("b", 1000 + step, 5), ("c", 1000, 5)]
    assert answer["rows"][:, 0].tolist() == [2, 2, 1]


def test_a_gpu_that_cuts_other_crops_has_them_cut_here(
    fake_model: Path, gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = np.full((1, 17, 3), 30.0, np.float32)
    monkeypatch.setattr(FakeTensorRt, "infer_filled", lambda *_: {"pose_mm": wrong})
    network = open_network(fake_model, read_contract(fake_model), "tensorrt")
    assert not network.cuts_crops
    assert "move joints by" in caplog.text
    network.close()


def test_without_a_compiler_crops_are_cut_on_the_processor(fake_model: Path, gpu: SimpleNamespace) -> None:
    gpu.cutter = None
    network = open_network(fake_model, read_contract(fake_model), "tensorrt")
    assert not network.cuts_crops
    with pytest.raises(NotImplementedError):
        OnnxBackend(fake_model / "g.onnx").infer_crops(np.zeros((4, 4, 3), np.uint8), [])
    network.close()


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_an_engine_with_other_poses_never_serves_and_gives_its_memory_back(
    backend: Any, fake_model: Path, gpu: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.engine.off_mm = 80.0
    if backend == "tensorrt":
        with pytest.raises(CanaryError, match=r"80\.00 mm from ONNX Runtime's"):
            open_network(fake_model, read_contract(fake_model), backend)
    else:
        network = open_network(fake_model, read_contract(fake_model), backend)
        assert isinstance(network, OnnxBackend)
        network.close()
        assert "80.00 mm from ONNX Runtime's" in caplog.text
    assert (gpu.engine.closed, gpu.memory.closed) == (1, 1)


def test_an_engine_that_does_not_start_gives_its_memory_back(
    fake_model: Path, gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise EngineError("too little memory")

    monkeypatch.setattr(opening, "TensorRtBackend", refuses)
    with pytest.raises(EngineError, match="too little memory"):
        open_network(fake_model, read_contract(fake_model), "tensorrt")
    assert gpu.memory.closed == 1


def test_a_model_is_served_by_what_was_asked_for(fake_model: Path, gpu: SimpleNamespace) -> None:
    assert isinstance(Model.load(fake_model).network, OnnxBackend)
    served = Model.load(fake_model, backend="tensorrt")
    assert not isinstance(served.network, OnnxBackend)
    served.close()
    assert gpu.memory.closed == 1

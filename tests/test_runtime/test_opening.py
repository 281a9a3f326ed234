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
from runtime.engines.canary import Canary, canary_pictures
from runtime.model import Model
from sa3dhp_edge.contract import read_contract
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


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine with a GPU; what `load_for` raises, the engine and the memory can be looked at and changed."""
    side = 64
    canary = Canary(canary_pictures(side), np.zeros((4, 17, 3), np.float32))
    fingerprint = SimpleNamespace(flavour="tensorrt", tensorrt="10.3.0", gpu="Orin")
    record = SimpleNamespace(model="hall", fingerprint=fingerprint)
    loaded = SimpleNamespace(engine=object(), record=record, canary=canary, budget_mm=0.5, most_people=4)
    made = SimpleNamespace(raises=None, engine=FakeTensorRt(0.1), memory=Closed(), taken=[])

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
    monkeypatch.setattr(opening, "TensorRtBackend", backend)
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
    assert (gpu.engine.closed, gpu.memory.closed) == (1, 1)


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

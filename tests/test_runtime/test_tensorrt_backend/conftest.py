"""An engine that computes with NumPy and answers to the calls that every TensorRT has, on memory of the host."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import numpy as np
import pytest

from runtime.device_memory.host import HostMemory

FREE = -1
LARGEST = 4


class Mode(Enum):
    INPUT = 1
    OUTPUT = 2


class Kind(Enum):
    FLOAT = "float32"
    HALF = "float16"
    INT32 = "int32"


def _ran(inputs: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    rows = inputs["image"].reshape(len(inputs["image"]), -1)
    return {"sum": scale * rows.sum(1, keepdims=True), "pose": scale * np.stack([rows[:, :3], -rows[:, :3]], 1)}


class FakeEngine:
    """Tensors image (n, 2, 3) -> sum (n, 1), pose (n, 2, 3); `scale` is its one weight.

    `one_context` is TensorRT 8, where a second context gets no profile; `stubborn` gives none at all; `uncapturable`
    and `broken` fail while they are recorded and always.
    """

    def __init__(self, memory: HostMemory, **also: Any) -> None:
        self.memory = memory
        self.scale = 2.0
        self.tensors: dict[str, tuple[Mode, tuple[int, ...], Kind]] = {
            "pose": (Mode.OUTPUT, (FREE, 2, 3), Kind.FLOAT),
            "image": (Mode.INPUT, (FREE, 2, 3), Kind.FLOAT),
            "sum": (Mode.OUTPUT, (FREE, 1), Kind.FLOAT),
        }
        self.least = 1
        self.one_context = self.stubborn = self.uncapturable = self.broken = False
        self.contexts = 0
        self.executions = 0
        vars(self).update(also)

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> Mode:
        return self.tensors[name][0]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name][1]

    def get_tensor_dtype(self, name: str) -> Kind:
        return self.tensors[name][2]

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert profile == 0
        assert self.tensors[name][0] is Mode.INPUT
        return [(n, *self.tensors[name][1][1:]) for n in (self.least, 1, LARGEST)]

    def create_execution_context(self) -> FakeContext | None:
        if self.stubborn:
            return None
        self.contexts += 1
        return FakeContext(self, has_profile=self.contexts == 1 or not self.one_context)


class FakeContext:
    def __init__(self, engine: FakeEngine, has_profile: bool) -> None:
        self._engine = engine
        self._has_profile = has_profile
        self._addresses: dict[str, int] = {}
        self._rows = engine.tensors["image"][1][0]

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        fixed = self._engine.tensors[name][1]
        fits = shape[1:] == fixed[1:] and self._engine.least <= shape[0] <= LARGEST
        self._rows = shape[0]
        return self._has_profile and fits

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return name in self._engine.tensors

    def execute_async_v3(self, stream: int) -> bool:
        engine, rows, addresses = self._engine, self._rows, dict(self._addresses)
        if engine.broken or (engine.uncapturable and engine.memory.recording(stream)):
            return False
        if rows < 0 or set(addresses) != set(engine.tensors):
            return False
        if not engine.memory.recording(stream):
            engine.executions += 1
        scale = engine.scale  # a graph keeps the weights it was recorded with, as a real one may

        def compute() -> None:
            arrays = {name: _at(address, (rows, *engine.tensors[name][1][1:])) for name, address in addresses.items()}
            for name, answer in _ran(arrays, scale).items():
                arrays[name][:] = answer

        engine.memory.submit(stream, compute)
        return True


def _at(address: int, shape: tuple[int, ...]) -> np.ndarray:
    block = (ctypes.c_float * int(np.prod(shape))).from_address(address)
    return np.frombuffer(block, np.float32).reshape(shape)


@pytest.fixture
def memory() -> Iterator[HostMemory]:
    """Memory that must be given back whole."""
    made = HostMemory()
    yield made
    left = {kind: made.ledger.holds(kind) for kind in made.ledger.made if made.ledger.holds(kind)}
    made.close()
    assert not left, f"not given back: {left}"


@pytest.fixture
def make_engine(memory: HostMemory) -> Callable[..., FakeEngine]:
    def make(on: HostMemory = memory, **also: Any) -> FakeEngine:
        return FakeEngine(on, **also)

    return make


@pytest.fixture
def expected() -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    return lambda images, scale=2.0: _ran({"image": images}, scale)

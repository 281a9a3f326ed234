"""A loaded engine takes all of its new weights, or none, or is rebuilt; it never keeps some of the old ones unheard."""

from __future__ import annotations

import io
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime.device_memory.errors import DeviceError, WrongThread
from runtime.engines.refit import (
    FAULTS,
    RefitBroken,
    RefitRefused,
    known_fault,
    read_weights,
    refit,
    refit_or_rebuild,
)
from sa3dhp_edge.errors import CanaryError, EngineError, ModelError


class Kind(Enum):
    FLOAT = 0
    HALF = 1
    INT64 = 2


class FakeWeights:
    """As TensorRT's: no copy is made."""

    def __init__(self, array: np.ndarray) -> None:
        self.address = array.__array_interface__["data"][0]
        self.array = array


class FakeRefitter:
    def __init__(self, engine: Any, logger: Any) -> None:
        if engine.no_refitter:
            logger.log(SimpleNamespace(name="ERROR"), "refit.cpp: duplicate layer names")
            raise TypeError("factory function returned nullptr")
        self._engine, self._logger = engine, logger
        self._given: dict[str, FakeWeights] = {}

    def get_all_weights(self) -> list[str]:
        return list(self._engine.weights)

    def get_weights_prototype(self, name: str) -> Any:
        if name not in self._engine.weights:
            return SimpleNamespace(size=-1, dtype=Kind.FLOAT)
        array = self._engine.weights[name]
        kind = {"float32": Kind.FLOAT, "float16": Kind.HALF, "int64": Kind.INT64}[array.dtype.name]
        return SimpleNamespace(size=array.size, dtype=kind)

    def set_named_weights(self, name: str, weights: FakeWeights) -> bool:
        if name in self._engine.rejected:
            return False
        self._given[name] = weights
        return True

    def get_missing_weights(self) -> list[str]:
        return list(self._engine.missing)

    def refit_cuda_engine(self) -> bool:
        for name, weights in self._given.items():
            self._engine.weights[name] = weights.array.copy()
            if self._engine.breaks:
                self._logger.log(SimpleNamespace(name="ERROR"), "CUDA error 2")
                return False
        return True


class FakeLogger:
    pass


def a_trt(version: str = "10.3.0", name: str = "tensorrt") -> Any:
    return SimpleNamespace(
        __name__=name, __version__=version, Refitter=FakeRefitter, Weights=FakeWeights, ILogger=FakeLogger
    )


class Hashable(SimpleNamespace):
    __hash__ = object.__hash__


@pytest.fixture
def trt() -> Any:
    return Hashable(**vars(a_trt()))


def an_engine(**also: Any) -> Any:
    weights = {
        "conv.weight": np.zeros((4, 3, 2, 2), np.float32),
        "conv.bias": np.zeros(4, np.float32),
        "fc.weight": np.zeros((5, 4), np.float16),
        "shape": np.array([1, 2], np.int64),
    }
    plain = {"refittable": True, "no_refitter": False, "breaks": False, "rejected": (), "missing": ()}
    return SimpleNamespace(weights=weights, **(plain | also))


def new_weights(seed: int = 0) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {
        "conv.weight": chance.normal(size=(4, 3, 2, 2)).astype(np.float32),
        "conv.bias": chance.normal(size=4).astype(np.float32),
        "fc.weight": chance.normal(size=(5, 4)).astype(np.float16),
    }


def untouched(engine: Any) -> bool:
    return not any(array.any() for name, array in engine.weights.items() if name != "shape")


def test_every_weight_is_set(trt) -> None:
    engine, given = an_engine(), new_weights()
    assert refit(trt, engine, given) == 3
    for name, array in given.items():
        np.testing.assert_array_equal(engine.weights[name], array)
    assert engine.weights["shape"].tolist() == [1, 2]


def test_transposed_views_are_given_in_order(trt) -> None:
    engine, given = an_engine(), new_weights()
    given["fc.weight"] = np.ascontiguousarray(given["fc.weight"].T).T
    refit(trt, engine, given)
    np.testing.assert_array_equal(engine.weights["fc.weight"], given["fc.weight"])


def test_a_scalar_more_in_the_file_is_no_matter(trt) -> None:
    """The builder takes small constants into other layers; a matrix that it does not know is another thing."""
    assert refit(trt, an_engine(), new_weights() | {"eps": np.array(1e-5, np.float32)}) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("conv.bias"), "not given: conv.bias"),
        (lambda w: w.update({"other.weight": np.zeros((2, 2), np.float32)}), "unknown to the engine: other.weight"),
        (lambda w: w.update({"conv.bias": np.zeros(5, np.float32)}), "another size or type: conv.bias"),
        (lambda w: w.update({"fc.weight": np.zeros((5, 4), np.float32)}), "another size or type: fc.weight"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(trt, change: Callable[[dict], Any], said: str) -> None:
    engine, given = an_engine(), new_weights()
    change(given)
    with pytest.raises(RefitRefused, match=said) as error:
        refit(trt, engine, given)
    assert untouched(engine)
    assert "build the engine anew" in error.value.hint


def test_all_complaints_come_at_once_and_long_lists_are_cut(trt) -> None:
    engine = an_engine()
    engine.weights |= {f"block{i}.weight": np.zeros(3, np.float32) for i in range(9)}
    with pytest.raises(RefitRefused, match=r"block4.weight and 4 more; of another size or type: conv.bias"):
        refit(trt, engine, new_weights() | {"conv.bias": np.zeros(7, np.float32)})


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ({"refittable": False}, "built without REFIT"),
        ({"no_refitter": True}, r"(?s)gives no refitter.*duplicate layer names"),
        ({"rejected": ("conv.bias",)}, "does not take or still misses conv.bias"),
        ({"missing": ("tmp_weight_2",)}, "still misses tmp_weight_2"),
    ],
)
def test_what_tensorrt_refuses_changes_nothing(trt, also: dict, said: str) -> None:
    engine = an_engine(**also)
    with pytest.raises(RefitRefused, match=said):
        refit(trt, engine, new_weights())
    assert untouched(engine)


def test_a_failure_in_the_midst_is_another_error(trt) -> None:
    with pytest.raises(RefitBroken, match=r"(?s)in the midst.*CUDA error 2"):
        refit(trt, an_engine(breaks=True), new_weights())


def test_versions_that_refit_wrongly_are_refused() -> None:
    for version, seen in (("8.0.3.4", "#1612"), ("8.5.3.1", "#3268"), ("8.6.1", "#4299")):
        fault = known_fault("tensorrt", version)
        assert fault is not None
        assert any(seen in place for place in fault.seen)
        engine = an_engine()
        with pytest.raises(RefitRefused, match=f"{version} is not trusted to refit"):
            refit(Hashable(**vars(a_trt(version))), engine, new_weights())
        assert untouched(engine)
    for version in ("10.0.1", "10.3.0", "10.16.1.11", "11.4.0.106"):
        assert known_fault("tensorrt", version) is None
    assert known_fault("tensorrt_rtx", "1.7.1.116") is None
    assert all(fault.seen and fault.why for fault in FAULTS)


def test_the_file_gives_back_what_was_saved(tmp_path) -> None:
    given = new_weights()
    np.savez(tmp_path / "refit.npz", **given)
    read = read_weights(tmp_path / "refit.npz")
    assert list(read) == list(given)
    for name, array in given.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def _pickled() -> bytes:
    block = io.BytesIO()
    np.savez(block, w=np.array([{}], object))
    return block.getvalue()


def _whole_numbers() -> bytes:
    block = io.BytesIO()
    np.savez(block, w=np.arange(3))
    return block.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "cannot be read"), (b"PK\x03\x04 cut", "cannot be read"), (_pickled(), "cannot be read"),
     (_whole_numbers(), "no float32 or float16 in w"), (None, "cannot be read")],
)  # fmt: skip
def test_a_file_of_another_kind_is_an_error_of_ours(tmp_path, content: bytes | None, said: str) -> None:
    path = tmp_path / "refit.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        read_weights(path)


class Calls:
    """Stands for refit, rebuild and canary, and notes their order."""

    def __init__(self, refit_error: Exception | None = None, canary_errors: tuple[Exception | None, ...] = ()) -> None:
        self.made: list[str] = []
        self._refit_error = refit_error
        self._canary_errors = list(canary_errors)

    def refit(self) -> int:
        self.made.append("refit")
        if self._refit_error:
            raise self._refit_error
        return 3

    def rebuild(self) -> None:
        self.made.append("rebuild")

    def canary(self) -> None:
        self.made.append("canary")
        error = self._canary_errors.pop(0) if self._canary_errors else None
        if error:
            raise error


def test_a_refit_that_passes_the_canary_is_enough() -> None:
    calls = Calls()
    outcome = refit_or_rebuild(calls.refit, calls.rebuild, calls.canary)
    assert (outcome.way, outcome.weights, calls.made) == ("refitted", 3, ["refit", "canary"])
    assert outcome.seconds >= 0


def test_what_cannot_be_refitted_is_rebuilt_and_the_reason_is_kept() -> None:
    calls = Calls(refit_error=RefitRefused("the engine was built without REFIT"))
    outcome = refit_or_rebuild(calls.refit, calls.rebuild, calls.canary)
    assert (outcome.way, outcome.why, outcome.weights) == ("rebuilt", "the engine was built without REFIT", 0)
    assert calls.made == ["refit", "rebuild", "canary"]


def test_a_refit_that_computes_something_else_is_rebuilt() -> None:
    calls = Calls(canary_errors=(CanaryError("the left wrist is 40 mm away"),))
    outcome = refit_or_rebuild(calls.refit, calls.rebuild, calls.canary)
    assert (outcome.way, outcome.why) == ("rebuilt", "the left wrist is 40 mm away")
    assert calls.made == ["refit", "canary", "rebuild", "canary"]


def test_a_rebuild_that_does_not_pass_either_is_no_success() -> None:
    wrong = CanaryError("40 mm away")
    calls = Calls(canary_errors=(wrong, wrong))
    with pytest.raises(EngineError, match="40 mm"):
        refit_or_rebuild(calls.refit, calls.rebuild, calls.canary)


@pytest.mark.parametrize("error", [ZeroDivisionError(), DeviceError("no more memory"), WrongThread("viewer used it")])
def test_a_mistake_of_ours_and_a_broken_gpu_are_not_mended_by_a_rebuild(error: Exception) -> None:
    calls = Calls(refit_error=error)
    with pytest.raises(type(error)):
        refit_or_rebuild(calls.refit, calls.rebuild, calls.canary)
    assert calls.made == ["refit"]


def test_the_calls_are_those_of_the_real_refitter() -> None:
    real = pytest.importorskip("tensorrt_rtx")
    for name in vars(FakeRefitter):
        if not name.startswith("_"):
            assert hasattr(real.Refitter, name), name
    assert hasattr(real.ICudaEngine, "refittable")
    weights = real.Weights(np.zeros((2, 3), np.float16))
    assert (weights.size, weights.dtype.name) == (6, "HALF")

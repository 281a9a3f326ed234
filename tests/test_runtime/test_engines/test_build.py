"""From a model folder to a stored engine; the builder's process is a stand-in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines.build import build_engine, wanted_engine
from runtime.engines.canary import read_canary
from runtime.engines.fingerprint import Machine
from runtime.engines.onnx_file import read_onnx
from runtime.engines.request import EngineRequest
from runtime.engines.store import check_whole, find_engine, stored_engines, timing_file
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import EngineBuildError, EngineMemoryError, EngineStale, ModelError


@pytest.fixture
def build(fake_model: Path, tmp_path: Path, orin: Machine, builds: Any) -> Callable[..., Any]:
    def run(model: Path = fake_model, rebuild: bool = False, machine: Machine = orin, **asked: Any) -> Any:
        return build_engine(model, EngineRequest(**asked), tmp_path / "engines", rebuild, machine, builds)

    return run


def test_an_engine_lies_whole_beside_its_record_its_canary_and_its_log(
    build: Callable[..., Any], fake_model: Path, tmp_path: Path, orin: Machine
) -> None:
    made, now = build(people=(1, 2, 3))
    assert now
    check_whole(made)
    wanted = wanted_engine(fake_model, EngineRequest(people=(1, 2, 3)), orin)
    assert made.folder == tmp_path / "engines" / f"fake-fp32-{wanted.fingerprint.key()}"
    assert made.record.fingerprint == wanted.fingerprint
    assert made.record.fingerprint.people == "1/2/3"
    assert (made.record.model, made.record.model_folder) == ("fake", str(fake_model))
    assert (made.record.seconds, made.record.level) == (1.5, 3)
    assert {p.name for p in made.folder.iterdir()} == {"engine.plan", "engine.json", "canary.npz", "build.log"}
    assert read_canary(made.folder / "canary.npz").pose_mm.shape == (4, 17, 3)


def test_the_builder_is_told_what_the_model_promises(
    build: Callable[..., Any],
    builds: Any,
    make_model: Callable[[Path], Path],
    in_precision: Callable[[Path, str], Path],
    tmp_path: Path,
) -> None:
    model = in_precision(make_model(tmp_path / "m"), "fp16")
    made, _ = build(model)
    (order,) = builds.orders
    assert order.onnx == model / "g.onnx"
    assert order.crop_px == read_contract(model).crop_px
    assert order.outputs == tuple(t.name for t in read_contract(model).outputs)
    assert (order.half, order.quantised) == (True, False)
    assert order.timing == timing_file(tmp_path / "engines", made.record.fingerprint)
    assert read_onnx(model / "g.onnx").precision == made.record.fingerprint.precision == "fp16"


def test_what_is_there_is_not_built_again(build: Callable[..., Any], builds: Any) -> None:
    first, _ = build()
    second, now = build()
    assert not now
    assert second == first
    assert len(builds.orders) == 1
    assert build(rebuild=True)[1]
    assert build(level=2)[1]
    assert len(builds.orders) == 3


def test_a_damaged_engine_is_built_again(build: Callable[..., Any], builds: Any) -> None:
    made, _ = build()
    made.plan.write_bytes(b"exchanged")
    assert build()[1]
    check_whole(made)


def test_an_update_of_the_machine_asks_for_a_new_engine_and_keeps_the_old(
    build: Callable[..., Any], fake_model: Path, tmp_path: Path, orin: Machine
) -> None:
    build()
    assert orin.gpu is not None
    later = Machine(dataclasses.replace(orin.gpu, driver="L4T 36.4.3"), {"tensorrt": "10.13.2"})
    wanted = wanted_engine(fake_model, EngineRequest(), later).fingerprint
    with pytest.raises(EngineStale) as caught:
        find_engine(tmp_path / "engines", "fake", wanted)
    assert "TensorRT 10.3.0 -> 10.13.2" in caught.value.message
    assert "driver L4T 36.4.0 -> L4T 36.4.3" in caught.value.message
    assert "CUDA" not in caught.value.message
    assert build(machine=later)[1]
    assert len(stored_engines(tmp_path / "engines")) == 2


def test_a_build_that_ran_out_of_memory_is_tried_once_with_less(build: Callable[..., Any], builds: Any) -> None:
    builds.raises = [EngineMemoryError("killed", "add swap")]
    made, _ = build()
    assert [o.request.level for o in builds.orders] == [3, 1]
    assert made.record.level == 1
    assert made.record.fingerprint.flags == "level 3"
    assert not build()[1]


def test_one_that_runs_out_again_fails_and_leaves_its_log_alone(
    build: Callable[..., Any], builds: Any, tmp_path: Path
) -> None:
    builds.raises = [EngineMemoryError("killed", "add swap"), EngineMemoryError("killed", "add swap")]
    with pytest.raises(EngineMemoryError, match="killed") as caught:
        build()
    assert len(builds.orders) == 2
    assert caught.value.hint == "add swap"
    (log,) = (tmp_path / "engines" / "failed").iterdir()
    assert str(log) in caught.value.message
    assert log.read_text() == "INFO a build\n" * 2
    assert stored_engines(tmp_path / "engines") == []
    assert {p.name for p in (tmp_path / "engines").iterdir()} == {"failed", ".lock"}


@pytest.mark.parametrize("level", [0, 1])
def test_there_is_no_less_than_little(build: Callable[..., Any], builds: Any, level: int) -> None:
    builds.raises = [EngineMemoryError("killed")]
    with pytest.raises(EngineMemoryError):
        build(level=level)
    assert len(builds.orders) == 1


def test_other_failures_are_not_tried_again(build: Callable[..., Any], builds: Any) -> None:
    builds.raises = [EngineBuildError("no", "fix")]
    with pytest.raises(EngineBuildError, match="no"):
        build()
    assert len(builds.orders) == 1


def test_an_interrupt_leaves_what_was_there(build: Callable[..., Any], builds: Any, tmp_path: Path) -> None:
    made, _ = build()
    builds.raises = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        build(rebuild=True)
    check_whole(made)
    assert not [p for p in (tmp_path / "engines").iterdir() if p.is_dir() and p.name.startswith(".")]


def test_too_little_memory_is_said_before_the_build(
    build: Callable[..., Any], builds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise EngineMemoryError("too little", "add swap")

    monkeypatch.setattr("runtime.engines.build.check_memory", refuse)
    with pytest.raises(EngineMemoryError, match="too little"):
        build()
    assert builds.orders == []


def test_a_model_that_was_tampered_with_is_not_built(
    build: Callable[..., Any], builds: Any, make_model: Callable[[Path], Path], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "m")
    (model / "g.onnx").write_bytes((model / "g.onnx").read_bytes() + b" ")
    with pytest.raises(ModelError, match="damaged or was exchanged"):
        build(model)
    assert builds.orders == []


def test_a_name_with_slashes_stays_in_its_folder(
    build: Callable[..., Any], make_model: Callable[[Path], Path], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "m")
    contract = json.loads((model / "contract.json").read_text())
    (model / "contract.json").write_text(json.dumps(contract | {"name": "../../hall & stairs"}))
    made, _ = build(model)
    assert made.folder.parent == tmp_path / "engines"
    assert made.record.model == "../../hall & stairs"
    assert stored_engines(tmp_path / "engines") == [made]

"""What is in the store, what of it can be used here, and what goes."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines.build import build_engine
from runtime.engines.fingerprint import Machine
from runtime.engines.inventory import list_engines, prune_engines
from runtime.engines.request import EngineRequest
from runtime.engines.store import StoredEngine

Build = Callable[..., StoredEngine]


@pytest.fixture
def model(make_model: Callable[[Path], Path], tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def build(model: Path, tmp_path: Path, orin: Machine, builds: Any) -> Build:
    def run(machine: Machine = orin, **asked: Any) -> StoredEngine:
        return build_engine(model, EngineRequest(**asked), tmp_path / "engines", machine=machine, run=builds)[0]

    return run


def test_a_usable_engine_is_listed_with_what_it_is(build: Build, tmp_path: Path, orin: Machine) -> None:
    made = build(people=(1, 2, 3))
    (line,) = list_engines(tmp_path / "engines", orin)
    assert (line.name, line.model, line.precision, line.people) == (made.folder.name, "fake", "fp32", "1/2/3")
    assert (line.made, line.size_mb) == (made.record.made, made.record.size_mb)
    assert (line.state, line.why) == ("usable", "")
    assert list_engines(tmp_path / "none", orin) == []


def test_an_update_makes_it_stale_and_says_what_changed(build: Build, tmp_path: Path, orin: Machine) -> None:
    build()
    (line,) = list_engines(tmp_path / "engines", Machine(orin.gpu, {"tensorrt": "10.13.2"}))
    assert (line.state, line.why) == ("stale", "TensorRT 10.3.0 -> 10.13.2")


def test_one_whose_driver_or_tensorrt_does_not_answer_now_is_kept(build: Build, tmp_path: Path, orin: Machine) -> None:
    build()
    for machine, why in ((Machine(None, orin.versions), "sm87 -> none"), (Machine(orin.gpu, {}), "10.3.0 -> none")):
        (line,) = list_engines(tmp_path / "engines", machine)
        assert line.state == "elsewhere"
        assert why in line.why
        assert prune_engines(tmp_path / "engines", machine=machine).removed == ()


def test_one_made_ahead_is_for_elsewhere(build: Build, tmp_path: Path, orin: Machine) -> None:
    rtx = Machine(None, {"tensorrt_rtx": "1.7.1"})
    build(machine=rtx, target="sm86")
    assert list_engines(tmp_path / "engines", rtx)[0].state == "elsewhere"
    assert orin.gpu is not None
    card = Machine(dataclasses.replace(orin.gpu, capability=(8, 6)), rtx.versions)
    assert list_engines(tmp_path / "engines", card)[0].state == "usable"
    assert prune_engines(tmp_path / "engines", machine=rtx).removed == ()


def test_a_model_that_changed_or_went_makes_it_stale(
    build: Build, model: Path, tmp_path: Path, orin: Machine, in_precision: Callable[[Path, str], Path]
) -> None:
    build()
    in_precision(model, "fp16")
    (line,) = list_engines(tmp_path / "engines", orin)
    assert (line.state, line.why) == ("stale", f"its model is another one now: {model}")
    shutil.rmtree(model)
    (line,) = list_engines(tmp_path / "engines", orin)
    assert (line.state, line.why) == ("stale", f"its model is gone: {model}")


def test_damage_is_stale(build: Build, tmp_path: Path, orin: Machine) -> None:
    made = build()
    made.plan.write_bytes(b"x")
    assert "damaged or was exchanged" in list_engines(tmp_path / "engines", orin)[0].why
    (made.folder / "engine.json").write_text("{")
    (line,) = list_engines(tmp_path / "engines", orin)
    assert (line.state, line.model) == ("stale", "")
    assert "cannot be read" in line.why


def test_stale_ones_and_leftovers_go(build: Build, tmp_path: Path, orin: Machine) -> None:
    engines = tmp_path / "engines"
    keep, old = build(), build(level=1)
    old.plan.write_bytes(b"x" * 2_000_000)
    left = engines / ".fake-fp32-0123.abc"
    left.mkdir()
    (left / "engine.plan").write_bytes(b"x" * 1_000_000)
    trial = prune_engines(engines, dry_run=True, machine=orin)
    assert set(trial.removed) == {old.folder.name, left.name}
    assert trial.freed_mb == pytest.approx(3.0, abs=0.2)
    assert old.folder.is_dir()
    pruned = prune_engines(engines, machine=orin)
    assert (pruned.removed, pruned.freed_mb, pruned.dry_run) == (trial.removed, trial.freed_mb, False)
    assert keep.folder.is_dir()
    assert not old.folder.exists()
    assert not left.exists()
    assert prune_engines(engines, machine=orin).removed == ()


def test_all_go_with_measurements_and_logs(build: Build, tmp_path: Path, orin: Machine) -> None:
    engines = tmp_path / "engines"
    made = build()
    for name in ("timing", "failed"):
        (engines / name).mkdir()
    assert prune_engines(engines, machine=orin).removed == ()
    assert set(prune_engines(engines, everything=True, machine=orin).removed) == {made.folder.name, "timing", "failed"}
    assert [p.name for p in engines.iterdir()] == [".lock"]


def test_a_folder_that_is_not_there_has_nothing_to_prune(tmp_path: Path) -> None:
    assert prune_engines(tmp_path / "none").removed == ()
    assert not (tmp_path / "none").exists()

"""From a stored engine to a loaded one: never a null object, never an engine of another machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines import api, load
from runtime.engines.api import deserialise, find_tensorrt, load_engine
from runtime.engines.build import build_engine
from runtime.engines.canary import check_canary
from runtime.engines.fingerprint import Machine
from runtime.engines.load import load_for
from runtime.engines.request import EngineRequest
from runtime.engines.store import SIDECAR
from sa3dhp_edge.errors import EngineError, EngineStale, MissingPackage
from sa3dhp_edge.extras import findable


def test_every_version_loads_an_engine(any_version: Any) -> None:
    library, does = any_version
    assert deserialise(b"plan", library.module) is does.engine


def test_a_null_engine_is_an_error_with_cause_and_fix(any_version: Any) -> None:
    library, does = any_version
    does.engine = None
    does.says = [
        ("INFO", "Loaded engine size: 6 MiB"),
        ("ERROR", "The engine plan file is generated on an incompatible device, expecting compute 7.2 got compute 8.7"),
    ]
    with pytest.raises(EngineError, match="refuses the engine: the engine was built for a GPU of another") as caught:
        deserialise(b"plan", library.module)
    assert "expecting compute 7.2 got compute 8.7" in caught.value.message
    assert "engine build MODEL --rebuild" in caught.value.hint
    does.says = []
    with pytest.raises(EngineError, match=r"no known cause \(it logged nothing\)"):
        deserialise(b"plan", library.module)


def test_a_null_runtime_is_an_error_with_a_way_on(any_version: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(logger: Any) -> Any:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setattr(any_version[0].module, "Runtime", start)
    with pytest.raises(EngineError, match="runtime does not start") as caught:
        deserialise(b"plan", any_version[0].module)
    assert "doctor" in caught.value.hint


def test_an_accelerators_engine_is_loaded_onto_its_core(any_version: Any) -> None:
    library, does = any_version
    assert deserialise(b"plan", library.module, dla=1) is does.engine
    assert does.runtime.DLA_core == 1
    deserialise(b"plan", library.module)
    assert does.runtime.DLA_core == "not in this look-alike"


def test_no_tensorrt_object_is_made_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.engines.driver.find_gpu", lambda: None)
    monkeypatch.setattr(api, "find_tensorrt", lambda _: pytest.fail("TensorRT was touched"))
    with pytest.raises(EngineError, match="no driver answers"):
        load_engine(b"plan", "tensorrt")


def test_a_tensorrt_that_does_not_import_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ImportError("libcublasLt.so.12: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(api, "findable", lambda name: name == "tensorrt")
    monkeypatch.setattr(api.importlib, "import_module", broken)
    with pytest.raises(EngineError, match="tensorrt does not import: libcublasLt") as caught:
        find_tensorrt()
    assert "install libcublas" in caught.value.hint


@pytest.mark.skipif(findable("tensorrt"), reason="TensorRT is installed")
def test_a_tensorrt_that_is_not_there_is_an_error() -> None:
    with pytest.raises(MissingPackage, match="tensorrt is not installed"):
        find_tensorrt("tensorrt")


@pytest.mark.parametrize(
    ("number", "major"), [("8.6.1", 8), ("10.3.0", 10), ("10.16.1", 10), ("11.4.0", 11), ("rtx-1.7.1", 11)]
)
def test_a_version_knows_its_api(version: Callable[[str], Any], number: str, major: int) -> None:
    library, _ = version(number)
    assert library.major == major
    assert library.has("BuilderFlag.FP16") == (major < 11)
    assert library.has("IProgressMonitor") == (major >= 10)
    assert not library.has("BuilderFlag.NOTHING")
    assert not library.has("Nothing.NOTHING")


def test_a_models_engine_comes_with_its_canary_and_budget(
    fake_model: Path, tmp_path: Path, orin: Machine, builds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(load, "load_engine", lambda *given: seen.append(given) or "engine")
    request = EngineRequest(people=(1, 2, 6))
    build_engine(fake_model, request, tmp_path, machine=orin, run=builds)
    loaded = load_for(fake_model, tmp_path, orin)
    assert seen == [(b"an engine", "tensorrt", None)]
    assert (loaded.engine, loaded.most_people, loaded.budget_mm) == ("engine", 6, 0.5)
    assert check_canary(loaded.canary.pose_mm, loaded.canary, loaded.budget_mm) == 0


def test_an_engine_built_for_an_accelerator_is_loaded_for_it(
    fake_model: Path, tmp_path: Path, orin: Machine, builds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(load, "load_engine", lambda *given: seen.append(given))
    on_dla = EngineRequest(people=(1, 1, 1), dla=1)
    build_engine(fake_model, on_dla, tmp_path, machine=orin, run=builds)
    load_for(fake_model, tmp_path, orin)
    assert seen == [(b"an engine", "tensorrt", 1)]


def test_the_newest_engine_serves_however_it_was_asked_for(
    fake_model: Path, tmp_path: Path, orin: Machine, builds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "load_engine", lambda *_: "engine")
    for year, request in (("2031", EngineRequest((1, 1, 8), level=5)), ("2030", EngineRequest((1, 1, 2), refit=True))):
        made, _ = build_engine(fake_model, request, tmp_path, machine=orin, run=builds)
        sidecar = made.folder / SIDECAR
        sidecar.write_text(sidecar.read_text().replace(made.record.made, f"{year}-01-01T00:00:00+00:00"))
    assert load_for(fake_model, tmp_path, orin).most_people == 8


def test_stale_and_damaged_engines_are_not_loaded(
    fake_model: Path, tmp_path: Path, orin: Machine, builds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "load_engine", lambda *_: pytest.fail("it was loaded"))
    made, _ = build_engine(fake_model, EngineRequest(), tmp_path, machine=orin, run=builds)
    assert orin.gpu is not None
    other = Machine(dataclasses.replace(orin.gpu, name="Orin Nano"), orin.versions)
    with pytest.raises(EngineStale, match="GPU Orin -> Orin Nano"):
        load_for(fake_model, tmp_path, other)
    made.plan.write_bytes(b"other")
    with pytest.raises(EngineError, match="damaged or was exchanged"):
        load_for(fake_model, tmp_path, orin)


@pytest.mark.tensorrt
def test_a_real_engine_loads_and_its_canary_is_there(fake_model: Path, tmp_path: Path) -> None:
    build_engine(fake_model, EngineRequest(), tmp_path)
    loaded = load_for(fake_model, tmp_path)
    assert loaded.engine.num_io_tensors == 6

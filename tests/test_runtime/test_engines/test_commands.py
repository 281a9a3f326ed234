"""`engine build`, `engine list` and `engine prune` as a shell sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines import build as building
from runtime.engines import inventory
from runtime.engines.fingerprint import Machine

Shell = Callable[..., Any]


@pytest.fixture
def on_orin(monkeypatch: pytest.MonkeyPatch, orin: Machine, builds: Any) -> Any:
    """An Orin's driver and TensorRT answer, and builds are stand-ins."""
    real = building.build_engine
    monkeypatch.setattr(building, "machine_for", lambda _: orin)
    monkeypatch.setattr(inventory, "this_machine", lambda: orin)
    monkeypatch.setattr(building, "build_engine", lambda *given: real(*given, run=builds))
    return builds


def test_an_engine_is_built_listed_and_pruned(shell: Shell, on_orin: Any, fake_model: Path) -> None:
    built = shell("engine", "build", fake_model, "--engines", "e", "--people", "1,2,6", "--refit", "--json")
    assert built.code == 0
    said = json.loads(built.out)
    assert (said["model"], said["people"], said["built"], said["gpu"]) == ("fake", "1/2/6", "now", "Orin")
    assert said["tensorrt"] == "tensorrt 10.3.0"
    assert on_orin.orders[0].request.refit
    again = shell("engine", "build", fake_model, "--engines", "e", "--people", "1,2,6", "--refit")
    assert "built: already, 2" in again.out
    table = shell("engine", "list", "--engines", "e").out.splitlines()
    assert table[0].split() == ["model", "precision", "people", "MB", "made", "state"]
    assert table[1].split()[:4] == ["fake", "fp32", "1/2/6", "0.0"]
    assert table[1].split()[-1] == "usable"
    assert len(table) == 2
    listed = json.loads(shell("engine", "list", "--engines", "e", "--json").out)
    assert [e["state"] for e in listed["engines"]] == ["usable"]
    assert json.loads(shell("engine", "prune", "--engines", "e", "--json").out)["removed"] == []
    trial = json.loads(shell("engine", "prune", "--all", "--dry-run", "--engines", "e", "--json").out)
    assert trial["removed"] == [Path(said["engine"]).name]
    assert Path(said["engine"]).is_dir()
    assert shell("engine", "prune", "--all", "--engines", "e").code == 0
    assert not Path(said["engine"]).exists()


def test_one_number_of_people_is_the_largest(shell: Shell, on_orin: Any, fake_model: Path) -> None:
    assert shell("engine", "build", fake_model, "--engines", "e", "--people", "8").code == 0
    assert on_orin.orders[0].request.people == (1, 1, 8)


def test_the_table_says_why_an_engine_is_stale(
    shell: Shell, on_orin: Any, fake_model: Path, orin: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("engine", "build", fake_model, "--engines", "e")
    monkeypatch.setattr(inventory, "this_machine", lambda: Machine(orin.gpu, {"tensorrt": "10.13.2"}))
    line = shell("engine", "list", "--engines", "e").out.splitlines()[1]
    assert line.endswith("stale  TensorRT 10.3.0 -> 10.13.2")


def test_an_empty_store_says_how_to_fill_it(shell: Shell) -> None:
    seen = shell("engine", "list", "--engines", "e")
    assert (seen.code, seen.out) == (0, "no engine in e\nhint: sa3dhp-edge engine build MODEL\n")
    assert json.loads(shell("engine", "list", "--engines", "e", "--json").out)["engines"] == []


@pytest.mark.parametrize("people", ["1,2", "a", "1.5", ""])
def test_people_that_are_no_numbers_are_wrong_usage(shell: Shell, fake_model: Path, people: str) -> None:
    seen = shell("engine", "build", fake_model, "--people", people)
    assert seen.code == 2
    assert "--people" in seen.err


def test_a_mistake_ends_with_a_hint(shell: Shell, fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = shell("engine", "build", fake_model, "--for", "sm86", "--refit", "--engines", "e")
    assert seen.code == 1
    assert "error: --refit is not possible" in seen.err
    assert "hint: leave out --refit" in seen.err
    monkeypatch.setattr(building, "machine_for", lambda _: Machine(None, {"tensorrt": "10.3.0"}))
    seen = shell("engine", "build", fake_model, "--engines", "e")
    assert seen.code == 1
    assert "no NVIDIA driver answers" in seen.err
    assert "--for sm86" in seen.err
    assert not Path("e").exists()

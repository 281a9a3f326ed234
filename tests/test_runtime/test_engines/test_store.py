"""Where engines lie, and that nothing stale, damaged or half-written is taken for one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines.build import build_engine, wanted_engine
from runtime.engines.fingerprint import Machine
from runtime.engines.request import EngineRequest
from runtime.engines.store import (
    StoredEngine,
    check_whole,
    default_engines,
    find_engine,
    read_stored,
    sole_user,
    stored_engines,
)
from sa3dhp_edge.errors import EngineError, EngineStale, OutputError


@pytest.fixture
def stored(fake_model: Path, tmp_path: Path, orin: Machine, builds: Any) -> StoredEngine:
    return build_engine(fake_model, EngineRequest(), tmp_path, machine=orin, run=builds)[0]


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_engines() == Path("/caches/sa3dhp-edge/engines")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_engines() == Path("/home/me/.cache/sa3dhp-edge/engines")


def test_an_engine_is_found_by_what_it_depends_on(stored: StoredEngine, tmp_path: Path) -> None:
    assert find_engine(tmp_path, "fake", stored.record.fingerprint) == stored
    assert read_stored(stored.folder) == stored


def test_an_empty_folder_and_none_say_so(fake_model: Path, tmp_path: Path, orin: Machine) -> None:
    wanted = wanted_engine(fake_model, EngineRequest(), orin).fingerprint
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(EngineStale, match="no engine for fake on this machine; it is empty") as caught:
            find_engine(folder, "fake", wanted)
        assert caught.value.hint == "sa3dhp-edge engine build MODEL"


def test_the_nearest_is_the_one_of_the_same_network(
    stored: StoredEngine, fake_model: Path, tmp_path: Path, orin: Machine
) -> None:
    wanted = wanted_engine(fake_model, EngineRequest(people=(1, 1, 2), refit=True), orin).fingerprint
    with pytest.raises(EngineStale) as caught:
        find_engine(tmp_path, "fake", wanted)
    nearest, *lines = caught.value.message.split("the nearest, ")[1].splitlines()
    assert nearest == f"{stored.folder.name}, differs:"
    assert [line.strip() for line in lines] == ["people 1/1/4 -> 1/1/2", "flags level 3 -> level 3, refit"]


@pytest.mark.parametrize("content", [b"", b"changed", None])
def test_a_plan_that_is_not_the_one_that_was_built_is_seen(stored: StoredEngine, content: bytes | None) -> None:
    check_whole(stored)
    if content is None:
        stored.plan.unlink()
    else:
        stored.plan.write_bytes(content)
    with pytest.raises(EngineError, match=r"is (damaged or was exchanged|missing)") as caught:
        check_whole(stored)
    assert "--rebuild" in caught.value.hint


@pytest.mark.parametrize("change", [{"format": 2}, {"size_mb": None, "extra": 1}, {"fingerprint": {}}, "junk"])
def test_a_sidecar_that_cannot_be_read_hides_its_engine(stored: StoredEngine, tmp_path: Path, change: Any) -> None:
    sidecar = stored.folder / "engine.json"
    raw = json.loads(sidecar.read_text())
    sidecar.write_text(change if isinstance(change, str) else json.dumps(raw | change))
    with pytest.raises(EngineError, match=r"engine.json (cannot be read|has format 2)"):
        read_stored(stored.folder)
    assert stored_engines(tmp_path) == []


def test_one_process_at_a_time(tmp_path: Path, fake_model: Path, orin: Machine, builds: Callable[..., float]) -> None:
    hold = (
        "import sys; from pathlib import Path; from runtime.engines.store import sole_user\n"
        "with sole_user(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(EngineError, match="another process is building or pruning"):
        build_engine(fake_model, EngineRequest(), tmp_path, machine=orin, run=builds)
    other.communicate("", timeout=30)
    assert build_engine(fake_model, EngineRequest(), tmp_path, machine=orin, run=builds)[1]


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be used") as caught, sole_user(tmp_path / "file" / "engines"):
        pass
    assert "--engines" in caught.value.hint

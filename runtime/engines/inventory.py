"""Which stored engines can be used, which cannot and why, and which go?"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime.engines.fingerprint import ANY, Machine, machine_differences, network_sha256, this_machine
from runtime.engines.onnx_file import read_onnx
from runtime.engines.store import (
    FAILED,
    SIDECAR,
    TIMING,
    StoredEngine,
    check_whole,
    engine_folders,
    read_stored,
    sole_user,
)
from sa3dhp_edge.errors import EngineError, ModelError, OutputError

State = Literal["usable", "elsewhere", "stale"]


@dataclass(frozen=True)
class EngineLine:
    """A stored engine as a list shows it.

    Attributes:
        name: its folder's name.
        model, precision, people, size_mb, made: see `EngineRecord`; empty or 0 where the sidecar is unreadable.
        state: usable here; for elsewhere, or for a driver or TensorRT that does not answer now; or stale, never to be
            loaded again.
        why: what differs, empty for a usable one.
    """

    name: str
    model: str
    precision: str
    people: str
    size_mb: float
    made: str
    state: State
    why: str


@dataclass(frozen=True)
class Pruned:
    """What went, or would go.

    Attributes:
        removed: names of folders.
        freed_mb: 10^6 bytes.
        dry_run: nothing was touched.
    """

    removed: tuple[str, ...]
    freed_mb: float
    dry_run: bool


def list_engines(engines: Path, machine: Machine | None = None) -> list[EngineLine]:
    """Every stored engine, in order of its name; each is read whole, so that a damaged one is seen."""
    folders = engine_folders(engines)
    machine = machine or (this_machine() if folders else Machine(None, {}))
    return [_line(folder, machine) for folder in folders]


def prune_engines(
    engines: Path, everything: bool = False, dry_run: bool = False, machine: Machine | None = None
) -> Pruned:
    """Remove stale engines and what cut-off builds left; or every engine, with measurements and logs.

    Raises:
        EngineError: another process builds here.
        OutputError: a folder cannot be removed.
    """
    if not engines.is_dir():
        return Pruned((), 0.0, dry_run)
    with sole_user(engines):
        going = [engines / e.name for e in list_engines(engines, machine) if everything or e.state == "stale"]
        going += sorted(p for p in engines.iterdir() if p.is_dir() and p.name.startswith("."))
        going += [engines / name for name in (TIMING, FAILED) if everything and (engines / name).is_dir()]
        freed = sum(_size_mb(folder) for folder in going)
        for folder in [] if dry_run else going:
            _remove(folder)
    return Pruned(tuple(folder.name for folder in going), round(freed, 3), dry_run)


def _line(folder: Path, machine: Machine) -> EngineLine:
    try:
        stored = read_stored(folder)
    except EngineError as e:
        return EngineLine(folder.name, "", "", "", round(_size_mb(folder), 3), "", "stale", e.message)
    record = stored.record
    state, why = _state(stored, machine)
    return EngineLine(
        name=folder.name,
        model=record.model,
        precision=record.fingerprint.precision,
        people=record.fingerprint.people,
        size_mb=record.size_mb,
        made=record.made,
        state=state,
        why=why,
    )


def _state(stored: StoredEngine, machine: Machine) -> tuple[State, str]:
    depends = stored.record.fingerprint
    try:
        check_whole(stored)
    except EngineError as e:
        return "stale", e.message
    if trouble := _model_trouble(stored):
        return "stale", trouble
    differs = machine_differences(depends, machine)
    if not differs:
        return "usable", ""
    # an environment without TensorRT, or a driver that does not answer, is no update: the engine may serve again
    silent = machine.gpu is None or depends.flavour not in machine.versions
    return ("elsewhere" if silent or depends.gpu == ANY else "stale"), "; ".join(differs)


def _model_trouble(stored: StoredEngine) -> str:
    """Why the model that the engine was made of is no longer that model; empty where it is."""
    onnx = Path(stored.record.model_folder) / "g.onnx"
    if not onnx.is_file():
        return f"its model is gone: {onnx.parent}"
    try:
        now = network_sha256(onnx, read_onnx(onnx))
    except ModelError as e:
        return e.message
    return "" if now == stored.record.fingerprint.network else f"its model is another one now: {onnx.parent}"


def _size_mb(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def _remove(folder: Path) -> None:
    """Remove a folder, its sidecar first: a removal that is cut off leaves nothing that looks whole."""
    try:
        (folder / SIDECAR).unlink(missing_ok=True)
        shutil.rmtree(folder)
    except OSError as e:
        raise OutputError(f"{folder} cannot be removed: {e.strerror}", "name a folder you may write to") from e

"""Which stored engine serves a model here, loaded and with the canary that it must pass?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.engines.api import load_engine
from runtime.engines.build import wanted_engine
from runtime.engines.canary import BUDGET_MM, Canary, read_canary
from runtime.engines.fingerprint import NO_DLA, Machine
from runtime.engines.request import EngineRequest
from runtime.engines.store import CANARY, EngineRecord, StoredEngine, check_whole, find_engine, stored_engines


@dataclass(frozen=True)
class LoadedEngine:
    """An engine that TensorRT took.

    Attributes:
        engine: TensorRT's `ICudaEngine`.
        record: what it is.
        canary: its answers are to be checked with `check_canary` before it serves.
        budget_mm: what the canary allows it.
        most_people: the largest batch.
    """

    engine: Any
    record: EngineRecord
    canary: Canary
    budget_mm: float
    most_people: int


def load_for(model: Path, engines: Path, machine: Machine | None = None) -> LoadedEngine:
    """Find and load the newest engine of a model folder that this machine can run, however it was asked for.

    Raises:
        ModelError: no model there, or a damaged one.
        EngineStale: no engine of it for this machine; says in what the nearest one differs.
        EngineError, MissingPackage: no driver, no TensorRT, or an engine that is damaged or refused.
    """
    wanted = wanted_engine(model, EngineRequest(), machine)
    fitting = [stored for stored in stored_engines(engines) if stored.record.fingerprint.runs_as(wanted.fingerprint)]
    if not fitting:
        find_engine(engines, wanted.contract.name, wanted.fingerprint)  # raises, and says what differs
    return load_stored(max(fitting, key=lambda stored: stored.record.made))


def load_stored(stored: StoredEngine) -> LoadedEngine:
    """Load a stored engine whose hash is that of its sidecar.

    Raises:
        EngineError, MissingPackage: see `load_for`.
    """
    check_whole(stored)
    depends = stored.record.fingerprint
    return LoadedEngine(
        engine=load_engine(
            stored.plan.read_bytes(), depends.flavour, None if depends.dla == NO_DLA else int(depends.dla)
        ),
        record=stored.record,
        canary=read_canary(stored.folder / CANARY),
        budget_mm=BUDGET_MM[depends.precision],
        most_people=int(depends.people.split("/")[2]),
    )

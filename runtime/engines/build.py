"""How does a model folder become a stored engine?"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from runtime.engines.canary import Canary, make_canary, save_canary
from runtime.engines.fingerprint import Fingerprint, Machine, fingerprint, machine_for, network_sha256
from runtime.engines.memory import check_memory
from runtime.engines.onnx_file import OnnxFacts, read_onnx
from runtime.engines.process import run_builder
from runtime.engines.request import LOW_LEVEL, BuildOrder, EngineRequest
from runtime.engines.store import (
    CANARY,
    FAILED,
    LOG,
    PLAN,
    SIDECAR,
    EngineRecord,
    StoredEngine,
    check_whole,
    engine_folder,
    find_engine,
    read_stored,
    sole_user,
    timing_file,
)
from sa3dhp_edge.atomic import publish_folder, write_text
from sa3dhp_edge.contract import ModelContract, file_sha256, read_contract
from sa3dhp_edge.errors import EngineBuildError, EngineError, EngineMemoryError

_logger = logging.getLogger(__name__)
Run = Callable[[BuildOrder, Path], float]
"""Builds what an order asks for and adds to a log; how long it took, s. See `run_builder`."""


@dataclass(frozen=True)
class Wanted:
    """A model and the engine that is wanted of it."""

    folder: Path
    contract: ModelContract
    facts: OnnxFacts
    request: EngineRequest
    fingerprint: Fingerprint


def wanted_engine(model: Path, request: EngineRequest, machine: Machine | None = None) -> Wanted:
    """Which engine a model folder asks for on this machine.

    Raises:
        ModelError: no model there, or a damaged one.
        EngineError, MissingPackage: this machine cannot have an engine.
    """
    contract = read_contract(model)
    facts = read_onnx(model / "g.onnx")
    network = network_sha256(model / "g.onnx", facts)
    depends = fingerprint(network, facts, request, machine or machine_for(request))
    return Wanted(model.resolve(), contract, facts, request, depends)


def build_engine(
    model: Path,
    request: EngineRequest,
    engines: Path,
    rebuild: bool = False,
    machine: Machine | None = None,
    run: Run = run_builder,
) -> tuple[StoredEngine, bool]:
    """Build a model's engine, unless it is there.

    Args:
        model: what `export` wrote.
        request: what is asked of the engine.
        engines: the folder that engines are kept in.
        rebuild: build even if it is there.
        machine: None looks at this one.
        run: builds; see `run_builder`.

    Returns:
        the engine, and whether it was built now.

    Raises:
        ModelError: no model there, or a damaged one.
        EngineMemoryError: too little memory, before the build or in it.
        EngineError, MissingPackage: this machine cannot have an engine, the build failed, or another one goes on.
    """
    machine = machine or machine_for(request)
    wanted = wanted_engine(model, request, machine)
    if not rebuild:
        with suppress(EngineError):
            there = find_engine(engines, wanted.contract.name, wanted.fingerprint)
            check_whole(there)
            return there, False
    weights_mb = sum((model / f).stat().st_size for f in ("g.onnx", *wanted.facts.external)) / 2**20
    gpu = None if request.target else machine.gpu
    check_memory(request, wanted.fingerprint.flavour, weights_mb, gpu)
    canary = make_canary(model, wanted.contract)
    with sole_user(engines):
        return _build(wanted, canary, engines, run), True


def _build(wanted: Wanted, canary: Canary, engines: Path, run: Run) -> StoredEngine:
    folder = engine_folder(engines, wanted.contract.name, wanted.fingerprint)
    with publish_folder(folder) as new:
        order = _order(wanted, new / PLAN, timing_file(engines, wanted.fingerprint))
        try:
            seconds, level = _run(order, new / LOG, run)
        except EngineBuildError as e:
            kept = _keep_log(new / LOG, engines / FAILED / f"{folder.name}.log")
            raise type(e)(f"{e.message}\nTensorRT's log: {kept}", e.hint) from e
        save_canary(new / CANARY, canary)
        write_text(new / SIDECAR, _record(wanted, new / PLAN, seconds, level).to_json())
    return read_stored(folder)


def _run(order: BuildOrder, log: Path, run: Run) -> tuple[float, int]:
    """Build; once more with less to try where memory ran out. How long it took, s, and with which level."""
    _logger.info("building an engine of %s for at most %d people", order.onnx, order.request.people[2])
    try:
        return run(order, log), order.request.level
    except EngineMemoryError as e:
        if order.request.level <= LOW_LEVEL:
            raise
        _logger.warning("%s; once more with level %d", e.message, LOW_LEVEL)
        low = dataclasses.replace(order, request=dataclasses.replace(order.request, level=LOW_LEVEL))
        return run(low, log), LOW_LEVEL


def _order(wanted: Wanted, engine: Path, timing: Path) -> BuildOrder:
    return BuildOrder(
        request=wanted.request,
        flavour=wanted.fingerprint.flavour,
        onnx=wanted.folder / "g.onnx",
        crop_px=wanted.contract.crop_px,
        outputs=tuple(t.name for t in wanted.contract.outputs),
        half=wanted.facts.half,
        quantised=wanted.facts.quantised,
        engine=engine.resolve(),
        timing=timing.resolve(),
    )


def _record(wanted: Wanted, plan: Path, seconds: float, level: int) -> EngineRecord:
    return EngineRecord(
        fingerprint=wanted.fingerprint,
        model=wanted.contract.name,
        model_folder=str(wanted.folder),
        engine_sha256=file_sha256(plan),
        size_mb=round(plan.stat().st_size / 1e6, 3),
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=round(seconds, 2),
        level=level,
    )


def _keep_log(log: Path, kept: Path) -> Path:
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(log, kept)
    return kept

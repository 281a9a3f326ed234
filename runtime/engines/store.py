"""Where are engines kept, and which of them serves a fingerprint?

ENGINES/NAME-PRECISION-KEY/   one engine, whole or not at all; KEY is its fingerprint's
    engine.plan               what TensorRT loads
    engine.json               `EngineRecord`: the fingerprint in full, and the hash of engine.plan
    canary.npz                pictures with ONNX Runtime's answers
    build.log                 what TensorRT logged
ENGINES/timing/*.cache        what builds measured, one for each GPU and TensorRT
ENGINES/failed/*.log          logs of builds that failed
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.engines.fingerprint import Fingerprint, differences
from runtime.engines.log_causes import AGAIN
from sa3dhp_edge.contract import file_sha256
from sa3dhp_edge.errors import EngineError, EngineStale, OutputError

PLAN, SIDECAR, CANARY, LOG = "engine.plan", "engine.json", "canary.npz", "build.log"
TIMING, FAILED = "timing", "failed"
FORMAT = 1


@dataclass(frozen=True)
class EngineRecord:
    """What engine.json says.

    Attributes:
        fingerprint: what the engine depends on.
        model: name in the model's contract.
        model_folder: where the model lay, absolute.
        engine_sha256: of engine.plan.
        size_mb: of engine.plan, 10^6 bytes.
        made: when, UTC, ISO 8601.
        seconds: how long the build took.
        level: the optimisation level it was built with, lower than asked for where memory ran out.
    """

    fingerprint: Fingerprint
    model: str
    model_folder: str
    engine_sha256: str
    size_mb: float
    made: str
    seconds: float
    level: int
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


@dataclass(frozen=True)
class StoredEngine:
    """An engine's folder and what it says of itself."""

    folder: Path
    record: EngineRecord

    @property
    def plan(self) -> Path:
        return self.folder / PLAN


def default_engines() -> Path:
    """$XDG_CACHE_HOME/sa3dhp-edge/engines, by default in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sa3dhp-edge" / "engines"


def engine_folder(engines: Path, model: str, wanted: Fingerprint) -> Path:
    """Where an engine of this fingerprint belongs."""
    name = re.sub(r"[^\w.-]+", "_", model).lstrip(".-") or "model"
    return engines / f"{name}-{wanted.precision}-{wanted.key()}"


def timing_file(engines: Path, wanted: Fingerprint) -> Path:
    """Where measurements for this GPU and TensorRT belong."""
    parts = (wanted.gpu, wanted.sm, wanted.flavour, wanted.tensorrt)
    return engines / TIMING / (re.sub(r"[^\w.-]+", "_", "-".join(parts)) + ".cache")


def engine_folders(engines: Path) -> list[Path]:
    """Every finished folder that is meant to hold an engine, readable or not."""
    if not engines.is_dir():
        return []
    others = (TIMING, FAILED)
    return sorted(p for p in engines.iterdir() if p.is_dir() and p.name not in others and not p.name.startswith("."))


def read_stored(folder: Path) -> StoredEngine:
    """Read an engine's sidecar; the engine itself is not touched.

    Raises:
        EngineError: it is missing, damaged or of another version of this program.
    """
    path = folder / SIDECAR
    try:
        raw = json.loads(path.read_text())
        if raw["format"] != FORMAT:
            raise EngineError(f"{path} has format {raw['format']}, this version reads {FORMAT}", AGAIN)
        record = EngineRecord(**(raw | {"fingerprint": Fingerprint(**raw["fingerprint"])}))
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise EngineError(f"{path} cannot be read: {e}", AGAIN) from e
    return StoredEngine(folder, record)


def stored_engines(engines: Path) -> list[StoredEngine]:
    """Those that can be read."""
    found = []
    for folder in engine_folders(engines):
        try:
            found.append(read_stored(folder))
        except EngineError:  # `engine list` tells of it
            continue
    return found


def find_engine(engines: Path, model: str, wanted: Fingerprint) -> StoredEngine:
    """The stored engine that does what is wanted; one made for this very GPU before one made ahead.

    Raises:
        EngineStale: there is none; says in what the nearest one differs.
    """
    stored = stored_engines(engines)
    serving = [s for s in stored if s.record.fingerprint.serves(wanted)]
    if serving:
        return min(serving, key=lambda s: s.record.fingerprint != wanted)
    raise EngineStale(
        f"{engines} has no engine for {model} on this machine; {explain(stored, wanted)}",
        "sa3dhp-edge engine build MODEL",
    )


def explain(stored: list[StoredEngine], wanted: Fingerprint) -> str:
    """What differs between the wanted engine and the nearest stored one: a line for each field."""
    near = [s for s in stored if s.record.fingerprint.network == wanted.network] or stored
    if not near:
        return "it is empty"
    nearest = min(near, key=lambda s: len(differences(wanted, s.record.fingerprint)))
    lines = differences(wanted, nearest.record.fingerprint)
    return "\n  ".join([f"the nearest, {nearest.folder.name}, differs:", *lines])


def check_whole(stored: StoredEngine) -> None:
    """Compare engine.plan with the hash that its sidecar holds.

    Raises:
        EngineError: it is missing, damaged or was exchanged.
    """
    if not stored.plan.is_file():
        raise EngineError(f"{stored.plan} is missing", AGAIN)
    if file_sha256(stored.plan) != stored.record.engine_sha256:
        raise EngineError(f"{stored.plan} is damaged or was exchanged: its hash is not the one in {SIDECAR}", AGAIN)


@contextmanager
def sole_user(engines: Path) -> Iterator[None]:
    """While the block runs, no other process builds or prunes here.

    Raises:
        EngineError: another one does.
        OutputError: the folder cannot be written to.
    """
    try:
        engines.mkdir(parents=True, exist_ok=True)
        file = (engines / ".lock").open("w")
    except OSError as e:
        raise OutputError(f"{engines} cannot be used: {e.strerror}", "name another folder by --engines") from e
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise EngineError(
                f"another process is building or pruning in {engines}", "wait until it is done, then try again"
            ) from e
        yield

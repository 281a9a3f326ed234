"""Which files `--out` asks for, told by their suffixes, and the formats that are made of a recording."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.outputs.bvh import write_bvh
from runtime.outputs.c3d import write_c3d
from runtime.outputs.clip import Clip
from runtime.outputs.csv_table import write_csv
from runtime.outputs.npz import write_npz
from runtime.outputs.tables import Tables, load_tables
from runtime.outputs.trc import write_trc
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.errors import ConfigError, DataError, OutputError, Sa3dhpError

log = logging.getLogger(__name__)

PER_PERSON: dict[str, Callable[[Clip, Path], None]] = {".bvh": write_bvh, ".trc": write_trc, ".c3d": write_c3d}
"""Formats that hold one person at a constant rate: one file for each."""
MADE = (".csv", ".npz", *PER_PERSON)
"""Suffixes of files that are made of a recording."""
LINES = (".jsonl", ".json", ".ndjson", "")
"""Suffixes of recordings; so is a device, whatever it is called."""

_EXISTS = "name another path, or replace it with --overwrite"


@dataclass(frozen=True)
class Conversion:
    """What was made of a recording: its frames, its persons, and the files."""

    frames: int
    tracks: int
    files: tuple[Path, ...]


@dataclass(frozen=True)
class OutPlan:
    """What a run writes.

    Attributes:
        lines: recordings, written line by line during the run.
        made: files made of a recording at the end.
        source: the recording they are made of.
        temporary: nobody asked for that recording; it goes when the files are there.
    """

    lines: tuple[Path, ...]
    made: tuple[Path, ...] = ()
    source: Path | None = None
    temporary: bool = False


def plan_outputs(outs: Sequence[Path], overwrite: bool) -> OutPlan:
    """What `outs` ask of a run; where only other formats are named, a recording is kept beside the first of them.

    Raises:
        ConfigError: an unknown suffix, or a path that is named twice.
        OutputError: a file exists, unless `overwrite`.
    """
    _refuse_twice(outs)
    lines = tuple(path for path in outs if path.suffix.lower() in LINES or _is_device(path))
    made = tuple(path for path in outs if path not in lines)
    _refuse_unknown(made, (".jsonl", *MADE))
    source = next((path for path in lines if not _is_device(path)), None) if made else None
    temporary = bool(made) and source is None
    if temporary:
        source = made[0].with_name(f"{made[0].stem}.unfinished.jsonl")
        lines = (*lines, source)
    if not overwrite:
        for path in (*lines, *made):
            hint = f"an interrupted run left it: `sa3dhp-edge convert {path}`, or remove it" if path == source else ""
            refuse_existing(path, hint if temporary and hint else _EXISTS)
        _refuse_persons(made)
    return OutPlan(lines, made, source, temporary)


@contextmanager
def made_afterwards(plan: OutPlan, overwrite: bool) -> Iterator[None]:
    """Around a run that closes its recording: makes the other files of it, also where the run ended with an error.

    Raises:
        OutputError: a file could not be made; the recording stays, and the hint says how to try again.
    """
    try:
        yield
    except Sa3dhpError as ended:
        try:
            _make(plan, overwrite, keep=isinstance(ended, OutputError))
        except Sa3dhpError as e:
            log.warning("%s", e.message)  # what ended the run is the error to show
        raise
    except BaseException:
        if plan.made:
            log.warning("the poses so far are whole in %s: `%s` makes the other files", plan.source, _command(plan))
        raise
    _make(plan, overwrite)


def convert(recording: Path, outs: Sequence[Path], overwrite: bool = False) -> Conversion:
    """Make other formats of a recording; each file appears whole or not at all.

    Args:
        recording: of `run`, JSON Lines.
        outs: files to make; CSV and NPZ hold all persons, BVH, TRC and C3D one each: `walk.bvh` the first,
            `walk.track2.bvh` the one with track 2.
        overwrite: replace files that exist.

    Raises:
        ConfigError: an unknown suffix.
        DataError: no recording, or a damaged one.
        OutputError: a file exists, or the disk refuses.
    """
    if not outs:
        raise ConfigError("no file to make is named", f"--out takes paths that end in {', '.join(MADE)}")
    _refuse_twice(outs)
    _refuse_unknown(outs, MADE)
    if not recording.is_file():
        raise DataError(f"{recording} is not there, or is no file", "name a recording of `sa3dhp-edge run --out`")
    if not overwrite:
        for path in outs:
            refuse_existing(path, _EXISTS)
        _refuse_persons(outs)
    try:
        outs[0].parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".poses-", dir=outs[0].parent) as folder:
            tables = load_tables(recording, Path(folder))
            files = [file for path in outs for file in _write(recording, tables, path, Path(folder))]
            return Conversion(len(tables.frames), len(tables.tracks), tuple(files))
    except OSError as e:
        raise OutputError(f"{outs[0]} cannot be written: {e.strerror}", "free some space or name another path") from e


def _make(plan: OutPlan, overwrite: bool, keep: bool = False) -> None:
    if plan.source is None:
        return
    try:
        convert(plan.source, plan.made, overwrite)
    except Sa3dhpError as e:
        raise OutputError(f"{e.message}; the poses are whole in {plan.source}", f"then `{_command(plan)}`") from e
    if plan.temporary and not keep:
        plan.source.unlink(missing_ok=True)


def _command(plan: OutPlan) -> str:
    return f"sa3dhp-edge convert {plan.source} {' '.join(f'--out {path}' for path in plan.made)}"


def _write(recording: Path, tables: Tables, path: Path, folder: Path) -> Iterator[Path]:
    suffix = path.suffix.lower()
    if suffix in PER_PERSON:
        if not tables.tracks:
            log.warning("%s has nobody in it: %s is not written", recording, path)
        for place, (track, rows) in enumerate(tables.tracks.items()):
            file = path if place == 0 else path.with_name(f"{path.stem}.track{track}{path.suffix}")
            clip = Clip.of(track, rows, tables.fps, tables.world)
            PER_PERSON[suffix](clip, file)
            log.info("%s: track %d from %.3f s, %d frames", file, track, clip.start_s, clip.frames)
            yield file
    elif suffix == ".csv":
        write_csv(recording, path)
        yield path
    else:
        write_npz(tables, path, folder)
        yield path


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _refuse_twice(outs: Sequence[Path]) -> None:
    if twice := [path for i, path in enumerate(outs) if path in outs[:i]]:
        raise ConfigError(f"--out names {twice[0]} twice", "name each file once")


def _refuse_unknown(outs: Sequence[Path], known: tuple[str, ...]) -> None:
    for path in outs:
        if path.suffix.lower() not in known:
            raise ConfigError(
                f"{path}: no format is called {path.suffix or 'nothing'}", f"known are {', '.join(known)}"
            )


def _refuse_persons(outs: Sequence[Path]) -> None:
    for path in outs:
        if path.suffix.lower() in PER_PERSON:
            for other in path.parent.glob(f"{path.stem}.track*{path.suffix}"):
                refuse_existing(other, _EXISTS)

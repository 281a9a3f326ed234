"""A training run on the disk: settings, what each stage left, and how an interrupted run goes on.

settings.json          the run's settings; a resumed run must have the same
inputs.json            what the run is made from, by name: where it started, its source, its target
log.jsonl, tensorboard
stages/NAME.json       a finished stage's report; its presence means done
training/NAME          the newest state of a stage that is still in training
weights/               the model as it stands (see networks/model_set.py)
source/, source_held_out/, target/   frame sets
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from sa3dhp_edge.atomic import refuse_existing, write_json
from sa3dhp_edge.config import Settings, from_dict, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError, DataError, InputError, Sa3dhpError

Report = dict[str, Any]

_SETTINGS, _INPUTS = "settings.json", "inputs.json"
_FROM_THE_START = {_SETTINGS, _INPUTS, "log.jsonl", "tensorboard"}
"""Where a run holds no more than this, nothing was made yet."""


class RunFolder:
    """One run; made by `start`. As a context manager it takes a run back that failed before anything was made."""

    def __init__(self, path: Path, settings: Settings, new: bool = False) -> None:
        self.path, self.settings, self._new = path, settings, new

    @staticmethod
    def start(path: Path, settings: Settings, *, resume: bool) -> RunFolder:
        """Begin a run, or go on with one.

        Raises:
            OutputError: the folder exists and `resume` was not asked for.
            ConfigError: the run was begun with other settings.
            DataError: the run's settings are damaged.
        """
        if not resume:
            refuse_existing(path, f"go on with it by --resume, or name another folder than {path}")
        begun = begun_settings(path)
        if begun is None:
            write_json(path / _SETTINGS, to_dict(settings))
        elif begun != settings:
            raise ConfigError(
                f"{path} was begun with other settings: {_difference(to_dict(begun), to_dict(settings))}",
                "resume it without --set and --preset, or name another folder",
            )
        return RunFolder(path, settings, new=begun is None)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        failed = self._new and isinstance(error, (Sa3dhpError, OSError))
        if failed and {p.name for p in self.path.iterdir()} <= _FROM_THE_START:
            shutil.rmtree(self.path, ignore_errors=True)

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    def made_from(self, inputs: Mapping[str, object]) -> None:
        """Remember what the run is made from.

        Args:
            inputs: by the name of the option; a path is kept as an absolute one.

        Raises:
            ConfigError: the run was begun with something else under one of these names.
        """
        begun = _read(self.path / _INPUTS) or {}
        given = {name: None if value is None else _absolute(str(value)) for name, value in inputs.items()}
        if differing := _difference({k: v for k, v in begun.items() if k in given}, given):
            raise ConfigError(
                f"{self.path} was begun with other inputs: {differing}",
                "resume it with the same, or name another folder",
            )
        if not given.keys() <= begun.keys():
            write_json(self.path / _INPUTS, begun | given)

    def training(self, stage: str) -> Path:
        """Where a stage keeps its state while it trains."""
        return self.path / "training" / f"{stage}.safetensors"

    def done(self, stage: str) -> bool:
        return (self.path / "stages" / f"{stage}.json").exists()

    def report(self, stage: str) -> Report:
        """What a finished stage measured."""
        path = self.path / "stages" / f"{stage}.json"
        report = _read(path)
        if report is None:
            raise DataError(f"{path} is not there", "the stage is not done: go on with --resume")
        return report

    def finish(self, stage: str, report: Report) -> None:
        """Mark a stage done; its training state is no longer needed."""
        write_json(self.path / "stages" / f"{stage}.json", report)
        self.training(stage).unlink(missing_ok=True)

    def once(self, stage: str, do: Callable[[], Report]) -> Report:
        """Do a stage unless it is done; its report either way."""
        if not self.done(stage):
            self.finish(stage, do())
        return self.report(stage)


def begun_settings(path: Path) -> Settings | None:
    """The settings a run was begun with; None where there is no run."""
    stored = _read(path / _SETTINGS)
    return None if stored is None else from_dict(stored)


def settings_to_resume(path: Path) -> Settings:
    """The settings of the run that `--resume` names.

    Raises:
        InputError: there is no run.
    """
    begun = begun_settings(path)
    if begun is None:
        raise InputError(f"there is no run at {path} to go on with", "leave --resume out to begin one")
    return begun


def settings_for(path: Path, preset_name: str | None, overrides: tuple[str, ...], *, resume: bool) -> Settings:
    """Settings of a new run from preset and overrides; of a resumed one those it was begun with, unless given anew."""
    if not resume:
        return override(preset(preset_name or "edge"), overrides)
    begun = settings_to_resume(path)
    return override(preset(preset_name) if preset_name else begun, overrides)


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is no file."""
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise DataError(f"{path} is damaged: {e}", "remove the run and begin it again") from e
    if not isinstance(values, dict):
        raise DataError(f"{path} is damaged: it holds no names with values", "remove the run and begin it again")
    return values


def _absolute(text: str) -> str:
    return str(Path(text).resolve()) if Path(text).exists() else text


def _difference(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What the second has otherwise than the first, of the names that both have."""
    a, b = _flat(begun), _flat(asked)
    return "; ".join(f"{k} was {a[k]!r}, now {b[k]!r}" for k in a if k in b and a[k] != b[k])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat

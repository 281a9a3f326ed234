"""A training run on the disk: settings, what each stage left, and how an interrupted run goes on.

settings.json          the run's settings; a resumed run must have the same
log.jsonl, tensorboard
stages/NAME.json       a finished stage's report; its presence means done
training/NAME          the newest state of a stage that is still in training
weights/               the model as it stands (see adaptation/model_set.py)
source/, source_held_out/, target/   frame sets
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import Settings, from_dict, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError, InputError

Report = dict[str, Any]


class RunFolder:
    """One run; made by `start`."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path, self.settings = path, settings

    @staticmethod
    def start(path: Path, settings: Settings, *, resume: bool) -> RunFolder:
        """Begin a run, or go on with one.

        Raises:
            OutputError: the folder exists and `resume` was not asked for.
            ConfigError: the run was begun with other settings.
        """
        if not resume:
            refuse_existing(path, f"go on with it by --resume, or name another folder than {path}")
        stored = path / "settings.json"
        if stored.exists():
            begun = from_dict(json.loads(stored.read_text()))
            if begun != settings:
                raise ConfigError(f"{path} was begun with other settings: {_difference(begun, settings)}")
        else:
            write_json(stored, to_dict(settings))
        return RunFolder(path, settings)

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    def training(self, stage: str) -> Path:
        """Where a stage keeps its state while it trains."""
        return self.path / "training" / f"{stage}.safetensors"

    def done(self, stage: str) -> bool:
        return (self.path / "stages" / f"{stage}.json").exists()

    def report(self, stage: str) -> Report:
        """What a finished stage measured."""
        report: Report = json.loads((self.path / "stages" / f"{stage}.json").read_text())
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


def settings_for(path: Path, preset_name: str | None, overrides: tuple[str, ...], *, resume: bool) -> Settings:
    """Settings of a new run from preset and overrides; of a resumed one those it was begun with, unless given anew."""
    stored = path / "settings.json"
    if resume and stored.exists():
        begun = from_dict(json.loads(stored.read_text()))
        return override(preset(preset_name) if preset_name else begun, overrides)
    if resume and not path.exists():
        raise InputError(f"there is no run at {path} to go on with", "leave --resume out to begin one")
    return override(preset(preset_name or "edge"), overrides)


def _difference(begun: Settings, asked: Settings) -> str:
    a, b = _flat(to_dict(begun)), _flat(to_dict(asked))
    return "; ".join(f"{k} was {a[k]!r}, now {b[k]!r}" for k in a if a[k] != b[k])


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat

"""Models of very different quality, and what is seen of each with and without labels: what acceptance is fitted on.

A trained adaptation costs seconds and gives several models: those on the line from the source model through it and
beyond. Random changes of the weights and mixed normalisation statistics need no training at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa3dhp_edge.adaptation.labelled import Pictures
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.signals import Evidence, Seen, Signals, look, moved_mm
from sa3dhp_edge.adaptation.source import measure
from sa3dhp_edge.adaptation.statistics import reestimate_statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import PAPER_LOSSES, AdaptConfig, Settings
from sa3dhp_edge.experiments.proving_ground import ProvingGround
from sa3dhp_edge.experiments.real_ground import RealGround
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import adapt_model
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.trainable import restore, snapshot
from sa3dhp_edge.training.log import Log

State = dict[str, Tensor]
LINE = (-1.0, 1.0, 2.5)
"""How far along the way from the source model to an adapted one: the opposite way, there, and beyond."""
MIXED = (-0.2, 0.1, 0.3, 1.0)
"""Share of the target in mixed normalisation statistics."""
NOISE = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Random change of each weight, over the deviation of its tensor's weights."""
REAL = "real/"
"""What the names of targets of real video begin with."""
WATCHED_CLIPS, LEARNED_CLIPS = 8, 12
"""Clips that only acceptance looks at, and clips that are adapted on."""


SMALL = {"clips_per_step": 2, "frames_per_clip": 12, "consensus_batch": 24, "replay_batch": 16}
"""Pictures of a step: quality of the models may vary, time must not."""


@dataclass(frozen=True)
class Recipe:
    """An adaptation of a few seconds.

    Attributes:
        losses: what is lowered.
        cycles: steps of each.
        rate: multiple of the configured learning rates.
        change: other settings of adaptation.
    """

    losses: tuple[str, ...]
    cycles: int
    rate: float = 1.0
    change: Mapping[str, Any] = field(default_factory=dict)

    def over(self, cfg: AdaptConfig) -> AdaptConfig:
        """The configuration; the guard never objects, since bad models are wanted too."""
        rates: dict[str, Any] = {k: getattr(cfg, k) * self.rate for k in ("lr_contrast", "lr_relation", "lr_consensus")}
        free: dict[str, Any] = {"check_every": self.cycles, "collapse_floor": 0.0, "forgetting_ceiling": 1e9}
        plain: dict[str, Any] = {"target_statistics": False}
        return replace(cfg, losses=self.losses, cycles=self.cycles, **rates | free | plain | SMALL | dict(self.change))


HASTY = "paper, x100"
RECIPES: dict[str, Recipe] = {
    "consensus": Recipe(("consensus",), 12),
    "consensus, x10, no replay": Recipe(("consensus",), 8, 10, {"replay": 0.0}),
    "replay": Recipe(("replay",), 12, 2),
    "dressed replay": Recipe(("replay",), 12, 2, {"dress": 1.0}),
    "statistics, then replay": Recipe(("replay",), 12, 2, {"target_statistics": True}),
    "LCR": Recipe(("lcr",), 10),
    "HCR": Recipe(("hcr",), 6),
    "L1z": Recipe(("l1z",), 10),
    "L1v, L2v": Recipe(("l1v", "l2v"), 4),
    "exact, no replay": Recipe(("exact",), 8, 1, {"replay": 0.0}),
    "paper": Recipe(PAPER_LOSSES, 3),
    "paper, x0.3": Recipe(PAPER_LOSSES, 2, 0.3),
    "paper, x10": Recipe(PAPER_LOSSES, 2, 10),
    HASTY: Recipe(PAPER_LOSSES, 6, 100),
}
REAL_RECIPES: dict[str, Recipe] = {
    "consensus": Recipe(("consensus",), 60, 1, {"refresh_every": 20}),
    "consensus, x20, no replay": Recipe(("consensus",), 12, 20, {"replay": 0.0}),
}
"""On real clips, with a model worth adapting: what the preset does in a third of its steps, and what goes wrong."""


@dataclass(frozen=True)
class Run:
    """One model beside the one before it.

    Attributes:
        seed, target: of the source model, and what it was adapted to.
        name: how it was made.
        before, after: what is seen without labels.
        moved_mm: how far the two models' poses are apart.
        gain_pa_mm, gain_mm: how much PA-MPJPE and MPJPE fell on the target's labelled test; below 0 they rose.
    """

    seed: int
    target: str
    name: str
    before: Signals
    after: Signals
    moved_mm: float
    gain_pa_mm: float
    gain_mm: float

    @property
    def is_real(self) -> bool:
        """Whether its target is real video."""
        return self.target.startswith(REAL)

    @property
    def group(self) -> str:
        """What a fit must not have seen that judges it: its seed and target, or its recording, by whatever camera."""
        return self.target.removeprefix(REAL).split("/")[0] if self.is_real else f"{self.seed}, {self.target}"

    @staticmethod
    def read(values: Mapping[str, Any]) -> Run:
        """The inverse of `asdict`."""
        known: list[dict[str, Any]] = [
            {k: np.nan if v is None else v for k, v in values[side].items()} for side in ("before", "after")
        ]
        before, after = (Signals(**each) for each in known)
        return Run(**{**values, "before": before, "after": after})


@dataclass(frozen=True)
class Bed:
    """One source model and one target whose truth is known.

    Attributes:
        model: reads the source model anew.
        clips: of the target, without labels.
        labelled, probe: labelled source frames to replay, and held out.
        errors: PA-MPJPE and MPJPE in mm of a model on the target's labelled test.
    """

    seed: int
    target: str
    settings: Settings
    model: Callable[[], ModelSet]
    clips: FrameSet
    labelled: Pictures
    probe: FrameSet
    errors: Callable[[ModelSet], tuple[float, float]]
    log: Log

    def watched(self) -> list[NDArray[np.intp]]:
        """Clips that only acceptance looks at; of one clip all there is."""
        every = self.clips.clips()
        return every[:WATCHED_CLIPS] if len(every) > WATCHED_CLIPS else every[: max(len(every) // 2, 1)]

    def learned(self) -> FrameSet:
        """Other clips, to adapt on."""
        every = self.clips.clips()
        others = every[len(self.watched()) :] or every
        return self.clips.take(np.concatenate(others[:LEARNED_CLIPS]))


def generated_bed(ground: ProvingGround, domain: str) -> Bed:
    """A target of a proving ground."""
    target, px = ground.targets[domain], ground.settings.image.crop_px

    def errors(model: ModelSet) -> tuple[float, float]:
        found = measure(model.g, model.d_p, target.test, px)
        return found["pa_mpjpe"], found["mpjpe"]

    return Bed(
        ground.settings.seed, domain, ground.settings, ground.model, target.clips, ground.labelled, ground.probe,
        errors, ground.log,
    )  # fmt: skip


def real_bed(ground: RealGround, clip: str) -> Bed:
    """A clip of real video."""

    def errors(model: ModelSet) -> tuple[float, float]:
        found = ground.errors(model, clip)
        return found["pa_mpjpe"], found["mpjpe"]

    seed = ground.settings.seed
    return Bed(
        seed, f"{REAL}{clip}", ground.settings, lambda: ground.model(seed), ground.clips[clip], ground.labelled,
        ground.probe, errors, ground.log,
    )  # fmt: skip


def runs_of(bed: Bed, folder: Path, recipes: Mapping[str, Recipe]) -> list[Run]:
    """Every model made from one source model for one target; what is done is read from `folder`."""
    model = bed.model()
    start = snapshot(model.g)

    @cache
    def source() -> tuple[Evidence, Seen, tuple[float, float]]:
        evidence = Evidence.chosen(bed.clips, bed.watched(), bed.probe)
        restore(model.g, start)
        return evidence, look(model, evidence), bed.errors(model)

    def compared(name: str, state: State) -> Run:
        evidence, before, was = source()
        restore(model.g, state)
        after, now = look(model, evidence), bed.errors(model)
        gains = (was[0] - now[0], was[1] - now[1])
        return Run(bed.seed, bed.target, name, before.signals, after.signals, moved_mm(before, after), *gains)

    def made(name: str, states: Callable[[Path], Iterator[tuple[str, State]]]) -> list[Run]:
        path = folder / f"{bed.target}-{name}.json".replace(" ", "_").replace("/", "_")
        if not path.exists():
            began, runs, keep = time.process_time(), [], path.with_suffix(".safetensors")
            for title, state in states(keep):
                runs.append(compared(title, state))
            write_json(path, {"cpu_seconds": time.process_time() - began, "runs": [plain(asdict(r)) for r in runs]})
            keep.unlink(missing_ok=True)
            bed.log.say(f"seed {bed.seed}, {path.stem}: " + ", ".join(f"{r.gain_pa_mm:+.1f}" for r in runs) + " mm")
        return [Run.read(r) for r in json.loads(path.read_text())["runs"]]

    found = made("noise", lambda _: noisy(start, bed.seed)) + made("statistics", lambda _: _mixed_statistics(bed))
    for name, recipe in recipes.items():
        found += made(name, partial(_trained, bed, name, recipe))
    return found


def noisy(start: State, seed: int) -> Iterator[tuple[str, State]]:
    """Weights with random changes of growing size."""
    chance = torch.Generator().manual_seed(int(generator(seed, 10).integers(2**62)))
    for size in NOISE:
        changed = {}
        for key, value in start.items():
            moves = value.is_floating_point() and value.ndim > 1
            noise = torch.randn(value.shape, generator=chance) * value.std() * size if moves else 0
            changed[key] = value + noise
        yield f"noise {size:g}", changed


def between(start: State, end: State, share: float) -> State:
    """The weights on the line through two models, 0 the first and 1 the second; variances stay above zero."""
    mixed = {}
    for key, value in start.items():
        if not value.is_floating_point():
            mixed[key] = value
            continue
        mixed[key] = torch.lerp(value, end[key], share)
        if key.endswith("running_var"):
            mixed[key] = torch.maximum(mixed[key], 0.1 * torch.minimum(value, end[key]))
    return mixed


def _mixed_statistics(bed: Bed) -> Iterator[tuple[str, State]]:
    """The source model with normalisation statistics between those of the source and the target."""
    model = bed.model()
    start = snapshot(model.g)
    reestimate_statistics(model.g, TargetClips(bed.learned()), bed.settings.image.crop_px, bed.settings.seed)
    end = snapshot(model.g)
    for share in MIXED:
        yield f"statistics {share:g}", between(start, end, share)


def _trained(bed: Bed, name: str, recipe: Recipe, keep: Path) -> Iterator[tuple[str, State]]:
    """Models on the line through an adapted one."""
    model, clips = bed.model(), bed.learned()
    start = snapshot(model.g)
    own = replace(model, settings=replace(bed.settings, adapt=recipe.over(bed.settings.adapt)))
    adapt_model(own, clips, bed.labelled, bed.probe, bed.log, keep)
    end = snapshot(own.g)
    for share in LINE:
        yield _part(name, share), between(start, end, share)


def at_the_end(recipe: str) -> str:
    """The name of the model that a recipe ends in."""
    return _part(recipe, 1.0)


def _part(recipe: str, share: float) -> str:
    return f"{recipe}, {share:g} of the way"


def plain(values: Any) -> Any:
    """The same for JSON: None for a number that is not finite, at any depth."""
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    return None if isinstance(values, float) and not np.isfinite(values) else values

"""Stage 5: G moves on unlabelled clips until it obeys the relations (method, section 7)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sa3dhp_edge.adaptation.dressed import DressedSource
from sa3dhp_edge.adaptation.guard import Health, examine
from sa3dhp_edge.adaptation.labelled import LabelledFrames, LabelledSource
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.statistics import Statistics, reading_with, reestimate_statistics, statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks, Terms
from sa3dhp_edge.config import AdaptConfig, SourceConfig
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.networks.adapters import low_rank
from sa3dhp_edge.networks.trainable import restore, unfreeze_only
from sa3dhp_edge.training.device import in_bf16, on_device, quick_bf16, training_device
from sa3dhp_edge.training.held import Held
from sa3dhp_edge.training.log import Log
from sa3dhp_edge.training.resume import Keeper
from sa3dhp_edge.training.schedule import cosine_lr

GUARD_FRAMES = 256
WARM_UP = 5
"""Cycles over which the learning rates rise; they fall to a fiftieth by the last."""


def adapt(
    nets: Networks, clips: TargetClips, source: LabelledSource, source_held_out: LabelledFrames,
    cfg: AdaptConfig, source_cfg: SourceConfig, seed: int, log: Log, keep: Path,
    probe: Callable[[nn.Module], dict[str, float]] | None = None,
) -> dict[str, object]:  # fmt: skip
    """Cycle through the configured losses, one Adam each; stop and restore when the guard objects.

    Args:
        probe: figures of G that are logged at each check and never used (an experiment's target error).

    Returns:
        health at the start and the end, cycles done, steps skipped, what was left out, the fault if there was one,
        and the cost: seconds of the cycles without the guard's looks, the most memory that a step held.
    """
    torch.manual_seed(seed)
    training, _ = clips.split(cfg.held_out_share, seed)
    terms = Terms(nets, training, source.crop_px, cfg, source_cfg)
    names, device = _chosen(terms), training_device()
    watch = Watch(nets, clips.watched(cfg.held_out_share, seed), source_held_out, log, probe)
    if cfg.dress:
        source = DressedSource(source, training, cfg.dress, nets.e_p)
    chosen = unfreeze_only(nets.g, cfg.trainable)
    with (
        on_device(device, *nets.all(), terms.heads),
        in_bf16(nets.g, quick_bf16(device)),
        low_rank(nets.g, chosen, cfg.rank) as moving,
    ):
        g = nets.g.eval()
        of_source = statistics(g) if cfg.target_statistics else None
        if cfg.target_statistics:
            reestimate_statistics(g, training, source.crop_px, seed)
        steps = Steps(names, terms, source, moving, of_source, seed)
        good, teacher = deepcopy(g), deepcopy(g) if cfg.teacher else g
        kept = {"g": g, "good": good, "heads": terms.heads, "tally": steps.tally, "consensus": terms.consensus}
        keeper = Keeper(keep, kept | ({"teacher": teacher} if cfg.teacher else {}), steps.optimizers)
        start, last_good = watch.health(), None
        fault, done = None, keeper.start()
        for cycle in log.steps("adaptation", done, cfg.cycles):
            began_s = time.monotonic()
            source.at(cycle)
            values: dict[str, float] = {}
            if "consensus" in names and cycle % cfg.refresh_every == 0:
                values["views_mm"] = terms.consensus.refresh(teacher, nets.d_p)
            values |= steps.take(cycle)
            _follow(teacher, g, cfg.teacher)
            steps.tally.seconds += time.monotonic() - began_s
            log.scalars("adapt", cycle, values)
            done = cycle + 1
            if done % cfg.check_every == 0 or done == cfg.cycles:
                now = watch.logged(cycle)
                if fault := now.fault(start, cfg):
                    restore(g, good.state_dict())
                    log.say(f"stopped at cycle {done} and went back to the last good state: {fault}")
                    break
                restore(good, g.state_dict())
                last_good = now
            keeper.step(cycle)
        end = last_good or watch.health()
    return {
        "cycles": done, "skipped_steps": int(steps.tally.skipped), "losses": names, "moved": sorted(moving),
        "left_out": terms.left_out(), "start": asdict(start), "end": asdict(end), "fault": fault,
        "cost": {"seconds": float(steps.tally.seconds), "held_mb": float(steps.tally.held_mb)},
    }  # fmt: skip


class Watch:
    """What the guard looks at again and again: target pictures and labelled source frames, both held out."""

    def __init__(
        self, nets: Networks, target: TargetClips, source: LabelledFrames, log: Log,
        probe: Callable[[nn.Module], dict[str, float]] | None,
    ) -> None:  # fmt: skip
        self._nets, self._crop_px, self._log, self._probe = nets, source.crop_px, log, probe
        index = target.indices()
        self._pictures = np.asarray(target.frames.images[index[_spread(len(index))]])
        self._source = source.frames.take(_spread(len(source)))

    def health(self) -> Health:
        return examine(self._nets.g, self._nets.d_p, self._pictures, self._source, self._crop_px)

    def logged(self, cycle: int) -> Health:
        """The same, written to the log beside what the probe says."""
        health = self.health()
        probed = self._probe(self._nets.g) if self._probe else {}
        self._log.scalars("health", cycle, asdict(health) | probed)
        return health


class Tally(nn.Module):
    """What the cycles came to so far; a module, so that it is kept with the training state.

    Attributes:
        skipped: steps that were not taken.
        seconds: of the cycles, without the guard's looks.
        held_mb: the most that a step held until its way back.
    """

    skipped: Tensor
    seconds: Tensor
    held_mb: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("skipped", torch.zeros((), dtype=torch.long))
        self.register_buffer("seconds", torch.zeros((), dtype=torch.float64))
        self.register_buffer("held_mb", torch.zeros((), dtype=torch.float64))


class Steps:
    """A step of each loss, cycle after cycle.

    Attributes:
        optimizers: one Adam for each loss, so that the moments of one do not steer another.
        tally: what the steps came to.
    """

    def __init__(
        self, names: list[str], terms: Terms, source: LabelledSource, moving: Mapping[str, nn.Parameter],
        of_source: Statistics | None, seed: int,
    ) -> None:  # fmt: skip
        """Args:
        moving: what of G moves, as it is before the first step; the anchor holds it there.
        of_source: the statistics to read the source with, where G has the target's.
        """
        self._terms, self._source, self._moving, self._of_source, self._seed = terms, source, moving, of_source, seed
        self._begun = {name: p.detach().clone() for name, p in moving.items()}
        self._names, self._first = names, True
        parameters = [*moving.values(), *terms.heads.parameters()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(parameters, terms.cfg.lr_relation) for name in names
        }
        self.tally = Tally()

    def take(self, cycle: int) -> dict[str, float]:
        """One cycle; what each loss was."""
        values: dict[str, float] = {}
        held = Held(*self._terms.nets.all(), self._terms.heads)
        for turn, name in enumerate(self._names):
            own = self.optimizers[name]
            _set_rate(own, name, cycle, self._terms.cfg)
            with held.watching(self._first):
                losses = self._losses(name, generator(self._seed, 6, cycle, turn))
            values |= {k: float(v.detach()) for k, v in losses.items()}
            self.tally.skipped += not _step(own, torch.stack(list(losses.values())).sum(), self._moving)
        self.tally.held_mb.clamp_(min=held.most_mb)
        self._first = False
        return values

    def _losses(self, name: str, rng: np.random.Generator) -> dict[str, Tensor]:
        """What one step lowers, weighted, by name: the loss itself, the replayed source, the anchor."""
        terms, cfg = self._terms, self._terms.cfg
        losses = {} if name == "replay" else {name: terms.take(name, rng)}
        if cfg.replay or name == "replay":
            with reading_with(terms.nets.g, self._of_source):
                losses["source"] = (cfg.replay or 1.0) * terms.supervised(self._source, rng, cfg.replay_batch)
        if cfg.anchor:
            away = [(p - self._begun[k]).square().sum() for k, p in self._moving.items()]
            losses["anchor"] = cfg.anchor * torch.stack(away).sum()
        return losses


def _chosen(terms: Terms) -> list[str]:
    """The configured losses that can be computed, in their order.

    Raises:
        TrainingError: there is none.
    """
    usable = terms.usable()
    names = [n for n in terms.cfg.losses if n == "replay" or n in usable]
    if not names:
        raise TrainingError(
            "no loss can be computed on this target: its clips are too short, too slow or too few",
            "; ".join(terms.left_out()) or "name losses in adapt.losses",
        )
    return names


def _set_rate(own: torch.optim.Optimizer, name: str, cycle: int, cfg: AdaptConfig) -> None:
    rates = {"lcr": cfg.lr_contrast, "hcr": cfg.lr_contrast, "consensus": cfg.lr_consensus}
    cosine_lr(own, rates.get(name, cfg.lr_relation), cycle, cfg.cycles, warm_up=WARM_UP)


def _follow(teacher: nn.Module, g: nn.Module, past: float) -> None:
    """Move the teacher's weights towards G's; nothing where G is its own teacher."""
    if past:
        with torch.no_grad():
            for mean, now in zip(teacher.parameters(), g.parameters(), strict=True):
                mean.lerp_(now, 1 - past)


def _step(own: torch.optim.Optimizer, loss: Tensor, moving: Mapping[str, nn.Parameter]) -> bool:
    """One optimizer step; left out, and False, where the loss or its gradient is not finite."""
    own.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(moving.values(), 5.0)
    finite = bool((loss.detach() + norm).isfinite())
    if finite:
        own.step()
    return finite


def _spread(count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """At most `GUARD_FRAMES` positions, evenly over `count`."""
    return np.unique(np.linspace(0, count - 1, GUARD_FRAMES).astype(np.intp))

"""Stage 5: G moves on unlabelled clips until it obeys the relations (method, section 7)."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge.adaptation.guard import examine
from sa3dhp_edge.adaptation.image_to_latent import EdgeG, PaperG, Reading
from sa3dhp_edge.adaptation.log import Log
from sa3dhp_edge.adaptation.losses import ContrastHead, info_nce, pose_l1, relation_residual, source_terms
from sa3dhp_edge.adaptation.motion_autoencoder import MOTION_LATENT
from sa3dhp_edge.adaptation.pose_autoencoder import LATENT, PoseDecoder
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.resume import Keeper
from sa3dhp_edge.adaptation.source import LabelledFrames
from sa3dhp_edge.adaptation.target import Moments, TargetClips
from sa3dhp_edge.adaptation.trainable import restore, unfreeze_only
from sa3dhp_edge.adaptation.views import Views, change_light, normalised, random_views
from sa3dhp_edge.config import AdaptConfig, SourceConfig
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.skeleton import MIRROR

STILL = Rule()
"""No rule at all: 30 frames at 30 FPS, for the contrastive term on motion."""
GUARD_FRAMES = 256


@dataclass(frozen=True)
class Networks:
    """Everything adaptation needs; only G moves."""

    g: EdgeG | PaperG
    d_p: PoseDecoder
    e_m: nn.Module
    relations: dict[tuple[str, str], nn.Module]
    """(latent, rule name) -> T."""

    def rules(self, latent: str) -> list[Rule]:
        return [Rule.parse(name) for kind, name in self.relations if kind == latent]


class Terms:
    """The losses, each a method from a seeded generator to a scalar."""

    def __init__(self, nets: Networks, target: TargetClips, crop_px: int, cfg: AdaptConfig) -> None:
        self.nets, self.target, self.crop_px, self.cfg = nets, target, crop_px, cfg
        self.heads = nn.ModuleDict(
            {
                "feature": ContrastHead(nets.g.features),
                "z": ContrastHead(LATENT),
                "v": ContrastHead(MOTION_LATENT),
            }
        )
        spatial = [r for r in nets.rules("v") if r.tempo == "same"]
        tempo = [r for r in nets.rules("v") if r.tempo != "same"]
        self.rules = {"hcr": [STILL], "l1v": spatial, "l2v": tempo}
        self.asked = dict(self.rules)  # before rules that no clip can serve are dropped
        for name, rules in self.rules.items():
            if name in cfg.losses:
                self.rules[name] = [r for r in rules if target.serving(r)]

    def usable(self) -> list[str]:
        """The configured losses that at least one clip can serve."""
        return [name for name in self.cfg.losses if self.rules.get(name, [STILL])]

    def take(self, name: str, rng: np.random.Generator) -> Tensor:
        """One loss by its name."""
        losses: dict[str, Callable[[np.random.Generator], Tensor]] = {
            "lcr": self.lcr, "hcr": self.hcr, "l1z": self.l1z, "l1v": self.motion_relation("l1v"),
            "l2v": self.motion_relation("l2v"), "exact": self.exact,
        }  # fmt: skip
        return losses[name](rng)

    def lcr(self, rng: np.random.Generator) -> Tensor:
        """L_LCR: a frame and itself in another light, against frames of other clips; on feature and on z."""
        frames, clip = self._frames(rng)
        crops = random_views(rng, len(frames), tilt_deg=10).crops(self._pictures(frames), self.crop_px)
        one, two = self._read(change_light(rng, crops, 0.3)), self._read(change_light(rng, crops))
        group, t = torch.from_numpy(clip), self.cfg.temperature
        return info_nce(self.heads["feature"](one.feature), self.heads["feature"](two.feature), group, t) + info_nce(
            self.heads["z"](one.z), self.heads["z"](two.z), group, t
        )

    def hcr(self, rng: np.random.Generator) -> Tensor:
        """L_HCR: a clip's motion latent and that of the same clip in another light, against other clips."""
        moments, _, clip = self.target.windows(rng, STILL, 2 * self.cfg.clips_per_step)
        views = random_views(rng, len(clip), tilt_deg=10)
        one = self._motion(moments, views, rng, light=0.3)
        two = self._motion(moments, views, rng, light=1.0)
        head = self.heads["v"]
        return info_nce(head(one), head(two), torch.from_numpy(clip), self.cfg.temperature)

    def l1z(self, rng: np.random.Generator) -> Tensor:
        """L_1^z: |T_z(G(x)) - G(rule(x))|; 2D joints and camera must obey the same rule."""
        rule, anchor, positive = self._pair(rng)
        loss = relation_residual(self.nets.relations["z", rule.name](anchor.z), positive.z)
        return loss + self.cfg.weight_uv * plane_residual(rule, anchor, positive)

    def exact(self, rng: np.random.Generator) -> Tensor:
        """The same constraint in pose space, without T: |rule(D_p(G(x))) - D_p(G(rule(x)))| (section 9.5)."""
        rule, anchor, positive = self._pair(rng)
        loss = pose_l1(rule.apply(self.nets.d_p(anchor.z)), self.nets.d_p(positive.z))
        return loss + self.cfg.weight_uv * plane_residual(rule, anchor, positive)

    def motion_relation(self, name: str) -> Callable[[np.random.Generator], Tensor]:
        """L_1^v or L_2^v: |T_v(E_m(G(X))) - sg E_m(G(rule(X)))|."""

        def loss(rng: np.random.Generator) -> Tensor:
            rule = self.rules[name][rng.integers(len(self.rules[name]))]
            before, after, clip = self.target.windows(rng, rule, self.cfg.clips_per_step)
            views = random_views(rng, len(clip), tilt_deg=10)
            anchor = self._motion(before, views, rng, light=0.3)
            with torch.no_grad():
                positive = self._motion(after, views.then(rule), rng, light=0.3)
            return relation_residual(self.nets.relations["v", rule.name](anchor), positive)

        return loss

    def _pair(self, rng: np.random.Generator) -> tuple[Rule, Reading, Reading]:
        rules = self.nets.rules("z")
        rule = rules[rng.integers(len(rules))]
        frames, _ = self._frames(rng)
        pictures = self._pictures(frames)
        views = random_views(rng, len(frames), tilt_deg=10)
        anchor = self._read(change_light(rng, views.crops(pictures, self.crop_px), 0.3))
        positive = self._read(change_light(rng, views.then(rule).crops(pictures, self.crop_px), 0.3))
        return rule, anchor, positive

    def _frames(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Frames of many clips: (b,) stored frames and the clip of each."""
        count = self.cfg.clips_per_step * self.cfg.frames_per_clip
        clips = self.target.clips
        clip = rng.integers(0, len(clips), count)
        return np.array([rng.choice(clips[c]) for c in clip]), clip

    def _pictures(self, frames: NDArray[np.intp]) -> NDArray[np.uint8]:
        order = np.argsort(frames)  # a file mapped into memory is read in its own order
        pictures = self.target.frames.images[frames[order]]
        return np.asarray(pictures[np.argsort(order)])

    def _motion(self, moments: Moments, views: Views, rng: np.random.Generator, light: float) -> Tensor:
        """E_m over G at a window's moments: (b, 128)."""
        own = Views(views.matrix[moments.owner], views.tilt_flip[moments.owner])
        crops = own.crops(self._pictures(moments.frames), self.crop_px)
        z = self._read(change_light(rng, crops, light)).z
        return self.nets.e_m(moments.mix(z))  # type: ignore[no-any-return]

    def _read(self, crops: Tensor) -> Reading:
        return self.nets.g(normalised(crops).contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]


def plane_residual(rule: Rule, anchor: Reading, positive: Reading) -> Tensor:
    """2D joints and camera under a spatial rule: mean absolute differences in uv; 0 for a G without 2D."""
    if anchor.joints_uv is None or positive.joints_uv is None:
        return anchor.z.new_zeros(())
    linear = torch.from_numpy(rule.linear()[:2, :2]).T
    uv, shift = anchor.joints_uv @ linear, anchor.camera[:, 1:] @ linear
    if rule.flip:
        uv = uv[:, list(MIRROR)]
    camera = (anchor.camera[:, 0] / positive.camera[:, 0]).log().abs().mean() + (
        shift - positive.camera[:, 1:]
    ).abs().mean()
    return (uv - positive.joints_uv).abs().mean() + 0.2 * camera


def adapt(
    nets: Networks, clips: TargetClips, source: LabelledFrames, source_held_out: LabelledFrames,
    cfg: AdaptConfig, source_cfg: SourceConfig, seed: int, log: Log, keep: Path,
    probe: Callable[[nn.Module], dict[str, float]] | None = None,
) -> dict[str, object]:  # fmt: skip
    """Cycle through the configured losses, one Adam each; stop and restore when the guard objects.

    Args:
        probe: figures of G that are logged at each check and never used (an experiment's target error).

    Returns:
        health at the start and the end, cycles done, what was left out, and the fault if there was one.
    """
    g, crop_px = nets.g, source.crop_px
    training, watched = clips.split(cfg.held_out_share, seed)
    torch.manual_seed(seed)
    terms = Terms(nets, training, crop_px, cfg)
    names = [n for n in cfg.losses if n == "replay" or n in terms.usable()]
    if not names:
        raise TrainingError("no loss can be computed on this target: its clips are too short or too slow")
    moving = unfreeze_only(g, cfg.trainable)
    g.eval()
    heads = list(terms.heads.parameters())
    own = {n: torch.optim.Adam([*moving.values(), *heads], _rate(n, cfg)) for n in dict.fromkeys(names)}
    watch = watched.indices()[np.linspace(0, len(watched.indices()) - 1, GUARD_FRAMES).astype(int)]
    pictures = np.asarray(clips.frames.images[np.unique(watch)])
    held = source_held_out.frames
    small = held.take(np.unique(np.linspace(0, len(held) - 1, GUARD_FRAMES).astype(int)))
    good = deepcopy(g)
    keeper = Keeper(keep, {"g": g, "good": good, "heads": terms.heads}, own)
    start = examine(g, nets.d_p, pictures, small, crop_px)
    first = keeper.start()
    fault, done = None, first
    for cycle in log.steps("adaptation", first, cfg.cycles):
        values = {}
        for turn, name in enumerate(names):
            rng = generator(seed, 6, cycle, turn)
            loss = terms.take(name, rng) if name != "replay" else torch.zeros(())
            values[name] = float(loss.detach())
            if cfg.replay or name == "replay":
                images, truth = source.batch(rng, cfg.replay_batch)
                reading = g(images.contiguous(memory_format=torch.channels_last))
                supervised = torch.stack(
                    list(source_terms(reading, nets.d_p(reading.z), truth, source_cfg).values())
                ).sum()
                values["source"] = float(supervised.detach())
                loss = loss + (cfg.replay or 1.0) * supervised
            own[name].zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(moving.values(), 5.0)
            own[name].step()
        log.scalars("adapt", cycle, values)
        done = cycle + 1
        if (cycle + 1) % cfg.check_every == 0 or cycle + 1 == cfg.cycles:
            health = examine(g, nets.d_p, pictures, small, crop_px)
            log.scalars("health", cycle, asdict(health) | (probe(g) if probe else {}))
            fault = health.fault(start, cfg)
            if fault:
                restore(g, good.state_dict())
                log.say(f"stopped at cycle {cycle + 1} and went back to the last good state: {fault}")
                break
            restore(good, g.state_dict())
        keeper.step(cycle)
    return {
        "cycles": done,
        "losses": names,
        "moved": sorted(moving),
        "left_out": training.dropped([r for n in dict.fromkeys(cfg.losses) for r in terms.asked.get(n, [])]),
        "start": asdict(start),
        "end": asdict(examine(g, nets.d_p, pictures, small, crop_px)),
        "fault": fault,
    }


def reestimate_statistics(g: nn.Module, clips: TargetClips, crop_px: int, seed: int, batches: int = 20) -> None:
    """The free baseline: batch-normalisation statistics from the target, nothing else (section 9.6)."""
    layers = [m for m in g.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over the batches
        layer.train()
    index = clips.indices()
    with torch.no_grad():
        for step in range(batches):
            rng = generator(seed, 7, step)
            pictures = np.asarray(clips.frames.images[np.sort(rng.choice(index, 64))])
            g(normalised(random_views(rng, 64, tilt_deg=10).crops(pictures, crop_px)))
    for layer in layers:
        layer.momentum = 0.1
        layer.eval()


def _rate(name: str, cfg: AdaptConfig) -> float:
    return cfg.lr_contrast if name in ("lcr", "hcr") else cfg.lr_relation

"""The losses of an adaptation, each drawn from a seeded generator (method, section 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge.adaptation.consensus import AgreedFrames, Consensus
from sa3dhp_edge.adaptation.labelled import LabelledSource
from sa3dhp_edge.adaptation.losses import ContrastHead, info_nce, pose_l1, relation_residual, source_terms
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.target import Moments, TargetClips
from sa3dhp_edge.adaptation.views import Views, change_light, normalised, plain_views, random_views
from sa3dhp_edge.config import AdaptConfig, SourceConfig
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, Reading
from sa3dhp_edge.networks.motion_autoencoder import MOTION_LATENT
from sa3dhp_edge.networks.pose_autoencoder import LATENT, PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.two_pass import two_pass
from sa3dhp_edge.skeleton import MIRROR
from sa3dhp_edge.training.device import place

STILL = Rule()
"""No rule at all: 30 frames at 30 FPS, for the contrastive term on motion."""
SPATIAL_LOSSES = ("l1z", "exact")


@dataclass(frozen=True)
class Networks:
    """Everything adaptation needs; only G moves. E_p makes labels and stays where those are made, on the CPU."""

    g: EdgeG | PaperG
    e_p: PoseEncoder
    d_p: PoseDecoder
    e_m: nn.Module
    d_m: nn.Module
    relations: dict[tuple[str, str], nn.Module]
    """(latent, rule name) -> T."""

    def rules(self, latent: str) -> list[Rule]:
        return [Rule.parse(name) for kind, name in self.relations if kind == latent]

    def all(self) -> list[nn.Module]:
        """The networks that work on pictures and latents, to be placed on a device."""
        return [self.g, self.d_p, self.e_m, self.d_m, *self.relations.values()]


class Terms:
    """The losses, each a method from a seeded generator to a scalar.

    Raises:
        ConfigError: a spatial loss is asked for and the model has no spatial rule.
    """

    def __init__(
        self, nets: Networks, target: TargetClips, crop_px: int, cfg: AdaptConfig, source_cfg: SourceConfig
    ) -> None:
        self.nets, self.target, self.crop_px, self.cfg, self._source_cfg = nets, target, crop_px, cfg, source_cfg
        self.heads = nn.ModuleDict(
            {
                "feature": ContrastHead(nets.g.features),
                "z": ContrastHead(LATENT),
                "v": ContrastHead(MOTION_LATENT),
            }
        )
        self.consensus = Consensus(target, crop_px, cfg)
        groundless = [name for name in cfg.losses if name in SPATIAL_LOSSES]
        if groundless and not nets.rules("z"):
            raise ConfigError(
                f"adapt.losses has {groundless[0]}, and the model has learned no rule on poses",
                "name rules in relations.rules_z before stage 3, or leave the loss out",
            )
        self.asked = {
            "l1v": [r for r in nets.rules("v") if r.tempo == "same"],
            "l2v": [r for r in nets.rules("v") if r.tempo != "same"],
        }
        self.asked["denoised"] = [STILL]
        self.rules = {name: [r for r in rules if target.serving(r)] for name, rules in self.asked.items()}
        self._agreed = AgreedFrames(self.consensus, crop_px, nets.e_p)
        self.contrasted = {"lcr": len(target.clips), "hcr": len(target.serving(STILL))}

    def usable(self) -> list[str]:
        """The configured losses that the target's clips can serve; a contrast needs two of them or more."""
        return [name for name in self.cfg.losses if self.rules.get(name, [STILL]) and self.contrasted.get(name, 2) >= 2]

    def left_out(self) -> list[str]:
        """A line for each configured loss, or rule of one, that some or all of the training clips cannot serve."""
        lines = []
        for name in dict.fromkeys(self.cfg.losses):
            if (count := self.contrasted.get(name, 2)) < 2:
                long = f" of {STILL.span_s():.2f} s" if name == "hcr" else ""
                lines.append(f"{name}: needs two clips{long} or more, the target has {('none', 'one')[count]} to learn")
            if not self.asked.get(name, [STILL]):
                lines.append(f"{name}: the model has learned no rule for it")
            lines += self.target.dropped(self.asked.get(name, []))
        return lines

    def take(self, name: str, rng: np.random.Generator) -> Tensor:
        """One loss by its name."""
        losses: dict[str, Callable[[np.random.Generator], Tensor]] = {
            "lcr": self.lcr, "hcr": self.hcr, "l1z": self.l1z, "l1v": self.motion_relation("l1v"),
            "l2v": self.motion_relation("l2v"), "exact": self.exact, "consensus": self.consent,
            "denoised": self.denoised,
        }  # fmt: skip
        return losses[name](rng)

    def lcr(self, rng: np.random.Generator) -> Tensor:
        """L_LCR: a frame and itself in another light, against frames of other clips; on feature and on z.

        Every frame is seen plainly: a turn or a shift of its own would tell a row without a look at the person.
        """
        frames, clip = self._frames(rng)
        crops = self._crops(plain_views(len(frames)), frames)
        one, two = self._read(change_light(rng, crops, 0.3)), self._read(change_light(rng, crops))
        group, t = torch.from_numpy(clip), self.cfg.temperature
        return info_nce(self.heads["feature"](one.feature), self.heads["feature"](two.feature), group, t) + info_nce(
            self.heads["z"](one.z), self.heads["z"](two.z), group, t
        )

    def hcr(self, rng: np.random.Generator) -> Tensor:
        """L_HCR: a clip's motion latent and that of the same clip in another light, against other clips; plainly."""
        moments, _, _ = self.target.windows(rng, STILL, 2 * self.cfg.clips_per_step)
        views = plain_views(len(moments.before))
        one = self._motion(moments, views, rng, light=0.3)
        two = self._motion(moments, views, rng, light=1.0)
        clip = self.target.frames.clip[moments.frames[moments.before[:, 0]]]
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

    def consent(self, rng: np.random.Generator) -> Tensor:
        """The supervised loss against what all views together say of a frame, for any view (see consensus.py)."""
        return self.supervised(self._agreed, rng, self.cfg.consensus_batch)

    def denoised(self, rng: np.random.Generator) -> Tensor:
        """|D_p(z) - sg D_p(D_m(E_m(z)))|: a window's poses as the prior over motion would have them (section 9.7)."""
        moments, _, _ = self.target.windows(rng, STILL, self.cfg.clips_per_step)
        z = self._latents(moments, random_views(rng, len(moments.before), tilt_deg=10), rng, light=0.3)
        with torch.no_grad():
            wanted = self.nets.d_p(self.nets.d_m(self.nets.e_m(z)).flatten(0, 1))
        return pose_l1(self.nets.d_p(z.flatten(0, 1)), wanted)

    def supervised(self, source: LabelledSource, rng: np.random.Generator, count: int) -> Tensor:
        """The loss of stage 4 on a batch of labelled frames."""
        images, truth = source.batch(rng, count, place(self.nets.g))
        reading = self.nets.g(images.contiguous(memory_format=torch.channels_last))
        return torch.stack(
            list(source_terms(reading, self.nets.d_p(reading.z), truth, self._source_cfg).values())
        ).sum()

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
        views = random_views(rng, len(frames), tilt_deg=10)
        pictures = self._pictures(frames)
        before, after = (v.crops(pictures, self.crop_px, place(self.nets.g)) for v in (views, views.then(rule)))
        return rule, self._read(change_light(rng, before, 0.3)), self._read(change_light(rng, after, 0.3))

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

    def _crops(self, views: Views, frames: NDArray[np.intp]) -> Tensor:
        return views.crops(self._pictures(frames), self.crop_px, place(self.nets.g))

    def _motion(self, moments: Moments, views: Views, rng: np.random.Generator, light: float) -> Tensor:
        """E_m over G at a window's moments: (b, 128)."""
        return self.nets.e_m(self._latents(moments, views, rng, light))  # type: ignore[no-any-return]

    def _latents(self, moments: Moments, views: Views, rng: np.random.Generator, light: float) -> Tensor:
        """G at a window's moments, one view and one light a window: (b, 30, 32)."""
        own = Views(views.matrix[moments.owner], views.tilt_flip[moments.owner])
        crops = change_light(rng, self._crops(own, moments.frames), light, moments.owner)
        return moments.mix(self._read(crops).z)

    def _read(self, crops: Tensor) -> Reading:
        images = normalised(crops).contiguous(memory_format=torch.channels_last)
        chunk = self.cfg.chunk
        return two_pass(self.nets.g, images, chunk) if chunk else self.nets.g(images)


def plane_residual(rule: Rule, anchor: Reading, positive: Reading) -> Tensor:
    """2D joints and camera under a spatial rule: mean absolute differences in uv; 0 for a G without 2D."""
    if anchor.joints_uv is None or positive.joints_uv is None:
        return anchor.z.new_zeros(())
    linear = torch.from_numpy(rule.linear()[:2, :2]).to(anchor.z.device).T
    uv, shift = anchor.joints_uv @ linear, anchor.camera[:, 1:] @ linear
    if rule.flip:
        uv = uv[:, list(MIRROR)]
    camera = (anchor.camera[:, 0] / positive.camera[:, 0]).log().abs().mean() + (
        shift - positive.camera[:, 1:]
    ).abs().mean()
    return (uv - positive.joints_uv).abs().mean() + 0.2 * camera

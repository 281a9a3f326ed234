"""What G says of an unlabelled frame from many views, brought together: the labels G then learns from.

Each view's answer is carried back by the view's own exact rule, in pose space (method, section 9.5), so that all say
something of one pose. They vote: the surer a view, the more it counts, and the answer is where most of them stand. The
mean of two poses is neither of them, and where half of the views take left for right it errs more than each half does.
A clip's answers are smoothed in time. Differs: the paper compares two latents and moves both. Here the views together
teach each view, and their labels stand still for a while: there is no constant answer to slide into.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge.adaptation.labelled import LabelledSource, Stored
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.views import Views, normalised, plain_views
from sa3dhp_edge.config import AdaptConfig
from sa3dhp_edge.networks.image_to_latent import project
from sa3dhp_edge.networks.pose_autoencoder import PoseEncoder
from sa3dhp_edge.skeleton import J, to_template

BATCH = 64
REACH = 3.0
"""Frames farther than so many deviations have no part in a smoothed one."""
ROUNDS = 10
"""Steps of a vote's middle towards where it is densest; it hardly moves after five."""

Array = NDArray[np.float32]


class Consensus(nn.Module):
    """Labels of a target's frames, found by G itself; buffers, so that they are kept with the training state.

    Attributes:
        pose_mm: (n, 17, 3) mm, template size, crop frame.
        joints_uv: (n, 17, 2) crop coordinates.
        spread_mm: (n,) mean distance of the views' joints from what they agreed on, by their shares in it.
    """

    pose_mm: Tensor
    joints_uv: Tensor
    spread_mm: Tensor

    def __init__(self, target: TargetClips, crop_px: int, cfg: AdaptConfig) -> None:
        super().__init__()
        self._target, self._crop_px, self._cfg = target, crop_px, cfg
        self._index = target.indices()
        n = len(self._index)
        self.register_buffer("pose_mm", torch.zeros(n, J, 3))
        self.register_buffer("joints_uv", torch.zeros(n, J, 2))
        self.register_buffer("spread_mm", torch.full((n,), torch.nan))

    def refresh(self, g: nn.Module, d_p: nn.Module) -> float:
        """Ask G anew about every frame; the views' mean disagreement in mm.

        Args:
            g, d_p: on one device.
        """
        seen, cfg = seen_through(self._cfg), self._cfg
        for start in range(0, len(self._index), BATCH):
            rows = slice(start, start + BATCH)
            pictures = np.asarray(self._target.frames.images[self._index[rows]])
            pose, uv, spread = agreed(g, d_p, pictures, seen, self._crop_px, cfg)
            self.pose_mm[rows], self.joints_uv[rows] = torch.from_numpy(pose), torch.from_numpy(uv)
            self.spread_mm[rows] = torch.from_numpy(spread)
        first = 0
        for clip in self._target.clips:
            rows = slice(first, first + len(clip))
            smooth = smoothed(self.pose_mm[rows].numpy(), self._target.frames.time_s[clip], cfg.smooth_s)
            self.pose_mm[rows] = torch.from_numpy(to_template(smooth))
            first += len(clip)
        return float(self.spread_mm.mean())

    def kept(self) -> NDArray[np.intp]:
        """Rows to learn from: all but the share whose views disagree most."""
        return np.flatnonzero((self.spread_mm <= self.spread_mm.quantile(self._cfg.keep_share)).numpy())

    def stored(self, rows: NDArray[np.intp]) -> Stored:
        """Pictures of some rows, in order, and their labels."""
        return Stored(
            np.asarray(self._target.frames.images[self._index[rows]]),
            self.pose_mm[rows].numpy(), self.joints_uv[rows].numpy(),
        )  # fmt: skip


class AgreedFrames(LabelledSource):
    """The target's frames as a labelled source, whatever the consensus says of them by now."""

    def __init__(self, consensus: Consensus, crop_px: int, e_p: PoseEncoder) -> None:
        super().__init__(crop_px, e_p)
        self._consensus = consensus

    def at(self, step: int) -> None:
        """Nothing to do: `Consensus.refresh` is called by the loop."""

    def stored(self, rng: np.random.Generator, count: int, part: int) -> Stored:
        kept = self._consensus.kept()
        return self._consensus.stored(np.sort(kept[rng.integers(0, len(kept), count)]))

    def told(self) -> dict[str, float]:
        return {}


def seen_through(cfg: AdaptConfig) -> list[tuple[Rule, float]]:
    """(rule, size) of every view: mirrored or not, tilted to either side or not, a little smaller and larger."""
    tilts = sorted({-cfg.consensus_tilt_deg, 0.0, cfg.consensus_tilt_deg})
    sizes = sorted({1 - cfg.consensus_size, 1 + cfg.consensus_size})
    return [(Rule(flip, tilt), size) for flip, tilt, size in product((False, True), tilts, sizes)]


def agreed(
    g: nn.Module, d_p: nn.Module, pictures: NDArray[np.uint8], seen: list[tuple[Rule, float]], crop_px: int,
    cfg: AdaptConfig,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Pose (b, 17, 3) mm, joints (b, 17, 2) uv and the views' spread (b,) mm, of stored pictures."""
    poses, joints, scores = [], [], []
    with torch.no_grad():
        for rule, size in seen:
            turned = plain_views(len(pictures)).then(rule)
            views = Views(turned.matrix * np.float32(size), turned.tilt_flip)
            crops = views.crops(pictures, crop_px, next(g.parameters()).device)
            reading = g(normalised(crops).contiguous(memory_format=torch.channels_last))
            pose = d_p(reading.z)
            uv = project(pose, reading.camera) if reading.joints_uv is None else reading.joints_uv
            poses.append(views.poses_back(pose.cpu().numpy()))
            joints.append(views.joints_uv_back(uv.cpu().numpy()))
            score = reading.z.new_ones(len(pictures)) if reading.score is None else reading.score.mean(1)
            scores.append(score.cpu().numpy())
    each, score = np.stack(poses), np.maximum(np.stack(scores), 1e-6)
    share = shares(each, (score / score.max(0)) ** cfg.consensus_sureness, cfg.consensus_reach_mm)
    pose, uv = (np.einsum("vb,vbjc->bjc", share, views) for views in (each, np.stack(joints)))
    return pose, uv, np.einsum("vb,vbj->b", share, np.linalg.norm(each - pose, axis=-1)) / each.shape[2]


def shares(pose_mm: Array, sureness: Array, reach_mm: float) -> Array:
    """The part (v, b) that each view has in the answer, 1 together: by sureness and by nearness to the densest place.

    Source: the mean-shift procedure of Comaniciu and Meer 2002, with a Gaussian kernel.

    Args:
        pose_mm: (v, b, 17, 3) mm of b pictures in v views.
        sureness: (v, b) what each counts, above 0.
        reach_mm: deviation of the kernel over the joints' mean distance; 0 takes all views, near or far.
    """
    if not reach_mm:
        return np.asarray(sureness / sureness.sum(0), np.float32)

    def near(a: Array, b: Array) -> Array:
        return np.asarray(np.exp(-0.5 * (np.linalg.norm(a - b, axis=-1).mean(-1) / reach_mm) ** 2), np.float32)

    dense = np.stack([(near(pose_mm, one) * sureness).sum(0) for one in pose_mm])
    middle = np.take_along_axis(pose_mm, dense.argmax(0)[None, :, None, None], 0)[0]
    for _ in range(ROUNDS):
        part = near(pose_mm, middle) * sureness
        part /= part.sum(0)
        middle = np.einsum("vb,vbjc->bjc", part, pose_mm)
    return np.asarray(part, np.float32)


def smoothed(pose_mm: Array, time_s: NDArray[np.float64], deviation_s: float) -> Array:
    """Poses (t, 17, 3) of one clip under a Gaussian in time; 0 leaves them as they are.

    The crops of neighbouring frames look the same way but for a fraction of a degree, so poses are averaged as they
    are.
    """
    if deviation_s == 0:
        return pose_mm
    first = np.searchsorted(time_s, time_s - REACH * deviation_s)
    last = np.searchsorted(time_s, time_s + REACH * deviation_s, side="right")
    out = np.empty_like(pose_mm)
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        weight = np.exp(-0.5 * ((time_s[a:b] - time_s[i]) / deviation_s) ** 2)
        out[i] = np.tensordot(weight / weight.sum(), pose_mm[a:b], 1)
    return out

"""Unlabelled clips as adaptation sees them: windows in time for each rule, whatever the footage's rate.

A rule names moments, not frames. Latents between two frames are interpolated, so 24, 25 or 50 FPS footage gives
the same windows as 30 FPS; a clip too short or too slow for a rule is left out of it, and said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa3dhp_edge.adaptation.relations import TICK_HZ, Rule
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet

LEAST_FRAMES = 32
"""Fewer pictures than this say nothing of a model."""


@dataclass(frozen=True)
class Moments:
    """(b, 30) moments as mixtures of stored frames.

    Attributes:
        frames: (m,) the stored frames needed, each once.
        owner: (m,) which of the b windows a frame belongs to.
        before, after: (b, 30) positions in `frames`.
        weight: (b, 30) share of `after`.
    """

    frames: NDArray[np.intp]
    owner: NDArray[np.intp]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    weight: NDArray[np.float32]

    def mix(self, per_frame: Tensor) -> Tensor:
        """(m, d) of the frames to (b, 30, d) of the moments."""
        weight = torch.from_numpy(self.weight).to(per_frame.device)[..., None]
        return per_frame[self.before] * (1 - weight) + per_frame[self.after] * weight


class TargetClips:
    """The clips of a frame set, by what they are long and quick enough for."""

    def __init__(self, frames: FrameSet, only: Sequence[NDArray[np.intp]] | None = None) -> None:
        self.frames = frames
        self.clips = list(frames.clips() if only is None else only)
        if not self.clips:
            raise TrainingError(
                "the target has no clip of one person", "give footage with a person in it for a second or more"
            )

    def split(self, held_out_share: float, seed: int) -> tuple[TargetClips, TargetClips]:
        """(training, held out), by whole clips, at least one on each side; a single clip serves as both."""
        if len(self.clips) < 2:
            return self, self
        count = min(max(1, round(held_out_share * len(self.clips))), len(self.clips) - 1)
        order = np.random.default_rng(seed).permutation(len(self.clips))
        out = set(order[:count].tolist())
        train = [c for i, c in enumerate(self.clips) if i not in out]
        return TargetClips(self.frames, train), TargetClips(self.frames, [self.clips[i] for i in sorted(out)])

    def watched(self, held_out_share: float, seed: int) -> TargetClips:
        """What a guard and a verdict look at: the clips held out or, where these hold too few frames, every clip.

        In half a second people hardly move: the spread of their poses is mostly tremble, which adaptation takes away.
        """
        _, out = self.split(held_out_share, seed)
        return out if len(out.indices()) >= LEAST_FRAMES else self

    def indices(self) -> NDArray[np.intp]:
        """Every frame of these clips."""
        return np.concatenate(self.clips)

    def serving(self, rule: Rule) -> list[NDArray[np.intp]]:
        """Clips long and quick enough for a rule."""
        fps = 0.99 * rule.least_fps()  # 29.97 is 30
        return [c for c in self.clips if self._span_s(c) >= rule.span_s() - 1e-6 and self._fps(c) >= fps]

    def dropped(self, rules: Sequence[Rule]) -> list[str]:
        """A line for each rule that some clips cannot serve."""
        lines = []
        for rule in rules:
            out = len(self.clips) - len(self.serving(rule))
            if out:
                lines.append(
                    f"{rule.name}: {out} of {len(self.clips)} clips are left out "
                    f"(it needs {rule.span_s():.2f} s at {rule.least_fps():.0f} FPS or more)"
                )
        return lines

    def windows(self, rng: np.random.Generator, rule: Rule, count: int) -> tuple[Moments, Moments, NDArray[np.intp]]:
        """`count` windows at random places: anchor moments, positive moments, and for each window the position
        of its clip among those that serve the rule.

        Windows come from different clips as long as there are enough.
        """
        serving = self.serving(rule)
        chosen = (
            rng.permutation(len(serving))[:count] if len(serving) >= count else rng.integers(0, len(serving), count)
        )
        clips = [serving[i] for i in chosen]
        slack = np.array([max(self._span_s(c) - rule.span_s(), 0.0) for c in clips])
        start = np.array([self.frames.time_s[c[0]] for c in clips]) + rng.random(count) * slack
        anchor, positive = (start[:, None] + ticks / TICK_HZ for ticks in rule.ticks())
        return self._moments(clips, anchor), self._moments(clips, positive), chosen

    def _moments(self, clips: list[NDArray[np.intp]], times_s: NDArray[np.float64]) -> Moments:
        before, after, weight = [], [], []
        for clip, wanted in zip(clips, times_s, strict=True):
            stamps = self.frames.time_s[clip]
            low = np.clip(np.searchsorted(stamps, wanted + 1e-6, side="right") - 1, 0, len(clip) - 1)
            high = np.minimum(low + 1, len(clip) - 1)
            share = np.clip((wanted - stamps[low]) / np.maximum(stamps[high] - stamps[low], 1e-6), 0, 1)
            share = np.where(share < 0.02, 0.0, np.where(share > 0.98, 1.0, share))
            low, high = np.where(share == 1, high, low), np.where(share == 0, low, high)
            before.append(clip[low])
            after.append(clip[high])
            weight.append(np.where(low == high, 0, share))
        key = np.arange(len(clips))[:, None] * len(self.frames)
        both = np.concatenate([np.stack(before) + key, np.stack(after) + key])
        unique, where = np.unique(both, return_inverse=True)
        where = where.reshape(both.shape)
        owner, frames = np.divmod(unique, len(self.frames))
        n = len(clips)
        return Moments(frames, owner, where[:n], where[n:], np.stack(weight).astype(np.float32))

    def _span_s(self, clip: NDArray[np.intp]) -> float:
        return float(self.frames.time_s[clip[-1]] - self.frames.time_s[clip[0]])

    def _fps(self, clip: NDArray[np.intp]) -> float:
        return (len(clip) - 1) / max(self._span_s(clip), 1e-6)

"""What the labelled people would look like in the target: its colours on them, its surroundings behind them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.adaptation.labelled import LabelledSource, Stored
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.pose_autoencoder import PoseEncoder
from sa3dhp_edge.skeleton import JOINTS, PARENTS

_PELVIS, _NECK = JOINTS.index("pelvis"), JOINTS.index("neck")
_THICK = {"neck": 0.75, "top": 0.45, "hip": 0.5, "knee": 0.42, "shoulder": 0.4}
"""Width of a body's parts, by the joint they end in, over the length of the torso."""
_THIN = 0.28
_SHORTENED = 0.1
"""A torso seen from its end counts as this share of the picture's side."""
_STRETCH = 1.6

Array = NDArray[np.float32]


def dress(source: FrameSet, pictures: NDArray[np.uint8]) -> FrameSet:
    """A labelled set in front of the target, the same each time."""
    assert source.joints_uv is not None
    images = dressed(np.asarray(source.images), source.joints_uv, pictures, generator(0, 9))
    return replace(source, images=images)


def dressed(
    images: NDArray[np.uint8], joints_uv: Array, pictures: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Labelled people in front of the target: each with the colours of a target picture, before its shuffled tiles.

    The tiles keep what the target's surroundings are made of and hold no whole person. Colours are matched by mean
    and deviation (Reinhard et al. 2001, in RGB), contrast by no more than `_STRETCH`.

    Args:
        images: (b, P, P, 3) as stored.
        joints_uv: (b, 17, 2).
        pictures: (m, P, P, 3) of the target, each as likely as the others.
    """
    side, made = images.shape[1], np.empty_like(images)
    for i, row in enumerate(rng.integers(0, len(pictures), len(images))):
        ours, theirs = (np.asarray(x).astype(np.float32) for x in (images[i], pictures[row]))
        own, wanted = ((x.mean((0, 1)), x.std((0, 1))) for x in (ours, theirs))
        stretch = (wanted[1] / np.maximum(own[1], 1)).clip(1 / _STRETCH, _STRETCH)
        person = (ours - own[0]) * stretch + wanted[0]
        mask = _body_mask(joints_uv[i], side)[..., None]
        made[i] = (mask * person + (1 - mask) * _shuffled(rng, theirs)).clip(0, 255)
    return made


class DressedSource(LabelledSource):
    """A labelled source of which a share stands in front of the target."""

    def __init__(self, source: LabelledSource, target: TargetClips, share: float, e_p: PoseEncoder) -> None:
        super().__init__(source.crop_px, e_p)
        self._source, self._pictures, self._index, self._share = source, target.frames.images, target.indices(), share

    def at(self, step: int) -> None:
        self._source.at(step)

    def stored(self, rng: np.random.Generator, count: int, part: int) -> Stored:
        drawn = self._source.stored(rng, count, part)
        chosen = rng.random(count) < self._share
        if not chosen.any():
            return drawn
        behind = np.asarray(self._pictures[np.sort(rng.choice(self._index, int(chosen.sum())))])
        images = drawn.images.copy()
        images[chosen] = dressed(images[chosen], drawn.joints_uv[chosen], behind, rng)
        return drawn._replace(images=images)

    def told(self) -> dict[str, float]:
        return self._source.told()


def _shuffled(rng: np.random.Generator, picture: Array) -> Array:
    """The picture's tiles, four to a side, in another order."""
    tile = len(picture) // 4
    tiles = picture[: 4 * tile, : 4 * tile].reshape(4, tile, 4, tile, 3).swapaxes(1, 2).reshape(16, tile, tile, 3)
    mixed = rng.permutation(tiles).reshape(4, 4, tile, tile, 3).swapaxes(1, 2).reshape(4 * tile, 4 * tile, 3)
    rest = len(picture) - 4 * tile
    return np.asarray(cv2.copyMakeBorder(mixed, 0, rest, 0, rest, cv2.BORDER_REFLECT), np.float32)


def _body_mask(uv: Array, side: int) -> Array:
    """(side, side) 0..1 of about where a body with these joints (17, 2) uv is."""
    mask = np.zeros((side, side), np.float32)
    px = ((uv / FIELD + 1) * side / 2 - 0.5).astype(np.float64)
    torso = max(float(np.linalg.norm(px[_NECK] - px[_PELVIS])), _SHORTENED * side)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            thick = _THICK.get(JOINTS[joint].rpartition("_")[2], _THIN) * torso
            ends = [tuple(np.round(px[k] * 16).astype(int).tolist()) for k in (parent, joint)]
            cv2.line(mask, ends[0], ends[1], 1.0, max(round(thick), 2), cv2.LINE_AA, shift=4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(side / 96, 0.6)), np.float32)

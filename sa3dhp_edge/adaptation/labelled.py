"""Labelled pictures as training batches: random views in changed light, and truth that follows the view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa3dhp_edge.adaptation.losses import Labels
from sa3dhp_edge.adaptation.views import Views, change_light, cover, nobody_views, normalised, random_views
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.geometry import fit_weak_perspective
from sa3dhp_edge.networks.pose_autoencoder import PoseEncoder
from sa3dhp_edge.pool import Pool
from sa3dhp_edge.skeleton import to_template
from sa3dhp_edge.training.device import CPU

SOURCE_TILT_DEG = 15.0
SOURCE_FAR_SHARE = 0.25
"""Cameras are not always level, and the rules of adaptation turn pictures: G has to read tilted people as well."""

Pictures = FrameSet | Pool | tuple[FrameSet | Pool, ...]
"""Labelled pictures; of several sets each is as likely to be drawn from."""


class Stored(NamedTuple):
    """Pictures (b, P, P, 3) uint8 as stored, joints (b, 17, 3) mm root-relative, joints (b, 17, 2) uv."""

    images: NDArray[np.uint8]
    joints_mm: NDArray[np.float32]
    joints_uv: NDArray[np.float32]


class LabelledSource(ABC):
    """Where batches come from; the classes below say which stored pictures a batch may have."""

    def __init__(self, crop_px: int, e_p: PoseEncoder) -> None:
        self.crop_px, self._e_p = crop_px, e_p

    @abstractmethod
    def at(self, step: int) -> None:
        """Make ready what a step may draw from; steps go forward."""

    @abstractmethod
    def stored(self, rng: np.random.Generator, count: int, part: int) -> Stored:
        """Stored pictures and labels, drawn at random from a part of the source."""

    @abstractmethod
    def told(self) -> dict[str, float]:
        """Figures about the supply of pictures, for the stage's report."""

    def batch(
        self, rng: np.random.Generator, count: int, device: torch.device = CPU, part: int = 0, px: int | None = None
    ) -> tuple[Tensor, Labels]:
        """Random frames from random views in changed light: (b, 3, S, S) normalised, and their truth, on the device.

        S is `px`, or the crop's own size.
        """
        stored = self.stored(rng, count, part)
        views = random_views(rng, count, tilt_deg=SOURCE_TILT_DEG, far_share=SOURCE_FAR_SHARE)
        crops = cover(rng, change_light(rng, views.crops(stored.images, px or self.crop_px, device)))
        truth = self._truth(stored.joints_mm, stored.joints_uv, views)
        return normalised(crops), Labels(*(t.to(device, non_blocking=True) for t in truth))

    def nobody(
        self, rng: np.random.Generator, count: int, device: torch.device = CPU, part: int = 0, px: int | None = None
    ) -> Tensor:
        """Crops of the same pictures that hold no whole person: (b, 3, S, S) normalised."""
        stored = self.stored(rng, count, part)
        crops = nobody_views(rng, count).crops(stored.images, px or self.crop_px, device)
        return normalised(change_light(rng, crops))

    def _truth(self, joints_mm: NDArray[np.float32], joints_uv: NDArray[np.float32], views: Views) -> Labels:
        """The truth of frames as the views show them, on the CPU."""
        pose, uv = views.poses(to_template(joints_mm)), views.joints_uv(joints_uv)
        camera = fit_weak_perspective(pose, uv).astype(np.float32)
        pose_t = torch.from_numpy(pose)
        with torch.no_grad():
            z = self._e_p(pose_t)
        return Labels(pose_t, torch.from_numpy(uv), torch.from_numpy(camera), z)


class LabelledFrames(LabelledSource):
    """A labelled frame set; every part may draw from all of it."""

    def __init__(self, frames: FrameSet, crop_px: int, e_p: PoseEncoder) -> None:
        super().__init__(crop_px, e_p)
        if frames.joints_mm is None or frames.joints_uv is None or not len(frames):
            raise TrainingError("the source has no labels", "give --source a labelled frame set, or `synth`")
        self.frames = frames
        self._mm, self._uv = frames.joints_mm, frames.joints_uv

    def __len__(self) -> int:
        return len(self.frames)

    def at(self, step: int) -> None:
        """Nothing to do: all frames are always there."""

    def stored(self, rng: np.random.Generator, count: int, part: int) -> Stored:
        index = np.sort(rng.integers(0, len(self), count))
        return Stored(self.frames.images[index], self._mm[index], self._uv[index])

    def told(self) -> dict[str, float]:
        return {}

    def labels(self, index: NDArray[np.intp], views: Views) -> Labels:
        """The truth of chosen frames as the views show them, on the CPU."""
        return self._truth(self._mm[index], self._uv[index], views)


class LabelledPool(LabelledSource):
    """A pool that workers renew; a part draws from its own clips."""

    def __init__(self, pool: Pool, crop_px: int, e_p: PoseEncoder) -> None:
        super().__init__(crop_px, e_p)
        self.pool = pool

    def at(self, step: int) -> None:
        self.pool.at(step)

    def stored(self, rng: np.random.Generator, count: int, part: int) -> Stored:
        drawn = self.pool.draw(rng, count, part)
        return Stored(drawn.images, drawn.joints_mm, drawn.joints_uv)

    def told(self) -> dict[str, float]:
        return {"waiting_share": self.pool.waiting_share, "first_fill_s": self.pool.first_fill_s}


class LabelledMix(LabelledSource):
    """Several sources, each as likely as the others to give a picture of a batch, however large it is."""

    def __init__(self, sources: Sequence[LabelledSource], crop_px: int, e_p: PoseEncoder) -> None:
        super().__init__(crop_px, e_p)
        self._sources = sources

    def at(self, step: int) -> None:
        for source in self._sources:
            source.at(step)

    def stored(self, rng: np.random.Generator, count: int, part: int) -> Stored:
        counts = rng.multinomial(count, np.full(len(self._sources), 1 / len(self._sources))).tolist()
        drawn = [s.stored(rng, n, part) for s, n in zip(self._sources, counts, strict=True) if n]
        return Stored(*(np.concatenate(column) for column in zip(*drawn, strict=True)))

    def told(self) -> dict[str, float]:
        """What the slowest of them says."""
        told: dict[str, float] = {}
        for source in self._sources:
            told |= {k: max(v, told.get(k, v)) for k, v in source.told().items()}
        return told


def labelled(pictures: Pictures, crop_px: int, e_p: PoseEncoder) -> LabelledSource:
    """The source that a frame set, a pool, or several of them make."""
    if isinstance(pictures, tuple):
        return LabelledMix([labelled(each, crop_px, e_p) for each in pictures], crop_px, e_p)
    if isinstance(pictures, Pool):
        return LabelledPool(pictures, crop_px, e_p)
    return LabelledFrames(pictures, crop_px, e_p)

"""Generated labelled pictures without an end: clip n of a stream is a function of n, made where it is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.backgrounds import Backgrounds
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.render import render_clips


@dataclass(frozen=True)
class ClipMaker:
    """What all clips of a stream share; a `pool.Maker`.

    Attributes:
        domain: what the world may look like.
        motion: what the people do.
        frames: pictures of a clip, 1 / `fps` seconds apart.
        crop_px: side of the nominal crop; the stored pictures span `FIELD` crops.
        seed: equal seeds give equal streams.
        backgrounds: photos behind some of the people.
    """

    domain: Domain
    motion: MotionSet
    frames: int
    fps: float
    crop_px: int
    seed: int
    backgrounds: Backgrounds | None = None

    def clip(self, number: int) -> FrameSet:
        """Clip `number` of the stream: a new subject, scene and stretch of motion."""
        return render_clips(
            self.domain, self.motion, clips=1, frames_per_clip=self.frames, fps=self.fps, crop_px=self.crop_px,
            seed=clip_seed(self.seed, number), backgrounds=self.backgrounds,
        )  # fmt: skip


def clip_seed(seed: int, number: int) -> int:
    """A seed of 64 bits for one clip of a stream; streams of different seeds share none but by chance."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])

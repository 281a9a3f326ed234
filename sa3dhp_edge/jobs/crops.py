"""Which pictures an export is compared on: real target crops where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.crops import choose_crops
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips

COUNT = 64


def parity_pictures(frames: FrameSet, seed: int) -> NDArray[np.uint8]:
    """(n, S, S, 3) uint8 RGB nominal crops, n at most 64, as different as the set has them."""
    return choose_crops(frames, min(COUNT, len(frames)), seed).pictures_rgb


def frames_of(folder: Path, model: ModelSet) -> FrameSet:
    """Frames that belong to a run: its target, its held-out source; for a bare model some of its source domain."""
    for name in ("target", "source_held_out"):
        if (folder / name / "set.json").exists():
            return FrameSet.load(folder / name)
    settings = model.settings
    return render_clips(
        DOMAINS[settings.source.domain], unpaired_motion(None, 60, settings.seed), clips=8, frames_per_clip=8,
        fps=settings.source.fps, crop_px=settings.image.crop_px, seed=settings.seed,
    )  # fmt: skip

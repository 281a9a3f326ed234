"""Which pictures an export is compared on, and INT8 calibrated with: real target crops where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.crops import choose_crops
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips

COUNT = 64
CALIBRATION_LEAST, CALIBRATION_MOST = 500, 512


def parity_pictures(frames: FrameSet, seed: int) -> NDArray[np.uint8]:
    """(n, S, S, 3) uint8 RGB nominal crops, n at most 64, as different as the set has them."""
    return choose_crops(frames, min(COUNT, len(frames)), seed).pictures_rgb


def calibration_pictures(frames: FrameSet, seed: int) -> NDArray[np.uint8]:
    """(n, S, S, 3) uint8 RGB nominal crops, 500 to 512, as different as the set has them; none of `parity_pictures`.

    Raises:
        InputError: too few frames.
    """
    compared = choose_crops(frames, min(COUNT, len(frames)), seed).indices
    rest = np.setdiff1d(np.arange(len(frames)), compared)
    if len(rest) < CALIBRATION_LEAST:
        raise InputError(
            f"INT8 takes its scales from {CALIBRATION_LEAST} crops of people where the model will be used, beside "
            f"{COUNT} to compare on; there are {len(frames)}",
            "name a longer video with --crops VIDEO, or export with --precision fp16",
        )
    return choose_crops(frames.take(rest), min(CALIBRATION_MOST, len(rest)), seed).pictures_rgb


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

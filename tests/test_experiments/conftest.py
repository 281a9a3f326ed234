"""A proving ground without a minute's training: the tiny run, and targets made of its own pictures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.experiments.proving_ground import DOMAINS_TRIED
from sa3dhp_edge.frameset import FrameSet

CLIPS, FRAMES, FPS = 3, 63, 30.0


@pytest.fixture(scope="session")
def tiny_grounds(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `seed0`, ready; tests must not change it."""
    folder = tmp_path_factory.mktemp("grounds")
    ground = folder / "seed0"
    shutil.copytree(tiny_run, ground)
    source, held_out = FrameSet.load(ground / "source"), FrameSet.load(ground / "source_held_out")
    for number, domain in enumerate(DOMAINS_TRIED):
        frames = source.take(np.resize(np.arange(len(source)), CLIPS * FRAMES))
        clip = np.repeat(np.arange(CLIPS, dtype=np.int32), FRAMES)
        replace(frames, clip=clip, time_s=np.tile(np.arange(FRAMES) / FPS, CLIPS)).save(
            ground / "targets" / domain / "target"
        )
        held_out.take(np.arange(number, len(held_out))).save(ground / "targets" / domain / "test")
    return folder

"""The embedded benchmark: a labelled source domain, unlabelled target clips that look different, a labelled test."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sa3dhp_edge.config import Settings
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips
from sa3dhp_edge.training.log import Log

TARGET_DOMAIN = "site"
FPS = 30.0
SECONDS = 2.1
"""A target clip serves every rule at 30 FPS."""
TARGET_SEED, TEST_SEED = 20_000_003, 30_000_001


@dataclass(frozen=True)
class Target:
    """Unlabelled clips to adapt on, and labelled frames of other people in other rooms of the domain to test on."""

    clips: FrameSet
    test: FrameSet


def embedded_target(
    folder: Path, settings: Settings, clips: int, test_clips: int, log: Log, domain: str = TARGET_DOMAIN
) -> Target:
    """Render the target once into `folder/domain/`; its motion is drawn anew, so no sequence is the source's."""
    motion = unpaired_motion(None, settings.motion.procedural_seconds / 3, settings.seed + TARGET_SEED)
    sets = []
    for name, count, frames, fps, seed in (
        ("target", clips, round(SECONDS * FPS), FPS, TARGET_SEED),
        ("test", test_clips, 8, 2.0, TEST_SEED),
    ):
        path = folder / domain / name
        if not (path / "set.json").exists():
            log.say(f"rendering {count} clips of the {domain} domain: {name}")
            render_clips(
                DOMAINS[domain], motion, clips=count, frames_per_clip=frames, fps=fps,
                crop_px=settings.image.crop_px, seed=settings.seed + seed, workers=len(os.sched_getaffinity(0)),
                progress=log.bar(f"rendering {name}"),
            ).save(path)  # fmt: skip
        sets.append(FrameSet.load(path))
    return Target(unlabelled(sets[0]), sets[1])


def unlabelled(frames: FrameSet) -> FrameSet:
    """The same frames without their labels."""
    return frames.without_labels()

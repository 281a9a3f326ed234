"""Which stretches of hours of video are looked at, and in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.config import ClipConfig
from runtime.sources import VideoSource
from sa3dhp_edge.errors import InputError

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".ts")


@dataclass(frozen=True)
class Stretch:
    """A piece of a video, in seconds from its start."""

    path: Path
    start_s: float
    end_s: float


def video_paths(videos: Path) -> list[Path]:
    """The video itself, or those in the folder by name.

    Raises:
        InputError: nothing there.
    """
    if not videos.is_dir():
        return [videos]
    paths = sorted(p for p in videos.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise InputError(f"{videos} holds no video", f"put {', '.join(VIDEO_SUFFIXES)} files there")
    return paths


def plan_stretches(paths: list[Path], max_frames: int, cfg: ClipConfig, seed: int) -> list[Stretch]:
    """Stretches in the order of looking: all of every video if it fits into `max_frames`, else short ones.

    Stretches come in van der Corput's order, so that those already looked at are spread evenly whenever the
    frames suffice and nobody needs to know beforehand how many stretches are empty.
    """
    lengths: list[tuple[Path, float]] = []
    frames = 0.0
    for path in paths:
        with VideoSource(path) as source:
            kept = source.fps / max(math.ceil(source.fps / cfg.max_fps - 1e-3), 1)
            lengths.append((path, source.duration_s))
            frames += source.duration_s * kept
    if frames <= max_frames:
        return [Stretch(path, 0.0, math.inf) for path, _ in lengths]
    total = sum(length for _, length in lengths)
    slots = max(min(math.ceil(total / cfg.stretch_s), max_frames), 1)
    shift = float(np.random.default_rng(seed).random())
    ends = np.cumsum([length for _, length in lengths])
    plan = []
    for slot in dict.fromkeys(int(_van_der_corput(i, shift) * slots) for i in range(4 * slots)):
        at = slot * total / slots
        video = min(int(np.searchsorted(ends, at, side="right")), len(paths) - 1)
        start = at - (float(ends[video]) - lengths[video][1])
        plan.append(Stretch(paths[video], start, start + min(cfg.stretch_s, total / slots)))
    return plan


def _van_der_corput(index: int, shift: float) -> float:
    """The index's bits mirrored at the point, shifted around the circle."""
    value, weight = shift, 0.5
    while index:
        value, index, weight = value + weight * (index & 1), index >> 1, weight / 2
    return value % 1.0

"""Seeded motions and recordings of them, as a run writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from runtime.outputs import PoseWriter, Stream
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import TEMPLATE_BONE_MM, pose_from_directions

NO_PICTURE = np.zeros((4, 4, 3), np.uint8)
STREAM = Stream("walk.mp4", 30.0, (320, 240), Intrinsics((300.0, 300.0), (160.0, 120.0)), 1700.0)
MODEL = cast(Any, SimpleNamespace(name="m", sha256=lambda: "0" * 64))


def motion_mm(frames: int, seed: int = 0) -> np.ndarray:
    """(T, 17, 3) mm relative to the pelvis: every bone swings on its own, lengths are constant."""
    rng = np.random.default_rng(seed)
    rest = rng.normal(0, 1, (16, 3))
    swing = rng.normal(0, 0.4, (16, 3))
    phase = rng.uniform(0, 6, (16, 1))
    t = np.arange(frames)[:, None, None] / 30
    directions = rest + swing * np.sin(4 * t + phase)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return pose_from_directions(directions.astype(np.float32), TEMPLATE_BONE_MM)


def root_mm(frames: int) -> np.ndarray:
    """(T, 3) mm: a walk past the camera."""
    t = np.arange(frames)[:, None] / 30
    return (np.array([-400.0, 100, 3000]) + t * np.array([900.0, 20, -100])).astype(np.float32)


def person(track: int, mm: np.ndarray, root: np.ndarray | None) -> Pose:
    px = np.random.default_rng(track).uniform(40, 200, (17, 2)).astype(np.float32)
    return Pose(mm, root, px, (10.0, 20.0, 110.0, 120.0), 0.9, track, np.zeros(32, np.float32))


People = Sequence[Mapping[int, tuple[np.ndarray, np.ndarray | None]]]
Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write frames, each a mapping of track to joints and root, as a recording."""

    def write(people: People, times_s: Sequence[float] | None = None, frames: Sequence[int] | None = None) -> Path:
        path = tmp_path / "walk.jsonl"
        with PoseWriter(path, STREAM, MODEL) as writer:
            for i, there in enumerate(people):
                time_s = i / 30 if times_s is None else times_s[i]
                frame = Frame(NO_PICTURE, i if frames is None else frames[i], time_s)
                writer.write(frame, [person(track, *one) for track, one in there.items()], 1.0)
        return path

    return write


@pytest.fixture
def walk() -> tuple[np.ndarray, np.ndarray]:
    """(40, 17, 3) mm before the camera as recorded, and (40, 3) the root: one person, 40 frames."""
    mm, root = motion_mm(40), root_mm(40)
    return mm.round(2) + root[:, None].round(2), root


@pytest.fixture
def walk_people() -> list[dict[int, tuple[np.ndarray, np.ndarray]]]:
    mm, root = motion_mm(40), root_mm(40)
    return [{1: (mm[i], root[i])} for i in range(40)]

"""Seeded poses that are sent, and a bounded wait for what comes of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from runtime.live.sender import Moment
from sa3dhp_edge.records import Frame, Pose

HEADER = {"record": "header", "schema": "sa3dhp-edge/poses/1", "joints": ["pelvis"]}


def make_pose(seed: int, track: int = 1) -> Pose:
    rng = np.random.default_rng(seed)
    mm, px = rng.normal(0, 400, (17, 3)).astype(np.float32), rng.uniform(0, 400, (17, 2)).astype(np.float32)
    root = rng.normal(0, 900, 3).astype(np.float32)
    return Pose(mm, root, px, (0.0, 0.0, 90.0, 90.0), 0.5, track, np.zeros(32, np.float32))


@pytest.fixture
def moment() -> Callable[..., Moment]:
    """Frame n with people of these tracks."""

    def make(index: int, *tracks: int) -> Moment:
        frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / 30)
        return Moment(frame, tuple(make_pose(100 * index + t, t) for t in tracks), 7.5)

    return make


@pytest.fixture
def header() -> dict:
    return dict(HEADER)

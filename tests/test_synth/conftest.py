"""A small set of smooth random poses about standing, so that these tests need no motion source."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import BONES

STANDING = {
    "neck": (0, -1, 0), "head_top": (0, -1, -0.1), "right_shoulder": (-1, 0, 0), "left_shoulder": (1, 0, 0),
    "right_elbow": (-0.4, 1, 0), "left_elbow": (0.4, 1, 0), "right_wrist": (-0.3, 1, -0.3), "left_wrist": (0.3, 1,
    -0.3),
    "right_hip": (-1, 0, 0), "left_hip": (1, 0, 0), "right_knee": (0, 1, -0.1), "left_knee": (0, 1, -0.1),
    "right_ankle": (0, 1, 0.1), "left_ankle": (0, 1, 0.1), "right_foot": (0, 0.3, -1), "left_foot": (0, 0.3, -1),
}  # fmt: skip


@pytest.fixture(scope="session")
def motion() -> MotionSet:
    rng = np.random.default_rng(0)
    frames = 240
    base = np.array([STANDING[bone] for bone in BONES], float)
    wave = np.sin(
        np.arange(frames)[:, None, None] * rng.uniform(0.01, 0.05, (1, 16, 3)) + rng.uniform(0, 6, (1, 16, 3))
    )
    bones = base + 0.3 * wave
    right, left = BONES.index("right_hip"), BONES.index("left_hip")
    bones[:, left] = -bones[:, right]
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    root = np.stack([np.arange(frames) * 4.0, np.full(frames, -910.0), np.zeros(frames)], 1)
    sequence = np.repeat(np.arange(2, dtype=np.int32), frames // 2)
    return MotionSet(bones.astype(np.float32), root.astype(np.float32), sequence, 60.0, ("first", "second"))

"""Figures on a real clip's 13 joints: turned into the camera's frame, and at the person's size."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.experiments.scored_clips import SCORED, ScoredClip
from sa3dhp_edge.geometry import rotation_about_x, rotation_about_y


@pytest.fixture
def poses() -> np.ndarray:
    """(5, 17, 3) mm, root-relative."""
    rng = np.random.default_rng(4)
    one = rng.normal(0, 300, (17, 3))
    one -= one[0]
    return np.stack([one @ rotation_about_y(20.0 * t).T for t in range(5)]).astype(np.float32)


def clip(poses: np.ndarray, turns: np.ndarray, scale: float = 1.0) -> ScoredClip:
    """A clip whose crops see the poses, as cameras turned by `turns` (5, 3, 3) do."""
    truth = (scale * poses @ turns)[:, list(SCORED)] + np.float32([100, 0, 3000])
    images, uv = np.zeros((5, 96, 96, 3), np.uint8), np.zeros((5, 13, 2), np.float32)
    return ScoredClip("walk", images, truth.astype(np.float32), uv, turns.astype(np.float32))


def test_the_truth_in_the_frames_of_the_crops_has_no_error_at_any_size(poses):
    turns = np.stack([rotation_about_x(4.0 * t) for t in range(5)])
    figures = clip(poses, turns, scale=1.1).figures(poses)
    assert figures["mpjpe"] == pytest.approx(0, abs=1e-2)
    assert figures["pa_mpjpe"] == pytest.approx(0, abs=1e-2)
    assert figures["pck_150"] == 1
    assert set(figures) == {"mpjpe", "pa_mpjpe", "pck_150", "auc"}


def test_the_size_is_that_of_the_clip_and_not_of_the_frame(poses):
    turns = np.stack([np.eye(3)] * 5)
    sized = poses * np.float32([0.8, 0.9, 1.0, 1.1, 1.2])[:, None, None]
    figures = clip(poses, turns).figures(sized)
    assert figures["mpjpe"] > 10
    assert figures["pa_mpjpe"] == pytest.approx(0, abs=1e-2)


def test_a_crop_that_looks_aside_counts_in_mpjpe_alone(poses):
    scored = clip(poses, np.stack([rotation_about_y(25.0)] * 5))
    straight = ScoredClip(
        "walk", scored.images, scored.truth_mm, scored.truth_uv, np.stack([np.eye(3, dtype=np.float32)] * 5)
    )
    assert scored.figures(poses)["mpjpe"] == pytest.approx(0, abs=1e-2)
    assert straight.figures(poses)["mpjpe"] > 50
    assert straight.figures(poses)["pa_mpjpe"] == pytest.approx(0, abs=1e-2)

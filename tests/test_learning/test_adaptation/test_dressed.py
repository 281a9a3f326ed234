"""Labelled people dressed as the target: the person stays, what is around comes from the target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from torch import nn

from sa3dhp_edge.adaptation.dressed import DressedSource, _body_mask, dress
from sa3dhp_edge.adaptation.labelled import LabelledFrames
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.skeleton import JOINTS, TEMPLATE_BONE_MM, pose_from_directions


@pytest.fixture
def source(stick_figures: Callable[..., FrameSet]) -> FrameSet:
    return stick_figures(clips=4, frames=2, fps=2, seed=6)


def test_the_mask_covers_the_joints_and_little_else(source: FrameSet) -> None:
    assert source.joints_uv is not None
    side = source.images.shape[1]
    for uv in source.joints_uv:
        mask = _body_mask(uv, side)
        px = np.round((uv / 1.5 + 1) * side / 2 - 0.5).astype(int).clip(0, side - 1)
        assert mask[px[:, 1], px[:, 0]].min() > 0.25
        assert mask.mean() < 0.3
        assert mask.max() <= 1.001


def test_a_person_seen_from_above_is_no_hairline() -> None:
    down = np.zeros((16, 3), np.float32)
    down[:, 2] = 1  # every bone points away from the viewer, but for the arms
    down[[JOINTS.index(j) - 1 for j in ("right_elbow", "right_wrist")]] = (-1, 0, 0)
    pose = pose_from_directions(down, TEMPLATE_BONE_MM)
    assert _body_mask(0.9 * pose[:, :2] / 1000, 96).sum() > 100


def test_surroundings_and_light_are_the_targets_and_labels_stay(source: FrameSet) -> None:
    side = source.images.shape[1]
    target = np.full((3, side, side, 3), (200, 40, 90), np.uint8)
    dressed = dress(source, target)
    assert np.array_equal(dressed.joints_mm, source.joints_mm)
    corners = dressed.images[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(-1, 3)
    assert np.abs(corners.astype(int) - [200, 40, 90]).max() <= 1
    assert (np.abs(dressed.images.astype(int) - [200, 40, 90]).max((1, 2, 3)) > 20).all(), "the person is gone"


def test_a_target_picture_is_taken_apart(source: FrameSet) -> None:
    """Tiles change places, so no whole person of the target stands behind; none of its pixels is lost."""
    side = source.images.shape[1]
    ramp = np.arange(side * side, dtype=np.int64).reshape(side, side) * 255 // side**2
    target = np.repeat(ramp[None, :, :, None], 3, -1).astype(np.uint8)
    corner = dress(source, target).images[:, : side // 8, : side // 8, 0].astype(int)
    assert len({int(c.mean()) // 12 for c in corner}) > 2


def test_dressing_is_the_same_each_time(source: FrameSet) -> None:
    target = np.random.default_rng(0).integers(0, 256, (5, *source.images.shape[1:]), np.uint8)
    assert np.array_equal(dress(source, target).images, dress(source, target).images)


def test_a_share_of_the_replayed_people_is_dressed_and_all_keep_their_labels(
    source: FrameSet, target: TargetClips, frozen: dict[str, nn.Module]
) -> None:
    plain = LabelledFrames(source, 32, frozen["e_p"])  # type: ignore[arg-type]
    some = DressedSource(plain, target, 0.5, frozen["e_p"])  # type: ignore[arg-type]
    drawn, own = (s.stored(np.random.default_rng(3), 200, 0) for s in (some, plain))
    assert np.array_equal(drawn.joints_mm, own.joints_mm)
    changed = (drawn.images != own.images).any((1, 2, 3))
    assert 0.35 < changed.mean() < 0.65

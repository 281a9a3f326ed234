"""Several labelled sources in one batch: each gives its part, and its labels go with its pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sa3dhp_edge.adaptation.labelled import LabelledFrames, LabelledMix, labelled
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.networks.pose_autoencoder import PoseEncoder

CROP = 32


def plain(grey: int, count: int = 5) -> FrameSet:
    """Pictures of one grey, and labels that say which."""
    side = picture_px(CROP)
    return FrameSet(
        np.full((count, side, side, 3), grey, np.uint8), CROP, np.arange(count, dtype=np.int32), np.zeros(count),
        joints_mm=np.full((count, 17, 3), grey, np.float32), joints_uv=np.full((count, 17, 2), grey, np.float32),
    )  # fmt: skip


def test_each_source_gives_an_equal_part_whatever_its_size():
    mix = labelled((plain(10, 400), plain(20), plain(30)), CROP, PoseEncoder())
    assert isinstance(mix, LabelledMix)
    drawn = mix.stored(np.random.default_rng(1), 3000, 0)
    grey = drawn.images[:, 0, 0, 0]
    assert (grey == drawn.joints_mm[:, 3, 1]).all()
    assert (grey == drawn.joints_uv[:, 3, 1]).all()
    share = [(grey == g).mean() for g in (10, 20, 30)]
    assert share == pytest.approx([1 / 3] * 3, abs=0.04)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_small_batches_are_full(count):
    mix = labelled((plain(10), plain(20), plain(30)), CROP, PoseEncoder())
    rng = np.random.default_rng(2)
    assert {len(mix.stored(rng, count, 0).images) for _ in range(20)} == {count}


def test_the_slowest_supply_is_told_and_every_source_goes_forward(monkeypatch):
    one, two = (LabelledFrames(plain(g), CROP, PoseEncoder()) for g in (1, 2))
    steps = []
    for source, waited in ((one, 0.1), (two, 0.4)):
        monkeypatch.setattr(source, "told", lambda waited=waited: {"waiting_share": waited, "first_fill_s": 1.0})
        monkeypatch.setattr(source, "at", steps.append)
    mix = LabelledMix([one, two], CROP, PoseEncoder())
    mix.at(7)
    assert steps == [7, 7]
    assert mix.told() == {"waiting_share": 0.4, "first_fill_s": 1.0}


def test_one_set_is_a_source_as_before():
    assert isinstance(labelled(plain(1), CROP, PoseEncoder()), LabelledFrames)
    with pytest.raises(Exception, match="no labels"):
        labelled((plain(1), replace(plain(2), joints_mm=None)), CROP, PoseEncoder())

"""Labelled folders beside the source: what is used of them, what is refused, and how a batch is shared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.config import Settings, override, preset
from sa3dhp_edge.errors import DataError, InputError
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.jobs.labelled_source import check_beside, pictures_beside, replay_settings


@pytest.fixture
def settings() -> Settings:
    return override(preset("demo"), ("image.crop_px=32", "adapt.replay_batch=9", "adapt.losses=l1z,lcr"))


def frames(crop_px: int = 32, clips: int = 1) -> FrameSet:
    count, side = 4 * clips, picture_px(crop_px)
    return FrameSet(
        np.zeros((count, side, side, 3), np.uint8), crop_px, np.repeat(np.arange(clips, dtype=np.int32), 4),
        np.arange(count) / 2, joints_mm=np.zeros((count, 17, 3), np.float32),
        joints_uv=np.zeros((count, 17, 2), np.float32),
    )  # fmt: skip


def test_all_frames_are_used_of_a_single_clip_too(settings: Settings, tmp_path: Path) -> None:
    for name, clips in (("one", 1), ("ten", 10)):
        frames(clips=clips).save(tmp_path / name)
    folders = (str(tmp_path / "one"), str(tmp_path / "ten"))
    check_beside(settings, folders)
    with pictures_beside(settings, folders) as found:
        assert [len(each) for each in found if isinstance(each, FrameSet)] == [4, 40]
    with pictures_beside(settings, ()) as found:
        assert found == ()


def test_what_cannot_be_replayed_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    replace(frames(), joints_mm=None).save(tmp_path / "plain")
    frames(crop_px=64).save(tmp_path / "large")
    with pytest.raises(DataError, match="plain has no labels"):
        check_beside(settings, (str(tmp_path / "plain"),))
    with pytest.raises(InputError, match="crops of 64 px"):
        check_beside(settings, (str(tmp_path / "large"),))
    with pytest.raises(DataError, match="is no frame set"):
        check_beside(settings, ("synth",))


def test_sources_share_a_batch_of_all_losses(settings: Settings) -> None:
    assert [replay_settings(settings, 10, sources).source.batch for sources in (1, 2, 4)] == [18, 9, 5]

"""Frame sets come back as they went, and damage is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import FrameSet, picture_px


@pytest.fixture
def frames(rng: np.random.Generator) -> FrameSet:
    n, side = 7, picture_px(32)
    return FrameSet(
        images=rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8),
        crop_px=32,
        clip=np.array([0, 0, 0, 1, 1, 4, 4], np.int32),
        time_s=np.array([0, 0.1, 0.2, 0, 0.5, 3, 4.0]),
        joints_mm=rng.normal(size=(n, 17, 3)).astype(np.float32),
        joints_uv=rng.normal(size=(n, 17, 2)).astype(np.float32),
        visible=rng.random((n, 17)) < 0.5,
        hidden_by=rng.integers(0, 4, (n, 17)).astype(np.uint8),
        root_mm=rng.normal(size=(n, 3)).astype(np.float32),
        focal_uv=rng.random(n).astype(np.float32),
        box_xyxy_px=rng.random((n, 4)).astype(np.float32),
        origin=("a.mp4", "b.mp4"),
    )


def test_what_is_saved_is_loaded(frames: FrameSet, tmp_path: Path) -> None:
    frames.save(tmp_path / "set")
    loaded = FrameSet.load(tmp_path / "set")
    assert loaded.labelled
    assert (loaded.crop_px, loaded.origin, len(loaded)) == (32, ("a.mp4", "b.mp4"), 7)
    labels = ("joints_mm", "joints_uv", "visible", "hidden_by", "root_mm", "focal_uv")
    for name in ("images", "clip", "time_s", *labels, "box_xyxy_px"):
        before, after = getattr(frames, name), getattr(loaded, name)
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, before)


def test_pictures_stay_on_the_disk(frames: FrameSet, tmp_path: Path) -> None:
    frames.save(tmp_path / "set")
    assert isinstance(FrameSet.load(tmp_path / "set").images, np.memmap)


def test_a_set_without_labels_says_so(frames: FrameSet, tmp_path: Path) -> None:
    frames.without_labels().save(tmp_path / "set")
    loaded = FrameSet.load(tmp_path / "set")
    assert not loaded.labelled
    assert loaded.joints_uv is None


def test_saving_again_replaces(frames: FrameSet, tmp_path: Path) -> None:
    frames.save(tmp_path / "set")
    replace(frames, origin=("new",)).save(tmp_path / "set")
    assert FrameSet.load(tmp_path / "set").origin == ("new",)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_clips_are_runs_of_equal_number(frames: FrameSet) -> None:
    assert [c.tolist() for c in frames.clips()] == [[0, 1, 2], [3, 4], [5, 6]]
    nothing = FrameSet(frames.images[:0], 32, frames.clip[:0], frames.time_s[:0])
    assert nothing.clips() == []


@pytest.mark.parametrize("crop_px", [32, 64, 128, 224])
def test_a_picture_has_an_even_side_of_one_and_a_half_crops(crop_px: int) -> None:
    assert picture_px(crop_px) % 2 == 0
    assert picture_px(crop_px) == pytest.approx(1.5 * crop_px, abs=1)


def test_columns_must_fit_the_frames(frames: FrameSet) -> None:
    with pytest.raises(DataError, match=r"time_s is \(3,\), 7 frames"):
        replace(frames, time_s=frames.time_s[:3])
    with pytest.raises(DataError, match=r"images is .* crop of 64 px"):
        replace(frames, crop_px=64)


def test_a_folder_that_is_no_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no frame set[\s\S]*set.json, frames.npz, images.npy"):
        FrameSet.load(tmp_path)


@pytest.mark.parametrize("file", ["images.npy", "frames.npz"])
@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_damaged_set_is_named(frames: FrameSet, tmp_path: Path, file: str, damage: str) -> None:
    frames.save(tmp_path / "set")
    path = tmp_path / "set" / file
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="set is damaged"):
        FrameSet.load(tmp_path / "set")


def test_another_format_is_refused(frames: FrameSet, tmp_path: Path) -> None:
    frames.save(tmp_path / "set")
    about = json.loads((tmp_path / "set" / "set.json").read_text())
    (tmp_path / "set" / "set.json").write_text(json.dumps(about | {"format": 9}))
    with pytest.raises(DataError, match="format 9, this version reads 1"):
        FrameSet.load(tmp_path / "set")

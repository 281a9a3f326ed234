"""What is written comes back, to other readers as well; writing goes on where it stopped; damage is named."""

from __future__ import annotations

import gc
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sa3dhp_edge.contract import file_sha256
from sa3dhp_edge.datasets.shard_writer import EncodedClip, ShardWriter, encode
from sa3dhp_edge.datasets.shards import ShardClips, Shards, clip_starts
from sa3dhp_edge.errors import ConfigError, DataError, OutputError
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.skeleton import J

CROP = 32
SIDE = picture_px(CROP)


def clip(number: int, frames: int = 5) -> FrameSet:
    """Smooth pictures whose mean grows with the clip's number and the frame's."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    ramp = 60 * x[None, ..., None] + 40 * y[None, ..., None] * np.arange(3)
    images = ramp + 3 * number + np.arange(frames)[:, None, None, None]
    return FrameSet(
        images=images.astype(np.uint8), crop_px=CROP, clip=np.zeros(frames, np.int32),
        time_s=np.arange(frames) / 7, joints_mm=rng.normal(0, 400, (frames, J, 3)).astype(np.float32),
        joints_uv=rng.uniform(-1, 1, (frames, J, 2)).astype(np.float32), visible=rng.random((frames, J)) < 0.7,
        hidden_by=rng.integers(0, 4, (frames, J)).astype(np.uint8),
        root_mm=rng.normal(3000, 300, (frames, 3)).astype(np.float32),
        focal_uv=rng.uniform(1, 6, frames).astype(np.float32),
        box_xyxy_px=rng.uniform(0, 900, (frames, 4)).astype(np.float32), origin=(f"clip {number}",),
    )  # fmt: skip


def write(folder: Path, count: int, *, start: int = 0, stop: int | None = None, **options: Any) -> Shards | None:
    """Clips `start` to `count` - 1; broken off before clip `stop`."""
    with ShardWriter(folder, {"made": "here"}, CROP, shard_bytes=40_000, **options) as writer:
        begin = (writer.after or (start,))[0]
        for number in range(begin, count if stop is None else stop):
            writer.add(encode(clip(number), "png" if options.get("lossless") else "jpg"), (number + 1,))
        return writer.finish() if stop is None else None


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    found = write(tmp_path / "s", 12)
    assert found is not None
    assert len(found.shards) >= 3
    return found


def all_of(shards: Shards) -> list[FrameSet]:
    return [shards.read(i, 0, s.frames) for i, s in enumerate(shards.shards)]


@pytest.mark.parametrize(("lossless", "worst"), [(True, 0), (False, 3)])
def test_what_is_written_comes_back(tmp_path: Path, lossless: bool, worst: int) -> None:
    found = write(tmp_path / "s", 7, lossless=lossless)
    assert found is not None
    assert (len(found), found.clips, found.unknown, found.about) == (35, 7, (), {"made": "here"})
    parts = all_of(found)
    for number, start in enumerate(range(0, 35, 5)):
        truth = clip(number)
        offset = 0
        part = next(p for p in parts if number in p.clip)
        offset = int(np.flatnonzero(part.clip == number)[0])
        mine = part.take(np.arange(offset, offset + 5))
        assert np.abs(mine.images.astype(int) - truth.images).max() <= worst
        for name, digits in (("joints_mm", 5e-3), ("joints_uv", 1e-6), ("box_xyxy_px", 1e-3), ("time_s", 1e-6)):
            np.testing.assert_allclose(getattr(mine, name), getattr(truth, name), atol=digits, rtol=1e-6)
        np.testing.assert_array_equal(mine.visible, truth.visible)
        np.testing.assert_array_equal(mine.hidden_by, truth.hidden_by)
        np.testing.assert_allclose(mine.root_mm, truth.root_mm, atol=0.006)
        np.testing.assert_allclose(mine.focal_uv, truth.focal_uv, atol=1e-5)
        assert start >= 0


def test_a_joint_nobody_knows_is_null_and_named(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "s", {}, CROP)
    part = clip(0)
    assert part.joints_mm is not None
    part.joints_mm[:, 8], part.joints_uv[:, 8] = np.nan, np.nan  # type: ignore[index]
    writer.add(encode(part, "jpg"), (1,))
    found = writer.finish()
    assert found.unknown == ("head_top",)
    back = found.read(0, 0, 5)
    assert back.joints_mm is not None
    assert np.isnan(back.joints_mm[:, 8]).all()
    assert np.isfinite(np.delete(back.joints_mm, 8, 1)).all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves files open
def test_the_webdataset_package_reads_them(shards: Shards) -> None:
    webdataset = pytest.importorskip("webdataset")
    urls = [str(shards.folder / s.name) for s in shards.shards]
    found = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(found) == len(shards)
    ours = all_of(shards)
    images = np.concatenate([p.images for p in ours])
    mm = np.concatenate([p.joints_mm for p in ours if p.joints_mm is not None])
    for i, sample in enumerate(found):
        assert sample["__key__"] == f"{i // 5:08d}_{i % 5:04d}"
        np.testing.assert_allclose(sample["json"]["joints_mm"], mm[i], atol=1e-4)
        assert np.abs(sample["jpg"].astype(int) - images[i]).max() <= 4
    del found
    gc.collect()


def test_a_tar_program_reads_them(shards: Shards) -> None:
    with tarfile.open(shards.folder / shards.shards[0].name) as tar:
        names = tar.getnames()
    assert names[:2] == ["00000000_0000.jpg", "00000000_0000.json"]
    assert len(names) == 2 * shards.shards[0].frames


def test_clips_stay_whole(shards: Shards) -> None:
    for shard in shards.shards:
        assert clip_starts(shards.folder / shard.name).tolist() == list(range(0, shard.frames, 5))


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".npz"}


@pytest.mark.parametrize("stop", [0, 1, 6, 11])
def test_writing_goes_on_where_it_stopped(tmp_path: Path, shards: Shards, stop: int) -> None:
    broken = tmp_path / "broken"
    write(broken, 12, stop=stop)
    with pytest.raises(DataError, match=r"not finished\nhint: go on writing them with --resume"):
        Shards.open(broken)
    with pytest.raises(OutputError, match=r"exists already[\s\S]*--resume"):
        write(broken, 12)
    write(broken, 12, resume=True)
    assert content(broken) == content(shards.folder)
    Shards.open(broken).verify()


def test_a_damaged_shard_and_all_behind_it_are_written_again(tmp_path: Path, shards: Shards) -> None:
    before = content(shards.folder)
    (shards.folder / shards.shards[1].name).unlink()
    with pytest.raises(DataError, match=r"shard-000001.tar is missing\n.*--resume"):
        Shards.open(shards.folder)
    write(shards.folder, 12, resume=True)
    assert content(shards.folder) == before


def test_shards_of_something_else_are_not_gone_on_with(shards: Shards) -> None:
    with pytest.raises(ConfigError, match="about was"):
        ShardWriter(shards.folder, {"made": "there"}, CROP, resume=True)
    with pytest.raises(ConfigError, match="crop_px was 32, now 64"):
        ShardWriter(shards.folder, {"made": "here"}, 64, resume=True)


def test_damage_is_named(shards: Shards) -> None:
    path = shards.folder / shards.shards[0].name
    good = path.read_bytes()
    path.write_bytes(good[:-512])
    with pytest.raises(DataError, match=r"shard-000000.tar has \d+ bytes, the index says"):
        Shards.open(shards.folder)
    path.write_bytes(good[:600] + bytes(200) + good[800:])
    with pytest.raises(DataError, match="bytes are not those that were written"):
        Shards.open(shards.folder).verify()
    place = good.index(b'"joints_uv"')
    path.write_bytes(good[:place] + b"}" * 11 + good[place + 11 :])
    with pytest.raises(DataError, match=r"shard-000000.tar is damaged: the label of sample 0"):
        shards.read(0, 0, 5)
    path.write_bytes(bytes(len(good)))
    with pytest.raises(DataError, match=r"shard-000000.tar is damaged: the picture of sample 3 does not decode"):
        shards.read(0, 3, 5)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}', '{"format": "sa3dhp-edge shards 1"}'])
def test_a_damaged_index_is_named(shards: Shards, text: str) -> None:
    (shards.folder / "index.json").write_text(text)
    with pytest.raises(DataError, match=r"index.json|not finished"):
        Shards.open(shards.folder)


def test_equal_samples_make_equal_shards(tmp_path: Path, shards: Shards) -> None:
    again = write(tmp_path / "again", 12)
    assert again is not None
    assert [s.sha256 for s in again.shards] == [s.sha256 for s in shards.shards]
    assert all(file_sha256(again.folder / s.name) == s.sha256 for s in again.shards)


def drawn(maker: ShardClips, part: int, turns: int) -> list[tuple[int, float]]:
    """(clip, time) of what a part is given in so many turns."""
    found = []
    for turn in range(turns):
        frames = maker.clip(turn * maker.parts + part)
        assert len(frames) == maker.frames
        found += list(zip(frames.clip.tolist(), frames.time_s.round(4).tolist(), strict=True))
    return found


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_every_part_goes_through_its_own_shards(shards: Shards, parts: int) -> None:
    maker = ShardClips(shards, held_out=2, frames=5, parts=parts, seed=3)
    held = set(shards.held_out(2).clip.tolist())
    assert held == {10, 11}
    counts = maker._stretches()
    given = []
    for part in range(parts):
        turns = sum(n for s, n in enumerate(counts) if s % parts == part)
        first, second = drawn(maker, part, turns), drawn(maker, part, 2 * turns)[5 * turns :]
        assert sorted(first) == sorted(second)
        assert first != second
        given += first
    assert Counter(given) == Counter((c, round(i / 7, 4)) for c in range(10) for i in range(5))


def test_more_parts_than_shards_share_them(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "s", {}, CROP)
    for number in range(11):
        writer.add(encode(clip(number), "jpg"), (number + 1,))
    maker = ShardClips(writer.finish(), held_out=1, frames=5, parts=2, seed=3)
    given = drawn(maker, 0, 5) + drawn(maker, 1, 5)
    assert sorted({c for c, _ in given}) == list(range(10))
    assert len(set(given)) == 50


def test_a_stretch_that_is_too_short_is_filled(shards: Shards) -> None:
    odd = ShardClips(shards, held_out=2, frames=7, parts=1, seed=0)
    turns = sum(odd._stretches())
    assert {c for c, _ in drawn(odd, 0, turns)} == set(range(10))
    long = replace(odd, frames=400)
    assert len(long.clip(0)) == 400


def test_one_clip_cannot_be_divided(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "s", {}, CROP)
    writer.add(encode(clip(0), "jpg"), (1,))
    with pytest.raises(DataError, match=r"fewer than two clips"):
        writer.finish().held_out(3)


def test_the_index_says_what_the_samples_are(shards: Shards) -> None:
    index = json.loads((shards.folder / "index.json").read_text())
    assert (index["pictures"], index["jpeg_quality"], index["frames"]) == ("jpg", 95, 60)
    assert index["joints"][8] == "head_top"


def test_an_encoded_clip_is_small(shards: Shards) -> None:
    made: Callable[..., EncodedClip] = encode
    assert sum(map(len, made(clip(0), "jpg").pictures)) < clip(0).images.nbytes / 3

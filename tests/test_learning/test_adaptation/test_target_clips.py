"""Windows are moments in time, whatever the footage's rate, and never leave their clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sa3dhp_edge.adaptation.relations import TICK_HZ, Rule
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet

NAMES = ("forward", "flip_backward_tilt50", "slow_backward", "fast_forward", "slow_backward@60")


def footage(*clips: tuple[float, float]) -> TargetClips:
    """Clips of (FPS, seconds) without pictures worth a look."""
    rng = np.random.default_rng(0)
    times = [rng.uniform(0, 100) + np.arange(round(fps * seconds)) / fps for fps, seconds in clips]
    clip = np.repeat(np.arange(len(times), dtype=np.int32), [len(t) for t in times])
    return TargetClips(FrameSet(np.zeros((len(clip), 4, 4, 3), np.uint8), 2, clip, np.concatenate(times)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 60])
def test_what_is_linear_in_time_is_read_at_the_asked_moments(fps: float, name: str) -> None:
    """Up to the 2 % of a frame within which the nearest frame alone is taken."""
    clips, rule = footage((fps, 2.5), (fps, 3.0), (fps, 4.0)), Rule.parse(name)
    if fps < rule.least_fps() - 1:
        assert not clips.serving(rule)
        return
    anchor, positive, chosen = clips.windows(np.random.default_rng(1), rule, 3)
    stamps = torch.from_numpy(clips.frames.time_s)[:, None]
    read = [m.mix(stamps[m.frames])[..., 0].numpy() for m in (anchor, positive)]
    wanted = [ticks / TICK_HZ for ticks in rule.ticks()]
    start = (read[0] - wanted[0]).mean(1, keepdims=True)
    for got, ticks in zip(read, wanted, strict=True):
        np.testing.assert_allclose(got, start + ticks, atol=0.04 / fps + 1e-5)
    for row, clip in zip(start[:, 0], chosen, strict=True):
        own = clips.frames.time_s[clips.serving(rule)[clip]]
        assert own[0] - 0.04 / fps <= row <= own[-1] - rule.span_s() + 0.04 / fps


@pytest.mark.parametrize("name", NAMES)
def test_windows_never_cross_clips_and_frames_know_their_window(name: str) -> None:
    clips, rule = footage((30, 2.0), (60, 2.2), (50, 2.5), (30, 4.0)), Rule.parse(name)
    for seed in range(20):
        for moments in clips.windows(np.random.default_rng(seed), rule, 3)[:2]:
            rows = np.broadcast_to(np.arange(3)[:, None], (3, 30))
            np.testing.assert_array_equal(moments.owner[moments.before], rows)
            np.testing.assert_array_equal(moments.owner[moments.after], rows)
            owner_clip = clips.frames.clip[moments.frames]
            assert all(len(set(owner_clip[moments.owner == row])) == 1 for row in range(3))
            assert ((moments.weight >= 0) & (moments.weight < 1)).all()
            assert len(np.unique(moments.owner * 10_000 + moments.frames)) == len(moments.frames)


def test_windows_come_from_different_clips_and_name_them() -> None:
    clips = footage(*[(30, 1.5)] * 6)
    anchor, _, chosen = clips.windows(np.random.default_rng(2), Rule(), 6)
    assert sorted(chosen) == list(range(6))
    np.testing.assert_array_equal(clips.frames.clip[anchor.frames], chosen[anchor.owner])
    assert len(clips.windows(np.random.default_rng(2), Rule(), 10)[2]) == 10


def test_stored_frames_at_the_asked_moments_are_taken_as_they_are() -> None:
    """One second at 30 FPS is exactly one window: no interpolation, every frame once."""
    anchor, positive, _ = footage((30, 1.0)).windows(np.random.default_rng(0), Rule(backward=True), 1)
    assert not anchor.weight.any()
    np.testing.assert_array_equal(anchor.frames[anchor.before[0]], np.arange(30))
    np.testing.assert_array_equal(positive.frames[positive.before[0]], np.arange(30)[::-1])


def test_clips_too_short_or_too_slow_are_left_out_and_said() -> None:
    clips = footage((30, 1.0), (30, 2.0), (25, 3.0), (12, 9.0), (30, 0.5))
    rules = [Rule.parse(n) for n in ("forward", "slow_backward", "slow_backward@60")]
    assert [len(clips.serving(r)) for r in rules] == [3, 2, 2]
    lines = clips.dropped(rules)
    assert len(lines) == 3
    assert lines[1].startswith("slow_backward: 3 of 5 clips")
    assert "1.93 s at 15 FPS" in lines[1]
    assert not footage((60, 3.0)).dropped(rules)


@pytest.mark.parametrize(("fps", "serves"), [(24, False), (25, False), (29.97, True), (30, True), (50, True)])
def test_nominal_30_fps_is_quick_enough_for_the_rules_of_60(fps: float, serves: bool) -> None:
    """Broadcast rates and the rounding of time stamps do not decide."""
    clips = footage(*[(fps, 2.0)] * 40)
    assert len(clips.serving(Rule.parse("slow_backward@60"))) == (40 if serves else 0)


def test_a_split_is_by_whole_clips_and_seeded() -> None:
    clips = footage(*[(30, 1.0)] * 10)
    training, held_out = clips.split(0.3, seed=1)
    assert (len(training.clips), len(held_out.clips)) == (7, 3)
    assert sorted([*training.indices(), *held_out.indices()]) == list(range(300))
    assert set(held_out.indices()) == set(clips.split(0.3, seed=1)[1].indices())
    assert set(held_out.indices()) != set(clips.split(0.3, seed=2)[1].indices())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.15, 0.5, 0.99])
@pytest.mark.parametrize("count", [2, 3, 20])
def test_the_guard_always_has_a_clip_of_its_own_and_never_all(count: int, share: float) -> None:
    clips = footage(*[(30, 1.0)] * count)
    training, held_out = clips.split(share, seed=4)
    assert len(held_out.clips) == min(max(1, round(share * count)), count - 1)
    assert not set(training.indices()) & set(held_out.indices())
    assert len(training.clips) + len(held_out.clips) == count


def test_a_single_clip_serves_both_sides_of_a_split() -> None:
    alone = footage((30, 2.0))
    assert alone.split(0.15, seed=0) == (alone, alone)


def test_no_clip_at_all_is_refused() -> None:
    with pytest.raises(TrainingError, match="no clip"):
        TargetClips(FrameSet(np.zeros((0, 4, 4, 3), np.uint8), 2, np.zeros(0, np.int32), np.zeros(0)))

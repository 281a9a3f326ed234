"""Smoothing: what is steady stays, noise goes, spikes are held, and fast motion keeps its place in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from runtime.config import SmoothingConfig
from runtime.smoothing import AbstractSmoother, MomentSmoother, OneEuroSmoother, Seen, smoothed, smoother
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.geometry import rotation_about_x, rotation_about_y
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import JOINTS, TEMPLATE_BONE_MM, bone_directions, bone_lengths_mm, pose_from_directions

from .conftest import standing_mm

PICTURE = np.zeros((2, 2, 3), np.uint8)
LIVE, SMOOTH = SmoothingConfig("live"), SmoothingConfig("smooth")
BOTH = pytest.mark.parametrize("cfg", [LIVE, SMOOTH], ids=lambda cfg: cfg.preset)
WRIST = JOINTS.index("right_wrist")


def pose_of(joints: np.ndarray, track: int = 1, root: Sequence[float] | None = (0, 0, 3000)) -> Pose:
    place = None if root is None else np.asarray(root, np.float32)
    return Pose(joints.astype(np.float32), place, np.zeros((17, 2), np.float32), (0, 0, 1, 1), 1.0, track, np.zeros(32))


def clip(poses: Sequence[Pose | None], fps: float = 30.0, start_s: float = 0.0) -> list[Seen]:
    people = [() if pose is None else (pose,) for pose in poses]
    return [(Frame(PICTURE, n, start_s + n / fps), here, float(n)) for n, here in enumerate(people)]


def noisy(count: int, mm: float, seed: int = 0) -> list[Pose]:
    """Someone who stands, each joint a little off and each bone as long as ever."""
    rng = np.random.default_rng(seed)
    base = standing_mm()
    made = []
    for _ in range(count):
        shaken = bone_directions(base + rng.normal(0, mm, base.shape).astype(np.float32))
        made.append(pose_of(pose_from_directions(shaken)))
    return made


def arm_at(angle: float) -> np.ndarray:
    """The right arm stretched out and turned by an angle in the picture plane."""
    joints = standing_mm()
    shoulder = joints[JOINTS.index("right_shoulder")]
    along = np.array([-np.cos(angle), np.sin(angle), 0])
    joints[JOINTS.index("right_elbow")] = shoulder + TEMPLATE_BONE_MM[2] * along
    joints[WRIST] = shoulder + (TEMPLATE_BONE_MM[2] + TEMPLATE_BONE_MM[3]) * along
    return joints


def joints_of(seen: Sequence[Seen]) -> np.ndarray:
    return np.stack([pose.joints_mm for _, poses, _ in seen for pose in poses])


@BOTH
def test_what_is_steady_stays(cfg: SmoothingConfig) -> None:
    out = list(smoothed(clip([pose_of(standing_mm())] * 40), cfg))
    assert joints_of(out) == pytest.approx(np.stack([standing_mm()] * 40), abs=0.01)
    assert all(pose.root_mm == pytest.approx([0, 0, 3000]) for _, (pose,), _ in out)


@BOTH
def test_frames_come_out_whole_and_in_order_with_what_the_network_said(cfg: SmoothingConfig) -> None:
    poses: list[Pose | None] = [None, *noisy(20, 15), None, None, *noisy(7, 15, seed=1)]
    given = clip(poses)
    out = list(smoothed(given, cfg))
    assert [(frame.index, ms) for frame, _, ms in out] == [(frame.index, ms) for frame, _, ms in given]
    for (_, before, _), (_, after, _) in zip(given, out, strict=True):
        for was, now in zip(before, after, strict=True):
            assert now.raw_joints_mm is was.joints_mm
            assert now.raw_root_mm is was.root_mm
            assert now.joints_px is was.joints_px


def test_raw_changes_nothing() -> None:
    given = clip(noisy(5, 15))
    assert list(smoothed(given, SmoothingConfig("raw"))) == given


@pytest.mark.parametrize(("cfg", "least"), [(LIVE, 2.0), (SMOOTH, 10.0)])
def test_noise_goes(cfg: SmoothingConfig, least: float) -> None:
    given = clip(noisy(300, 12))
    before, after = (np.diff(joints_of(s)[50:], 2, axis=0) for s in (given, list(smoothed(given, cfg))))
    assert np.linalg.norm(before, axis=-1).mean() > least * np.linalg.norm(after, axis=-1).mean()


@BOTH
def test_bones_keep_their_lengths(cfg: SmoothingConfig) -> None:
    swing = clip([pose_of(arm_at(a)) for a in np.linspace(0, 9, 60)])
    for _, (pose,), _ in smoothed(swing, cfg):
        assert bone_lengths_mm(pose.joints_mm) == pytest.approx(TEMPLATE_BONE_MM, abs=0.01)


@pytest.mark.parametrize(("cfg", "most_mm"), [(LIVE, 120.0), (SMOOTH, 25.0)])
@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_a_fast_hand_is_where_it_is(cfg: SmoothingConfig, most_mm: float, fps: float) -> None:
    """An arm that swings up and down once a second: its wrist is as fast as 3.3 m/s."""
    times = np.arange(int(4 * fps)) / fps
    given = clip([pose_of(arm_at(float(np.sin(2 * np.pi * t)))) for t in times], fps)
    off = np.linalg.norm(joints_of(list(smoothed(given, cfg)))[:, WRIST] - joints_of(given)[:, WRIST], axis=-1)
    assert off[int(fps) : -int(fps)].mean() < most_mm


@BOTH
def test_a_spike_is_held_and_a_new_place_is_taken(cfg: SmoothingConfig) -> None:
    spiked = [pose_of(arm_at(0.0))] * 15 + [pose_of(arm_at(2.5))] + [pose_of(arm_at(0.0))] * 15
    off = np.linalg.norm(joints_of(list(smoothed(clip(spiked), cfg)))[:, WRIST] - arm_at(0.0)[WRIST], axis=-1)
    assert np.linalg.norm(arm_at(2.5)[WRIST] - arm_at(0.0)[WRIST]) > 900
    assert off.max() < 1
    stepped = [pose_of(arm_at(0.0))] * 15 + [pose_of(arm_at(2.5))] * 15
    (end,) = list(smoothed(clip(stepped), cfg))[-4][1]  # 0.4 s after the step
    assert np.linalg.norm(end.joints_mm[WRIST] - arm_at(2.5)[WRIST]) < 60


@BOTH
def test_turning_the_camera_turns_the_result(cfg: SmoothingConfig) -> None:
    turn = (rotation_about_x(17) @ rotation_about_y(-30)).astype(np.float32)
    given = clip(noisy(40, 15))
    turned = [
        (f, (replace(p, joints_mm=p.joints_mm @ turn.T, root_mm=p.root_mm @ turn.T),), ms)
        for f, (p,), ms in given
        if p.root_mm is not None
    ]
    assert joints_of(list(smoothed(turned, cfg))) == pytest.approx(
        joints_of(list(smoothed(given, cfg))) @ turn.T, abs=0.05
    )


@BOTH
def test_after_the_rest_it_is_as_new(cfg: SmoothingConfig) -> None:
    used = smoother(cfg)
    for seen in clip(noisy(25, 20, seed=3)):
        used.push(seen)
    used.rest()
    given = clip(noisy(25, 20, seed=4))

    def through(one: AbstractSmoother) -> np.ndarray:
        return joints_of([out for seen in given for out in one.push(seen)] + one.rest())

    assert (through(used) == through(smoother(cfg))).all()


@BOTH
def test_people_do_not_mix_and_a_gap_begins_anew(cfg: SmoothingConfig) -> None:
    low, high = pose_of(arm_at(0.0), track=1), pose_of(arm_at(1.0), track=2)
    out = joints_of(list(smoothed(clip([low] * 10 + [high] * 10), cfg)))
    assert out[9, WRIST] == pytest.approx(low.joints_mm[WRIST], abs=0.01)
    assert out[10, WRIST] == pytest.approx(high.joints_mm[WRIST], abs=0.01)
    again = clip([low] * 10) + clip([replace(high, track=1)] * 10, start_s=5.0)
    assert joints_of(list(smoothed(again, cfg)))[10, WRIST] == pytest.approx(high.joints_mm[WRIST], abs=0.01)


@BOTH
def test_everybody_in_a_frame_is_smoothed_as_if_alone(cfg: SmoothingConfig) -> None:
    first, second = noisy(30, 15, seed=5), [replace(p, track=2) for p in noisy(30, 15, seed=6)]
    both = [(f, (*a, *b), ms) for (f, a, ms), (_, b, _) in zip(clip(first), clip(second), strict=True)]
    alone = [list(smoothed(clip(one), cfg)) for one in (first, second)]
    for together, *apart in zip(smoothed(both, cfg), *alone, strict=True):
        for pose, (_, (own,), _) in zip(together[1], apart, strict=True):
            assert pose.track == own.track
            assert (pose.joints_mm == own.joints_mm).all()


@BOTH
def test_a_clock_that_goes_back_does_no_harm(cfg: SmoothingConfig) -> None:
    given = clip([pose_of(arm_at(0.0))] * 10, start_s=9.0) + clip([pose_of(arm_at(1.0))] * 10)
    out = joints_of(list(smoothed(given, cfg)))
    assert len(out) == 20
    assert out[12, WRIST] == pytest.approx(arm_at(1.0)[WRIST], abs=0.01)


def test_smooth_waits_as_long_as_it_says_and_keeps_few_frames() -> None:
    one = MomentSmoother(SMOOTH)
    waiting = 0
    for seen in clip(noisy(300, 10), fps=100.0):
        waiting += 1 - len(one.push(seen))
        assert waiting <= SMOOTH.lag_s * 100 + 1
        assert len(one._moment) <= (SMOOTH.lag_s + 3 * SMOOTH.moment_s) * 100 + 3


def test_people_who_left_are_forgotten() -> None:
    one = OneEuroSmoother(LIVE)
    for n in range(200):
        one.push((Frame(PICTURE, n, float(n)), (pose_of(standing_mm(), track=n),), 0.0))
    assert len(one._people) == 1


@BOTH
def test_a_root_that_is_not_known_stays_so(cfg: SmoothingConfig) -> None:
    given = clip([pose_of(standing_mm(), root=None)] * 5)
    assert all(pose.root_mm is None for _, (pose,), _ in smoothed(given, cfg))


@BOTH
def test_a_root_may_become_known_and_unknown_again(cfg: SmoothingConfig) -> None:
    known, unknown = pose_of(standing_mm()), pose_of(standing_mm(), root=None)
    out = list(smoothed(clip([unknown] * 3 + [known] * 3 + [unknown] * 3), cfg))
    assert [pose.root_mm is not None for _, (pose,), _ in out] == [False] * 3 + [True] * 3 + [False] * 3


def test_pictures_are_let_go_of_once_given_back() -> None:
    one = MomentSmoother(SMOOTH)
    for seen in clip(noisy(30, 10)):
        one.push(seen)
    assert sum(i.seen is not None for i in one._moment) <= SMOOTH.lag_s * 30 + 1


def test_settings_without_sense_are_refused() -> None:
    for wrong in ({"moment_s": 0.0}, {"lag_s": -1.0}, {"held_s": -0.1}, {"fastest_mm_s": float("nan")}):
        with pytest.raises(ConfigError, match="smoothing"):
            replace(SMOOTH, **wrong)

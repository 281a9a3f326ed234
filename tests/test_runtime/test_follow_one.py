import dataclasses

import numpy as np
import pytest

from runtime.config import FinderConfig, TrackerConfig
from runtime.finder import AbstractFinder, AbstractSearch, Candidate, FixedBox, PeopleFinder, overlap, squared
from runtime.follow_one import FollowOne
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.records import Frame, Pose

IMAGE = np.zeros((240, 320, 3), np.uint8)


def frame(i: int, fps: float = 30.0) -> Frame:
    return Frame(IMAGE, i, i / fps)


def pose_at(centre: tuple[float, float], size: float = 80.0, confidence: float = 0.9) -> Pose:
    spread = np.linspace(-0.5, 0.5, 17)[:, None] * np.array([0.3, 1.0]) * size
    joints = (spread + np.array(centre)).astype(np.float32)
    mm = np.zeros((17, 3), np.float32)
    return Pose(mm, None, joints, square_box(joints), confidence, 0, np.zeros(32, np.float32))


class FakeFinder(AbstractFinder):
    def __init__(self, *candidates: Candidate, sees: bool = True) -> None:
        self.list, self.sees, self.searches = list(candidates), sees, 0
        self.dead, self.moving = [], []

    def glimpse(self, frame):
        return self.list

    def movers(self):
        return self.moving

    def lifeless(self, box):
        return any(overlap(box, dead) > 0.5 for dead in self.dead)

    def candidates(self, frame):
        self.searches += 1
        return self.list

    def confirms(self, frame, box):
        return self.sees


def found(centre: tuple[float, float] = (100, 120), how: str = "found") -> Candidate:
    return Candidate(pose_at(centre).box_xyxy_px, how, 1.0)


def step(tracker: FollowOne, i: int, *poses: Pose) -> Pose | None:
    """Both looks at one frame: a box shows the person next to its centre, or nobody where that is none of his."""
    seen = tracker.settle(frame(i), [looked_at(b, poses) for b in tracker.propose(frame(i))])
    if tracker.fresh:
        seen = tracker.settle(frame(i), [looked_at(b, poses) for b in tracker.propose(frame(i))])
    return next(iter(seen), None)


def looked_at(box, poses: tuple[Pose, ...]) -> Pose:
    def away(pose: Pose) -> float:
        return float(np.hypot(*(middle(pose.joints_px) - np.reshape(box, (2, 2)).mean(0))))

    pose = min(poses, key=away, default=None)
    if len(poses) > 1 and away(pose) > 0.5 * (box[2] - box[0]):
        return dataclasses.replace(pose_at(tuple(np.reshape(box, (2, 2)).mean(0)), confidence=0.0), box_xyxy_px=box)
    return dataclasses.replace(pose, box_xyxy_px=box)


def middle(joints_px: np.ndarray) -> np.ndarray:
    return (joints_px.min(0) + joints_px.max(0)) / 2


def test_a_person_is_taken_followed_lost_and_taken_again_under_a_new_number():
    cfg = TrackerConfig()
    tracker = FollowOne(FakeFinder(found()), cfg)
    first = step(tracker, 0, pose_at((100, 120)))
    assert first is not None
    assert first.track == 1
    for i in range(1, 20):
        pose = step(tracker, i, pose_at((100 + 2 * i, 120)))
        assert pose is not None
        assert pose.track == 1
    for i in range(20, 20 + cfg.patience_frames):
        assert tracker.following
        assert step(tracker, i, pose_at((140, 120), confidence=0.01)) is None
    assert not tracker.following
    again = step(tracker, 40, pose_at((100, 120)))
    assert again is not None
    assert again.track == 2


def test_a_few_doubtful_frames_do_not_end_a_track():
    tracker = FollowOne(FakeFinder(found()), TrackerConfig())
    step(tracker, 0, pose_at((100, 120)))
    for i in range(1, 5):
        assert step(tracker, i, pose_at((100, 120), confidence=0.0)) is None
    pose = step(tracker, 5, pose_at((100, 120)))
    assert pose is not None
    assert pose.track == 1


def test_the_next_box_is_around_the_joints_and_moves_no_faster_than_allowed():
    cfg = TrackerConfig()
    tracker = FollowOne(FakeFinder(found()), cfg)
    step(tracker, 0, pose_at((100, 120)))
    (before,) = tracker.propose(frame(1))
    assert before == pytest.approx(square_box(pose_at((100, 120)).joints_px))
    tracker.settle(frame(1), [pose_at((300, 120))])
    (after,) = tracker.propose(frame(2))
    assert after[0] - before[0] == pytest.approx(cfg.max_step * (before[2] - before[0]))


@pytest.mark.parametrize("bad", [pose_at((100, 120), size=3), pose_at((900, 120)), pose_at((100, 120), size=5000)])
def test_collapsed_exploded_and_outside_poses_end_a_track_and_are_not_taken(bad):
    tracker = FollowOne(FakeFinder(found()), TrackerConfig())
    assert step(tracker, 0, bad) is None
    step(tracker, 30, pose_at((100, 120)))
    for i in range(31, 45):
        step(tracker, i, bad)
    assert not tracker.following


def test_a_guess_must_be_surer_than_a_detection_and_a_given_box_is_always_taken():
    weak = pose_at((100, 120), confidence=0.25)
    assert step(FollowOne(FakeFinder(found(how="guessed")), TrackerConfig()), 0, weak) is None
    assert step(FollowOne(FakeFinder(found()), TrackerConfig()), 0, weak) is not None
    nothing = dataclasses.replace(weak, confidence=0.0)
    assert step(FollowOne(FixedBox((60, 80, 140, 160)), TrackerConfig()), 0, nothing) is not None


def test_joints_that_go_along_with_the_square_are_nobody_s():
    tracker = FollowOne(FakeFinder(found(), found((200, 120))), TrackerConfig())
    tracker.settle(frame(0), [pose_at(tuple(np.reshape(b, (2, 2)).mean(0))) for b in tracker.propose(frame(0))])
    assert tracker.fresh
    boxes = tracker.propose(frame(0))
    assert tracker.settle(frame(0), [pose_at(tuple(np.reshape(b, (2, 2)).mean(0))) for b in boxes]) == ()


def test_the_search_has_its_pace():
    cfg = TrackerConfig()
    finder = FakeFinder()
    tracker = FollowOne(finder, cfg)
    for i in range(60):
        step(tracker, i)
    assert finder.searches == pytest.approx(2 / cfg.search_every_s, abs=1)


def test_an_unconfirmed_track_of_middling_confidence_ends():
    cfg = TrackerConfig()
    finder = FakeFinder(found(), sees=False)
    tracker = FollowOne(finder, cfg)
    step(tracker, 0, pose_at((100, 120), confidence=0.4))
    followed = 0
    for i in range(1, 600):
        followed += step(tracker, i, pose_at((100, 120), confidence=0.4)) is not None
        if not tracker.following:
            break
    assert followed == pytest.approx(30 * cfg.unconfirmed_s, abs=2)


NEAR, FAR = pose_at((220, 120), size=160, confidence=0.7), pose_at((60, 100), size=60, confidence=1.0)


def both(**given) -> FakeFinder:
    finder = FakeFinder(Candidate(NEAR.box_xyxy_px, "moving"), Candidate(FAR.box_xyxy_px, "found", 2.0))
    for name, value in given.items():
        setattr(finder, name, value)
    return finder


def test_the_nearer_person_is_taken_though_the_other_one_is_surer():
    taken = step(FollowOne(both(), TrackerConfig()), 0, NEAR, FAR)
    assert taken is not None
    assert taken.joints_px is NEAR.joints_px


def test_a_nearer_person_who_appears_takes_over_after_some_votes_and_keeps_it():
    tracker = FollowOne(both(), TrackerConfig())
    step(tracker, 0, FAR, pose_at((900, 900)))
    tracks = [p.track for i in range(1, 120) if (p := step(tracker, i, NEAR, FAR)) is not None]
    assert tracks[: TrackerConfig().votes] == [1] * TrackerConfig().votes
    assert tracks == sorted(tracks)
    assert tracks[30] == tracks[-1] == 2


def test_two_alike_do_not_make_it_flip():
    left, right = pose_at((80, 120), confidence=0.8), pose_at((240, 120), confidence=0.8)
    tracker = FollowOne(FakeFinder(found((80, 120)), found((240, 120))), TrackerConfig())
    rng = np.random.default_rng(0)
    for i in range(150):
        seen = [dataclasses.replace(p, confidence=0.8 + 0.1 * rng.uniform(-1, 1)) for p in (left, right)]
        pose = step(tracker, i, *seen)
        assert pose is not None
        assert pose.track == 1


def test_of_two_alike_the_one_who_moves_is_taken():
    poses = [pose_at((x, 120), confidence=c) for x, c in ((80, 0.9), (240, 0.7))]
    finder = FakeFinder(found((80, 120)), found((240, 120)))
    low, high = poses[1].joints_px.min(0), poses[1].joints_px.max(0)
    finder.moving = [(float(low[0]), float(low[1]), float(high[0]), float(high[1]))]
    taken = step(FollowOne(finder, TrackerConfig()), 0, *poses)
    assert taken is not None
    assert taken.joints_px is poses[1].joints_px


@pytest.mark.parametrize(("confidence", "kept"), [(0.55, False), (0.9, True)])
def test_where_nothing_lives_only_one_who_is_surely_seen_is_kept(confidence, kept):
    """A thing is given up; somebody who stands, sits or lies still is not."""
    seen = pose_at((100, 120), confidence=confidence)
    finder = FakeFinder(found())
    tracker = FollowOne(finder, TrackerConfig())
    step(tracker, 0, seen)
    assert tracker.following
    finder.dead = [seen.box_xyxy_px]
    assert [step(tracker, i, seen) is not None for i in range(1, 60)] == [kept] * 59
    assert tracker.following == kept


def test_where_nothing_lives_nobody_is_taken():
    finder = FakeFinder(found())
    finder.dead = [pose_at((100, 120)).box_xyxy_px]
    tracker = FollowOne(finder, TrackerConfig())
    assert all(step(tracker, i, pose_at((100, 120))) is None for i in range(60))


def test_a_followed_person_costs_one_look_a_frame_but_now_and_then():
    tracker = FollowOne(both(), TrackerConfig())
    step(tracker, 0, NEAR, FAR)
    looks = 0
    for i in range(1, 301):
        for _ in range(2):
            boxes = tracker.propose(frame(i))
            looks += len(boxes)
            tracker.settle(frame(i), [looked_at(b, (NEAR, FAR)) for b in boxes])
            if not tracker.fresh:
                break
    assert looks < 1.25 * 300


def test_reset_equals_new_but_for_the_numbers():
    finder = FakeFinder(found())
    used, new = FollowOne(finder, TrackerConfig()), FollowOne(finder, TrackerConfig())
    for i in range(10):
        step(used, i, pose_at((100 + i, 120)))
    used.reset()
    poses = [pose_at((100 + 3 * i, 110)) for i in range(10)]
    for i, pose in enumerate(poses):
        a, b = step(used, i, pose), step(new, i, pose)
        assert used.propose(frame(i)) == new.propose(frame(i))
        assert (a is None) == (b is None)
    assert a is not None
    assert b is not None
    assert a.track == b.track + 1


class Nobody(AbstractSearch):
    """Detects nobody."""

    def find(self, image_bgr):
        return []


def test_the_search_proposes_what_moves():
    finder = PeopleFinder(FinderConfig(windows=False), Nobody())
    image = np.full((240, 320, 3), 60, np.uint8)
    finder.watch(Frame(image, 0, 0.0), ())
    moved = image.copy()
    moved[60:180, 200:240] = 220
    finder.watch(Frame(moved, 1, 0.5), ())
    moving = [c.box for c in finder.candidates(Frame(moved, 1, 0.5)) if c.how == "moving"]
    assert len(moving) == 1
    assert overlap(moving[0], squared((200, 60, 240, 180))) > 0.6


@pytest.mark.parametrize("size_hw", [(240, 320), (320, 240), (90, 400)])
def test_the_windows_come_in_turn_and_leave_no_place_out(size_hw):
    finder = PeopleFinder(FinderConfig(), Nobody())
    nothing = Frame(np.full((*size_hw, 3), 60, np.uint8), 0, 0.0)
    every = [c.box for c in finder.candidates(nothing)]
    in_turn = [c.box for _ in range(len(every)) for c in finder.glimpse(nothing)]
    assert in_turn == every
    rng = np.random.default_rng(0)
    for side in rng.uniform(0.45, 1.0, 200) * min(size_hw):
        x, y = rng.uniform(side / 2, np.array(size_hw[::-1]) - side / 2)
        person = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        assert max(overlap(person, box) for box in every) > 0.35


def test_an_empty_wall_confirms_nobody():
    finder = PeopleFinder(FinderConfig(), Nobody())
    assert not finder.confirms(Frame(np.full((240, 320, 3), 99, np.uint8), 0, 0.0), (50.0, 50.0, 150.0, 150.0))
    assert not finder.confirms(Frame(IMAGE, 0, 0.0), (400.0, 50.0, 500.0, 150.0))


def test_of_one_person_the_surest_look_is_taken_and_not_the_largest():
    large, right = pose_at((160, 120), size=180, confidence=0.7), pose_at((160, 120), size=140, confidence=0.9)
    tracker = FollowOne(FakeFinder(found(), found()), TrackerConfig())
    tracker.propose(frame(0))
    tracker.settle(frame(0), [large, right])
    poses = [large if b[3] - b[1] > 200 else right for b in tracker.propose(frame(0))]
    (taken,) = tracker.settle(frame(0), poses)
    assert taken.joints_px is right.joints_px

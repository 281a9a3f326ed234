import dataclasses

import numpy as np
import pytest

from runtime.config import FinderConfig, TrackerConfig
from runtime.finder import AbstractFinder, Candidate, FixedBox, PeopleFinder, overlap, squared
from runtime.tracker import Tracker
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

    def candidates(self, frame):
        self.searches += 1
        return self.list

    def confirms(self, frame, box):
        return self.sees


def found(centre: tuple[float, float] = (100, 120), how: str = "found") -> Candidate:
    return Candidate(pose_at(centre).box_xyxy_px, how, 1.0)


def step(tracker: Tracker, i: int, *poses: Pose) -> Pose | None:
    boxes = tracker.propose(frame(i))
    given = list(poses) * len(boxes) if len(poses) == 1 else list(poses)
    assert len(given) >= len(boxes)
    return tracker.settle(frame(i), given[: len(boxes)])


def test_a_person_is_taken_followed_lost_and_taken_again_under_a_new_number():
    cfg = TrackerConfig()
    tracker = Tracker(FakeFinder(found()), cfg)
    first = step(tracker, 0, pose_at((100, 120)))
    assert first is not None
    assert first.track == 1
    assert tracker.fresh
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
    tracker = Tracker(FakeFinder(found()), TrackerConfig())
    step(tracker, 0, pose_at((100, 120)))
    for i in range(1, 5):
        assert step(tracker, i, pose_at((100, 120), confidence=0.0)) is None
    pose = step(tracker, 5, pose_at((100, 120)))
    assert pose is not None
    assert pose.track == 1


def test_the_next_box_is_around_the_joints_and_moves_no_faster_than_allowed():
    cfg = TrackerConfig()
    tracker = Tracker(FakeFinder(found()), cfg)
    step(tracker, 0, pose_at((100, 120)))
    (before,) = tracker.propose(frame(1))
    assert before == pytest.approx(square_box(pose_at((100, 120)).joints_px))
    tracker.settle(frame(1), [pose_at((300, 120))])
    (after,) = tracker.propose(frame(2))
    assert after[0] - before[0] == pytest.approx(cfg.max_step * (before[2] - before[0]))


@pytest.mark.parametrize("bad", [pose_at((100, 120), size=3), pose_at((900, 120)), pose_at((100, 120), size=5000)])
def test_collapsed_exploded_and_outside_poses_end_a_track_and_are_not_taken(bad):
    tracker = Tracker(FakeFinder(found()), TrackerConfig())
    assert step(tracker, 0, bad) is None
    step(tracker, 30, pose_at((100, 120)))
    for i in range(31, 45):
        step(tracker, i, bad)
    assert not tracker.following


def test_a_guess_must_be_surer_than_a_detection_and_a_given_box_is_always_taken():
    weak = pose_at((100, 120), confidence=0.3)
    assert step(Tracker(FakeFinder(found(how="guessed")), TrackerConfig()), 0, weak) is None
    assert step(Tracker(FakeFinder(found()), TrackerConfig()), 0, weak) is not None
    nothing = dataclasses.replace(weak, confidence=0.0)
    assert step(Tracker(FixedBox((60, 80, 140, 160)), TrackerConfig()), 0, nothing) is not None


def test_the_search_has_its_pace():
    cfg = TrackerConfig()
    finder = FakeFinder()
    tracker = Tracker(finder, cfg)
    for i in range(60):
        step(tracker, i)
    assert finder.searches == pytest.approx(2 / cfg.search_every_s, abs=1)


def test_an_unconfirmed_track_of_middling_confidence_ends():
    cfg = TrackerConfig()
    finder = FakeFinder(found(), sees=False)
    tracker = Tracker(finder, cfg)
    step(tracker, 0, pose_at((100, 120), confidence=0.4))
    followed = 0
    for i in range(1, 600):
        followed += step(tracker, i, pose_at((100, 120), confidence=0.4)) is not None
        if not tracker.following:
            break
    assert followed == pytest.approx(30 * cfg.unconfirmed_s, abs=2)


def test_somebody_clearly_better_is_followed_instead():
    tracker = Tracker(FakeFinder(found((100, 120)), found((250, 120))), TrackerConfig())
    wall, person = pose_at((100, 120), confidence=0.3), pose_at((250, 120), confidence=0.95)
    step(tracker, 0, wall, dataclasses.replace(person, confidence=0.0))
    taken = [step(tracker, i, wall, person) for i in range(1, 90)]
    assert taken[-1] is not None
    assert taken[-1].track == 2


def test_reset_equals_new_but_for_the_numbers():
    finder = FakeFinder(found())
    used, new = Tracker(finder, TrackerConfig()), Tracker(finder, TrackerConfig())
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


def test_the_search_proposes_what_moves():
    finder = PeopleFinder(FinderConfig(windows=False))
    image = np.full((240, 320, 3), 60, np.uint8)
    finder.candidates(Frame(image, 0, 0.0))
    moved = image.copy()
    moved[60:180, 200:240] = 220
    guesses = [c.box for c in finder.candidates(Frame(moved, 1, 0.5)) if c.how == "guessed"]
    assert len(guesses) == 1
    assert overlap(guesses[0], squared((200, 60, 240, 180))) > 0.6


def test_an_empty_wall_confirms_nobody():
    finder = PeopleFinder(FinderConfig())
    assert not finder.confirms(Frame(np.full((240, 320, 3), 99, np.uint8), 0, 0.0), (50.0, 50.0, 150.0, 150.0))
    assert not finder.confirms(Frame(IMAGE, 0, 0.0), (400.0, 50.0, 500.0, 150.0))

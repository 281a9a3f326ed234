"""Several people: numbers that stay through crossings, hiding and gaps, and nobody who is not there."""

import dataclasses

import numpy as np
import pytest

from runtime.config import CrowdConfig, TrackerConfig
from runtime.finder import AbstractFinder, Candidate
from runtime.follow_all import FollowAll
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.records import Frame, Pose

SIZE = (360, 640)
CLOTHES = [(40, 40, 200), (190, 70, 40), (60, 150, 60), (200, 200, 60)]
SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 2)) * (0.35, 1.0)


class World:
    """People as rectangles of one colour; nearer ones, later in the list, hide others."""

    def __init__(self, fps: float = 30.0) -> None:
        self.fps, self.i, self.looks = fps, -1, 0
        self.people: list[tuple[int, float, float, float]] = []

    def next(self, *people: tuple[int, float, float, float]) -> Frame:
        """Each person: number (his clothes), x, y and height in px."""
        self.i += 1
        self.people = list(people)
        image = np.full((*SIZE, 3), 128, np.uint8)
        for who, x, y, height in people:
            half = 0.18 * height
            image[max(int(y - height / 2), 0) : int(y + height / 2), max(int(x - half), 0) : int(x + half)] = CLOTHES[
                who
            ]
        return Frame(image, self.i, self.i / self.fps)

    def joints(self, person: tuple[int, float, float, float]) -> np.ndarray:
        from sa3dhp_edge.skeleton import JOINTS

        who, x, y, height = person
        joints = np.array([x, y]) + height * SHAPE * (1 + 0.02 * np.sin(self.i + who))
        for name, dx, dy in (
            ("right_shoulder", -0.12, -0.3), ("left_shoulder", 0.12, -0.3), ("right_hip", -0.1, 0.0),
            ("left_hip", 0.1, 0.0), ("right_knee", -0.1, 0.25), ("left_knee", 0.1, 0.25),
        ):  # fmt: skip
            joints[JOINTS.index(name)] = x + dx * height, y + dy * height
        return joints.astype(np.float32)

    def visible(self) -> list[tuple[int, float, float, float]]:
        """Those of whom more than a third is in front."""
        return [
            p for n, p in enumerate(self.people)
            if not any(abs(q[1] - p[1]) < 0.24 * q[3] and abs(q[2] - p[2]) < 0.6 * q[3] for q in self.people[n + 1 :])
        ]  # fmt: skip

    def look(self, box) -> Pose:
        """Whoever stands nearest to the middle of a square, or nobody."""
        self.looks += 1
        middle, side = np.reshape(box, (2, 2)).mean(0), box[2] - box[0]
        seen = self.visible()
        away = [float(np.hypot(p[1] - middle[0], p[2] - middle[1])) for p in seen]
        zeros = (np.zeros((17, 3), np.float32), None)
        if not seen or min(away) > 0.4 * side:
            nobody = (middle + side * 0.5 * SHAPE).astype(np.float32)
            return Pose(*zeros, nobody, box, 0.0, 0, np.zeros(32, np.float32))
        return Pose(*zeros, self.joints(seen[int(np.argmin(away))]), box, 0.9, 0, np.zeros(32, np.float32))


class FakeFinder(AbstractFinder):
    def __init__(self, world: World) -> None:
        self.world, self.blind, self.dead = world, False, False
        self.searches = 0

    def candidates(self, frame):
        self.searches += 1
        seen = [] if self.blind else self.world.visible()
        return [Candidate(square_box(self.world.joints(p)), "found", 1.0) for p in seen]

    def confirms(self, frame, box):
        return True

    def lifeless(self, box):
        return self.dead


def stage(most: int = 4) -> tuple[World, FakeFinder, FollowAll]:
    world = World()
    finder = FakeFinder(world)
    return world, finder, FollowAll(finder, TrackerConfig(), most)


def step(world: World, tracker: FollowAll, *people) -> dict[int, int]:
    """Who has which number in the next frame: from person to track."""
    frame = world.next(*people)
    poses = tracker.settle(frame, [world.look(b) for b in tracker.propose(frame)])
    if tracker.fresh:
        poses = tracker.settle(frame, [world.look(b) for b in tracker.propose(frame)])
    assert len({p.track for p in poses}) == len(poses)
    named = {}
    for pose in poses:
        nearest = min(people, key=lambda p: float(np.abs(world.joints(p) - pose.joints_px).mean()))
        assert np.abs(world.joints(nearest) - pose.joints_px).max() < 1e-3
        assert nearest[0] not in named, "one person has two numbers"
        named[nearest[0]] = pose.track
    return named


def test_everybody_gets_a_number_and_keeps_it():
    world, _, tracker = stage()
    for i in range(60):
        named = step(world, tracker, (0, 100 + i, 180, 150), (1, 320, 180 + 10 * np.sin(i / 5), 200), (2, 540, 150, 90))
    assert sorted(named) == [0, 1, 2]
    assert sorted(named.values()) == [1, 2, 3]


@pytest.mark.parametrize("px_a_frame", [2.0, 5.0, 9.0])
def test_two_who_cross_keep_their_numbers(px_a_frame):
    world, _, tracker = stage()
    frames = int(440 / px_a_frame)
    names = [
        step(world, tracker, (0, 540 - px_a_frame * i, 175, 160), (1, 100 + px_a_frame * i, 180, 170))
        for i in range(frames)
    ]
    assert names[0] == names[-1]
    assert len(names[-1]) == 2
    assert {track for named in names for track in named.values()} == {1, 2}
    hidden = [i for i, named in enumerate(names) if 0 not in named]
    assert len(hidden) < 0.2 * 170 / px_a_frame + 12


def test_two_who_meet_and_turn_back_keep_their_numbers():
    world, _, tracker = stage()
    for i in range(140):
        x = 4 * min(i, 140 - i)
        named = step(world, tracker, (0, 600 - x, 180, 160), (1, 40 + x, 180, 170))
        if i == 0:
            first = named
    assert named == first


def test_who_is_hidden_for_a_moment_comes_back_under_the_same_number():
    world, _, tracker = stage()
    for _ in range(20):
        first = step(world, tracker, (0, 200, 180, 150), (1, 450, 180, 150))
    for _ in range(45):  # 1.5 s
        assert step(world, tracker, (1, 450, 180, 150)) == {1: first[1]}
    for _ in range(10):
        again = step(world, tracker, (0, 225, 180, 150), (1, 450, 180, 150))
    assert again == first


def test_who_was_away_for_long_is_new_and_another_one_in_his_place_is_too():
    world, _, tracker = stage()
    for _ in range(20):
        first = step(world, tracker, (0, 200, 180, 150))
    for _ in range(20):
        step(world, tracker)
    for _ in range(20):
        other = step(world, tracker, (3, 210, 180, 150))
    assert other[3] != first[0]
    for _ in range(100):
        step(world, tracker)
    for _ in range(20):
        late = step(world, tracker, (0, 200, 180, 150))
    assert late[0] not in (first[0], other[3])


def test_there_are_never_more_than_asked_for_and_who_is_followed_stays():
    world, _, tracker = stage(most=2)
    everybody = [(n, 90 + 150 * n, 180, 140) for n in range(4)]
    first = step(world, tracker, *everybody[:2])
    for _ in range(60):
        assert step(world, tracker, *everybody) == first
    for _ in range(90):
        named = step(world, tracker, *everybody[1:])
    assert len(named) == 2
    assert named[1] == first[1]


def test_one_person_is_never_two():
    world, _, tracker = stage()
    for i in range(90):
        assert len(step(world, tracker, (0, 200 + i, 180, 150))) == 1


def test_what_goes_along_with_the_square_is_nobody():
    """A network that sees a person wherever it looks: the second look from another square tells."""
    world, _, tracker = stage()
    frame = world.next((0, 200, 180, 150))
    seen = 0
    for i in range(90):
        frame = dataclasses.replace(frame, index=i, time_s=i / 30)
        for _ in range(2):
            boxes = tracker.propose(frame)
            middles = [np.reshape(b, (2, 2)).mean(0) for b in boxes]
            poses = tracker.settle(
                frame,
                [
                    dataclasses.replace(world.look(b), joints_px=(m + 0.7 * (b[2] - b[0]) * SHAPE).astype(np.float32))
                    for b, m in zip(boxes, middles, strict=True)
                ],
            )
            if not tracker.fresh:
                break
        seen += len(poses)
    assert seen == 0


def test_where_nothing_moves_an_unsure_person_is_furniture():
    world, finder, tracker = stage()
    step(world, tracker, (0, 200, 180, 150))
    finder.dead = True
    look = world.look
    world.look = lambda box: dataclasses.replace(look(box), confidence=0.4)
    for _ in range(150):
        named = step(world, tracker, (0, 200, 180, 150))
    assert named == {}
    assert not tracker.following


def test_a_crowd_costs_little_more_than_a_look_a_head():
    world, finder, tracker = stage(most=8)
    everybody = [(n, 90 + 150 * n, 180, 140) for n in range(4)]
    step(world, tracker, *everybody)
    world.looks = finder.searches = 0
    for _ in range(150):
        step(world, tracker, *everybody)
    assert world.looks < 1.1 * 4 * 150
    assert finder.searches <= 150 / 30 / CrowdConfig().search_every_s + 1


def test_reset_equals_new_but_for_the_numbers():
    (world, _, used), (twin, _, new) = stage(), stage()
    for i in range(20):
        step(world, used, (0, 200 + i, 180, 150), (1, 450, 180, 150))
    used.reset()
    world.i = -1
    for i in range(40):
        people = ((2, 100 + 3 * i, 180, 150), (3, 500 - 3 * i, 190, 140))
        a, b = step(world, used, *people), step(twin, new, *people)
        assert {who: track - 2 for who, track in a.items()} == b
    assert len(b) >= 1


def test_a_limit_looks_at_people_in_turns_and_searches_with_what_is_left():
    world, _, tracker = stage(most=8)
    everybody = [(n, 90 + 150 * n, 180, 140) for n in range(4)]
    first = step(world, tracker, *everybody)
    assert len(first) == 4
    seen: list[set[int]] = []
    for _ in range(40):
        frame = world.next(*everybody)
        boxes = tracker.propose(frame, 2)
        assert len(boxes) <= 2
        seen.append({p.track for p in tracker.settle(frame, [world.look(b) for b in boxes])})
        assert not tracker.fresh
    assert all(len(a | b) == 4 for a, b in zip(seen[::2], seen[1::2], strict=True))
    assert tracker.following

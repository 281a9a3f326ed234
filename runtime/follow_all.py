"""Everybody before the camera, each with a number that stays through crossings and short absences."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from runtime.appearance import Colours, alike, blended, colours_of
from runtime.assignment import cheapest_pairs
from runtime.claim import examined, shifted
from runtime.config import CrowdConfig, TrackerConfig
from runtime.finder import AbstractFinder, Candidate, overlap
from runtime.tracker import SAME_PERSON, AbstractTracker, plausible, towards
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.records import Box, Frame, Pose

_NEVER = float("-inf")
Points = NDArray[np.float32]


@dataclass
class _Person:
    """Somebody who has a number.

    Attributes:
        box: the square that was last right.
        pose: the last one that was believed.
        seen_s: when that was.
        speed_px_s: (2,) of the joints' middle.
        peeked_s: when the place was last looked at.
        checked_s: when two looks last agreed that somebody is there.
        doubts: bad looks since `seen_s`.
        failed: checks in a row that did not agree.
    """

    track: int
    box: Box
    pose: Pose
    colours: Colours
    seen_s: float
    peeked_s: float
    checked_s: float
    speed_px_s: Points = dataclasses.field(default_factory=lambda: np.zeros(2, np.float32))
    doubts: int = 0
    failed: int = 0

    def way_px(self, now_s: float, tau_s: float) -> Points:
        """(2,) from the last place to the expected one: the speed dies away, people do not walk on for ever."""
        return np.asarray(self.speed_px_s * (tau_s * (1 - math.exp(-max(now_s - self.seen_s, 0.0) / tau_s))))


@final
class FollowAll(AbstractTracker):
    """Everybody is looked at where he should be now, and whoever was seen there is paired with who is known.

    Squares of neighbours show the same person as soon as one hides the other: poses that coincide are one person's, and
    who has none keeps the number while he is hidden. Pairs are chosen by where the joints should be and by
    the colours of trunk and thighs, for all people at once.

    Args:
        finder: proposes squares around people.
        cfg: when a person is taken and doubted, as with one person.
        most: people at once.
        crowd: what several people need beside.
    """

    def __init__(self, finder: AbstractFinder, cfg: TrackerConfig, most: int, crowd: CrowdConfig | None = None) -> None:
        self._finder, self._cfg, self._most, self._crowd = finder, cfg, most, crowd or CrowdConfig()
        self._track = 0
        self.reset()

    def reset(self) -> None:
        self.fresh = False
        self._people: list[_Person] = []
        self._looked: list[_Person] = []
        self._checked: _Person | None = None
        self._proposed: list[Candidate] = []
        self._listed: list[Candidate] = []
        self._own: list[Pose] = []
        self._searched_s = _NEVER

    @property
    def following(self) -> bool:
        return bool(self._people)

    def propose(self, frame: Frame, most: int | None = None) -> list[Box]:
        if self._listed:
            if most is not None:
                del self._listed[max(most // 2, 1) :]
            return [box for c in self._listed for box in (c.box, shifted(c.box))]
        now_s = frame.time_s
        self._finder.watch(frame, [person.box for person in self._people])
        self._looked = [p for p in self._people if not p.doubts or now_s - p.peeked_s >= self._crowd.peek_every_s]
        if most is not None and len(self._looked) > most:
            self._looked = sorted(self._looked, key=lambda p: p.peeked_s)[:most]  # in turns
        boxes = [self._expected(person, now_s) for person in self._looked]
        self._checked = self._due_for_a_check(now_s)
        check = [] if self._checked is None else [shifted(boxes[self._looked.index(self._checked)])]
        left = None if most is None else most - len(boxes) - len(check)
        self._proposed = [] if left is not None and left <= 0 else self._search(frame, boxes)[:left]
        return [*boxes, *check, *(c.box for c in self._proposed)]

    def settle(self, frame: Frame, poses: Sequence[Pose]) -> tuple[Pose, ...]:
        if self._listed:
            listed, self._listed, self.fresh = self._listed, [], False
            self._take(frame, self._examined(frame, listed, poses))
        else:
            count = len(self._looked)
            self._own = []
            if self._checked is not None:
                self._check(frame, self._checked, poses[self._looked.index(self._checked)], poses[count])
                count += 1
            good = [pose for pose in poses[: len(self._looked)] if self._good(frame, pose)]
            left = self._pair(frame, self._distinct(good))
            self._forget(frame.time_s)
            strays = [Candidate(square_box(pose.joints_px), "found") for pose in left]
            self._listed = [*strays, *self._shortlist(frame, self._proposed, poses[count:])]
            self.fresh = bool(self._listed)
        return tuple(sorted(self._own, key=lambda pose: pose.track))

    def _expected(self, person: _Person, now_s: float) -> Box:
        dx, dy = (float(v) for v in person.way_px(now_s, self._crowd.walk_on_s))
        x0, y0, x1, y1 = person.box
        return x0 + dx, y0 + dy, x1 + dx, y1 + dy

    def _due_for_a_check(self, now_s: float) -> _Person | None:
        """One person a frame at most: whose check is the longest ago, if that is long enough."""
        due = [p for p in self._looked if not p.doubts and now_s - p.checked_s >= self._cfg.confirm_every_s]
        return min(due, key=lambda p: p.checked_s, default=None)

    def _search(self, frame: Frame, boxes: Sequence[Box]) -> list[Candidate]:
        """Who else is there, now and then; the places of those who are known are left out."""
        every_s = self._crowd.search_every_s if self._people else self._cfg.search_every_s
        if sum(not p.doubts for p in self._people) >= self._most or frame.time_s - self._searched_s < every_s:
            return []
        self._searched_s = frame.time_s
        found = self._finder.candidates(frame)
        return [c for c in found if all(overlap(c.box, box) < SAME_PERSON for box in boxes)]

    def _good(self, frame: Frame, pose: Pose) -> bool:
        """Whether this look shows a person."""
        seen = square_box(pose.joints_px)
        still = pose.confidence < self._cfg.sure and self._finder.lifeless(seen)
        return pose.confidence >= self._cfg.keep and not still and plausible(frame, seen, self._cfg)

    def _distinct(self, poses: Sequence[Pose]) -> list[Pose]:
        """Of poses that coincide, the surest."""
        kept: list[Pose] = []
        for pose in sorted(poses, key=lambda p: -p.confidence):
            if not any(self._one_person(pose, other) for other in kept):
                kept.append(pose)
        return kept

    def _one_person(self, a: Pose, b: Pose) -> bool:
        """Whether the joints of two poses are at the same place in the picture."""
        apart = float(np.linalg.norm(a.joints_px - b.joints_px, axis=1).mean())
        return apart < self._crowd.same_joints * min(_extent(a.joints_px), _extent(b.joints_px))

    def _pair(self, frame: Frame, seen: Sequence[Pose]) -> list[Pose]:
        """Give each known person a pose; the poses that are nobody's."""
        colours = [colours_of(frame.image_bgr, pose.joints_px) for pose in seen]
        cost = np.array(
            [[self._cost(p, s, c, frame.time_s) for s, c in zip(seen, colours, strict=True)] for p in self._people]
        )
        pairs = dict(cheapest_pairs(cost.reshape(len(self._people), len(seen))))
        for row, person in enumerate(self._people):
            if row in pairs:
                alone = not any(overlap(person.box, other.box) > 0.2 for other in self._people if other is not person)
                self._go_on(person, seen[pairs[row]], colours[pairs[row]] if alone else None, frame.time_s)
                self._own.append(dataclasses.replace(person.pose, track=person.track))
            elif person in self._looked:
                person.doubts += 1
                person.peeked_s = frame.time_s
        return [pose for column, pose in enumerate(seen) if column not in pairs.values()]

    def _cost(self, person: _Person, pose: Pose, colours: Colours, now_s: float) -> float:
        """Of this pose being that person's: 0 for what was expected, inf for what cannot be."""
        crowd, gone_s = self._crowd, now_s - person.seen_s
        expected = person.pose.joints_px + person.way_px(now_s, crowd.walk_on_s)
        side, seen = _extent(person.pose.joints_px), _extent(pose.joints_px)
        apart = float(np.linalg.norm(pose.joints_px - expected, axis=1).mean()) / max(side, seen)
        far = apart / (crowd.reach + crowd.reach_per_s * gone_s)
        grown = abs(math.log(seen / side)) / (crowd.growth + crowd.growth_per_s * gone_s)
        other = (1 - alike(person.colours, colours)) / crowd.other_colours
        return far + grown + other if max(far, grown, other) <= 1 else math.inf

    def _go_on(self, person: _Person, pose: Pose, colours: Colours | None, now_s: float) -> None:
        before, after = (p.joints_px.mean(0) for p in (person.pose, pose))
        passed_s = max(now_s - person.seen_s, 1e-3)
        share = 1 - math.exp(-passed_s / self._crowd.speed_s)
        person.speed_px_s = person.speed_px_s + share * ((after - before) / passed_s - person.speed_px_s)
        person.box = towards(self._expected(person, now_s), square_box(pose.joints_px), self._cfg)
        person.pose, person.seen_s, person.peeked_s, person.doubts = pose, now_s, now_s, 0
        if colours is not None:
            person.colours = blended(person.colours, colours, 1 - math.exp(-passed_s / self._crowd.dress_s))

    def _check(self, frame: Frame, person: _Person, first: Pose, second: Pose) -> None:
        """Two looks, a little apart: what the network only expects in the middle of a square goes along with it."""
        person.checked_s = frame.time_s - self._cfg.confirm_every_s / 2  # sooner again after a failure
        person.failed += 1
        if examined(first, second) >= self._cfg.keep:
            person.checked_s, person.failed = frame.time_s, 0

    def _forget(self, now_s: float) -> None:
        self._people = [
            p for p in self._people if now_s - p.seen_s <= self._crowd.hidden_s and p.failed < self._cfg.votes
        ]

    def _shortlist(self, frame: Frame, candidates: Sequence[Candidate], poses: Sequence[Pose]) -> list[Candidate]:
        """The candidates worth a second look, the squares around their joints, the surest first."""
        listed: list[Pose] = []
        chosen: list[Candidate] = []
        for candidate, pose in sorted(zip(candidates, poses, strict=True), key=lambda pair: -pair[1].confidence):
            known = any(self._one_person(pose, other) for other in (*self._own, *listed))
            if len(chosen) < self._crowd.shortlist and not known and self._good(frame, pose):
                listed.append(pose)
                chosen.append(Candidate(square_box(pose.joints_px), candidate.how))
        return chosen

    def _examined(self, frame: Frame, listed: Sequence[Candidate], poses: Sequence[Pose]) -> list[Pose]:
        """Who was seen twice, surely enough for the way it came up, and is not known already."""
        cfg = self._cfg
        needed = {
            "given": 0.0, "found": cfg.accept_found, "moving": cfg.accept_moving, "guessed": cfg.accept_guessed
        }  # fmt: skip
        good = [
            first
            for c, first, second in zip(listed, poses[::2], poses[1::2], strict=True)
            if examined(first, second) >= needed[c.how]
            and plausible(frame, square_box(first.joints_px), cfg)
            and not any(self._one_person(first, own) for own in self._own)
        ]
        return self._distinct(good)

    def _take(self, frame: Frame, seen: Sequence[Pose]) -> None:
        """Those who were hidden get their number back, others a new one while there is room."""
        here = {pose.track for pose in self._own}
        there, self._people = (
            [p for p in self._people if p.track in here],
            [p for p in self._people if p.track not in here],
        )
        new = self._pair(frame, seen)
        self._people = [*there, *self._people]
        for pose in new[: max(self._most - len(self._own), 0)]:
            self._people = self._with_room()
            self._track += 1
            now_s, own = frame.time_s, dataclasses.replace(pose, track=self._track)
            colours = colours_of(frame.image_bgr, pose.joints_px)
            self._people.append(_Person(self._track, square_box(pose.joints_px), own, colours, now_s, now_s, now_s))
            self._own.append(own)

    def _with_room(self) -> list[_Person]:
        """Everybody, without the one who has been hidden for the longest where there are too many."""
        if len(self._people) < self._most:
            return self._people
        oldest = min(self._people, key=lambda p: p.seen_s)
        return [p for p in self._people if p is not oldest]


def _extent(joints_px: NDArray[np.floating]) -> float:
    """The longer side of the box around the joints, px."""
    return max(float(np.ptp(joints_px, axis=0).max()), 1.0)

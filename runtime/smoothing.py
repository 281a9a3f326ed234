"""Poses over time: what the network says of each frame by itself becomes one motion.

`live` costs no delay: a gate, then the One Euro filter (Casiez, Roussel and Vogel, CHI 2012) on every joint. `smooth`
waits a tenth of a second for what comes next: the mean over a moment around each frame follows fast motion without
lagging behind it, which no filter of the past alone can. Both keep the bones as long as the network says they are, and
what the network said stays with each pose.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from runtime.config import SmoothingConfig
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import J, bone_directions, bone_lengths_mm, pose_from_directions

Points = NDArray[np.float64]
Seen = tuple[Frame, tuple[Pose, ...], float]
"""A frame, the people in it, and the milliseconds that took."""

_Who = tuple[int, bool]
"""Whose points may be averaged: of one track, and either without a root or with one."""
T = TypeVar("T")

_REACH = 3.0
"""A moment ends where its weights are smaller than those of so many standard deviations."""


class AbstractSmoother(ABC):
    """Takes frames as they come and gives them back, in the same order, none left out, with smoothed poses."""

    @abstractmethod
    def push(self, seen: Seen) -> list[Seen]:
        """The next frame; what is ready now."""

    @abstractmethod
    def rest(self) -> list[Seen]:
        """At the end: what still waited. The smoother is as new afterwards."""


def smoother(cfg: SmoothingConfig) -> AbstractSmoother:
    """The one for `live` or `smooth`."""
    return OneEuroSmoother(cfg) if cfg.preset == "live" else MomentSmoother(cfg)


def smoothed(seen: Iterable[Seen], cfg: SmoothingConfig) -> Iterator[Seen]:
    """Every frame, with its poses smoothed; as they are where the preset is `raw`."""
    if cfg.preset == "raw":
        yield from seen
        return
    one = smoother(cfg)
    for item in seen:
        yield from one.push(item)
    yield from one.rest()


class Gate:
    """Holds points that move faster than people do, for a moment: who keeps it up for longer really is there.

    Points are root-relative joints, so a person who runs past does not count as fast.
    """

    def __init__(self, cfg: SmoothingConfig) -> None:
        self._cfg = cfg
        self._points: Points | None = None
        self._since_s: Points | None = None

    def pass_on(self, points: Points, time_s: float) -> Points:
        """(N, 3) mm, the fast ones among them where they were before."""
        if self._points is None or self._since_s is None:
            self._points, self._since_s = points.copy(), np.full(len(points), time_s)
            return points
        waited_s = time_s - self._since_s
        moved = np.linalg.norm(points - self._points, axis=-1)
        fast = (moved > self._cfg.fastest_mm_s * waited_s + self._cfg.noise_mm) & (waited_s <= self._cfg.held_s)
        self._points = np.where(fast[:, None], self._points, points)
        self._since_s = np.where(fast, self._since_s, time_s)
        return self._points


class OneEuro:
    """The One Euro filter on points: a slow one is smoothed much, a fast one hardly."""

    def __init__(self, cfg: SmoothingConfig) -> None:
        self._cfg = cfg
        self._points: Points | None = None
        self._speed: Points | None = None
        self._last_s = 0.0

    def follow(self, points: Points, time_s: float) -> Points:
        """(N, 3) mm, later than the last ones."""
        dt_s, self._last_s = max(time_s - self._last_s, 1e-6), time_s
        if self._points is None or self._speed is None:
            self._points, self._speed = points, np.zeros_like(points)
            return points
        cfg = self._cfg
        speed = (points - self._points) / dt_s
        self._speed = self._speed + _share(np.float64(cfg.speed_cutoff_hz), dt_s) * (speed - self._speed)
        fast = np.linalg.norm(self._speed, axis=-1, keepdims=True)
        share = _share(cfg.least_cutoff_hz + cfg.cutoff_hz_per_mm_s * fast, dt_s)
        self._points = self._points + share * (points - self._points)
        return self._points


def _share(cutoff_hz: NDArray[np.float64] | np.float64, dt_s: float) -> NDArray[np.float64] | np.float64:
    """Of the newest value in a first-order low pass."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * dt_s))


class _ByPerson(Generic[T]):
    """What is remembered of each person; who was away for longer than `forget_s`, or comes before he left, is new."""

    def __init__(self, make: Callable[[], T], forget_s: float) -> None:
        self._make, self._forget_s = make, forget_s
        self._known: dict[Hashable, tuple[T, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, who: Hashable, now_s: float) -> T:
        """That of a person who is seen now."""
        known = self._known.items()
        self._known = {k: (thing, last) for k, (thing, last) in known if 0 <= now_s - last <= self._forget_s}
        thing, _ = self._known.get(who, (None, 0.0))
        thing = self._make() if thing is None else thing
        self._known[who] = thing, now_s
        return thing


@final
class OneEuroSmoother(AbstractSmoother):
    """`live`: every frame is ready at once."""

    def __init__(self, cfg: SmoothingConfig) -> None:
        self._cfg = cfg
        self.rest()

    def push(self, seen: Seen) -> list[Seen]:
        frame, poses, latency_ms = seen
        return [(frame, tuple(self._smooth(pose, frame.time_s) for pose in poses), latency_ms)]

    def rest(self) -> list[Seen]:
        cfg = self._cfg
        self._people = _ByPerson(lambda: (Gate(cfg), OneEuro(cfg)), cfg.forget_s)
        return []

    def _smooth(self, pose: Pose, now_s: float) -> Pose:
        gate, low_pass = self._people.of(_who(pose), now_s)
        return _with(pose, low_pass.follow(_gated(gate, pose, now_s), now_s))


@dataclass
class _Instant:
    """Where a frame's people are, and until it is given back the frame itself."""

    time_s: float
    points: dict[_Who, Points]
    seen: Seen | None


@final
class MomentSmoother(AbstractSmoother):
    """`smooth`: a frame is ready once `lag_s` more have come."""

    def __init__(self, cfg: SmoothingConfig) -> None:
        self._cfg = cfg
        self._begin()

    def push(self, seen: Seen) -> list[Seen]:
        given = self.rest() if self._moment and seen[0].time_s <= self._moment[-1].time_s else []
        self._moment.append(self._instant(seen))
        newest_s = self._moment[-1].time_s
        while newest_s - self._moment[self._ready].time_s >= self._cfg.lag_s:
            given.append(self._next())
        return given

    def rest(self) -> list[Seen]:
        given = []
        while self._ready < len(self._moment):
            given.append(self._next())
        self._begin()
        return given

    def _begin(self) -> None:
        cfg = self._cfg
        self._gates = _ByPerson(lambda: Gate(cfg), cfg.forget_s)
        self._moment: deque[_Instant] = deque()
        self._ready = 0  # so many of the moment were given back already

    def _instant(self, seen: Seen) -> _Instant:
        frame, poses, _ = seen
        now_s = frame.time_s
        points = {_who(pose): _gated(self._gates.of(pose.track, now_s), pose, now_s) for pose in poses}
        return _Instant(now_s, points, seen)

    def _next(self) -> Seen:
        """The oldest frame that waits, smoothed; what no later one needs is forgotten."""
        now = self._moment[self._ready]
        assert now.seen is not None
        (frame, poses, latency_ms), now.seen = now.seen, None  # pictures are large
        smooth = tuple(_with(pose, self._mean(_who(pose), now.time_s)) for pose in poses)
        self._ready += 1
        while self._moment[0].time_s < now.time_s - _REACH * self._cfg.moment_s:
            self._moment.popleft()
            self._ready -= 1
        return frame, smooth, latency_ms

    def _mean(self, who: _Who, now_s: float) -> Points:
        """Where a person's points are about that time."""
        near = [(i.time_s, i.points[who]) for i in self._moment if who in i.points]
        apart = (np.array([t for t, _ in near]) - now_s) / self._cfg.moment_s
        weights = np.exp(-0.5 * apart**2) * (np.abs(apart) <= _REACH)
        return np.asarray(np.tensordot(weights / weights.sum(), np.stack([p for _, p in near]), 1))


def _who(pose: Pose) -> _Who:
    return pose.track, pose.root_mm is None


def _gated(gate: Gate, pose: Pose, now_s: float) -> Points:
    """(17, 3) mm joints without those that jump, and as the 18th the root where it is known."""
    joints = gate.pass_on(pose.joints_mm.astype(np.float64), now_s)
    return joints if pose.root_mm is None else np.concatenate([joints, pose.root_mm[None].astype(np.float64)])


def _with(pose: Pose, points: Points) -> Pose:
    """The pose with smoothed points, its bones as long as before; what it was stays beside it."""
    bones = pose_from_directions(bone_directions(np.asarray(points[:J], np.float32)), bone_lengths_mm(pose.joints_mm))
    return replace(
        pose,
        joints_mm=bones + np.asarray(points[0], np.float32),
        root_mm=None if pose.root_mm is None else np.asarray(points[J], np.float32),
        raw_joints_mm=pose.joints_mm,
        raw_root_mm=pose.root_mm,
    )

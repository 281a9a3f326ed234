"""Which frames of a stream are worth keeping as views of a board, and what is to be shown next."""

from __future__ import annotations

from collections import Counter
from enum import Enum

import numpy as np

from calib.board import Board
from calib.coverage import ENOUGH, Coverage, Goal, Placement, placement
from calib.detection import Sighting

MAX_VIEWS = 40
_STILL_PER_S = 0.06
"""A slower board is still: shares of the picture's width a second, 1 px or so while a shutter is open."""
_FORGET_S = 1.0
_SHARP = 0.3
"""Of the sharpest board seen; one focus or one movement less is below it."""
_APART, _APART_DEG, _APART_RATIO = 0.1, 10.0, 1.2
"""Two views differ by that share of the picture, that tilt, or that ratio of distances."""


class Look(Enum):
    """What came of a frame."""

    TAKEN = "taken"
    ABSENT = "no board"
    MOVING = "moving"
    BLURRED = "blurred"
    ALIKE = "like one before"


class ViewCollector:
    """Takes a view when the board is sharp, still, and unlike every view taken.

    Attributes:
        taken: the views with their times, in order.
        looks: how many frames came to what.
    """

    def __init__(self, board: Board, size_wh: tuple[int, int], goal: Goal = ENOUGH) -> None:
        self.taken: list[tuple[float, Sighting]] = []
        self.looks: Counter[Look] = Counter()
        self._board, self._size_wh, self._goal = board, size_wh, goal
        self._places: list[Placement] = []
        self._last: tuple[float, Sighting] | None = None
        self._sharpest = 0.0
        self._coverage = Coverage.of(board, [], size_wh)

    @property
    def full(self) -> bool:
        """More views would only take time."""
        return len(self.taken) >= MAX_VIEWS

    @property
    def enough(self) -> bool:
        """Whether nothing is missing any more."""
        return self.full or not self._coverage.wishes(self._goal)

    def request(self) -> str:
        """What to show next."""
        wishes = self._coverage.wishes(self._goal)
        return wishes[0].show if wishes else "enough"

    def offer(self, time_s: float, sighting: Sighting | None) -> Look:
        """Look at the next frame; `time_s` by any clock that only goes forward."""
        look = self._look(time_s, sighting)
        self.looks[look] += 1
        if sighting is not None:
            self._last = time_s, sighting
            self._sharpest = max(self._sharpest, sighting.sharpness)
            if look is Look.TAKEN:
                self._take(time_s, sighting)
        return look

    def _take(self, time_s: float, sighting: Sighting) -> None:
        self.taken.append((time_s, sighting))
        self._places.append(placement(self._board, sighting, self._size_wh))
        self._coverage = Coverage.of(self._board, [taken for _, taken in self.taken], self._size_wh)

    def _look(self, time_s: float, sighting: Sighting | None) -> Look:
        if sighting is None:
            return Look.ABSENT
        if self._speed(time_s, sighting) > _STILL_PER_S:
            return Look.MOVING
        if sighting.sharpness < _SHARP * self._sharpest:
            return Look.BLURRED
        place = placement(self._board, sighting, self._size_wh)
        return Look.ALIKE if any(_alike(place, other) for other in self._places) else Look.TAKEN

    def _speed(self, time_s: float, sighting: Sighting) -> float:
        """Of the corners, in widths of the picture a second; infinite where it cannot be known."""
        if self._last is None or not 0 < time_s - self._last[0] <= _FORGET_S:
            return np.inf
        before = self._last[1]
        _, now, then = np.intersect1d(sighting.ids, before.ids, return_indices=True)
        if not len(now):
            return np.inf
        moved = np.linalg.norm(sighting.corners_px[now] - before.corners_px[then], axis=1)
        return float(np.median(moved)) / self._size_wh[0] / (time_s - self._last[0])


def _alike(a: Placement, b: Placement) -> bool:
    return (
        bool(np.abs(a.centre - b.centre).max() < _APART)
        and bool(np.abs(a.tilt_deg - b.tilt_deg).max() < _APART_DEG)
        and max(a.distance, b.distance) < _APART_RATIO * min(a.distance, b.distance)
    )

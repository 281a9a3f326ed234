"""Where in a frame a person may be, without any downloaded weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from runtime.config import FinderConfig
from runtime.scene import Scene
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.records import Box, Frame

_MOVER_TO_CROP = 1.15
_WINDOW_SIDES = (1.26, 0.89, 0.63)
"""Sides of the windows over the frame's shorter side; smaller persons are left to the detector and to motion."""


@dataclass(frozen=True)
class Candidate:
    """A square worth a look of the network, and how it came up: the weaker the way, the surer the look must be."""

    box: Box
    how: Literal["given", "found", "moving", "guessed"]
    score: float = 0.0


class AbstractFinder(ABC):
    """Proposes squares around persons."""

    @abstractmethod
    def candidates(self, frame: Frame) -> list[Candidate]:
        """Squares that may hold a person, the likeliest first."""

    @abstractmethod
    def confirms(self, frame: Frame, box: Box) -> bool:
        """Whether a person is seen in this square, without the pose network."""

    def watch(self, frame: Frame, followed: Sequence[Box]) -> None:  # noqa: B027  a finder needs no memory
        """Take note of every frame, cheaply."""

    def glimpse(self, frame: Frame) -> list[Candidate]:
        """A few squares that cost little search, for a look beside the person who is followed."""
        return []

    def movers(self) -> list[Box]:
        """Boxes around what moved lately, the largest first; none where that is not known."""
        return []

    def lifeless(self, box: Box) -> bool:
        """Whether it is certain that nobody is in this box, since nothing moves there."""
        return False


class AbstractSearch(ABC):
    """Looks a picture over for persons, without any memory."""

    @abstractmethod
    def find(self, image_bgr: NDArray[np.uint8]) -> list[Candidate]:
        """Square crops around the persons of a picture (H, W, 3), in its pixels, the surest first."""


@final
class FixedBox(AbstractFinder):
    """The user says where the person is."""

    def __init__(self, box: Box) -> None:
        self._given = box
        self._candidate = Candidate(squared(box), "given", 1.0)

    def candidates(self, frame: Frame) -> list[Candidate]:
        h, w = frame.image_bgr.shape[:2]
        if overlap(self._candidate.box, (0.0, 0.0, w, h)) == 0:
            corners = ",".join(f"{v:g}" for v in self._given)
            raise InputError(f"the box {corners} lies outside the frames of {w} x {h}", "give --box in their pixels")
        return [self._candidate]

    def confirms(self, frame: Frame, box: Box) -> bool:
        return overlap(box, self._candidate.box) > 0


@final
class PeopleFinder(AbstractFinder):
    """Who is detected, then what moves, then squares over the picture in turn."""

    def __init__(self, cfg: FinderConfig, search: AbstractSearch) -> None:
        self._cfg, self._search = cfg, search
        self._scene = Scene(cfg.scene)
        self._turn = 0

    def candidates(self, frame: Frame) -> list[Candidate]:
        found = self._search.find(frame.image_bgr)
        count = self._cfg.windows_per_look if self._turn else None
        return [*found, *self._moving(), *self._windows(frame, count)]

    def watch(self, frame: Frame, followed: Sequence[Box]) -> None:
        self._scene.watch(frame, followed)

    def glimpse(self, frame: Frame) -> list[Candidate]:
        return [*self._search.find(frame.image_bgr), *self._moving(), *self._windows(frame, 1)]

    def movers(self) -> list[Box]:
        return self._scene.movers()

    def lifeless(self, box: Box) -> bool:
        return self._scene.lifeless(box)

    def confirms(self, frame: Frame, box: Box) -> bool:
        h, w = frame.image_bgr.shape[:2]
        x0, y0, x1, y1 = box
        margin = 0.35 * (x1 - x0)
        left, top = max(int(x0 - margin), 0), max(int(y0 - margin), 0)
        region = frame.image_bgr[top : min(int(y1 + margin), h), left : min(int(x1 + margin), w)]
        if min(region.shape[:2]) < 2:
            return False
        return any(overlap(box, _moved(c.box, left, top)) > 0.3 for c in self._search.find(region))

    def _moving(self) -> list[Candidate]:
        return [Candidate(_grown(squared(box), _MOVER_TO_CROP), "moving") for box in self._scene.movers()]

    def _windows(self, frame: Frame, count: int | None) -> list[Candidate]:
        """The next `count` windows in turn that are not known to be empty; the first time all of them."""
        chosen: list[Candidate] = []
        boxes = _windows(frame.image_bgr.shape[1], frame.image_bgr.shape[0]) if self._cfg.windows else []
        first = self._turn % max(len(boxes), 1)
        for box in boxes[first:] + boxes[:first]:
            if count is not None and len(chosen) == count:
                break
            self._turn += 1
            if not self._scene.lifeless(box):
                chosen.append(Candidate(box, "guessed"))
        return chosen


def squared(box: Box) -> Box:
    """The square around a box's centre, its side the box's longer side."""
    x0, y0, x1, y1 = box
    return _square((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0.0) * max(h, 0.0)
    return both / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both, 1e-9)


def _square(cx: float, cy: float, side: float) -> Box:
    return float(cx - side / 2), float(cy - side / 2), float(cx + side / 2), float(cy + side / 2)


def _moved(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def _grown(box: Box, factor: float) -> Box:
    return _square((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, factor * (box[2] - box[0]))


def _windows(w: int, h: int) -> list[Box]:
    """Squares of several sizes over a frame of w x h px, neighbours a third of a side apart, the central ones first."""
    boxes = []
    sides = [share * min(w, h) for share in _WINDOW_SIDES]
    for side in [float(h), *sides] if h > sides[0] else sides:
        boxes += [_square(cx, cy, side) for cx in _places(w, side) for cy in _places(h, side)]
    return sorted(boxes, key=lambda b: abs(b[0] + b[2] - w) + abs(b[1] + b[3] - h))


def _places(length: int, side: float) -> NDArray[np.float64]:
    """Centres of windows along one axis: from one border to the other, a few tenths of a side inside."""
    if length <= 0.65 * side:
        return np.array([length / 2])
    return np.linspace(0.3 * side, length - 0.3 * side, max(math.ceil((length - 0.6 * side) / (side / 3)) + 1, 2))

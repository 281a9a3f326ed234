"""Where in a frame a person may be, without any downloaded weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.config import FinderConfig
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.records import Box, Frame

_HOG_TO_CROP = 0.95
"""Side of a crop over the height of a detector box: a person fills 0.76 of the box and 1 / 1.25 of the crop."""
_HOG_PAD_PX = 32
_LOCAL_SIDE_PX = 150
"""A box is brought to this side to be confirmed; the detector's person is 96 px tall at its smallest."""
_MOTION_WIDTH_PX = 160


@dataclass(frozen=True)
class Candidate:
    """A square worth a look of the network, and how it came up: the weaker the way, the surer the look must be."""

    box: Box
    how: Literal["given", "found", "guessed"]
    score: float = 0.0


class AbstractFinder(ABC):
    """Proposes squares around persons."""

    @abstractmethod
    def candidates(self, frame: Frame) -> list[Candidate]:
        """Squares that may hold a person, the likeliest first."""

    @abstractmethod
    def confirms(self, frame: Frame, box: Box) -> bool:
        """Whether a person is seen in this square, without the pose network."""


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
    """OpenCV's gradient detector for upright people, then what moves, then centred squares."""

    def __init__(self, cfg: FinderConfig) -> None:
        self._cfg = cfg
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
        self._background: NDArray[np.float32] | None = None

    def candidates(self, frame: Frame) -> list[Candidate]:
        found = self._upright(frame.image_bgr, min(self._cfg.long_side_px / max(frame.image_bgr.shape[:2]), 1.0))
        guessed = self._moving(frame.image_bgr)
        if self._cfg.windows:
            guessed += _windows(frame.image_bgr.shape[1], frame.image_bgr.shape[0])
        return found + guessed

    def confirms(self, frame: Frame, box: Box) -> bool:
        h, w = frame.image_bgr.shape[:2]
        x0, y0, x1, y1 = box
        margin = 0.35 * (x1 - x0)
        left, top = max(int(x0 - margin), 0), max(int(y0 - margin), 0)
        region = frame.image_bgr[top : min(int(y1 + margin), h), left : min(int(x1 + margin), w)]
        if min(region.shape[:2]) < 2:
            return False
        seen = self._upright(region, _LOCAL_SIDE_PX / (x1 - x0))
        return any(overlap(box, _moved(c.box, left, top)) > 0.3 for c in seen)

    def _upright(self, image_bgr: NDArray[np.uint8], scale: float) -> list[Candidate]:
        cfg, pad = self._cfg, _HOG_PAD_PX
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=how)
        padded = cv2.copyMakeBorder(small, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        if padded.shape[0] < 128 or padded.shape[1] < 64:
            return []
        boxes, scores = self._hog.detectMultiScale(padded, winStride=(8, 8), padding=(0, 0), scale=cfg.scale_step)
        made = []
        for (x, y, w, h), score in zip(np.reshape(boxes, (-1, 4)), np.ravel(scores), strict=True):
            if score >= cfg.min_score:
                centre = ((x + w / 2 - pad) / scale, (y + h / 2 - pad) / scale)
                made.append(Candidate(_square(*centre, _HOG_TO_CROP * h / scale), "found", float(score)))
        return sorted(made, key=lambda c: -c.score)[: cfg.max_people]

    def _moving(self, image_bgr: NDArray[np.uint8]) -> list[Candidate]:
        """The largest region that differs from what the camera saw before; none if most of the picture does."""
        scale = _MOTION_WIDTH_PX / image_bgr.shape[1]
        small = cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (5, 5), 0), np.float32)
        if self._background is None or self._background.shape != grey.shape:
            self._background = grey
            return []
        changed = (np.abs(grey - self._background) > 20).astype(np.uint8)
        self._background = 0.8 * self._background + 0.2 * grey
        changed = np.asarray(cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)))
        count, _, stats, _ = cv2.connectedComponentsWithStats(changed)
        if count < 2 or changed.mean() > 0.4:
            return []
        x, y, w, h, area = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
        if area < 0.005 * changed.size:
            return []
        return [Candidate(_square((x + w / 2) / scale, (y + h / 2) / scale, 1.15 * max(w, h) / scale), "guessed")]


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


def _windows(w: int, h: int) -> list[Candidate]:
    side = min(w, h)
    squares = [_square(w / 2, h / 2, side), _square(w / 2, h / 2, 0.65 * side)]
    if w > 1.2 * h:
        squares += [_square(w / 4, h / 2, side), _square(3 * w / 4, h / 2, side)]
    if h > 1.2 * w:
        squares += [_square(w / 2, h / 2, 0.8 * h), _square(w / 2, 0.65 * h, side)]
    return [Candidate(box, "guessed") for box in squares]

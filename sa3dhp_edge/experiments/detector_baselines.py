"""What OpenCV brings along to find people with, without a download: each as a search of the runtime's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detector import without_doubles
from runtime.finder import AbstractSearch, Candidate
from sa3dhp_edge.records import Box

_PAD_PX = 32
_LONG_SIDE_PX = 640
_CASCADE_PERSON = 1.05
"""A cascade's window over a whole body is a little taller than the person; a crop is 1.25 persons wide."""
_UPPER_BODY = 3.0
"""A crop's side over the height of head and shoulders."""


@final
class Hog(AbstractSearch):
    """Gradient histograms of upright people (Dalal and Triggs 2005), of either of OpenCV's two training sets.

    Args:
        daimler: windows of 48 x 96 px instead of 64 x 128 px.
        min_score: distance from the margin below which nothing is found.
    """

    def __init__(self, daimler: bool = False, min_score: float = 0.2) -> None:
        self._size = (48, 96) if daimler else (64, 128)
        self._hog = cv2.HOGDescriptor(self._size, (16, 16), (8, 8), (8, 8), 9)
        weights = cv2.HOGDescriptor.getDaimlerPeopleDetector if daimler else cv2.HOGDescriptor.getDefaultPeopleDetector
        self._hog.setSVMDetector(np.asarray(weights(), np.float32))
        self._min_score = min_score

    def find(self, image_bgr: NDArray[np.uint8]) -> list[Candidate]:
        scale, small = _at_most(image_bgr, _LONG_SIDE_PX)
        padded = cv2.copyMakeBorder(small, *(_PAD_PX,) * 4, cv2.BORDER_REPLICATE)
        if padded.shape[0] < self._size[1] or padded.shape[1] < self._size[0]:
            return []
        boxes, scores = self._hog.detectMultiScale(padded, winStride=(8, 8), padding=(0, 0), scale=1.05)
        return without_doubles(
            [
                Candidate(_around(x + w / 2 - _PAD_PX, y + h / 2 - _PAD_PX, 0.95 * h, scale), "found", float(score))
                for (x, y, w, h), score in zip(np.reshape(boxes, (-1, 4)), np.ravel(scores), strict=True)
                if score >= self._min_score
            ]
        )


@final
class Cascade(AbstractSearch):
    """Haar features (Viola and Jones 2001) of a whole or an upper body."""

    def __init__(self, part: str) -> None:
        self._upper = part == "upperbody"
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / f"haarcascade_{part}.xml"))

    def find(self, image_bgr: NDArray[np.uint8]) -> list[Candidate]:
        scale, small = _at_most(image_bgr, _LONG_SIDE_PX)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        boxes, _, scores = self._cascade.detectMultiScale3(grey, 1.05, 3, outputRejectLevels=True)
        made = []
        for (x, y, w, h), score in zip(np.reshape(boxes, (-1, 4)), np.ravel(scores), strict=True):
            side = (_UPPER_BODY if self._upper else _CASCADE_PERSON) * h
            made.append(
                Candidate(
                    _around(x + w / 2, y + (side / 2 if self._upper else h / 2), side, scale), "found", float(score)
                )
            )
        return without_doubles(made)


def _at_most(image_bgr: NDArray[np.uint8], long_side_px: int) -> tuple[float, NDArray[np.uint8]]:
    """The picture's scale and itself, shrunk where it is larger."""
    scale = min(long_side_px / max(image_bgr.shape[:2]), 1.0)
    return scale, np.asarray(cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _around(cx: float, cy: float, side: float, scale: float) -> Box:
    """A square in pixels of the frame from one in those of the shrunk picture."""
    cx, cy, half = cx / scale, cy / scale, side / scale / 2
    return float(cx - half), float(cy - half), float(cx + half), float(cy + half)


BASELINES: Sequence[tuple[str, Callable[[], AbstractSearch]]] = (
    ("HOG", Hog),
    ("HOG, Daimler", lambda: Hog(daimler=True)),
    ("Haar, whole body", lambda: Cascade("fullbody")),
    ("Haar, upper body", lambda: Cascade("upperbody")),
)

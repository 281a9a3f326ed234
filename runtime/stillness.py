"""Whether a camera has frozen: the very same picture, bit for bit, again and again."""

from __future__ import annotations

from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

PATIENCE_S = 5.0
"""The same picture for so long is taken for a frozen camera: a sensor's noise changes every picture."""
_MOST_PATIENCE_S = 600.0
_FORGET_S = 3600.0
_LEAST_REPEATS = 3
_SAMPLE_STEP = 997
"""A sample of the bytes tells most pictures apart before all are compared."""


@final
class StillWatch:
    """Says when a camera is to be reopened because its picture does not change.

    Some pictures are still for good reasons: a test picture, a black night. If reopening brings the same picture again,
    it is accepted until it changes. Each reopening within the hour doubles the patience, up to ten minutes, so that
    such a camera is not opened all the time.

    Attributes:
        accepted: the picture was the same after reopening and is taken for a still scene.
    """

    def __init__(self) -> None:
        self.accepted = False
        self._last: NDArray[np.uint8] | None = None
        self._since_s = 0.0
        self._repeats = 0
        self._patience_s = PATIENCE_S
        self._reopened_s: float | None = None
        self._asked = False

    def frozen(self, image: NDArray[np.uint8], now_s: float) -> bool:
        """Look at the next picture; true when the camera should be reopened."""
        if self._last is None or not _same(self._last, image):
            self._last, self._since_s, self._repeats = image, now_s, 0
            self.accepted = self._asked = False
            return False
        self._repeats += 1
        if self._asked:
            self.accepted = True
        lately = self._reopened_s is not None and now_s - self._reopened_s < _FORGET_S
        patience_s = self._patience_s if lately else PATIENCE_S
        if self.accepted or self._repeats < _LEAST_REPEATS or now_s - self._since_s <= patience_s:
            return False
        self._patience_s = min(2 * patience_s, _MOST_PATIENCE_S)
        self._reopened_s, self._asked = now_s, True
        return True


def _same(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    if a.shape != b.shape or not np.array_equal(a.reshape(-1)[::_SAMPLE_STEP], b.reshape(-1)[::_SAMPLE_STEP]):
        return False
    return cv2.norm(a, b, cv2.NORM_INF) == 0

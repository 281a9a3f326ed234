"""Pictures of a camera that hangs on its side, upside down, or looks into a mirror."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.config import InputConfig

Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""(H, W, 3) uint8 to the same turned."""

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_FLIPS = {"horizontal": 1, "vertical": 0}


def as_it_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """No turn."""
    return image


def turn_of(cfg: InputConfig) -> Turn:
    """The turn by `cfg.rotate_deg` clockwise, then the mirror image by `cfg.flip`."""
    rotation, flip = _ROTATIONS.get(cfg.rotate_deg), _FLIPS.get(cfg.flip)
    if rotation is None and flip is None:
        return as_it_is

    def turn(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if rotation is not None:
            image = np.asarray(cv2.rotate(image, rotation), np.uint8)
        return image if flip is None else np.asarray(cv2.flip(image, flip), np.uint8)

    return turn

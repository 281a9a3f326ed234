"""The part of a frame that a crop needs: what lies outside costs no time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Region = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole pixels of the frame; x1 and y1 are outside."""

_LEAST_PX = 2


def part_around(points_px: NDArray[np.floating], margin_px: float, size_wh: tuple[int, int]) -> Region:
    """The part of a frame of `size_wh` that holds (N, 2) px points with a margin; never empty.

    Points beyond the border give the part next to them, because crops repeat the border's pixels.
    """
    low = np.floor(points_px.min(0) - margin_px)
    high = np.ceil(points_px.max(0) + margin_px) + 1
    sides = np.array(size_wh)
    start = np.clip(low, 0, np.maximum(sides - _LEAST_PX, 0)).astype(int)
    end = np.clip(high, start + _LEAST_PX, sides).astype(int)
    return int(start[0]), int(start[1]), int(end[0]), int(end[1])

"""The frame's border across a crop: who stands half outside, and the border pixels repeated beyond it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.crop import FIELD, CropCamera
from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.domain import Domain

Array = NDArray[np.float32]
FAR = 1e6
LEAST_SEEN = 9
"""So many of the 17 joints stay inside the frame, as far as a few smaller cuts can see to it."""


class Border(NamedTuple):
    """Where a clip's frame ends, as shares of the extent of the person's joints, measured from their top left corner.

    Attributes:
        shares: (4,) left, top, right, bottom; a right of 0.8 leaves a fifth of the person's width outside.
        seen_box: the crop is cut round the joints inside the frame rather than round all of them.
    """

    shares: Array
    seen_box: bool

    def window_px(self, joints_px: NDArray[np.floating]) -> Array:
        """(4,) x0, y0, x1, y1 px of the frame round joints (17, 2) px."""
        low, high = joints_px.min(0), joints_px.max(0)
        extent = np.maximum(high - low, 0.35 * (high - low).max())  # somebody seen edge-on keeps something to cut
        low = (low + high - extent) / 2
        corner, size, shares = np.tile(low, 2), np.tile(extent, 2), self.shares.copy()
        for _ in range(5):
            window = np.asarray(corner + shares * size, np.float32)
            if within(joints_px, window).sum() >= LEAST_SEEN:
                break
            shares = np.where([True, True, False, False], shares - 0.1, shares + 0.1)  # less of a cut
        return window


def draw_border(rng: np.random.Generator, d: Domain) -> Border | None:
    """A border across the person, one that only crosses the crop, or none within it."""
    shares = np.array([-FAR, -FAR, FAR, FAR], np.float32)
    kind = rng.random()
    if kind >= d.truncation + d.near_border:
        return None
    cut = kind < d.truncation
    bottom, top, side = (cut and rng.random() < p for p in (0.6, 0.1, 0.4))
    free = rng.uniform(0.06, 0.6, 4)  # how far beyond the person the other borders lie
    bottom = bottom or (cut and not top and not side)
    for k, (sign, cuts, deepest) in enumerate(((-1, side, 0.4), (-1, top, 0.15), (1, False, 0.4), (1, bottom, 0.5))):
        if cuts or rng.random() < 0.4:
            inside = -float(rng.uniform(0, deepest)) if cuts else float(free[k])
            shares[k] = sign * inside + (k > 1)
    if rng.random() < 0.5:  # the left border or the right one
        shares[[0, 2]] = 1 - shares[[2, 0]]
    return Border(shares, cut and bool(rng.random() < d.seen_box))


def repeat_border(picture: NDArray[np.uint8], crop: CropCamera, window_px: Array) -> NDArray[np.uint8]:
    """The stored picture (S, S, 3) of a crop with everything outside the frame replaced by the nearest border pixel."""
    side = len(picture)
    k = side / 2 / FIELD
    uv_to_picture = np.array([[k, 0, side / 2 - 0.5], [0, k, side / 2 - 0.5], [0, 0, 1]])
    to_picture = uv_to_picture @ crop.crop_from_px
    to_px = np.asarray(np.linalg.inv(to_picture), np.float64)
    x, y = _nearest_inside(side, to_picture, to_px, window_px)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


@compiled
def _nearest_inside(side: int, to_picture: NDArray[np.float64], to_px: NDArray[np.float64], window: Array) -> Array:
    """(2, side, side) picture coordinates x and y of the frame's pixel that is nearest to each picture pixel."""
    at = np.empty((2, side, side), np.float32)
    for y in range(side):
        for x in range(side):
            w = to_px[2, 0] * x + to_px[2, 1] * y + to_px[2, 2]
            u = (to_px[0, 0] * x + to_px[0, 1] * y + to_px[0, 2]) / w
            v = (to_px[1, 0] * x + to_px[1, 1] * y + to_px[1, 2]) / w
            u, v = min(max(u, window[0]), window[2]), min(max(v, window[1]), window[3])
            w = to_picture[2, 0] * u + to_picture[2, 1] * v + to_picture[2, 2]
            at[0, y, x] = (to_picture[0, 0] * u + to_picture[0, 1] * v + to_picture[0, 2]) / w
            at[1, y, x] = (to_picture[1, 0] * u + to_picture[1, 1] * v + to_picture[1, 2]) / w
    return at


def within(joints_px: NDArray[np.floating], window_px: Array) -> NDArray[np.bool_]:
    """(17,) whether joints (17, 2) px are inside the frame."""
    return np.asarray(((joints_px >= window_px[:2]) & (joints_px <= window_px[2:])).all(-1))

"""What a person wears, as far as it tells people apart in one camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS

Colours = NDArray[np.float32]
"""(PARTS, BINS) shares of the colours of trunk and thighs, each summing to 1; zeros where nothing was to be seen."""

_BINS = (4, 6, 6)
_RANGES = [0.0, 256.0, 88.0, 168.0, 88.0, 168.0]
"""Lightness coarsely, since shadows change it; the two opponent colours as far as cloth mostly goes."""
_LEAST, _MOST = np.array([0, 88, 88], np.uint8), np.array([255, 167, 167], np.uint8)
_SIDE_PX = 24


def _corners(*names: str) -> list[int]:
    return [JOINTS.index(name) for name in names]


_QUADS = (
    _corners("right_shoulder", "left_shoulder", "left_hip", "right_hip"),
    _corners("right_hip", "left_hip", "left_knee", "right_knee"),
)
PARTS = len(_QUADS)


def colours_of(image_bgr: NDArray[np.uint8], joints_px: NDArray[np.floating]) -> Colours:
    """The colours between the shoulders and hips, and between the hips and knees, of one person.

    Args:
        image_bgr: (H, W, 3) uint8.
        joints_px: (17, 2) in it.
    """
    return np.stack([_share(image_bgr, np.asarray(joints_px[quad], np.float32)) for quad in _QUADS])


def alike(a: Colours, b: Colours) -> float:
    """0, nothing in common, to 1: mean over the parts that both show of the coefficient of Bhattacharyya."""
    both = (a.sum(1) > 0) & (b.sum(1) > 0)
    return float(np.sqrt(a[both] * b[both]).sum(1).mean()) if both.any() else 1.0


def blended(old: Colours, new: Colours, share: float) -> Colours:
    """The remembered colours, drawn towards what is seen now by a share 0..1, part by part."""
    shown = (new.sum(1) > 0)[:, None]
    known = (old.sum(1) > 0)[:, None]
    return np.where(shown, np.where(known, (1 - share) * old + share * new, new), old)


def _share(image_bgr: NDArray[np.uint8], quad_px: NDArray[np.float32]) -> Colours:
    """(BINS,) of one part; the quad's inner half in each direction, which the background does not reach."""
    middle = quad_px.mean(0)
    low = np.minimum(middle - 4, middle + 0.5 * (quad_px.min(0) - middle))
    high = np.maximum(middle + 4, middle + 0.5 * (quad_px.max(0) - middle))
    h, w = image_bgr.shape[:2]
    x0, y0 = (int(v) for v in np.clip(np.floor(low), 0, (w, h)))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high), 0, (w, h)))
    bins = int(np.prod(_BINS))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.zeros(bins, np.float32)
    step_x, step_y = max((x1 - x0) // _SIDE_PX, 1), max((y1 - y0) // _SIDE_PX, 1)
    patch = np.ascontiguousarray(image_bgr[y0:y1:step_y, x0:x1:step_x])
    lab = np.clip(cv2.cvtColor(patch, cv2.COLOR_BGR2LAB), _LEAST, _MOST).reshape(-1, 1, 3)
    counts = cv2.calcHist([lab], [0, 1, 2], None, list(_BINS), _RANGES)
    soft = _softened(np.asarray(counts, np.float32))
    return np.asarray((soft / max(float(soft.sum()), 1e-9)).reshape(-1), np.float32)


def _softened(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """A count also counts a little for the neighbouring bins, so that colours on a border do not jump."""
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        left, right = (np.take(padded, range(s, s + counts.shape[axis]), axis) for s in (0, 2))
        counts = (0.6 * counts + 0.2 * left + 0.2 * right).astype(np.float32)
    return counts

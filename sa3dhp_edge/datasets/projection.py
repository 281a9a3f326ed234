"""From points in front of a camera to pixels of its pictures, with lens distortion; some points may be NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.geometry import Intrinsics


def project_px(points_mm: NDArray[np.floating], camera: Intrinsics) -> NDArray[np.float32]:
    """(..., 2) px of (..., 3) mm in the camera frame; NaN for NaN and for points that are not in front of the camera.

    Source: distortion of Brown 1966 as in OpenCV's calibration module (k1, k2, p1, p2, k3).
    """
    points = np.asarray(points_mm, np.float64)
    depth = np.where(points[..., 2:] > 1, points[..., 2:], np.nan)
    xy = points[..., :2] / depth
    if any(camera.distortion):
        k1, k2, p1, p2, k3 = (*camera.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        x, y = xy[..., 0], xy[..., 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        xy = np.stack([bent_x, bent_y], -1)
    return np.asarray(xy * camera.focal_px + camera.center_px, np.float32)

"""Between the frame as the lens drew it and the straight picture that a pinhole would have drawn."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.region import Region
from sa3dhp_edge.geometry import Array, Intrinsics
from sa3dhp_edge.records import Box


class Lens:
    """The lens of one camera; without distortion everything passes through unchanged."""

    def __init__(self, intrinsics: Intrinsics) -> None:
        self.intrinsics = intrinsics
        self._distortion = np.array(intrinsics.distortion, np.float64)
        self._maps: dict[tuple[int, int], tuple[cv2.typing.MatLike, cv2.typing.MatLike]] = {}

    @property
    def straight(self) -> bool:
        """Whether frames have no distortion."""
        return not len(self._distortion)

    def straighten(self, frame_bgr: NDArray[np.uint8], part: Region) -> NDArray[np.uint8]:
        """The part of the undistorted frame (which is as large as the frame)."""
        x0, y0, x1, y1 = part
        if self.straight:
            return frame_bgr[y0:y1, x0:x1]
        h, w = frame_bgr.shape[:2]
        if (w, h) not in self._maps:
            k = self.intrinsics.matrix()
            self._maps[w, h] = cv2.initUndistortRectifyMap(k, self._distortion, np.eye(3), k, (w, h), cv2.CV_16SC2)
        xs, ys = (m[y0:y1, x0:x1] for m in self._maps[w, h])
        straight = cv2.remap(frame_bgr, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(straight, np.uint8)

    def points_to_straight(self, px: NDArray[np.floating]) -> Array:
        """(N, 2) px in the frame to (N, 2) undistorted px."""
        if self.straight:
            return np.asarray(px, np.float64)
        k = self.intrinsics.matrix()
        points = cv2.undistortPoints(np.asarray(px, np.float64)[:, None], k, self._distortion, None, None, k)
        return np.asarray(points[:, 0])

    def points_to_frame(self, px: NDArray[np.floating]) -> Array:
        """(N, 2) undistorted px to (N, 2) px in the frame."""
        if self.straight:
            return np.asarray(px, np.float64)
        rays = np.concatenate([px, np.ones((len(px), 1))], 1) @ np.linalg.inv(self.intrinsics.matrix()).T
        zero = np.zeros(3)
        points, _ = cv2.projectPoints(rays, zero, zero, self.intrinsics.matrix(), self._distortion)
        return np.asarray(points[:, 0])

    def box_to_straight(self, box: Box) -> Box:
        """A box in the frame, where and as large as the undistorted frame shows its content."""
        if self.straight:
            return box
        x0, y0, x1, y1 = box
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        edges = self.points_to_straight(np.array([[x0, cy], [x1, cy], [cx, y0], [cx, y1]]))
        return float(edges[0, 0]), float(edges[2, 1]), float(edges[1, 0]), float(edges[3, 1])

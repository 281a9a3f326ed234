"""Rotations and cameras in plain NumPy: x right, y down, z forward, millimetres and pixels.

Pixels: (0, 0) is the centre of the top-left pixel. Matrices act on column vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import ShapeError

Array = NDArray[np.float64]


def rotation_about_z(angle_deg: float) -> Array:
    """In-plane rotation: positive turns x towards y, clockwise as the picture is seen."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def rotation_about_y(angle_deg: float) -> Array:
    """Azimuth about the vertical: positive turns z towards x."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_about_x(angle_deg: float) -> Array:
    """Pitch: positive turns y towards z."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera's inner geometry; distortion as in OpenCV (k1, k2, p1, p2, k3).

    `assumed` is true when no calibration was given and the focal length is a guess.
    """

    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    distortion: tuple[float, ...] = ()
    assumed: bool = False

    def matrix(self) -> Array:
        """(3, 3) camera matrix."""
        (fx, fy), (cx, cy) = self.focal_px, self.center_px
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])

    def inverse_matrix(self) -> Array:
        """(3, 3) pixels to rays whose z is 1."""
        (fx, fy), (cx, cy) = self.focal_px, self.center_px
        return np.array([[1 / fx, 0, -cx / fx], [0, 1 / fy, -cy / fy], [0, 0, 1]])

    @staticmethod
    def guess(size_wh: tuple[int, int]) -> Intrinsics:
        """A focal length of 1.1 times the longer side (49 degrees across it): webcams and phones are near."""
        w, h = size_wh
        focal = 1.1 * max(w, h)
        return Intrinsics((focal, focal), ((w - 1) / 2, (h - 1) / 2), assumed=True)


def project(points_mm: NDArray[np.floating], matrix: Array) -> Array:
    """Perspective projection of (..., 3) mm in the camera frame to (..., 2) px.

    Source: pinhole model, Hartley & Zisserman 2004, sec. 6.1.
    """
    image = points_mm @ matrix.T
    return np.asarray(image[..., :2] / image[..., 2:])


def ray_rotation(ray: Array) -> Array:
    """Smallest rotation that turns `ray` (3,) onto the z axis: camera frame to the frame of that ray."""
    x, y, z = (ray / np.linalg.norm(ray)).tolist()
    s = 1 / (1 + z)  # Rodrigues' formula about the axis (y, -x, 0)
    return np.array([[1 - s * x * x, -s * x * y, -x], [-s * x * y, 1 - s * y * y, -y], [x, y, z]])


def fit_weak_perspective(pose_mm: NDArray[np.floating], uv: NDArray[np.floating]) -> Array:
    """Least-squares weak-perspective camera: uv = scale * xy / 1000 + t.

    Args:
        pose_mm: (..., J, 3) mm, root-relative.
        uv: (..., J, 2), picture coordinates of any unit; the scale is in that unit per metre.

    Returns:
        (..., 3): scale, tx, ty.
    """
    if pose_mm.shape[:-1] != uv.shape[:-1]:
        raise ShapeError(f"a pose of {pose_mm.shape} and picture points of {uv.shape} do not belong together")
    xy = pose_mm[..., :2] / 1000.0
    xy_mean, uv_mean = xy.mean(-2, keepdims=True), uv.mean(-2, keepdims=True)
    x, u = xy - xy_mean, uv - uv_mean
    scale = (x * u).sum((-2, -1)) / np.maximum((x * x).sum((-2, -1)), 1e-9)
    shift = uv_mean[..., 0, :] - scale[..., None] * xy_mean[..., 0, :]
    return np.concatenate([scale[..., None], shift], -1)

"""From a box in a frame to the network's square picture and back: the only preprocessing there is.

A crop is the picture of a virtual pinhole camera that stands where the real one stands and looks at the
crop's centre, so a person at the border looks as one in the middle does, and mirroring or turning the
crop acts about the very axis the pose is given in (method, section 3). Crop coordinates `uv` are -1..1
across the nominal crop, x right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.geometry import Array, Intrinsics, ray_rotation

FIELD = 1.5
"""Stored pictures span 1.5 nominal crops: a crop turned by any angle (sqrt 2) stays inside them, one that is also
shrunk or shifted may reach a little over the border."""

BOX_MARGIN = 1.25
"""A crop's side over the longer side of the box around the person's joints."""


@dataclass(frozen=True)
class CropCamera:
    """The virtual camera of one crop.

    `rot_camera_to_crop` turns the camera frame into the crop's; `crop_from_px` (3, 3) is the homography
    from undistorted frame pixels to uv; `focal_uv` is the virtual focal length in uv units.
    """

    rot_camera_to_crop: Array
    crop_from_px: Array
    focal_uv: float

    @staticmethod
    def looking_at(box_xyxy_px: NDArray[np.floating] | tuple[float, ...], camera: Intrinsics) -> CropCamera:
        """The camera of the square around a box's centre, its side the box's longer side."""
        x0, y0, x1, y1 = (float(v) for v in box_xyxy_px)
        side = max(x1 - x0, y1 - y0)
        if not np.isfinite(side) or side <= 0:
            raise ShapeError(f"a box needs x0 < x1 and y0 < y1, got {tuple(round(float(v), 1) for v in box_xyxy_px)}")
        inverse = camera.inverse_matrix()
        ray = inverse @ np.array([(x0 + x1) / 2, (y0 + y1) / 2, 1.0])
        rotation = ray_rotation(ray)
        focal_uv = 2.0 / side * camera.focal_px[0] * float(np.linalg.norm(ray))
        return CropCamera(rotation, np.diag([focal_uv, focal_uv, 1.0]) @ rotation @ inverse, focal_uv)

    def uv_to_px(self, uv: NDArray[np.floating]) -> Array:
        """(..., 2) uv to (..., 2) undistorted frame pixels."""
        return _apply(np.linalg.inv(self.crop_from_px), uv)

    def px_to_uv(self, px: NDArray[np.floating]) -> Array:
        """(..., 2) undistorted frame pixels to (..., 2) uv."""
        return _apply(self.crop_from_px, px)

    def pose_to_camera(self, pose_mm: NDArray[np.floating]) -> Array:
        """(..., 3) mm from the crop's frame to the camera's."""
        return np.asarray(pose_mm @ self.rot_camera_to_crop)

    def pose_to_crop(self, pose_mm: NDArray[np.floating]) -> Array:
        """(..., 3) mm from the camera's frame to the crop's."""
        return np.asarray(pose_mm @ self.rot_camera_to_crop.T)

    def root_mm(self, weak_camera: NDArray[np.floating], height_ratio: float = 1.0) -> Array:
        """The pelvis in the camera frame (3,) mm, from a weak-perspective camera (scale, tx, ty).

        The scale speaks of the template's size; `height_ratio` is the subject's height over the template's.
        """
        scale, tx, ty = (float(v) for v in weak_camera)
        depth = 1000.0 * self.focal_uv / max(scale, 1e-3) * height_ratio
        return self.pose_to_camera(np.array([tx, ty, self.focal_uv]) * depth / self.focal_uv)


def _apply(matrix: NDArray[np.floating], points: NDArray[np.floating]) -> Array:
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[..., :2] / mapped[..., 2:])


def square_box(joints_px: NDArray[np.floating], margin: float = BOX_MARGIN) -> tuple[float, float, float, float]:
    """The square around (J, 2) px joints, `margin` times their longer extent: x0, y0, x1, y1."""
    low, high = joints_px.min(0), joints_px.max(0)
    half = float(max(high - low)) * margin / 2
    cx, cy = (low + high) / 2
    return float(cx - half), float(cy - half), float(cx + half), float(cy + half)


def cut(frame_bgr: NDArray[np.uint8], crop: CropCamera, size_px: int, field: float = 1.0) -> NDArray[np.uint8]:
    """The crop's picture: (size_px, size_px, 3) uint8 RGB spanning `field` nominal crops.

    Outside the frame the nearest border pixel is repeated.
    """
    h, w = frame_bgr.shape[:2]
    first = shrunk_first(crop, (w, h), size_px, field)
    if first.small_wh != (w, h):
        used = frame_bgr[: first.used_wh[1], : first.used_wh[0]]
        frame_bgr = _shrunk(used, first.small_wh)
    picture = cv2.warpPerspective(
        frame_bgr, first.crop_from_small, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _shrunk(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Means over boxes of pixels; by halves where it can, since OpenCV takes halves three times as fast.

    Half after half is rounded each time: at most one level off what one mean gives.
    """
    while (h := image.shape[0]) % (2 * size_wh[1]) == 0 and (w := image.shape[1]) % (2 * size_wh[0]) == 0:
        image = np.asarray(cv2.resize(image, (w // 2, h // 2), interpolation=cv2.INTER_AREA), np.uint8)
    if image.shape[1::-1] != size_wh:
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return image


class ShrunkFirst(NamedTuple):
    """What becomes of a frame before it is warped.

    Attributes:
        used_wh: the part of the frame, from its first pixel on, that is shrunk; the rest is less than a pixel then.
        small_wh: to what.
        crop_from_small: homography (3, 3) from there to the crop's pixels.
    """

    used_wh: tuple[int, int]
    small_wh: tuple[int, int]
    crop_from_small: Array


def shrunk_first(crop: CropCamera, frame_wh: tuple[int, int], size_px: int, field: float = 1.0) -> ShrunkFirst:
    """How to shrink a frame before the warp.

    Warping alone would skip pixels where the crop is less than half as fine as the frame: there it is shrunk by a whole
    factor first, elsewhere the size is the frame's own. What is left over at the frame's end is left out, since OpenCV
    averages whole boxes three times as fast as others.
    """
    w, h = frame_wh
    half = size_px / 2
    to_px = np.array([[half / field, 0, half - 0.5], [0, half / field, half - 0.5], [0, 0, 1]])
    matrix = to_px @ crop.crop_from_px
    shrink = abs(float(np.linalg.det(matrix / matrix[2, 2]))) ** 0.5
    k = int(1 / shrink) if shrink < 0.5 else 1
    small_w, small_h = max(w // k, 1), max(h // k, 1)
    used_w, used_h = min(small_w * k, w), min(small_h * k, h)
    sx, sy = used_w / small_w, used_h / small_h
    back = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
    return ShrunkFirst((used_w, used_h), (small_w, small_h), matrix @ back)


def normalise(pictures_rgb: NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(N, S, S, 3) uint8 RGB, N of 1 or more, to (N, 3, S, S) float32: (rgb / 255 - mean) / std."""
    n, h, w = pictures_rgb.shape[:3]
    values = cv2.LUT(pictures_rgb.reshape(n * h, w, 3), _normalised_levels(tuple(mean), tuple(std)))
    return np.ascontiguousarray(np.moveaxis(values.reshape(n, h, w, 3), -1, 1), np.float32)


@lru_cache(maxsize=8)
def _normalised_levels(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(1, 256, 3) what each level of each channel becomes: a look into a table is much cheaper than the formula."""
    levels = np.arange(256, dtype=np.float32)[None, :, None] / 255.0
    return np.asarray((levels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32), np.float32)

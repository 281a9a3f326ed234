"""Pictures of a camera that hangs on its side, upside down, or looks into a mirror."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.config import InputConfig
from runtime.world import World
from sa3dhp_edge.geometry import Intrinsics

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


def size_before(turned_wh: tuple[int, int], cfg: InputConfig) -> tuple[int, int]:
    """Width and height of the pictures as the camera gives them."""
    return turned_wh if cfg.rotate_deg in (0, 180) else (turned_wh[1], turned_wh[0])


def turned_intrinsics(made: Intrinsics, size_wh: tuple[int, int], cfg: InputConfig) -> Intrinsics:
    """The calibration of the pictures as the camera gives them, `size_wh` px, for the turned ones.

    A quarter turn takes pixel (x, y) to (h - 1 - y, x) and a mirror to (w - 1 - x, y). Radial distortion is the same
    after both; the tangential one, (p2, p1), turns like a vector (Brown 1966; OpenCV's order is k1, k2, p1, p2).
    """
    (w, h), (fx, fy), (cx, cy) = size_wh, made.focal_px, made.center_px
    k = list(made.distortion)
    p1, p2 = k[2:4] or (0.0, 0.0)
    for _ in range(cfg.rotate_deg // 90):
        (fx, fy), (cx, cy), (p2, p1), (w, h) = (fy, fx), (h - 1 - cy, cx), (-p1, p2), (h, w)
    if cfg.flip == "horizontal":
        cx, p2 = w - 1 - cx, -p2
    elif cfg.flip == "vertical":
        cy, p1 = h - 1 - cy, -p1
    if k:
        k[2:4] = p1, p2
    return Intrinsics((fx, fy), (cx, cy), tuple(k), made.assumed)


def turned_world(made: World, cfg: InputConfig) -> World:
    """The world of the pictures as the camera gives them, for the turned ones.

    A mirrored picture shows a mirrored room: its world is mirrored too, so that right stays right in the picture.
    """
    quarter = np.linalg.matrix_power(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), cfg.rotate_deg // 90)
    mirror = np.diag({"horizontal": (-1.0, 1, 1), "vertical": (1.0, -1, 1)}.get(cfg.flip, (1.0, 1, 1)))
    room = np.eye(3) if cfg.flip == "none" else np.diag((-1.0, 1, 1))
    return World(room @ made.rot_camera_to_world @ (mirror @ quarter).T, room @ made.camera_mm)

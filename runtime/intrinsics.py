"""Camera calibration files, and what they say of pictures of another size."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics

log = logging.getLogger(__name__)

_HINT = 'a calibration is JSON with "K" (3 x 3) or "fx", "fy", "cx", "cy" in pixels, and optionally "dist"'
_AGAIN = "calibrate at the resolution of the input"
_SAME_ASPECT = 0.01
"""Heights and widths are multiples of some pixels: 848 x 480 and 1920 x 1080 are the same picture."""


@dataclass(frozen=True)
class CameraFile:
    """What a calibration file says; `size_wh` of its pictures is None in files that do not tell it."""

    intrinsics: Intrinsics
    size_wh: tuple[int, int] | None


def load_camera(path: Path) -> CameraFile:
    """Read focal lengths, centre and distortion (OpenCV's k1, k2, p1, p2, k3…) in pixels.

    Raises:
        InputError: no such file, or not a calibration.
    """
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise InputError(f"{path} cannot be read as a calibration: {e}", _HINT) from e
    try:
        fx, fy, cx, cy = _pinhole(raw)
        distortion = tuple(float(k) for k in raw.get("dist", ()))
        size_wh = _size(raw)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
        raise InputError(f"{path} is not a calibration: {e!r}", _HINT) from e
    if not min(fx, fy) > 0 or len(distortion) not in (0, 4, 5, 8):
        raise InputError(f"{path}: focal lengths {fx}, {fy} px with {len(distortion)} distortion numbers", _HINT)
    return CameraFile(Intrinsics((fx, fy), (cx, cy), distortion if any(distortion) else ()), size_wh)


def load_intrinsics(path: Path, size_wh: tuple[int, int] | None = None) -> Intrinsics:
    """The calibration for frames of a size; one made in a larger or smaller copy of the same picture is scaled.

    Without a size it is taken as it stands in the file.

    Raises:
        InputError: as `load_camera`, or the calibration is of a picture of another shape.
    """
    camera = load_camera(path)
    if size_wh is None or camera.size_wh == size_wh:
        return camera.intrinsics
    if camera.size_wh is None:
        _check_centre(camera.intrinsics, size_wh, path)
        return camera.intrinsics
    (w, h), (made_w, made_h) = size_wh, camera.size_wh
    if abs(w * made_h / (h * made_w) - 1) > _SAME_ASPECT:
        raise InputError(
            f"{path} was made with pictures of {made_w} x {made_h}, the frames are {w} x {h}: "
            "another shape, so another part of the lens",
            _AGAIN,
        )
    log.warning("%s was made at %d x %d and is scaled to %d x %d: right if both show the same part of the scene",
                path, made_w, made_h, w, h)  # fmt: skip
    return scaled(camera.intrinsics, (w / made_w, h / made_h))


def scaled(intrinsics: Intrinsics, factor_wh: tuple[float, float]) -> Intrinsics:
    """The same lens in a picture made larger or smaller; distortion does not depend on the pixels."""
    (fx, fy), (cx, cy), (sx, sy) = intrinsics.focal_px, intrinsics.center_px, factor_wh
    centre = ((cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5)  # pixel 0 reaches from -0.5 to 0.5
    return Intrinsics((fx * sx, fy * sy), centre, intrinsics.distortion, intrinsics.assumed)


def _check_centre(intrinsics: Intrinsics, size_wh: tuple[int, int], path: Path) -> None:
    for centre, side in zip(intrinsics.center_px, size_wh, strict=True):
        if not 0.25 * side < centre < 0.75 * side:
            raise InputError(
                f"{path} has its centre at {intrinsics.center_px} px, the frames are {size_wh[0]} x {size_wh[1]}",
                _AGAIN,
            )


def _pinhole(raw: dict[str, Any]) -> tuple[float, float, float, float]:
    if "K" in raw:
        k = raw["K"]
        return float(k[0][0]), float(k[1][1]), float(k[0][2]), float(k[1][2])
    return float(raw["fx"]), float(raw["fy"]), float(raw["cx"]), float(raw["cy"])


def _size(raw: dict[str, Any]) -> tuple[int, int] | None:
    if raw.get("image_size") is None:
        return None
    w, h = (int(side) for side in raw["image_size"])
    if min(w, h) < 1:
        raise ValueError(f"a picture of {w} x {h}")
    return w, h

"""Camera calibration files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics

_HINT = 'a calibration is JSON with "K" (3 x 3) or "fx", "fy", "cx", "cy" in pixels, and optionally "dist"'


def load_intrinsics(path: Path) -> Intrinsics:
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
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
        raise InputError(f"{path} is not a calibration: {e!r}", _HINT) from e
    if min(fx, fy) <= 0 or len(distortion) not in (0, 4, 5, 8):
        raise InputError(f"{path}: focal lengths {fx}, {fy} px with {len(distortion)} distortion numbers", _HINT)
    return Intrinsics((fx, fy), (cx, cy), distortion if any(distortion) else ())


def check_size(intrinsics: Intrinsics, size_wh: tuple[int, int], path: Path) -> None:
    """Refuse a calibration whose picture centre lies far from the frames' middle.

    Raises:
        InputError: the calibration was made at another resolution.
    """
    for centre, side in zip(intrinsics.center_px, size_wh, strict=True):
        if not 0.25 * side < centre < 0.75 * side:
            raise InputError(
                f"{path} has its centre at {intrinsics.center_px} px, the frames are {size_wh[0]} x {size_wh[1]}",
                "calibrate at the resolution of the input",
            )


def _pinhole(raw: dict[str, Any]) -> tuple[float, float, float, float]:
    if "K" in raw:
        k = raw["K"]
        return float(k[0][0]), float(k[1][1]), float(k[0][2]), float(k[1][2])
    return float(raw["fx"]), float(raw["fy"]), float(raw["cx"]), float(raw["cy"])

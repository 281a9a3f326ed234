"""A camera's focal lengths, centre and distortion from views of a board, with how sure they are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.board import Board
from calib.coverage import Coverage
from calib.views import View, Views
from sa3dhp_edge.atomic import write_json
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics

log = logging.getLogger(__name__)

_OUTLIER, _OUTLIER_PX = 3.0, 0.3
"""A view whose error is larger than so many medians is left out, if it is as large as that at all."""
_LENSES = (
    cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST,
    cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST,
    cv2.CALIB_FIX_K3,
    0,
)
"""Models of the distortion, the plainest first: k1; with k2; with p1 and p2; with k3."""
_WORTH = 0.03
"""A richer model must lower the error by this share: on a board that is not quite flat any term lowers it a little, and
bends the picture where no corner was seen."""


@dataclass(frozen=True)
class Calibration:
    """What was measured, and how well.

    Attributes:
        board: that was shown.
        size_wh: of the pictures, px.
        intrinsics: OpenCV's k1, k2, p1, p2, k3; terms that the views do not tell are 0.
        rms_px: root mean square distance between seen and computed corners.
        focal_sd_px: standard deviation of the two focal lengths, from the spread of the corners.
        views: those used.
        errors_px: the same as `rms_px` for each of them.
        residuals_px: for each of them (N, 2), from where a corner is computed to where it was seen.
        left_out: names of views that did not agree with the others.
        coverage: of the views used.
    """

    board: Board
    size_wh: tuple[int, int]
    intrinsics: Intrinsics
    rms_px: float
    focal_sd_px: tuple[float, float]
    views: tuple[View, ...]
    errors_px: tuple[float, ...]
    residuals_px: tuple[NDArray[np.float64], ...]
    left_out: tuple[str, ...]
    coverage: Coverage

    @property
    def focal_sd(self) -> float:
        """The larger standard deviation of a focal length, as a share of it."""
        return max(sd / focal for sd, focal in zip(self.focal_sd_px, self.intrinsics.focal_px, strict=True))


@dataclass(frozen=True)
class _Fit:
    rms_px: float
    matrix: NDArray[np.float64]
    poses: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
    distortion: NDArray[np.float64]
    spreads: NDArray[np.float64]
    errors_px: NDArray[np.float64]


def calibrate(board: Board, views: Views) -> Calibration:
    """The intrinsics that explain all views best; a view that contradicts the others is left out, once.

    The views must be many and different enough: `calib.verdict` asks that before and after.

    Raises:
        InputError: OpenCV finds no camera at all.

    Source: Zhang 2000, A flexible new technique for camera calibration, as in OpenCV.
    """
    used, left_out = list(views.views), list[View]()
    fit = _fit(board, used, views.size_wh)
    limit = max(_OUTLIER * float(np.median(fit.errors_px)), _OUTLIER_PX)
    if (fit.errors_px > limit).any():
        judged = list(zip(used, fit.errors_px, strict=True))
        used, left_out = [v for v, error in judged if error <= limit], [v for v, error in judged if error > limit]
        for view in left_out:
            log.info("%s is left out: its corners are more than %.2f px off", view.name, limit)
        fit = _fit(board, used, views.size_wh)
    (fx, cx), (fy, cy) = fit.matrix[0, [0, 2]], fit.matrix[1, [1, 2]]
    return Calibration(
        board,
        views.size_wh,
        Intrinsics((float(fx), float(fy)), (float(cx), float(cy)), tuple(float(d) for d in fit.distortion)),
        fit.rms_px,
        (float(fit.spreads[0]), float(fit.spreads[1])),
        tuple(used),
        tuple(float(e) for e in fit.errors_px),
        tuple(_residuals(board, view, pose, fit) for view, pose in zip(used, fit.poses, strict=True)),
        tuple(view.name for view in left_out),
        Coverage.of(board, [view.sighting for view in used], views.size_wh),
    )


def save_calibration(path: Path, made: Calibration) -> None:
    """Write, in one step, the JSON that the runtime reads.

    Raises:
        OutputError: it cannot be written.
    """
    write_json(path, _plain(made))


def _plain(made: Calibration) -> dict[str, Any]:
    names = (view.name for view in made.views)
    return {
        "K": made.intrinsics.matrix().tolist(),
        "dist": list(made.intrinsics.distortion),
        "image_size": list(made.size_wh),
        "rms_px": made.rms_px,
        "focal_sd_px": list(made.focal_sd_px),
        "views": len(made.views),
        "view_errors_px": {name: round(error, 4) for name, error in zip(names, made.errors_px, strict=True)},
        "left_out": list(made.left_out),
        "coverage": made.coverage.to_dict(),
        "board": made.board.to_dict(),
    }


def _fit(board: Board, views: Sequence[View], size_wh: tuple[int, int]) -> _Fit:
    """By the plainest model of the lens that explains the views nearly as well as any."""
    best = _solve(board, views, size_wh, _LENSES[0])
    for flags in _LENSES[1:]:
        richer = _solve(board, views, size_wh, flags)
        if richer.rms_px < (1 - _WORTH) * best.rms_px:
            best = richer
    return best


def _solve(board: Board, views: Sequence[View], size_wh: tuple[int, int], flags: int) -> _Fit:
    points = [board.points_mm[view.sighting.ids] for view in views]
    corners = [view.sighting.corners_px for view in views]
    try:
        rms_px, matrix, distortion, turns, places, spreads, _, errors = cv2.calibrateCameraExtended(
            points, corners, size_wh, np.eye(3), np.zeros(5), flags=flags
        )
    except cv2.error as e:
        raise InputError(f"no camera explains these views: {e.err}", "check --size; tilt the board to all sides") from e
    poses = tuple((np.asarray(r, np.float64), np.asarray(t, np.float64)) for r, t in zip(turns, places, strict=True))
    flat = (np.asarray(values, np.float64).ravel() for values in (distortion, spreads, errors))
    return _Fit(float(rms_px), np.asarray(matrix, np.float64), poses, *flat)


def _residuals(
    board: Board, view: View, pose: tuple[NDArray[np.float64], NDArray[np.float64]], fit: _Fit
) -> NDArray[np.float64]:
    computed, _ = cv2.projectPoints(board.points_mm[view.sighting.ids], *pose, fit.matrix, fit.distortion)
    return np.asarray(view.sighting.corners_px - computed[:, 0], np.float64)

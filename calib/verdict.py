"""Whether views are worth calibrating from, and a calibration worth using; if not, what to show instead."""

from __future__ import annotations

import cv2
import numpy as np

from calib.board import Board
from calib.coverage import LEAST, Coverage, Wish
from calib.intrinsics import Calibration
from calib.views import Views
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics

FOCAL_SD = 0.01
"""Largest standard deviation of a focal length, as a share of it."""
_RMS_PX, _RMS_SHARE = 1.0, 1e-3
_FOCAL = (0.3, 8.0)
"""Of the picture's longer side: 118 to 7 degrees across it."""
_SQUARE_PIXELS = 0.03
_OFF_CENTRE = 0.15


def check_views(board: Board, views: Views) -> None:
    """Refuse views that are too few or too alike.

    Raises:
        InputError: what lacks, and what to show.
    """
    if not views.views:
        raise InputError(f"{views.source}: no view of {board.words()} ({views.account})", _unseen(board))
    lacks = Coverage.of(board, [v.sighting for v in views.views], views.size_wh).wishes(LEAST)
    if lacks:
        raise _refusal(views.source, "the views do not suffice", lacks, views.account)


def check_calibration(made: Calibration, source: str) -> None:
    """Refuse a calibration that contradicts its views, is not sure, or is no camera's.

    Raises:
        InputError: what is wrong, and what to show.
    """
    lacks = (*made.coverage.wishes(LEAST), *_doubts(made))
    if lacks:
        raise _refusal(source, "the calibration cannot be trusted", lacks)


def _doubts(made: Calibration) -> list[Wish]:
    doubts = []
    limit_px = max(_RMS_PX, _RMS_SHARE * max(made.size_wh))
    if not made.rms_px <= limit_px:
        doubts.append(
            Wish(
                f"corners lie {made.rms_px:.2f} px off (rms), {limit_px:.2f} px are allowed",
                "check --size, keep the board flat (glue it to a plate) and still",
            )
        )
    if not made.focal_sd <= FOCAL_SD:
        unsure = f"the focal length is sure to {made.focal_sd:.1%} only, {FOCAL_SD:.0%} is needed"
        doubts.append(Wish(unsure, "add close views, tilted by 30 to 45 degrees to all sides"))
    return doubts + _impossible(made.intrinsics, made.size_wh)


def _impossible(camera: Intrinsics, size_wh: tuple[int, int]) -> list[Wish]:
    found = []
    (fx, fy), centre, size = camera.focal_px, np.asarray(camera.center_px), np.asarray(size_wh)
    if not _FOCAL[0] <= fx / size.max() <= _FOCAL[1]:
        wrong = f"a focal length of {fx:.0f} px for pictures {size_wh[0]} px wide is no ordinary camera's"
        found.append(Wish(wrong, "tilt the board more, and check --size"))
    if not abs(fx / fy - 1) <= _SQUARE_PIXELS:
        wrong = f"the focal lengths {fx:.0f} and {fy:.0f} px differ"
        found.append(Wish(wrong, "measure the printed squares: they must be square; tilt the board about both axes"))
    off = np.abs(centre - (size - 1) / 2) / size
    if not off.max() <= _OFF_CENTRE:
        wrong = f"the centre ({centre[0]:.0f}, {centre[1]:.0f}) px is far from the middle of {size[0]} x {size[1]}"
        found.append(Wish(wrong, "show the board in all corners, tilted; use pictures that are not cut"))
    if not found and _folds(camera, size_wh):
        found.append(Wish("the distortion folds the picture at its edge", "show the board in all four corners"))
    return found


def _folds(camera: Intrinsics, size_wh: tuple[int, int]) -> bool:
    """Whether the distortion turns back before it has reached the picture's farthest corner."""
    w, h = size_wh
    corners = np.array([[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]], np.float64)
    reach = np.linalg.norm((corners - camera.center_px) / camera.focal_px, axis=1).max()
    radii = np.linspace(0, 4 * reach, 400)
    rays = np.stack([radii, 0 * radii, 0 * radii + 1], 1)
    drawn, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), np.array(camera.distortion, np.float64))
    rising = np.maximum.accumulate(drawn[:, 0, 0])
    return bool(rising[np.argmax(np.diff(drawn[:, 0, 0], append=-1) < 0)] < reach)


def _refusal(source: str, what: str, lacks: tuple[Wish, ...], account: str = "") -> InputError:
    shows = dict.fromkeys(lack.show for lack in lacks)  # once each, in order
    told = f" ({account})" if account else ""
    return InputError(f"{source}: {what}: {'; '.join(lack.lack for lack in lacks)}{told}", "; ".join(shows))


def _unseen(board: Board) -> str:
    whole = "lit" if board.kind == "charuco" else "lit and whole, with its white margin"
    names = "--size (inner corners: squares less one)" + (" and --dictionary" if board.kind == "charuco" else "")
    return f"show the board sharp, {whole}, in a video still for a moment at each place; check --board, {names}"

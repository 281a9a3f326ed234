"""The coverage picture: where the board was shown, and what the calibration makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.board import Board
from calib.coverage import CELLS, LEAST, Coverage
from calib.intrinsics import Calibration
from calib.views import View, Views
from sa3dhp_edge.atomic import write_bytes

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
Points = NDArray[np.floating]

WIDTH_PX = 1680
_MOST_HIGH_PX = 900
_PAPER, _INK, _GREY, _FAINT = (255, 255, 255), (45, 45, 45), (150, 150, 150), (195, 195, 195)
_SEEN, _UNSEEN = (232, 245, 230), (228, 232, 252)
_BLUE, _RED, _ORANGE = (190, 110, 30), (50, 50, 205), (60, 150, 240)
_EDGE, _TOP, _BOTTOM = 40, 96, 125
_ARROW_PX = 14.0
"""An error as large as the root mean square is drawn so long."""
_FRACTION_BITS = 4
_LINES = 9


@dataclass(frozen=True)
class _Panel:
    """A small copy of the camera's picture on the sheet: its corner, and sheet px per picture px."""

    corner: tuple[float, float]
    scale: float
    size_wh: tuple[int, int]

    def on_sheet(self, px: Points) -> Points:
        return np.asarray((np.asarray(px, np.float64) + 0.5) * self.scale + self.corner)

    def frame(self) -> Points:
        w, h = self.size_wh
        return self.on_sheet(np.array([[-0.5, -0.5], [w - 0.5, -0.5], [w - 0.5, h - 0.5], [-0.5, h - 0.5]]))


def draw_coverage(board: Board, views: Views, made: Calibration | None) -> Picture:
    """(H, 1680, 3) BGR: on the left where corners were seen, on the right errors and distortion.

    Args:
        board: that was shown.
        views: all that were seen.
        made: what came of them; None where they did not suffice, and the right half says so.
    """
    shown = made.views if made is not None else views.views
    coverage = Coverage.of(board, [view.sighting for view in shown], views.size_wh)
    left, right = (_panel(views.size_wh, side) for side in (0, 1))
    sheet = np.full((round(_TOP + left.scale * views.size_wh[1] + _BOTTOM), WIDTH_PX, 3), _PAPER, np.uint8)
    _text(sheet, f"{views.source[-90:]}, {views.size_wh[0]} x {views.size_wh[1]} px", (_EDGE, 46), 0.85)
    _heading(sheet, left, "Where the board was seen")
    _cells(sheet, left, coverage)
    _views(sheet, left, board, shown)
    _paragraph(sheet, left, _seen_words(coverage))
    _heading(sheet, right, "Errors, and straight lines as the lens shows them")
    _outline(sheet, right.frame(), _GREY)
    if made is None:
        _paragraph(sheet, right, ("not calibrated: the views do not suffice",))
    else:
        _straight_lines(sheet, right, made)
        enlarged = _errors(sheet, right, made)
        _paragraph(sheet, right, _result_words(made, enlarged))
    return sheet


def save_picture(path: Path, picture: Picture) -> None:
    """Write a PNG in one step.

    Raises:
        OutputError: it cannot be written.
    """
    _, encoded = cv2.imencode(".png", picture)
    write_bytes(path, encoded.tobytes())


def _panel(size_wh: tuple[int, int], side: int) -> _Panel:
    """As large as half the sheet allows, in the middle of its half."""
    half = (WIDTH_PX - 3 * _EDGE) / 2
    scale = min(half / size_wh[0], _MOST_HIGH_PX / size_wh[1])
    x = _EDGE + side * (half + _EDGE) + (half - scale * size_wh[0]) / 2
    return _Panel((x, _TOP), scale, size_wh)


def _cells(sheet: Picture, panel: _Panel, coverage: Coverage) -> None:
    corners = panel.frame()
    xs, ys = (np.linspace(corners[0, axis], corners[2, axis], CELLS + 1).round().astype(int) for axis in (0, 1))
    for row in range(CELLS):
        for column in range(CELLS):
            colour = _SEEN if coverage.cells[row, column] else _UNSEEN
            cv2.rectangle(sheet, (xs[column], ys[row]), (xs[column + 1], ys[row + 1]), colour, cv2.FILLED)
            cv2.rectangle(sheet, (xs[column], ys[row]), (xs[column + 1], ys[row + 1]), _PAPER, 1)
    _outline(sheet, corners, _GREY)


def _views(sheet: Picture, panel: _Panel, board: Board, views: Sequence[View]) -> None:
    columns = board.corners_wh[0]
    for view in views:
        ids, corners = view.sighting.ids, panel.on_sheet(view.sighting.corners_px)
        flat = np.stack([ids % columns, ids // columns], 1).astype(np.float32)
        hull = cv2.convexHull(flat, returnPoints=False).ravel()
        _outline(sheet, corners[hull], _FAINT)
    for view in views:
        for corner in panel.on_sheet(view.sighting.corners_px):
            _dot(sheet, corner, _BLUE)


def _straight_lines(sheet: Picture, panel: _Panel, made: Calibration) -> None:
    """A grid that is straight in space, evenly spaced before the lens bends it."""
    w, h = made.size_wh
    k, distortion = made.intrinsics.matrix(), np.array(made.intrinsics.distortion, np.float64)
    corner = np.round(panel.corner).astype(int)
    right, bottom = corner + np.ceil(np.array([w, h]) * panel.scale).astype(int)
    inside = sheet[corner[1] : bottom, corner[0] : right]
    along = np.linspace(-0.5, 1.5, 81)
    for at in np.linspace(0, 1, _LINES):
        across = np.full_like(along, at)
        for line in (np.stack([across, along], 1), np.stack([along, across], 1)):
            rays = np.concatenate([line * (w - 1, h - 1), np.ones((len(along), 1))], 1) @ np.linalg.inv(k).T
            drawn, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), k, distortion)
            _polyline(inside, panel.on_sheet(np.asarray(drawn, np.float64)[:, 0]) - corner, _ORANGE)
    _dot(sheet, panel.on_sheet(np.array(made.intrinsics.center_px)), _INK, 5)


def _errors(sheet: Picture, panel: _Panel, made: Calibration) -> float:
    """Arrows from computed to seen corners; returns by how much they are enlarged against the panel."""
    enlarged = _nice(_ARROW_PX / max(made.rms_px * panel.scale, 1e-6))
    for view, residuals in zip(made.views, made.residuals_px, strict=True):
        for seen, residual in zip(view.sighting.corners_px, residuals, strict=True):
            start = panel.on_sheet(seen - residual)
            end = start + residual * panel.scale * enlarged
            cv2.arrowedLine(sheet, _fixed(start), _fixed(end), _RED, 1, cv2.LINE_AA, _FRACTION_BITS, 0.25)
    return enlarged


def _seen_words(coverage: Coverage) -> tuple[str, ...]:
    vertical, horizontal = coverage.tilt_deg
    wishes = coverage.wishes(LEAST)
    return (
        f"{coverage.views} views; corners in {coverage.share:.0%} of the picture (green; red: none)",
        f"tilts differ by {vertical:.0f} and {horizontal:.0f} degrees, distances by a factor of "
        f"{coverage.distance_ratio:.2f}",
        "next: " + "; ".join(wish.show for wish in wishes) if wishes else "enough to calibrate",
    )


def _result_words(made: Calibration, enlarged: float) -> tuple[str, ...]:
    (fx, fy), (cx, cy) = made.intrinsics.focal_px, made.intrinsics.center_px
    left_out = f"; {len(made.left_out)} views left out" if made.left_out else ""
    return (
        f"error {made.rms_px:.2f} px rms, drawn {enlarged:g} times as large (red){left_out}",
        f"focal length {fx:.1f}, {fy:.1f} px, sure to {made.focal_sd:.2%}; centre ({cx:.1f}, {cy:.1f}) px (dot)",
        "distortion k1 k2 p1 p2 k3: " + " ".join(f"{d:.4f}" for d in made.intrinsics.distortion),
    )


def _nice(value: float) -> float:
    """1, 2 or 5 times a power of ten, not above `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step for step in (1.0, 2.0, 5.0) if step * power <= value) * power)


def _heading(sheet: Picture, panel: _Panel, text: str) -> None:
    _text(sheet, text, (round(panel.corner[0]), _TOP - 14), 0.6)


def _paragraph(sheet: Picture, panel: _Panel, lines: Sequence[str]) -> None:
    below = round(_TOP + panel.scale * panel.size_wh[1])
    for i, line in enumerate(lines):
        _text(sheet, line, (round(panel.corner[0]), below + 34 + 30 * i), 0.6)


def _text(sheet: Picture, text: str, start: tuple[int, int], size: float) -> None:
    cv2.putText(sheet, text, start, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)


def _dot(sheet: Picture, at: Points, colour: Colour, radius: int = 2) -> None:
    cv2.circle(sheet, _fixed(at), radius << _FRACTION_BITS, colour, cv2.FILLED, cv2.LINE_AA, _FRACTION_BITS)


def _outline(sheet: Picture, corners: Points, colour: Colour) -> None:
    _polyline(sheet, np.concatenate([corners, corners[:1]]), colour)


def _polyline(sheet: Picture, points: Points, colour: Colour) -> None:
    whole = (np.clip(points, -4e3, 4e3) * (1 << _FRACTION_BITS)).round().astype(np.int32)
    cv2.polylines(sheet, [whole], False, colour, 1, cv2.LINE_AA, _FRACTION_BITS)


def _fixed(at: Points) -> tuple[int, int]:
    x, y = (round(float(v) * (1 << _FRACTION_BITS)) for v in at)
    return x, y

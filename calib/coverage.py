"""How much of what a calibration needs has been shown: places in the picture, tilts, distances; and what lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.board import Board
from calib.detection import Sighting
from sa3dhp_edge.geometry import Intrinsics

CELLS = 6
"""The picture is divided into so many rows and columns."""
_PLACES = (
    ("top left", "at the top", "top right"),
    ("at the left", "in the middle", "at the right"),
    ("bottom left", "at the bottom", "bottom right"),
)
_LARGE = 0.5
"""A board that spans so much of the picture cannot come much closer."""


@dataclass(frozen=True)
class Placement:
    """Where a board is, by a guessed lens: good enough to tell views apart.

    Attributes:
        centre: (2,) middle of the seen corners, in the picture's width and height.
        tilt_deg: how far it is turned about the vertical, and about the horizontal.
        distance: of the board, in its own squares.
        span: the longer side of the seen corners, in the picture's width or height.
    """

    centre: NDArray[np.float64]
    tilt_deg: NDArray[np.float64]
    distance: float
    span: float


@dataclass(frozen=True)
class Goal:
    """How much is wanted of each."""

    views: int
    cells: float
    """Share of the picture's cells in which corners were seen."""
    tilt_deg: float
    """Between the two most different tilts, about each axis."""
    distance_ratio: float
    """Farthest to nearest."""


LEAST = Goal(views=6, cells=0.6, tilt_deg=18, distance_ratio=1.15)
"""With less than this nothing is calibrated."""
ENOUGH = Goal(views=12, cells=0.8, tilt_deg=35, distance_ratio=1.4)
"""With this a live session ends."""


@dataclass(frozen=True)
class Wish:
    """What lacks, and what to show because of it."""

    lack: str
    show: str


@dataclass(frozen=True)
class Coverage:
    """What a set of views has shown.

    Attributes:
        views: how many.
        cells: (6, 6) whether corners were seen there.
        tilt_deg: between the two most different tilts: about the vertical, about the horizontal.
        distance_ratio: farthest to nearest.
        span: the largest of a view, in the picture's width or height.
    """

    views: int
    cells: NDArray[np.bool_]
    tilt_deg: tuple[float, float]
    distance_ratio: float
    span: float

    @staticmethod
    def of(board: Board, sightings: Sequence[Sighting], size_wh: tuple[int, int]) -> Coverage:
        """Measured on corners alone, before anything is calibrated."""
        cells = np.zeros((CELLS, CELLS), bool)
        if not sightings:
            return Coverage(0, cells, (0.0, 0.0), 1.0, 0.0)
        for sighting in sightings:
            column, row = (np.clip(sighting.corners_px / size_wh, 0, 0.999) * CELLS).astype(int).T
            cells[row, column] = True
        places = [placement(board, sighting, size_wh) for sighting in sightings]
        tilt = np.ptp([p.tilt_deg for p in places], axis=0)
        distances = [p.distance for p in places]
        ratio = max(distances) / min(distances)
        return Coverage(len(places), cells, (float(tilt[0]), float(tilt[1])), ratio, max(p.span for p in places))

    @property
    def share(self) -> float:
        """Share of the cells in which corners were seen."""
        return float(self.cells.mean())

    def wishes(self, goal: Goal) -> tuple[Wish, ...]:
        """What lacks up to a goal, the place in the picture first."""
        made = []
        if self.share < goal.cells:
            seen = f"corners in {self.cells.sum()} of {self.cells.size} parts of the picture"
            made.append(Wish(f"{seen}, {goal.cells:.0%} are needed", f"show it {self._emptiest()}"))
        for tilt, axis, sides in zip(
            self.tilt_deg, ("vertical", "horizontal"), ("left and right side", "upper and lower edge"), strict=True
        ):
            if tilt < goal.tilt_deg:
                lack = f"tilted by {tilt:.0f} degrees about the {axis}, {goal.tilt_deg:g} are needed"
                made.append(Wish(lack, f"tilt it: its {sides} towards the camera in turn"))
        if self.distance_ratio < goal.distance_ratio:
            lack = f"distances differ by a factor of {self.distance_ratio:.2f}, {goal.distance_ratio:g} is needed"
            made.append(Wish(lack, "show it from farther away" if self.span > _LARGE else "show it closer"))
        if self.views < goal.views:
            made.append(Wish(f"{self.views} views, {goal.views} are needed", f"{goal.views - self.views} more views"))
        return tuple(made)

    def to_dict(self) -> dict[str, Any]:
        """What camera.json says of it."""
        return {
            "cells": round(self.share, 3),
            "tilt_deg": [round(t, 1) for t in self.tilt_deg],
            "distance_ratio": round(self.distance_ratio, 2),
        }

    def _emptiest(self) -> str:
        third = CELLS // 3
        seen = self.cells.reshape(3, third, 3, third).sum((1, 3))
        row, column = np.unravel_index(int(np.argmin(seen)), seen.shape)
        return _PLACES[int(row)][int(column)]


def placement(board: Board, sighting: Sighting, size_wh: tuple[int, int]) -> Placement:
    """Where a board is, seen through the lens that is assumed where none is known."""
    points = board.points_mm[sighting.ids]
    _, turn, place = cv2.solvePnP(points, sighting.corners_px, Intrinsics.guess(size_wh).matrix(), None)
    rotation, _ = cv2.Rodrigues(turn)
    middle = rotation @ points.mean(0) + place[:, 0]
    normal = rotation[:, 2] * np.sign(rotation[2, 2] or 1)
    tilt = np.degrees(np.arctan2(normal[:2], normal[2]))
    corners = sighting.corners_px / np.asarray(size_wh)
    return Placement(
        corners.mean(0).astype(np.float64),
        np.asarray(tilt),
        float(np.linalg.norm(middle)) / board.square_mm,
        float(np.ptp(corners, axis=0).max()),
    )

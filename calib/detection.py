"""Where the corners of a board are in a picture, and how sharp it is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.board import Board

Grey = NDArray[np.uint8]
_REFINE = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-3)
_SEARCH_PX = 960
_LEAST_CORNERS = 8


@dataclass(frozen=True)
class Sighting:
    """A board in one picture.

    Attributes:
        ids: (N,) which of the board's inner corners.
        corners_px: (N, 2) where they are; (0, 0) is the centre of the top-left pixel.
        sharpness: of edges on the board, without unit: compare it with that of other pictures.
    """

    ids: NDArray[np.int64]
    corners_px: NDArray[np.float32]
    sharpness: float


class AbstractBoardFinder(ABC):
    """Looks for one board in grey pictures."""

    @abstractmethod
    def find(self, grey: Grey) -> Sighting | None:
        """The board's corners, or None where it is not seen, or too little of it."""


def finder_of(board: Board) -> AbstractBoardFinder:
    """The finder for a kind of board."""
    return CharucoFinder(board) if board.kind == "charuco" else ChessboardFinder(board)


@final
class ChessboardFinder(AbstractBoardFinder):
    """All inner corners or none; searched in a small picture, placed in the full one."""

    def __init__(self, board: Board) -> None:
        self._corners_wh = board.corners_wh

    def find(self, grey: Grey) -> Sighting | None:
        scale = min(1.0, _SEARCH_PX / max(grey.shape))
        small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_FAST_CHECK
        found, corners = cv2.findChessboardCorners(small, self._corners_wh, flags=flags)
        if not found:
            return None
        start = np.asarray((corners.reshape(-1, 2) + 0.5) / scale - 0.5, np.float32)
        return _placed(grey, np.arange(len(start)), start, self._corners_wh, 0.25)


@final
class CharucoFinder(AbstractBoardFinder):
    """Whatever corners lie between two markers that are seen; at least 8, in several rows and columns."""

    def __init__(self, board: Board) -> None:
        self._corners_wh = board.corners_wh
        self._clear = (1 - board.marker_mm / board.square_mm) / 2
        patterns = (False, True) if board.squares_wh[1] % 2 == 0 else (False,)
        self._detectors = [cv2.aruco.CharucoDetector(board.charuco(legacy)) for legacy in patterns]

    def find(self, grey: Grey) -> Sighting | None:
        for detector in self._detectors:
            corners, found, _, _ = detector.detectBoard(grey)
            if found is None or len(found) < _LEAST_CORNERS:
                continue
            ids = np.asarray(found, np.int64).ravel()
            columns = self._corners_wh[0]
            if min(len(np.unique(ids // columns)), len(np.unique(ids % columns))) >= 2:
                start = np.asarray(corners, np.float32).reshape(-1, 2)
                return _placed(grey, ids, start, self._corners_wh, self._clear)
        return None


def _placed(
    grey: Grey, ids: NDArray[np.int64], corners_px: NDArray[np.float32], corners_wh: tuple[int, int], clear: float
) -> Sighting:
    """Corners placed to a fraction of a pixel; `clear` of a square's side around each is free of anything else."""
    steps_px = _steps_px(ids, corners_px, corners_wh)
    reach = int(np.clip(float(steps_px.min()) * clear, 2, 11))
    start = np.ascontiguousarray(corners_px.reshape(-1, 1, 2))
    placed = np.asarray(cv2.cornerSubPix(grey, start, (reach, reach), (-1, -1), _REFINE), np.float32).reshape(-1, 2)
    return Sighting(ids, placed, _sharpness(grey, placed, float(np.median(steps_px))))


def _steps_px(
    ids: NDArray[np.int64], corners_px: NDArray[np.float32], corners_wh: tuple[int, int]
) -> NDArray[np.float64]:
    """Distances between neighbours; one of 1 px where there are none."""
    columns, rows = corners_wh
    grid = np.full((rows, columns, 2), np.nan)
    grid[ids // columns, ids % columns] = corners_px
    steps = np.concatenate([np.linalg.norm(np.diff(grid, axis=axis), axis=-1).ravel() for axis in (0, 1)])
    steps = steps[np.isfinite(steps)]
    return steps if len(steps) else np.ones(1)


def _sharpness(grey: Grey, corners_px: NDArray[np.float32], spacing_px: float) -> float:
    """How steep edges are: the Laplacian's variance, freed of contrast and of how many edges there are in an area.

    Source: Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy.
    """
    x0, y0 = np.maximum(np.floor(corners_px.min(0)).astype(int), 0)
    x1, y1 = np.ceil(corners_px.max(0)).astype(int) + 1
    part = grey[y0:y1, x0:x1]
    return float(cv2.Laplacian(part, cv2.CV_64F).var() / max(float(part.var()), 1.0) * spacing_px)

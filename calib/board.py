"""The flat board that is shown to a camera: a chessboard, or a ChArUco board with markers in its white squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import InputError

KINDS = ("charuco", "chessboard")
_MARKER_SHARE = 0.72


@dataclass(frozen=True)
class Board:
    """A board of squares.

    Attributes:
        kind: `charuco` can be seen in part, `chessboard` only whole.
        corners_wh: inner corners per row and per column, one less than the squares.
        square_mm: side of a square; the intrinsics do not depend on it, a printed board does.
        marker_mm: side of a marker; unused on a chessboard.
        dictionary: OpenCV's name of the markers; unused on a chessboard.

    Raises:
        InputError: no such board can be made.
    """

    kind: str = "charuco"
    corners_wh: tuple[int, int] = (9, 6)
    square_mm: float = 25.0
    marker_mm: float = 18.0
    dictionary: str = "DICT_5X5_100"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"{self.kind!r} is no kind of board", f"name one of {', '.join(KINDS)}")
        if min(self.corners_wh) < 3 or not 0 < self.square_mm < np.inf:
            raise InputError(
                f"a board of {self.corners_wh} inner corners with {self.square_mm:g} mm squares cannot be used",
                "give at least 3x3 inner corners (4x4 squares), and the side of a square in mm",
            )
        if self.kind == "charuco":
            self._check_markers()

    @staticmethod
    def of(kind: str, corners_wh: tuple[int, int], square_mm: float, marker_mm: float | None, dictionary: str) -> Board:
        """A board whose markers fill 72 % of a square's side where `marker_mm` is not given."""
        return Board(kind, corners_wh, square_mm, marker_mm or round(_MARKER_SHARE * square_mm, 3), dictionary)

    @property
    def squares_wh(self) -> tuple[int, int]:
        """Squares per row and per column."""
        return self.corners_wh[0] + 1, self.corners_wh[1] + 1

    @property
    def points_mm(self) -> NDArray[np.float32]:
        """(N, 3) inner corners row by row, from the board's top left corner: x right, y down, z 0."""
        columns, rows = self.corners_wh
        grid = np.zeros((columns * rows, 3), np.float32)
        grid[:, :2] = (np.mgrid[:columns, :rows].T.reshape(-1, 2) + 1) * self.square_mm
        return grid

    @property
    def outline_mm(self) -> NDArray[np.float32]:
        """(4, 3) the outermost inner corners, in the order of a walk around them."""
        columns, rows = self.corners_wh
        return self.points_mm[[0, columns - 1, columns * rows - 1, columns * (rows - 1)]]

    def words(self) -> str:
        """The board in one line, as printed on it."""
        columns, rows = self.corners_wh
        squares = f"{self.squares_wh[0]} x {self.squares_wh[1]} squares of {self.square_mm:g} mm"
        markers = f", markers of {self.marker_mm:g} mm from {self.dictionary}" if self.kind == "charuco" else ""
        return f"{self.kind} --size {columns}x{rows}: {squares}{markers}"

    def to_dict(self) -> dict[str, Any]:
        """What camera.json says of the board."""
        plain = {"kind": self.kind, "corners": list(self.corners_wh), "square_mm": self.square_mm}
        if self.kind == "chessboard":
            return plain
        return plain | {"marker_mm": self.marker_mm, "dictionary": self.dictionary}

    def charuco(self, legacy: bool = False) -> cv2.aruco.CharucoBoard:
        """OpenCV's board; `legacy` is the pattern before OpenCV 4.6, other where the squares' rows are even."""
        made = cv2.aruco.CharucoBoard(self.squares_wh, self.square_mm, self.marker_mm, self._markers())
        made.setLegacyPattern(legacy)
        return made

    def _markers(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    def _check_markers(self) -> None:
        known = sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_"))
        if self.dictionary not in known:
            raise InputError(f"{self.dictionary!r} is no dictionary of markers", f"OpenCV has {', '.join(known)}")
        if not 0 < self.marker_mm < self.square_mm:
            raise InputError(
                f"markers of {self.marker_mm:g} mm do not fit into squares of {self.square_mm:g} mm",
                "give --marker-mm as measured on the board, less than --square-mm",
            )
        needed, there = self.squares_wh[0] * self.squares_wh[1] // 2, len(self._markers().bytesList)
        if needed > there:
            raise InputError(
                f"the board has {needed} markers, {self.dictionary} has {there}",
                "take a smaller --size or a larger --dictionary, such as DICT_5X5_1000",
            )

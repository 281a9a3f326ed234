"""Pictures of a board through a known camera, distortion included: the truth that calibrations are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.board import Board
from calib.detection import finder_of
from calib.printing import draw_board
from calib.views import View, Views

_SQUARE_PX = 40


@dataclass(frozen=True)
class Studio:
    """A camera whose lens is known, and boards before it."""

    size_wh: tuple[int, int] = (640, 480)
    focal_px: tuple[float, float] = (620.0, 622.0)
    center_px: tuple[float, float] = (326.0, 236.0)
    distortion: tuple[float, ...] = (-0.18, 0.06, 0.001, -0.0008, 0.0)

    @property
    def k(self) -> np.ndarray:
        return np.array([[self.focal_px[0], 0, self.center_px[0]], [0, self.focal_px[1], self.center_px[1]], [0, 0, 1]])

    def photograph(
        self, board: Board, place_mm: tuple[float, float, float], turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
        seed: int = 0, blur_px: float = 0.7,
    ) -> np.ndarray:  # fmt: skip
        """(H, W) uint8, noisy: the board's middle at `place_mm`, turned by the rotation vector `turn`."""
        at = self._board_mm(board, place_mm, turn) / board.square_mm
        # a margin of one square; a pixel's centre lies half a pixel behind its edge
        xs, ys = np.moveaxis((at + 1) * _SQUARE_PX - 0.5, -1, 0).astype(np.float32)
        sheet = cv2.copyMakeBorder(draw_board(board, _SQUARE_PX), *[_SQUARE_PX] * 4, cv2.BORDER_CONSTANT, value=255)
        picture = cv2.remap(cv2.GaussianBlur(sheet, (0, 0), 0.8), xs, ys, cv2.INTER_LINEAR, borderValue=110)
        noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
        return np.clip(cv2.GaussianBlur(picture, (0, 0), blur_px) + noise, 0, 255).astype(np.uint8)

    def place(self, x: float, y: float, z_mm: float) -> tuple[float, float, float]:
        """Where -1..1 of the picture is at a distance, mm."""
        (w, h), (fx, fy) = self.size_wh, self.focal_px
        return x * w / 2 / fx * z_mm, y * h / 2 / fy * z_mm, z_mm

    def _board_mm(self, board: Board, place_mm: tuple[float, ...], turn: tuple[float, ...]) -> np.ndarray:
        """(H, W, 2): which point of the board's plane each pixel sees."""
        w, h = self.size_wh
        px = np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1).reshape(-1, 1, 2).astype(np.float64)
        rays = np.concatenate(
            [cv2.undistortPoints(px, self.k, np.array(self.distortion))[:, 0], np.ones((w * h, 1))], 1
        )
        rotation, _ = cv2.Rodrigues(np.asarray(turn))
        middle = np.array(board.squares_wh) * board.square_mm / 2
        plane = np.column_stack([rotation[:, :2], np.asarray(place_mm) - rotation[:, :2] @ middle])
        on_board = rays @ np.linalg.inv(plane).T
        return (on_board[:, :2] / on_board[:, 2:]).reshape(h, w, 2)


@lru_cache(maxsize=8)
def good_pictures(board: Board, studio: Studio = Studio()) -> tuple[np.ndarray, ...]:
    """Fourteen views as a careful person shows them: all over the picture, tilted to all sides, near and far."""
    rng = np.random.default_rng(3)
    reach = (0.55, 0.45) if board.kind == "charuco" else (0.4, 0.3)  # a chessboard must be whole
    made = []
    for i in range(14):
        z = rng.uniform(330, 560) * (1.0 if board.kind == "charuco" else 1.3)
        place = studio.place(((i % 3) - 1) * reach[0], ((i // 3 % 3) - 1) * reach[1], z)
        turn = (*(rng.choice([-1, 1], 2) * rng.uniform(0.2, 0.6, 2)), rng.uniform(-0.2, 0.2))
        made.append(studio.photograph(board, place, turn, seed=i))
    return tuple(made)


def seen_in(board: Board, pictures: tuple[np.ndarray, ...]) -> Views:
    """What a finder makes of pictures."""
    finder = finder_of(board)
    found = [(str(i), finder.find(picture)) for i, picture in enumerate(pictures)]
    views = tuple(View(name, sighting) for name, sighting in found if sighting is not None)
    h, w = pictures[0].shape
    return Views("studio", (w, h), views, f"seen in {len(views)} of {len(pictures)}")


@pytest.fixture(scope="session")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="session")
def charuco() -> Board:
    return Board("charuco", (9, 6), 25.0, 18.0)


@pytest.fixture(scope="session")
def chessboard() -> Board:
    return Board("chessboard", (9, 6), 25.0)


@pytest.fixture(scope="session")
def pictures():
    return good_pictures


@pytest.fixture(scope="session")
def seen():
    return seen_in


@pytest.fixture(scope="session")
def folder(charuco, tmp_path_factory) -> Path:
    """The good pictures of a ChArUco board; tests must not change it."""
    made = tmp_path_factory.mktemp("board")
    for i, picture in enumerate(good_pictures(charuco)):
        cv2.imwrite(str(made / f"{i:02}.png"), picture)
    return made

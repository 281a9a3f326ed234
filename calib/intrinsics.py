"""A camera's focal lengths, centre and distortion from pictures of a chessboard."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import refuse_existing, write_text
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
MIN_VIEWS = 5
MAX_VIEWS = 40
_REFINE = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-3)
_HINT = "show the whole board, sharp, tilted by 20 to 40 degrees, in all corners of the picture"


def calibrate(views: Path, board: tuple[int, int] = (9, 6), square_mm: float = 25.0) -> tuple[Intrinsics, float]:
    """Intrinsics from chessboard pictures.

    Args:
        views: folder of pictures, or a video of which up to `MAX_VIEWS` frames are taken.
        board: inner corners per row and per column.
        square_mm: side of a square; the intrinsics do not depend on it.

    Returns:
        The intrinsics and the root mean square reprojection error in px (below 1 is good).

    Raises:
        InputError: no pictures, pictures of different sizes, or too few with the board.

    Source: Zhang 2000, A flexible new technique for camera calibration, as in OpenCV.
    """
    if min(board) < 3 or square_mm <= 0:
        raise InputError(f"a board of {board} inner corners with {square_mm} mm squares cannot be used")
    pictures = _pictures(views)
    sizes = {grey.shape for grey in pictures}
    if len(sizes) != 1:
        raise InputError(f"{views} holds pictures of {len(sizes)} sizes", "use pictures of one camera and mode")
    corners = [found for grey in pictures if (found := _corners(grey, board)) is not None]
    if len(corners) < MIN_VIEWS:
        raise InputError(
            f"{views}: the board of {board[0]} x {board[1]} inner corners was seen in {len(corners)} of "
            f"{len(pictures)} pictures, {MIN_VIEWS} are needed",
            _HINT,
        )
    grid = np.zeros((board[0] * board[1], 3), np.float32)
    grid[:, :2] = np.mgrid[: board[0], : board[1]].T.reshape(-1, 2) * square_mm
    h, w = next(iter(sizes))
    start, none = np.eye(3), np.zeros(5)
    rms_px, k, distortion, _, _ = cv2.calibrateCamera([grid] * len(corners), corners, (w, h), start, none)
    made = Intrinsics(
        (float(k[0, 0]), float(k[1, 1])),
        (float(k[0, 2]), float(k[1, 2])),
        tuple(float(d) for d in np.ravel(distortion)),
    )
    return made, float(rms_px)


def save_intrinsics(path: Path, intrinsics: Intrinsics, size_wh: tuple[int, int], rms_px: float) -> None:
    """Write the JSON that the runtime reads.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    refuse_existing(path)
    about = {
        "K": intrinsics.matrix().tolist(),
        "dist": list(intrinsics.distortion),
        "image_size": list(size_wh),
        "rms_px": rms_px,
    }
    write_text(path, json.dumps(about, indent=1) + "\n")


def picture_size(views: Path) -> tuple[int, int]:
    """Width and height in px of the first picture.

    Raises:
        InputError: no picture there.
    """
    h, w = _pictures(views, at_most=1)[0].shape
    return w, h


def _pictures(views: Path, at_most: int = MAX_VIEWS) -> list[NDArray[np.uint8]]:
    """Grey pictures of a folder, or evenly spread frames of a video."""
    if not views.exists():
        raise InputError(f"{views} is not there", "name a folder of pictures, or a video, of a chessboard")
    if views.is_dir():
        paths = [p for p in sorted(views.iterdir()) if p.suffix.lower() in PICTURE_SUFFIXES]
        read = (cv2.imread(str(p), cv2.IMREAD_GRAYSCALE) for p in paths)
        made = [np.asarray(grey, np.uint8) for grey in read if grey is not None][:at_most]
    else:
        made = _video_frames(views, at_most)
    if not made:
        raise InputError(f"{views} holds no picture that can be read", "name a folder of pictures, or a video")
    return made


def _video_frames(path: Path, at_most: int) -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    made: list[NDArray[np.uint8]] = []
    step, index = 1, 0
    while capture.grab():
        if index % step == 0:
            ok, image = capture.retrieve()
            if ok and image is not None:
                made.append(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8))
            if len(made) == 2 * at_most:  # keep every other one: the length need not be known
                made, step = made[::2], 2 * step
        index += 1
    capture.release()
    keep = np.unique(np.linspace(0, max(len(made) - 1, 0), at_most).astype(int))
    return [made[i] for i in keep] if made else []


def _corners(grey: NDArray[np.uint8], board: tuple[int, int]) -> NDArray[np.float32] | None:
    found, corners = cv2.findChessboardCorners(
        grey, board, flags=cv2.CALIB_CB_ADAPTIVE_THRESH + cv2.CALIB_CB_FAST_CHECK
    )
    if not found:
        return None
    return np.asarray(cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), _REFINE), np.float32)

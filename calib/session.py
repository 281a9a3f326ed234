"""From a board shown to a camera to camera.json: look, refuse or solve, refuse or write."""

from __future__ import annotations

from pathlib import Path

from calib.board import Board
from calib.coverage import ENOUGH, Goal
from calib.intrinsics import Calibration, calibrate, save_calibration
from calib.picture import draw_coverage, save_picture
from calib.verdict import check_calibration, check_views
from calib.views import Say, Views, views_of_pictures, views_of_stream
from runtime.inputs import open_source
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.errors import InputError, OutputError

_TIMEOUT_S = 10.0
"""Somebody stands there with the board: a camera that is gone is said, not waited for."""


def calibrate_camera(
    board: Board, out: Path, *, camera: int | None = None, video: Path | None = None, uri: str | None = None,
    pictures: Path | None = None, picture: Path | None = None, overwrite: bool = False, say: Say = lambda _: None,
) -> Calibration:  # fmt: skip
    """Calibrate from exactly one of a camera's index, a video, an address and a folder of pictures.

    Args:
        board: that is shown.
        out: camera.json to write.
        picture: PNG of what was shown and what came of it; written for a refused calibration as well.
        overwrite: replace files that exist.
        say: takes the lines that tell the person at the camera what to show.

    Raises:
        InputError: an input that cannot be used, or views or a calibration that cannot be trusted.
        OutputError: a file that exists or cannot be written.
    """
    for path in (out, picture):
        if path is not None and not overwrite:
            refuse_existing(path, "name another path, or replace it with --overwrite")
    if picture is not None and picture.suffix.lower() != ".png":
        raise OutputError(f"{picture} must end in .png", "the coverage picture is a PNG")
    views = views_of(board, camera, video, uri, pictures, say)
    made: Calibration | None = None
    try:
        check_views(board, views)
        made = calibrate(board, views)
        check_calibration(made, views.source)
    except InputError as refused:
        if picture is None or not views.views:
            raise
        save_picture(picture, draw_coverage(board, views, made))
        raise InputError(refused.message, f"{refused.hint}; {picture} shows what was seen") from refused
    if picture is not None:
        save_picture(picture, draw_coverage(board, views, made))
    save_calibration(out, made)
    return made


def views_of(
    board: Board, camera: int | None, video: Path | None, uri: str | None, pictures: Path | None, say: Say,
    goal: Goal = ENOUGH,
) -> Views:  # fmt: skip
    """Views of a board from exactly one of the inputs; a live camera is looked through until the goal is met.

    Raises:
        InputError, CameraLost: an input that cannot be used, or that ended.
    """
    if pictures is not None:
        return views_of_pictures(pictures, board)
    with open_source(camera=camera, video=video, uri=uri, timeout_s=_TIMEOUT_S) as source:
        return views_of_stream(source, board, say, goal)

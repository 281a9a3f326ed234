"""How the camera stands over the floor: from a board that lies on it, or from a level or an accelerometer."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calib.board import Board
from calib.coverage import Goal
from calib.floor_fit import Fit, fit_floor
from calib.session import views_of
from calib.views import Say, View, Views
from runtime.intrinsics import load_intrinsics
from runtime.world import SCHEMA, World
from sa3dhp_edge.atomic import refuse_existing, write_json
from sa3dhp_edge.errors import InputError

log = logging.getLogger(__name__)

GOAL = Goal(views=8, cells=0.0, tilt_deg=0.0, distance_ratio=1.0)
"""With so many places on the floor a live session ends."""
LEAST_VIEWS = 3
_OUTLIER, _OUTLIER_PX = 3.0, 0.5
"""A view whose error is larger than so many medians is left out, if it is as large as that at all."""
_MOST_LEFT_OUT = 0.34
"""Share of the views that may contradict the others."""
_RMS_PX, _RMS_SHARE = 1.0, 1e-3
TILT_SD_DEG, HEIGHT_SD = 0.5, 0.02
"""Largest standard deviations; that of the height as a share of it."""
_SHOW = "lay the board flat on the floor, face up, near and far, left and right, and step aside; larger squares help"


@dataclass(frozen=True)
class Floor:
    """What was measured, and how well.

    Attributes:
        board: that lay on the floor.
        fit: of the views used.
        views: their names.
        left_out: names of views that did not agree with the others.
    """

    board: Board
    fit: Fit
    views: tuple[str, ...]
    left_out: tuple[str, ...]


def calibrate_floor(
    board: Board, out: Path, intrinsics: Path, *, camera: int | None = None, video: Path | None = None,
    uri: str | None = None, pictures: Path | None = None, overwrite: bool = False, say: Say = lambda _: None,
) -> Floor:  # fmt: skip
    """Measure from exactly one of a camera's index, a video, an address and a folder of pictures.

    Args:
        board: that lies on the floor, at several places one after the other; the camera does not move.
        out: world.json to write.
        intrinsics: camera.json of this camera.
        overwrite: replace a file that exists.
        say: takes the lines that tell how many places are still wanted.

    Raises:
        InputError: an input that cannot be used, or views or a floor that cannot be trusted.
        OutputError: a file that exists or cannot be written.
    """
    _check_free(out, overwrite)
    load_intrinsics(intrinsics)  # a wrong file is said before anybody lays out a board
    views = views_of(board, camera, video, uri, pictures, say, GOAL)
    floor = floor_of(board, views, intrinsics)
    told = {
        "from": "board", "rms_px": floor.fit.rms_px, "tilt_sd_deg": floor.fit.tilt_sd_deg,
        "height_sd_mm": floor.fit.height_sd_mm, "views": len(floor.views), "left_out": list(floor.left_out),
        "board": board.to_dict(),
    }  # fmt: skip
    write_json(out, world_file(floor.fit.world) | told)
    return floor


def save_given_world(out: Path, world: World, overwrite: bool = False) -> None:
    """Write world.json of a world that was not measured with pictures.

    Raises:
        OutputError: a file that exists or cannot be written.
    """
    _check_free(out, overwrite)
    write_json(out, world_file(world) | {"from": "given"})


def world_file(world: World) -> dict[str, Any]:
    """What world.json says of the world itself."""
    return {
        "schema": SCHEMA, "unit": "mm", **world.to_dict(), "tilt_deg": round(world.tilt_deg, 3),
        "roll_deg": round(world.roll_deg, 3),
    }  # fmt: skip


def floor_of(board: Board, views: Views, intrinsics: Path) -> Floor:
    """The floor that all views agree on; those that contradict the others are left out, once.

    Raises:
        InputError: too few views, views that disagree, or a floor that is not sure.
    """
    camera, used = load_intrinsics(intrinsics, views.size_wh), list(views.views)
    _check_count(used, views)
    fit, left_out = fit_floor(board, used, camera), list[View]()
    while True:
        worst = int(np.argmax(fit.errors_px))
        limit = max(_OUTLIER * float(np.median(fit.errors_px)), _OUTLIER_PX)
        if fit.errors_px[worst] <= limit or len(left_out) + 1 > _MOST_LEFT_OUT * len(views.views):
            break
        log.info("%s is left out: its corners are %.2f px off", used[worst].name, fit.errors_px[worst])
        left_out.append(used.pop(worst))
        _check_count(used, views)
        fit = fit_floor(board, used, camera)
    _check_fit(fit, views)
    return Floor(board, fit, tuple(view.name for view in used), tuple(view.name for view in left_out))


def _check_free(out: Path, overwrite: bool) -> None:
    if not overwrite:
        refuse_existing(out, "name another path, or replace it with --overwrite")


def _check_count(used: list[View], views: Views) -> None:
    if len(used) < LEAST_VIEWS:
        raise InputError(
            f"{views.source}: {len(used)} usable views of the board, {LEAST_VIEWS} are needed ({views.account})", _SHOW
        )


def _check_fit(fit: Fit, views: Views) -> None:
    limit_px = max(_RMS_PX, _RMS_SHARE * max(views.size_wh))
    height = fit.world.camera_mm[2]
    if not (fit.rms_px <= limit_px and max(fit.errors_px) <= 3 * limit_px):
        raise InputError(
            f"{views.source}: the views disagree about the floor: corners lie {fit.rms_px:.2f} px off (rms), "
            f"{limit_px:.2f} px are allowed",
            f"{_SHOW}; the camera must not move, and camera.json must be this camera's",
        )
    if not (fit.tilt_sd_deg <= TILT_SD_DEG and fit.height_sd_mm <= HEIGHT_SD * height):
        raise InputError(
            f"{views.source}: the floor is sure to {fit.tilt_sd_deg:.2f} degrees and {fit.height_sd_mm:.0f} mm only, "
            f"{TILT_SD_DEG:g} degrees and {HEIGHT_SD * height:.0f} mm are needed",
            _SHOW,
        )

"""One floor under several views of a board that lies on it: where the camera is above it, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.board import Board
from calib.views import View
from runtime.world import World
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics, rotation_about_z

_STEPS = 30
_FACE_UP = np.diag([1.0, -1, -1])
"""The board's axes, x right, y down, z into it, to those of a floor it lies on."""
_OWN = 3
"""Each view's own numbers: where the board lies on the floor, mm, and how far it is turned there."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """The floor, and what the views say of it.

    Attributes:
        world: see `World.above_floor`.
        rms_px: root mean square distance between seen and computed corners, all boards on one floor.
        errors_px: the same of each view.
        tilt_sd_deg, height_sd_mm: standard deviations, from the spread of the corners; those of the lens come on top.
    """

    world: World
    rms_px: float
    errors_px: tuple[float, ...]
    tilt_sd_deg: float
    height_sd_mm: float


class _Floor(NamedTuple):
    """A guess: camera to world, the camera's height, and each view's `_OWN` numbers (V, 3)."""

    rotation: Array
    height_mm: float
    own: Array

    def moved(self, step: Array) -> _Floor:
        """By two small turns about the floor's x and y (rad), a height (mm), and each view's own."""
        turn, _ = cv2.Rodrigues(np.array([step[0], step[1], 0.0]))
        return _Floor(turn @ self.rotation, self.height_mm + float(step[2]), self.own + step[3:].reshape(-1, _OWN))


def fit_floor(board: Board, views: Sequence[View], camera: Intrinsics) -> Fit:
    """The plane on which the boards of all views lie, by least squares of the corners (Levenberg 1944).

    A single board far away says little about its own tilt; that all lie on one floor says much.

    Raises:
        InputError: a board that cannot be placed before the camera.
    """
    floor = _first_guess(board, views, camera)
    residuals = _residuals(board, views, camera, floor)
    damping = 1e-3
    for _ in range(_STEPS):
        normal, gradient = _normal(board, views, camera, floor, residuals)
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -gradient)
        after = floor.moved(np.asarray(step, np.float64))
        tried = _residuals(board, views, camera, after)
        better = _square(tried) < _square(residuals)
        damping = damping / 10 if better else damping * 10
        if better:
            done = _square(residuals) - _square(tried) < 1e-9 * _square(residuals)
            floor, residuals = after, tried
            if done:
                break
    normal, _ = _normal(board, views, camera, floor, residuals)
    numbers = sum(r.size for r in residuals)
    variance = _square(residuals) / max(numbers - len(normal), 1) * np.diag(np.linalg.inv(normal))
    errors = tuple(float(np.sqrt((r**2).sum(1).mean())) for r in residuals)
    corners = sum(len(r) for r in residuals)
    return Fit(
        World.above_floor(floor.rotation[2], floor.height_mm),
        float(np.sqrt(_square(residuals) / corners)),
        errors,
        float(np.degrees(np.sqrt(variance[:2].max()))),
        float(np.sqrt(variance[2])),
    )


def _first_guess(board: Board, views: Sequence[View], camera: Intrinsics) -> _Floor:
    """Each board by itself; of the two ways in which a flat one can be tilted, that which most others agree with."""
    placed = [_placements(board, view, camera) for view in views]
    ups = [np.stack([-turn[:, 2] for turn, _ in ways]) for ways in placed]
    every = np.concatenate(ups)
    votes = [float(np.sum([(each @ up).max() for each in ups])) for up in every]
    up = every[int(np.argmax(votes))]
    best = [ways[int((each @ up).argmax())] for ways, each in zip(placed, ups, strict=True)]
    up = np.median([-turn[:, 2] for turn, _ in best], axis=0)
    height = float(np.median([-up @ place / np.linalg.norm(up) for _, place in best]))
    if not height > 0:
        raise InputError("the camera would be below the floor", "lay the board face up, and check --size")
    rotation = World.above_floor(up, height).rot_camera_to_world
    own = []
    for turn, place in best:
        x, y, _ = rotation @ place
        along = rotation @ turn[:, 0]
        own.append((x, y, np.arctan2(along[1], along[0])))
    return _Floor(rotation, height, np.array(own))


def _placements(board: Board, view: View, camera: Intrinsics) -> list[tuple[Array, Array]]:
    """One or two rotations and places of a board before the camera, its face towards it."""
    points, corners = board.points_mm[view.sighting.ids], view.sighting.corners_px
    count, turns, places, _ = cv2.solvePnPGeneric(
        points.reshape(-1, 1, 3), corners.reshape(-1, 1, 2), camera.matrix(), np.array(camera.distortion),
        flags=cv2.SOLVEPNP_IPPE,
    )  # fmt: skip
    ways = [
        (np.asarray(cv2.Rodrigues(turns[i])[0], np.float64), np.asarray(places[i], np.float64).ravel())
        for i in range(count)
    ]
    ways = [(turn, place) for turn, place in ways if turn[:, 2] @ place > 0 and np.isfinite(place).all()]
    if not ways:
        raise InputError(f"{view.name}: the board cannot be placed before the camera", "check --size and camera.json")
    return ways


def _residuals(board: Board, views: Sequence[View], camera: Intrinsics, floor: _Floor) -> list[Array]:
    """Of each view (N, 2) px."""
    return [_residual(board, view, camera, floor, own) for view, own in zip(views, floor.own, strict=True)]


def _residual(board: Board, view: View, camera: Intrinsics, floor: _Floor, own: Array) -> Array:
    x, y, turn_rad = own
    flat = board.points_mm[view.sighting.ids] @ (rotation_about_z(float(np.degrees(turn_rad))) @ _FACE_UP).T
    before = (flat + np.array([x, y, -floor.height_mm])) @ floor.rotation
    computed, _ = cv2.projectPoints(before, np.zeros(3), np.zeros(3), camera.matrix(), np.array(camera.distortion))
    return np.asarray(computed[:, 0] - view.sighting.corners_px, np.float64)


def _normal(
    board: Board, views: Sequence[View], camera: Intrinsics, floor: _Floor, residuals: Sequence[Array]
) -> tuple[Array, Array]:
    """Normal matrix and gradient; slopes by small steps, since a view depends on six numbers only."""
    size = 3 + floor.own.size
    normal, gradient = np.zeros((size, size)), np.zeros(size)
    small = np.array([1e-6, 1e-6, 1e-3, 1e-3, 1e-3, 1e-6])
    for i, (view, residual) in enumerate(zip(views, residuals, strict=True)):
        at = np.array([0, 1, 2, *range(3 + i * _OWN, 3 + (i + 1) * _OWN)])
        slopes = []
        for index, step in zip(at, small, strict=True):
            moved = floor.moved(step * np.eye(size)[index])
            slopes.append((_residual(board, view, camera, moved, moved.own[i]) - residual).ravel() / step)
        j = np.stack(slopes, 1)
        normal[np.ix_(at, at)] += j.T @ j
        gradient[at] += j.T @ residual.ravel()
    return normal, gradient


def _square(residuals: Sequence[Array]) -> float:
    return float(sum((r**2).sum() for r in residuals))

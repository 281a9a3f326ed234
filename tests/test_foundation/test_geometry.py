"""Rotations turn the way their words say; projection and camera fits agree with hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.geometry import (
    Intrinsics,
    fit_weak_perspective,
    project,
    ray_rotation,
    rotation_about_x,
    rotation_about_y,
    rotation_about_z,
)

X, Y, Z = np.eye(3)


@pytest.mark.parametrize(
    ("turn", "start", "end"), [(rotation_about_z, X, Y), (rotation_about_y, Z, X), (rotation_about_x, Y, Z)]
)
def test_a_quarter_turn_takes_one_axis_to_the_next(turn, start, end) -> None:
    np.testing.assert_allclose(turn(90) @ start, end, atol=1e-12)
    _check_rotation(turn(37))
    np.testing.assert_allclose(turn(37) @ turn(-37), np.eye(3), atol=1e-12)


def test_ray_rotation_takes_the_ray_to_the_axis(rng: np.random.Generator) -> None:
    for ray in rng.normal((0, 0, 2), 1, (100, 3)):
        rotation = ray_rotation(ray)
        _check_rotation(rotation)
        np.testing.assert_allclose(rotation @ ray, [0, 0, np.linalg.norm(ray)], atol=1e-9)


def test_ray_rotation_is_the_smallest(rng: np.random.Generator) -> None:
    for ray in rng.normal((0, 0, 2), 1, (20, 3)):
        angle = np.arccos((np.trace(ray_rotation(ray)) - 1) / 2)
        assert angle == pytest.approx(np.arccos(ray[2] / np.linalg.norm(ray)), abs=1e-6)


def test_the_axis_itself_needs_no_turn() -> None:
    np.testing.assert_array_equal(ray_rotation(np.array([0, 0, 5.0])), np.eye(3))


def test_projection_of_a_point_by_hand() -> None:
    camera = Intrinsics((1000, 800), (320, 240))
    np.testing.assert_allclose(project(np.array([100.0, -50, 2000]), camera.matrix()), [370, 220])


def test_projection_keeps_leading_axes(rng: np.random.Generator) -> None:
    points = rng.normal((0, 0, 5), 1, (4, 5, 3))
    camera = Intrinsics.guess((640, 480)).matrix()
    many = project(points, camera)
    assert many.shape == (4, 5, 2)
    np.testing.assert_allclose(many[2, 3], project(points[2, 3], camera))


def test_a_guessed_camera_says_so_and_looks_at_the_middle() -> None:
    guess = Intrinsics.guess((640, 480))
    assert guess.assumed
    assert guess.focal_px == pytest.approx((704, 704))
    np.testing.assert_allclose(project(np.array([0.0, 0, 3000]), guess.matrix()), [319.5, 239.5])


def test_weak_perspective_finds_a_known_camera(rng: np.random.Generator) -> None:
    pose = rng.normal(0, 300, (6, 17, 3))
    camera = np.stack([rng.uniform(0.3, 2, 6), rng.normal(0, 0.5, 6), rng.normal(0, 0.5, 6)], -1)
    uv = camera[:, None, :1] * pose[..., :2] / 1000 + camera[:, None, 1:]
    np.testing.assert_allclose(fit_weak_perspective(pose, uv), camera, atol=1e-9)
    np.testing.assert_allclose(fit_weak_perspective(pose[2], uv[2]), camera[2], atol=1e-9)


def test_weak_perspective_is_the_best_in_the_least_squares_sense(rng: np.random.Generator) -> None:
    pose, uv = rng.normal(0, 300, (17, 3)), rng.normal(size=(17, 2))

    def error(camera: np.ndarray) -> float:
        return float(((camera[0] * pose[:, :2] / 1000 + camera[1:] - uv) ** 2).sum())

    best = fit_weak_perspective(pose, uv)
    assert all(error(best + change) > error(best) for change in rng.normal(0, 0.05, (30, 3)))


def test_pose_and_points_must_belong_together() -> None:
    with pytest.raises(ShapeError, match=r"\(17, 3\).*\(16, 2\)"):
        fit_weak_perspective(np.zeros((17, 3)), np.zeros((16, 2)))


def _check_rotation(matrix: np.ndarray) -> None:
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1)

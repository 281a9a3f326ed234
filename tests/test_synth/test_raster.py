"""The z-buffer: nearer wins in any order, and attributes are interpolated in perspective."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.synth.raster import NOTHING, View, empty_samples, project_view, rasterise, weights_at

SIDE = 40
VIEW = View(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), 40.0, 19.5, 19.5)


def wall(depth_mm: float, slant: float = 0.0) -> np.ndarray:
    """Three corners of a triangle that covers the whole picture."""
    corners = np.array([[-2, -2, 1], [4, -2, 1], [-2, 4, 1]], np.float32) * depth_mm
    corners[:, 2] += slant * corners[:, 0]
    return corners


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_wins_whatever_the_order(order: tuple[int, int]) -> None:
    points = np.concatenate([wall(1000), wall(2000)])
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)[list(order)]
    samples = empty_samples(SIDE, SIDE)
    rasterise(project_view(points, VIEW, 1), faces, samples, len(faces))
    assert (samples.face == order.index(0)).all()
    np.testing.assert_allclose(1 / samples.nearness, 1000, rtol=1e-3)


def test_crossing_triangles_are_cut_where_they_cross() -> None:
    points = np.concatenate([wall(1000), wall(1000, slant=0.3)])
    samples = empty_samples(SIDE, SIDE)
    rasterise(project_view(points, VIEW, 1), np.array([[0, 1, 2], [3, 4, 5]], np.int32), samples, 2)
    assert (samples.face[:, : SIDE // 2] == 1).all()
    assert (samples.face[:, SIDE // 2 :] == 0).all()


def test_what_is_behind_the_camera_is_left_out() -> None:
    samples = empty_samples(SIDE, SIDE)
    rasterise(project_view(wall(-1000), VIEW, 1), np.array([[0, 1, 2]], np.int32), samples, 1)
    assert (samples.face == NOTHING).all()


def test_of_one_sided_faces_only_those_towards_the_eye_are_drawn() -> None:
    """A wall whose cross product of edges points to the eye (-z) is seen, its back is not; others from both sides."""
    points = wall(1000)
    edges = np.cross(points[1] - points[0], points[2] - points[0])
    front = [0, 1, 2] if edges[2] < 0 else [0, 2, 1]
    for order, one_sided, seen in ((front, 0, True), (front[::-1], 0, False), (front[::-1], 1, True)):
        samples = empty_samples(SIDE, SIDE)
        rasterise(project_view(points, VIEW, 1), np.array([order], np.int32), samples, one_sided)
        assert (samples.face == 0).all() == seen


def test_weights_give_back_the_point_on_the_triangle() -> None:
    points = wall(1000, slant=0.2)
    projected = project_view(points, VIEW, 1)
    x, y = 30.0, 12.0
    p = np.array(weights_at(x, y, projected, 0, 1, 2)) @ points
    np.testing.assert_allclose(40 * p[:2] / p[2] + 19.5, (x, y), atol=1e-3)

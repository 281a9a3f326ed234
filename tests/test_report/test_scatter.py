"""Scatter figures: points where they belong, names apart, nothing drawn of what is not known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from matplotlib.text import Text

from sa3dhp_edge.report.canvas import SHARPNESS, WIDTH_PX, blank
from sa3dhp_edge.report.palette import BLUE, VERMILION
from sa3dhp_edge.report.scatter import Point, ScatterPanel, _name, scatter_panels


def pixels(panels: list[ScatterPanel]) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(scatter_panels(panels, "d", "gain"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == WIDTH_PX * SHARPNESS
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def centre(picture: np.ndarray, colour: str) -> np.ndarray:
    """(x, y) px of what has a colour."""
    return np.argwhere((picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)).mean(0)[::-1]


def test_points_lie_right_and_up_for_greater_figures():
    points = [Point("a", 0.1, -2.0, strong=True), Point("b", 0.9, 3.0, colour=VERMILION, strong=True)]
    picture = pixels([ScatterPanel("", "", points, {})])
    a, b = centre(picture, BLUE), centre(picture, VERMILION)
    assert b[0] > a[0] + 300
    assert b[1] < a[1] - 300


def test_names_of_near_points_do_not_cover_each_other():
    figure = blank(900, 390, tight=False)
    axes = figure.subplots()
    rng = np.random.default_rng(2)
    points = [Point(f"flip_backward_{i}", x, y) for i, (x, y) in enumerate(rng.normal(0, 0.02, (8, 2)))]
    for p in [*points, Point("far", 1, 1)]:
        axes.scatter(p.x, p.y)
    figure.draw_without_rendering()
    _name(axes, points, {})
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(name) for name in axes.texts]  # without the line that leads to the point
    assert len(boxes) == len(points)
    overlapping = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert overlapping == 0


@pytest.mark.parametrize(
    "panels",
    [
        [],
        [ScatterPanel("z", "", [], {"zero": 0.0})],
        [ScatterPanel("z", "", [Point("a", math.nan, 1.0), Point("b", 1.0, math.inf)], {})],
        [ScatterPanel("z", "", [Point("a", 1.0, 1.0)], {}), ScatterPanel("v", "p", [Point("a", 0, 0, 1, 1)], {"": 9})],
    ],
)
def test_figures_that_are_not_known_are_no_crash(panels):
    assert (pixels(panels) < 128).any()

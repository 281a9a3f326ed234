"""Dots of changes: where names stand, and that nothing measured is no crash."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sa3dhp_edge.report.canvas import SHARPNESS, WIDTH_PX
from sa3dhp_edge.report.dots import DotPanel, _heights, change_dots
from sa3dhp_edge.report.palette import BLUE, VERMILION


def pixels(png: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == WIDTH_PX * SHARPNESS
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def count(picture: np.ndarray, colour: str) -> int:
    return int((picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1).sum())


def test_better_is_blue_and_worse_vermilion():
    better = pixels(change_dots([["a"]], [DotPanel("site", {"a": [-3, -4.5]}, "%")]))
    worse = pixels(change_dots([["a"]], [DotPanel("site", {"a": [3, 4.5]}, "%")]))
    assert count(better, BLUE) > 50 > count(better, VERMILION)
    assert count(worse, VERMILION) > 50 > count(worse, BLUE)


def test_panels_with_the_same_title_below_have_the_same_scale():
    wide = DotPanel("site", {"a": [-40.0]}, "%")
    few = DotPanel("park", {"a": [-2.0]}, "%")
    alone, beside = (
        pixels(change_dots([["a"]], panels)) for panels in ([few._replace(x_title="own"), wide], [few, wide])
    )
    half = alone.shape[1] // 2
    left = [int(np.flatnonzero((p[:, :half] == [0, 114, 178]).all(-1).any(0))[0]) for p in (alone, beside)]
    assert left[1] > left[0] + 100


def test_groups_stand_apart_and_empty_ones_take_no_room():
    heights = _heights([["a", "b"], [], ["c"]])
    assert heights["b"] - heights["a"] == 1
    assert 1 < heights["c"] - heights["b"] < 2


@pytest.mark.parametrize(
    ("groups", "panels"),
    [
        ([], []),
        ([["a"]], []),
        ([], [DotPanel("site", {}, "%")]),
        ([["a", "b"]], [DotPanel("site", {}, "%"), DotPanel("park", {"b": [0.0], "gone": [1.0]}, "%")]),
        ([["a"]], [DotPanel("site", {"a": []}, "%")]),
    ],
)
def test_little_to_draw_is_no_crash(groups, panels):
    pixels(change_dots(groups, panels))

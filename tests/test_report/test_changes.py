"""Changes to the worse are blue and to the right of zero, those to the better on the other side, over chance's band."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sa3dhp_edge.report.canvas import SHARPNESS, WIDTH_PX
from sa3dhp_edge.report.changes import ChangePanel, change_bars
from sa3dhp_edge.report.palette import BLUE, VERMILION


def pixels(png: bytes) -> np.ndarray:
    """(H, W, 3) RGB."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == WIDTH_PX * SHARPNESS
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def middle(picture: np.ndarray, colour: str) -> tuple[float, float]:
    """Mean column and row of a colour's pixels."""
    rows, columns = np.nonzero((picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1))
    assert len(rows) > 200
    return float(columns.mean()), float(rows.mean())


def test_worse_is_to_the_right_and_the_first_name_on_top():
    picture = pixels(change_bars(["a", "b"], [ChangePanel("real", "mm", 1, [5.0, -4.0], 1.5)]))
    worse, better = middle(picture, BLUE), middle(picture, VERMILION)
    assert worse[0] > better[0]
    assert worse[1] < better[1]


def test_the_band_is_as_wide_as_chance():
    narrow, wide = (
        (pixels(change_bars(["a", "b"], [ChangePanel("real", "mm", 1, [5.0, -5.0], c)])) < 250).all(-1).mean()
        for c in (0.5, 4.0)
    )
    assert wide > 2 * narrow


@pytest.mark.parametrize("names", [[], ["a"]])
def test_nothing_measured_and_no_chance_are_no_crash(names):
    pixels(change_bars(names, [ChangePanel("real", "mm", 1, [0.0] * len(names), None)] * 2))

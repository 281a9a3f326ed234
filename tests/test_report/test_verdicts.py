"""Receiver operating curves are right on hand-made scores, and the panels stand whatever there is to draw."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from sa3dhp_edge.report.canvas import SHARPNESS, WIDTH_PX
from sa3dhp_edge.report.palette import BLUE, OCHRE
from sa3dhp_edge.report.verdicts import Judged, roc, verdict_panels


def area_by_pairs(score: np.ndarray, better: np.ndarray) -> float:
    """The area's meaning: how often a better thing scores higher than a worse one, ties half."""
    pairs = [(a > b) + 0.5 * (a == b) for a in score[better] for b in score[~better]]
    return float(np.mean(pairs))


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        score, better = rng.integers(0, 6, 30).astype(float), rng.random(30) < 0.4
        curve = roc(score, better)
        assert curve.area == pytest.approx(area_by_pairs(score, better))
        assert (np.diff(curve.worse) >= 0).all()
        assert (curve.worse[-1], curve.better[-1]) == (1, 1)


def test_order_and_its_opposite() -> None:
    better = np.array([True, True, False, False])
    assert roc(np.array([4.0, 3.0, 2.0, 1.0]), better).area == 1
    assert roc(np.array([1.0, 2.0, 3.0, 4.0]), better).area == 0
    assert roc(np.zeros(4), better).area == 0.5


@pytest.mark.parametrize("better", [[], [True, True], [False]])
def test_of_one_kind_alone_nothing_is_said(better: list[bool]) -> None:
    assert math.isnan(roc(np.zeros(len(better)), np.array(better, bool)).area)


def centre(picture: np.ndarray, colour: str) -> np.ndarray:
    half = picture[:, picture.shape[1] // 2 :]
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((half == rgb).all(-1)).mean(0)[::-1]


def test_points_lie_where_they_belong() -> None:
    judged = [Judged(-20.0, -30.0, False)] * 40 + [Judged(20.0, 30.0, True, real=True)] * 40
    png = verdict_panels({"score": roc(np.arange(4.0), np.array([False, False, True, True]))}, judged, 2.0, 60.0)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == WIDTH_PX * SHARPNESS
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    low, high = centre(picture, BLUE), centre(picture, OCHRE)
    assert high[0] > low[0] + 50
    assert high[1] < low[1]


def test_nothing_to_draw_is_said() -> None:
    none = roc(np.zeros(0), np.zeros(0, bool))
    assert verdict_panels({"score": none}, [Judged(math.nan, 3.0, False)], 2.0, 60.0).startswith(b"\x89PNG")

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from sa3dhp_edge.report.bars import ErrorRow, errors_bars, latency_bars, non_localness_bars
from sa3dhp_edge.report.canvas import SHARPNESS, WIDTH_PX
from sa3dhp_edge.report.curves import _apart, _chosen, _panels, curves
from sa3dhp_edge.report.palette import BLUE, GREEN, PALE, VERMILION

LOSS = [(step, 3.0 * 0.99**step) for step in range(0, 400, 2)]
HEALTH = {
    "spread_mm": [(9, 90.0), (19, 85.0)],
    "source_mpjpe_mm": [(9, 70.0), (19, 75.0)],
    "target_mpjpe": [(9, 150.0), (19, 141.0)],
}


def pixels(png: bytes) -> np.ndarray:
    """(H, W, 3) RGB of a valid PNG of the page's width, with something drawn on it."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == WIDTH_PX * SHARPNESS
    assert (picture < 128).any()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def coloured(picture: np.ndarray, colour: str) -> np.ndarray:
    return (picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)


def test_curves_draw_each_line_in_its_colour():
    picture = pixels(curves({"pose_autoencoder": {"reconstruction": LOSS, "cycle": LOSS[:9]}, "health": HEALTH}))
    for colour in (BLUE, VERMILION, GREEN):
        assert coloured(picture, colour).sum() > 100


@pytest.mark.parametrize(
    "stages",
    [
        {},
        {"source": {}},
        {"source": {"pose": []}},
        {"source": {"pose": [(0, 1.0)]}},
        {"source": {"pose": [(0, math.nan), (50, math.inf)]}},
        {"source": {"pose": [(0, 1.0), (50, math.nan), (100, 0.5)]}},
        {"adapt": {"replay": [(i, 0.0) for i in range(9)]}},
        {"adapt": {"l1z": [(0, 0.25), (1, 0.25)]}},
        {"health": {"spread_mm": [(0, 0.0)]}},
    ],
)
def test_missing_and_broken_scalars_are_no_crash(stages):
    pixels(curves(stages))


def test_relations_of_one_latent_share_a_panel():
    panels = _panels({"relation_z_flip": {"loss": LOSS}, "relation_z_tilt-30": {"loss": LOSS}, "source": {"uv": LOSS}})
    assert {name: list(lines) for name, lines in panels.items()} == {
        "relations of z": ["flip", "tilt-30"],
        "source": ["uv"],
    }


def test_at_most_nine_panels_and_the_health_among_them():
    stages = {f"stage{i}": {"loss": LOSS[:3]} for i in range(12)} | {"health": HEALTH}
    shown, left_out = _chosen(stages)
    assert shown == [*(f"stage{i}" for i in range(8)), "health"]
    assert left_out == [f"stage{i}" for i in range(8, 12)]
    assert _chosen({}) == ([], [])


@pytest.mark.parametrize(
    "places", [[0.5], [0.1, 0.1, 0.1], [0.99, 1.0, 0.98], [0.0, 1.0], [0.4 + 0.01 * i for i in range(20)]]
)
def test_labels_move_apart_and_keep_their_order(places):
    moved = _apart(places)
    gaps = np.diff(sorted(moved))
    assert (gaps > min(0.09, 0.9 / len(places))).all()
    assert max(moved) <= 1.0
    assert np.argsort(moved, kind="stable").tolist() == np.argsort(places, kind="stable").tolist()


def test_chosen_rules_stand_out():
    study = {"z": {"flip": {"distance": 3.0, "over_random": 0.5}, "tilt5": {"distance": 0.2, "over_random": 0.04}}}
    chosen, none = pixels(non_localness_bars(study, {"z": {"flip"}})), pixels(non_localness_bars(study, {}))
    assert coloured(chosen, BLUE).sum() > 10 * coloured(chosen, PALE).sum() > 0
    assert not coloured(none, BLUE).any()


@pytest.mark.parametrize("study", [{}, {"z": {}}, {"v": {"slow": {"over_random": math.nan}}, "z": {"flip": {}}}])
def test_a_study_without_figures_is_no_crash(study):
    pixels(non_localness_bars(study, {"z": {"flip"}}))


def test_error_bars_are_as_long_as_the_errors():
    picture = pixels(errors_bars([ErrorRow("before", 200.0, 100.0), ErrorRow("after", 100.0, 50.0)], "before"))
    half = picture.shape[1] // 2
    before = coloured(picture[:, :half], PALE).sum(1).max()
    after = coloured(picture[:, :half], BLUE).sum(1).max()
    assert after == pytest.approx(before / 2, rel=0.02)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ErrorRow("a", math.nan, math.nan, math.nan)],
        [ErrorRow("a", 10.0, 5.0, 1.0, 0.5), ErrorRow("b", 9.0, math.nan)],
    ],
)
def test_errors_that_are_not_known_are_no_crash(rows):
    pixels(errors_bars(rows, "a"))
    pixels(errors_bars(rows, "unknown"))


def test_latency_shows_the_total_and_the_budget():
    stages = {"crop": {"p50": 1.0, "p95": 2.0}, "total": {"p50": 10.0, "p95": 12.0}}
    picture = pixels(latency_bars(stages, 33.3))
    assert coloured(picture, BLUE).any()
    assert coloured(picture, VERMILION).any()
    assert not coloured(pixels(latency_bars(stages)), VERMILION).any()


@pytest.mark.parametrize("stages", [{}, {"crop": {}}, {"crop": {"p50": 0.0, "p95": math.nan}}])
def test_latency_that_is_not_known_is_no_crash(stages):
    pixels(latency_bars(stages))

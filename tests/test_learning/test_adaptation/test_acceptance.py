"""The score says yes to what is better, no to what is worse, and no outright to what cannot be judged."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.adaptation.acceptance import FITTED, Fit, changes, fitted, judge, objection
from sa3dhp_edge.adaptation.signals import Signals
from sa3dhp_edge.config import AdaptConfig
from sa3dhp_edge.errors import ModelError

CFG = AdaptConfig()
BEFORE = Signals(
    frames=240, likeness=0.95, change=0.1, view_mm=100, view_uv=0.2, light_mm=30, relation=0.2, projection_uv=0.2,
    cycle=0.06, score=0.3, presence=6.0, spread_mm=100, upright_spread_mm=100, motion_mm=40, jitter=1.6, swaps=0.0,
    odd=0.0, denoising=0.2, statistics=0.6, source_mpjpe_mm=110, source_pa_mpjpe_mm=90, source_chance_mm=400,
    source_swapped_mm=300, dressed_mpjpe_mm=300, dressed_pa_mpjpe_mm=200,
)  # fmt: skip
FIT = Fit({"dressed_pa_mpjpe_mm": 0.5, "projection_uv": 40.0}, 2.0, 100)


def test_nothing_changed_is_no_better() -> None:
    said = judge(BEFORE, BEFORE, CFG, FIT)
    assert not said.accepted
    assert said.expected_gain_mm == 0
    assert "no better" in said.reason


def test_yes_and_no_follow_the_expected_gain() -> None:
    better = replace(BEFORE, dressed_pa_mpjpe_mm=180, projection_uv=0.15)
    said = judge(BEFORE, better, CFG, FIT)
    assert said.accepted
    assert said.expected_gain_mm == pytest.approx(10 + 40 * math.log(4 / 3))
    assert not judge(better, BEFORE, CFG, FIT).accepted
    assert not judge(BEFORE, replace(BEFORE, dressed_pa_mpjpe_mm=196.1), CFG, FIT).accepted, "below the margin"


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({"frames": 8}, {}, "too little footage: 8 pictures"),
        ({"likeness": 0.02}, {}, "no scene"),
        ({"likeness": math.nan}, {}, "no scene"),
        ({"change": 1e-6}, {}, "one still picture"),
        ({"presence": -3.0}, {}, "shows nobody"),
        ({}, {"presence": -3.0}, "no longer sees a person"),
        ({}, {"view_mm": math.nan}, r"not finite \(view_mm\)"),
        ({}, {"spread_mm": 55.0}, "collapse"),
        ({}, {"source_mpjpe_mm": 140.0}, "forgetting"),
        ({}, {"source_mpjpe_mm": 390.0}, "another skeleton: the adapted network takes left for right"),
        ({"source_mpjpe_mm": 390.0}, {"source_mpjpe_mm": 390.0}, "another skeleton: the network before takes left"),
        ({}, {"source_mpjpe_mm": 390.0, "source_swapped_mm": 420.0}, "forgetting: source error rose from 110 to 390"),
        ({"source_mpjpe_mm": 390.0, "source_swapped_mm": 420.0}, {}, "joints in another order"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_reason(
    before: dict[str, float], after: dict[str, float], says: str
) -> None:
    start = replace(BEFORE, **before)  # type: ignore[arg-type]
    end = replace(BEFORE, dressed_pa_mpjpe_mm=100, **after)  # type: ignore[arg-type]
    said = judge(start, end, CFG, FIT)
    assert not said.accepted
    assert math.isnan(said.expected_gain_mm)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(said.reason)


def test_a_figure_that_a_network_does_not_have_says_nothing() -> None:
    blind = replace(BEFORE, score=math.nan, presence=math.nan, denoising=math.nan)
    assert objection(blind, blind, CFG) is None
    assert changes(blind, blind)["presence"] == 0
    assert judge(blind, replace(blind, dressed_pa_mpjpe_mm=150), CFG, FIT).accepted


def test_changes_are_the_opposite_on_the_way_back() -> None:
    other = replace(BEFORE, view_mm=80, presence=4.0, swaps=0.2, dressed_pa_mpjpe_mm=170, jitter=1.9)
    there, back = changes(BEFORE, other), changes(other, BEFORE)
    assert {k: -v for k, v in back.items()} == pytest.approx(there)
    assert there["view_mm"] > 0
    assert there["dressed_pa_mpjpe_mm"] == 30


def test_weights_are_found_again_and_a_ruined_model_does_not_bend_them() -> None:
    rng = np.random.default_rng(0)
    rows = [{"a": float(a), "b": float(b), "c": float(c)} for a, b, c in rng.normal(0, (3, 10, 1), (80, 3))]
    gains = np.array([2 * r["a"] - 0.5 * r["b"] for r in rows])
    found = fitted(rows, gains, ("a", "b", "c"), 1e-6)
    assert found == pytest.approx({"a": 2, "b": -0.5, "c": 0}, abs=1e-3)
    assert set(fitted([], np.zeros(0), ("a", "b"), 0.1).values()) == {0.0}
    ruined = [*rows, {"a": -2.0, "b": 0.0, "c": 0.0}]
    assert fitted(ruined, np.append(gains, -5000.0), ("a", "b", "c"), 1e-6)["a"] == pytest.approx(2, abs=0.5)


def test_a_fit_is_kept_and_a_damaged_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    FIT.save(path)
    assert Fit.load(path) == FIT
    for damage in ("{}", '{"format": 9}', path.read_text().replace("projection_uv", "shoe_size")):
        path.write_text(damage)
        with pytest.raises(ModelError, match="holds no fit"):
            Fit.load(path)


def test_the_shipped_fit_speaks_of_figures_there_are() -> None:
    fit = Fit.load(FITTED)
    assert set(fit.weights_mm) <= {f.name for f in fields(Signals)}
    assert fit.margin_mm > 0
    assert fit.weights_mm["dressed_pa_mpjpe_mm"] > 0
    assert not judge(BEFORE, replace(BEFORE, dressed_pa_mpjpe_mm=230, projection_uv=0.25), CFG).accepted
    assert judge(BEFORE, replace(BEFORE, dressed_pa_mpjpe_mm=160, projection_uv=0.15, denoising=0.18), CFG).accepted

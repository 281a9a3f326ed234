"""What trials say together: seeds are paired, real clips averaged where all were tried, and spreads are a sample's."""

from __future__ import annotations

from typing import Any

import pytest

from sa3dhp_edge.experiments.trials import REAL, about, figures_on, mean_and_spread, row


def trial(name: str, target: str, seed: int, pa: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "target": target, "seed": seed, "pa_mpjpe": pa, "mpjpe": 2 * pa, "pck_150": 0.5, "auc": 0.25,
        "source_pa_mpjpe": 70.0, "seconds": 60.0, "cpu_seconds": 30.0, "commit": "c", **more,
    }  # fmt: skip


def test_a_change_is_against_the_same_seeds_baseline():
    trials = [
        trial("source", "site", 0, 200), trial("source", "site", 1, 100), trial("lcr", "site", 0, 180),
        trial("lcr", "site", 1, 95, stopped_by_guard=True), trial("lcr", "site", 2, 50), trial("lcr", "park", 0, 1),
    ]  # fmt: skip
    found = figures_on(trials, "site")
    lcr = row(found["lcr"], found["source"])
    assert lcr.each["pa_mpjpe"] == [180, 95, 50]
    assert lcr.changes == pytest.approx([-10, -5])
    assert (lcr.seeds, lcr.stopped) == (3, 1)
    assert "pa_mpjpe_true_bones" not in lcr.each
    assert lcr.cells()[2] == "–"
    assert row(found["source"], found["source"]).changes == [0, 0]


def test_real_is_the_mean_over_clips_that_have_all_been_tried():
    trials = [
        trial("source", "real/walk", 0, 80), trial("source", "real/squat", 0, 60), trial("lcr", "real/walk", 0, 70),
        trial("exact", "real/squat", 0, 90), trial("source", "real/walk", 1, 80), trial("source", "site", 0, 1),
    ]  # fmt: skip
    found = figures_on(trials, REAL)
    assert {name: sorted(seeds) for name, seeds in found.items()} == {"source": [0]}
    assert found["source"][0]["pa_mpjpe"] == 70
    assert figures_on(trials, "real/walk")["lcr"][0]["mpjpe"] == 140
    assert figures_on([], REAL) == {}


def test_another_target_is_read_by_its_prefix():
    trials = [trial("lcr", "site", 0, 100, on_park_pa_mpjpe=150.0, on_park_mpjpe=9.0)]
    figures = figures_on(trials, "site", "on_park_")["lcr"][0]
    assert (figures["pa_mpjpe"], figures["mpjpe"], figures["source_pa_mpjpe"]) == (150, 9, 70)
    assert "auc" not in figures


def test_one_seed_has_no_spread():
    assert mean_and_spread([], 1) == "–"
    assert mean_and_spread([91.26], 1) == "91.3"
    assert mean_and_spread([90, 94, 98], 1) == "94.0 ± 4.0"
    assert mean_and_spread([-3.0, -5.0], 1, signed=True) == "−4.0 ± 1.4"


def test_minutes_are_those_of_the_trials():
    told = about("ablation", [trial("source", "site", 1, 1), trial("source", "site", 0, 1)])
    assert (told["seeds"], told["minutes"], told["cpu_minutes"], told["commits"]) == ([0, 1], 2, 1, ["c"])

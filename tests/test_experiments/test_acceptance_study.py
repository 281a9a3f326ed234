"""The acceptance study: models of every quality, each judged by a fit that has not seen it, and spoiled evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sa3dhp_edge.adaptation.acceptance import FITTED, Fit, Verdict
from sa3dhp_edge.adaptation.signals import Signals
from sa3dhp_edge.config import AdaptConfig, preset
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments import acceptance_study as job
from sa3dhp_edge.experiments.acceptance_report import Outcome, shares, signal_rows
from sa3dhp_edge.experiments.acceptance_runs import RECIPES, Recipe, Run, between, noisy, plain

BEFORE = Signals(
    frames=240, likeness=0.95, change=0.1, view_mm=100, view_uv=0.2, light_mm=30, relation=0.2, projection_uv=0.2,
    cycle=0.06, score=0.3, presence=6.0, spread_mm=100, upright_spread_mm=100, motion_mm=40, jitter=1.6, swaps=0.0,
    odd=0.0, denoising=0.2, statistics=0.6, source_mpjpe_mm=110, source_pa_mpjpe_mm=90, source_chance_mm=400,
    source_swapped_mm=300, dressed_mpjpe_mm=300, dressed_pa_mpjpe_mm=200,
)  # fmt: skip


def made(seed: int, gain: float, told: float, target: str = "site") -> Run:
    """A run whose dressed source says `told` mm and whose truth is `gain` mm."""
    after = replace(BEFORE, dressed_pa_mpjpe_mm=200 - told, projection_uv=0.2 * math.exp(-told / 100))
    return Run(seed, target, f"{gain:g}", BEFORE, after, abs(gain), gain, gain)


def runs(seeds: int = 3) -> list[Run]:
    rng = np.random.default_rng(0)
    return [made(s, g, g + rng.normal(0, 1)) for s in range(seeds) for g in np.linspace(-25, 25, 15)]


def test_a_fit_of_others_tells_better_from_worse() -> None:
    outcomes = job.left_out(runs(), AdaptConfig())
    found = shares(outcomes)
    assert (found["better_accepted"], found["worse_refused"]) == (1, 1)
    assert found["area"] == 1
    assert found["accepted_least_gain_mm"] > 0


def test_whom_a_run_is_judged_by_has_not_seen_its_pair() -> None:
    """A seed whose truth is the opposite of all others': a fit that had seen it would know."""
    odd = [made(7, -g, g) for g in np.linspace(5, 25, 30)]
    outcomes = [o for o in job.left_out(runs() + odd, AdaptConfig()) if o.run.seed == 7]
    assert len(outcomes) == 30
    assert all(o.verdict.expected_gain_mm > 2 for o in outcomes)


def test_whom_a_real_run_is_judged_by_has_not_seen_its_recording_by_another_camera() -> None:
    odd = [made(7, -g, g, f"real/hall/cam{k}") for k in (1, 2) for g in np.linspace(5, 25, 15)]
    outcomes = [o for o in job.left_out(runs() + odd, AdaptConfig()) if o.run.is_real]
    assert {o.run.group for o in outcomes} == {"hall"}
    assert all(o.verdict.expected_gain_mm > 2 for o in outcomes)


def test_runs_that_no_fit_is_asked_about_do_not_take_part_in_it() -> None:
    lost = [replace(r, after=replace(r.after, spread_mm=10.0), gain_pa_mm=-r.gain_pa_mm) for r in runs()]
    assert job.fit_runs(runs() + lost, AdaptConfig()) == job.fit_runs(runs(), AdaptConfig())


def test_a_margin_rises_where_worse_models_look_well() -> None:
    flattered = [made(1, -5.0, 12.0)] * 8
    assert job.fit_runs(runs(), AdaptConfig()).margin_mm == job.LEAST_MARGIN_MM
    assert job.fit_runs(runs() + flattered, AdaptConfig()).margin_mm > 3


def test_shares_count_what_was_refused_outright_as_refused() -> None:
    def said(gain: float, expected: float, accepted: bool) -> Outcome:
        return Outcome(made(0, gain, 0.0), Verdict(accepted, expected, "collapse: it fell"))

    found = shares(
        [said(5, 4, True), said(5, math.nan, False), said(-5, math.nan, False), said(-5, 3, True), said(0, 0, False)]
    )
    assert (found["better_accepted"], found["better_accepted_where_asked"]) == (0.5, 1)
    assert (found["worse_refused"], found["refused_outright"]) == (0.5, 2)
    assert found["accepted_gain_mm"] == 0
    assert found["accepted_least_gain_mm"] == -5


def test_signals_are_ranked_by_what_they_say() -> None:
    rows = signal_rows(job.left_out(runs(), AdaptConfig()))
    assert {row[0] for row in rows[:2]} == {"dressed_pa_mpjpe_mm", "projection_uv"}
    assert rows[0][2] > 0.9
    assert math.isnan({row[0]: row[2] for row in rows}["cycle"])


def test_a_run_survives_its_file() -> None:
    run = replace(runs()[0], before=replace(BEFORE, denoising=math.nan))
    again = Run.read(json.loads(json.dumps(plain(asdict(run)))))
    assert math.isnan(again.before.denoising)
    assert replace(again, before=BEFORE) == replace(run, before=BEFORE)


def test_noise_grows_and_statistics_are_left_alone() -> None:
    start = {"w": torch.randn(8, 8), "bn.running_var": torch.ones(8), "steps": torch.tensor(3)}
    changes = [(s["w"] - start["w"]).std() for _, s in noisy(start, 0)]
    assert all(a < b for a, b in pairwise(changes))
    for _, state in noisy(start, 0):
        assert torch.equal(state["bn.running_var"], start["bn.running_var"])
        assert state["steps"] == 3


def test_the_line_through_two_models() -> None:
    start, end = (
        {"w": torch.zeros(3), "x.running_var": torch.ones(3)},
        {"w": torch.ones(3), "x.running_var": torch.full((3,), 0.5)},
    )
    assert torch.equal(between(start, end, 1.0)["w"], end["w"])
    assert torch.allclose(between(start, end, 3.0)["w"], torch.full((3,), 3.0))
    assert (between(start, end, 3.0)["x.running_var"] > 0).all()


def test_no_two_recipes_are_the_same_over_the_demos_settings() -> None:
    made = {name: recipe.over(preset("demo").adapt) for name, recipe in RECIPES.items()}
    assert len(set(made.values())) == len(made)
    assert [name for name, cfg in made.items() if cfg.target_statistics] == ["statistics, then replay"]


def test_a_recipe_frees_the_guard_and_scales_every_rate() -> None:
    cfg = Recipe(("replay",), 3, 10, {"replay": 0.0}).over(AdaptConfig())
    assert (cfg.losses, cfg.cycles, cfg.replay, cfg.collapse_floor) == (("replay",), 3, 0.0, 0.0)
    assert cfg.lr_consensus == pytest.approx(10 * AdaptConfig().lr_consensus)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"domains": ("moon",)}, "there is no 'moon'"),
        ({"seeds": (0,), "domains": ("site",)}, "nothing to fit"),
        ({"clips": Path("clips")}, "belong together"),
    ],
)
def test_a_study_that_cannot_begin_writes_nothing(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    asked = {
        "grounds": None, "seeds": (0, 1), "domains": (), "clips": None, "start": None, "poses": None,
        "preset_name": None, "overrides": (),
    }  # fmt: skip
    with pytest.raises(ConfigError, match=says):
        job.acceptance(out=tmp_path / "o", **(asked | change))
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_a_study_of_few_models_from_end_to_end(
    tiny_grounds: Path, tiny_settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "grounds": tiny_grounds, "seeds": (0,), "domains": (), "clips": None, "start": None, "poses": None,
        "preset_name": None, "overrides": tiny_settings,
        "recipes": {"replay": Recipe(("replay",), 2), job.HASTY: Recipe(("replay",), 1, 100)},
    }  # fmt: skip
    job.acceptance(out=tmp_path / "o", **asked)
    told = json.loads((tmp_path / "o" / "acceptance.json").read_text())
    assert told["said"]["generated"]["models"] == 2 * (5 + 4 + 2 * 3)
    assert {r["shown"] for r in told["refusals"]} >= {"a noise video", "a still, repeated", f"after {job.HASTY}"}
    text = (tmp_path / "o" / "acceptance.md").read_text()
    assert "| projection_uv |" in text
    assert (tmp_path / "o" / "acceptance.png").read_bytes().startswith(b"\x89PNG")
    assert Fit.load(tmp_path / "o" / "fit.json").weights_mm.keys() == Fit.load(FITTED).weights_mm.keys()
    monkeypatch.setattr("sa3dhp_edge.experiments.acceptance_runs.adapt_model", None)
    job.acceptance(out=tmp_path / "o", **asked)


def test_real_clips_take_the_settings_of_adaptation_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    @contextmanager
    def ground(*given: Any) -> Iterator[SimpleNamespace]:
        asked.extend(given)
        yield SimpleNamespace(clips=())

    monkeypatch.setattr(job, "_generated", lambda *_: (runs(), None))
    monkeypatch.setattr(job, "refusals", lambda *_: [])
    monkeypatch.setattr(job, "real_ground", ground)
    job.acceptance(
        out=tmp_path / "o", grounds=None, seeds=(0, 1), domains=(), clips=Path("c"), start="shipped", poses=None,
        preset_name="demo", overrides=("source.steps=7", "adapt.cycles=9"),
    )  # fmt: skip
    folder, *_, preset_name, overrides, _ = asked
    assert (folder, preset_name, overrides) == (tmp_path / "o" / "real", None, ("adapt.cycles=9",))

"""The study of relations: which rules it asks for, its arithmetic, and that nothing done is done again."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments import proving_ground
from sa3dhp_edge.experiments import relations_study as job
from sa3dhp_edge.experiments.relations_report import chosen_rules, publish, rank_correlation, rule_rows, verdict

IN_METHOD_Z = {"tilt5", "tilt15", "tilt30", "tilt50", "tilt90", "flip", "flip_tilt50"}
IN_METHOD_V = {"backward", "flip_forward", "flip_backward", "slow_forward", "slow_backward", "fast_forward"}


def measured(latent: str, rule: str, far: float, gain: float, t: float = 0.2, constant: float = 0.8) -> dict[str, Any]:
    """What a seed measures of a rule; `t` and `constant` are errors over d."""
    errors = {"t": t, "identity": 1.0, "mean": constant, "exact": 0.0}
    return {
        "seed": 0, "latent": latent, "rule": rule, "loss": job.loss_of(latent, Rule.parse(rule)),
        "distance": 2 * far, "over_random": far, "pa_mpjpe": 100 - gain, "source_only_mm": 101.0,
        "source_continued_mm": 100.0, "gain_mm": gain + 1, "gain_over_replay_mm": gain,
        "errors": {k: {"distance": 2 * far * e, "latent": e / 9, "mm": 40 + e} for k, e in errors.items()},
    }  # fmt: skip


def test_every_rule_of_the_method_is_asked_for_with_and_without_tilt():
    asked = job.named_rules(("z", "v"))
    found = {latent: {rule for kind, rule in asked if kind == latent} for latent in "zv"}
    assert {Rule.parse(name) for name in IN_METHOD_Z} <= found["z"]
    flat = {Rule.parse(name) for name in IN_METHOD_V | {"fast_backward"}}
    assert flat | {Rule.parse(f"{rule.name}_tilt50") for rule in flat} <= found["v"]
    assert len(set(asked)) == len(asked)


def test_rules_are_named_in_any_spelling_and_asked_for_once():
    flip = ("z", Rule(flip=True, tilt_deg=50))
    assert job.named_rules(("z:flip_tilt50", "z:tilt50_flip", "v:slow_backward")) == [
        flip,
        ("v", Rule(backward=True, tempo="slow")),
    ]
    assert job.named_rules(("z:flip_tilt50", "z"))[0] == flip
    assert len(job.named_rules(("z:flip_tilt50", "z"))) == len(job.named_rules(("z",)))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "names no rule"),
        (("w:flip",), "names no latent"),
        (("flip",), "names no latent"),
        (("z:backward",), "does not change z"),
        (("v:forward",), "does not change v"),
        (("v:sideways",), "unknown part"),
    ],
)
def test_rules_that_cannot_be_studied_are_refused(names, says):
    with pytest.raises(ConfigError, match=says):
        job.named_rules(names)


@pytest.mark.parametrize(
    ("change", "says"), [({"domain": "moon"}, "there is no 'moon'"), ({"seeds": ()}, "names no seed")]
)
def test_a_study_that_cannot_begin_writes_nothing(tmp_path, change, says):
    asked = {"grounds": None, "rules": ("z",), "seeds": (0,), "domain": "site", "preset_name": None, "overrides": ()}
    with pytest.raises(ConfigError, match=says):
        job.relations(out=tmp_path / "o", **(asked | change))
    assert not (tmp_path / "o").exists()


def test_a_rule_serves_the_loss_of_its_latent_and_tempo():
    names = ("z:flip", "v:flip_backward", "v:slow_backward", "v:fast_tilt50")
    assert [job.loss_of(*rule) for rule in job.named_rules(names)] == ["l1z", "l1v", "l2v", "l2v"]


def test_ranks_correlate_whatever_the_scale_and_share_a_rank_where_equal():
    x = [0.1, 5.0, 2.0, 90.0, 7.0]
    assert rank_correlation(x, [math.log(v) for v in x])[0] == pytest.approx(1)
    assert rank_correlation(x, [-v for v in x])[0] == pytest.approx(-1)
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4])[0] == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_p_is_the_share_of_orders_that_correlate_as_well():
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4])[1] == pytest.approx(2 / 24, abs=0.01)
    rng = np.random.default_rng(0)
    drawn = [rank_correlation(*rng.normal(size=(2, 9)))[1] for _ in range(40)]
    assert np.mean([p < 0.2 for p in drawn]) == pytest.approx(0.2, abs=0.17)


@pytest.mark.parametrize("pairs", [([], []), ([1, 2], [2, 1]), ([1, 1, 1], [1, 2, 3])])
def test_nothing_is_said_of_too_few_or_constant_figures(pairs):
    rho, p = rank_correlation(*pairs)
    assert math.isnan(rho)
    assert p == 1


def test_rows_are_means_over_the_seeds_farthest_first_poses_before_motions():
    found = [
        measured("v", "backward", 0.4, 1), measured("z", "tilt5", 0.1, 1), measured("z", "flip", 0.9, 2),
        measured("z", "flip", 1.1, 6, t=0.4),
    ]  # fmt: skip
    rows = rule_rows(found)
    assert [row.rule for row in rows] == ["flip", "tilt5", "backward"]
    assert rows[0].mean("over_random") == pytest.approx(1.0)
    assert (rows[0].mean("gain_over_replay_mm"), rows[0].std("gain_over_replay_mm")) == (4, pytest.approx(8**0.5))
    assert rows[0].mean("t_share") == pytest.approx(0.3)


def test_the_farthest_rule_that_is_learned_is_chosen_for_each_loss():
    found = [
        measured("z", "flip_tilt90", 1.6, 9, t=0.6), measured("z", "flip_tilt50", 1.2, 4),
        measured("z", "tilt50", 0.7, 5), measured("v", "flip_backward_tilt50", 1.3, 2, t=0.4, constant=0.3),
        measured("v", "backward", 0.4, 3), measured("v", "slow_backward", 0.4, 1, t=0.7),
    ]  # fmt: skip
    rows = rule_rows(found)
    assert chosen_rules(rows) == {"l1z": "flip_tilt50", "l1v": "backward"}
    said = verdict(rows)
    assert "T fits 2 of 3 rules" in said
    assert "flip_tilt50 for l1z (+4.0 mm, the best is flip_tilt90 with +9.0 mm)" in said
    assert "l2v" not in said


@pytest.mark.parametrize(("slope", "word"), [(5, "shows that"), (-5, "contradicts that"), (0, "does not show that")])
def test_the_verdict_follows_the_figures(slope, word):
    zigzag = [measured("z", f"tilt{i}", i / 9, slope * i + (i % 2), t=0.9) for i in range(1, 9)]
    said = verdict(rule_rows(zigzag))
    assert word in said
    assert said.endswith("constant: none.")


def test_tables_and_figure_hold_every_rule(tmp_path):
    found = [measured("z", "flip", 0.9, 3), measured("v", "slow_backward", 0.4, -1)]
    publish(tmp_path, found, {"seeds": [0]})
    about = json.loads((tmp_path / "relations.json").read_text())
    assert [(row["latent"], row["rule"], row["gain_over_replay_mm"]["mean"]) for row in about["table"]] == [
        ("z", "flip", 3), ("v", "slow_backward", -1),
    ]  # fmt: skip
    assert about["seeds"] == [0]
    text = (tmp_path / "relations.md").read_text()
    assert "| flip | l1z | 0.90 | 1.80 |" in text
    assert "| +4.0 | +3.0 |" in text
    assert "the source model (101.0)" in text
    assert about["verdict"] in text
    assert (tmp_path / "relations.png").read_bytes().startswith(b"\x89PNG")


def test_deviations_are_said_where_there_are_some():
    one, two = measured("z", "flip", 0.9, 3), measured("z", "flip", 0.9, 5)
    assert math.isnan(rule_rows([one])[0].std("gain_mm"))
    assert "too few rules to say that farther is better" in verdict(rule_rows([one]))
    assert "1 beat the source model continued." in verdict(rule_rows([one]))
    assert "1 beat the source model continued by more than one deviation" in verdict(rule_rows([one, two]))
    assert "0 beat" in verdict(rule_rows([measured("z", "flip", 0.9, -5), two]))


def study(out: Path, grounds: Path, rules: tuple[str, ...], settings: tuple[str, ...]) -> dict[str, Any]:
    """What `relations.json` holds then."""
    job.relations(
        out=out, grounds=grounds, rules=rules, seeds=(0,), domain="site", preset_name=None, overrides=settings
    )
    found: dict[str, Any] = json.loads((out / "relations.json").read_text())
    return found


@pytest.mark.slow
def test_a_study_goes_on_where_it_was_in_a_ground_that_others_made(tmp_path, monkeypatch, tiny_run, tiny_settings):
    monkeypatch.setattr(proving_ground, "TARGET_CLIPS", 4)
    monkeypatch.setattr(proving_ground, "TEST_CLIPS", 2)
    grounds = tmp_path / "grounds"
    shutil.copytree(tiny_run, grounds / "seed0")
    settings = (*tiny_settings, "adapt.lr_relation=0.01", "relations.steps=3")
    first = study(tmp_path / "o", grounds, ("z:flip", "v:backward"), settings)
    for row in first["found"]:
        assert row["gain_mm"] == pytest.approx(row["source_only_mm"] - row["pa_mpjpe"])
        assert row["gain_over_replay_mm"] == pytest.approx(row["source_continued_mm"] - row["pa_mpjpe"])
        assert row["distance"] == pytest.approx(row["errors"]["identity"]["distance"], rel=1e-5)
    measured_on = {row[k] for row in first["found"] for k in ("pa_mpjpe", "source_only_mm", "source_continued_mm")}
    assert len(measured_on) == 4
    assert first["settings"]["relations"]["steps"] == 3

    fitted: list[str] = []
    fit = job.fit_relation
    monkeypatch.setattr(job, "fit_relation", lambda rule, *rest: fitted.append(rule.name) or fit(rule, *rest))
    more = study(tmp_path / "o", grounds, ("z:flip", "v:backward", "v:slow_backward"), settings)
    assert fitted == ["slow_backward"]
    assert more["found"][:2] == first["found"]

    other = study(tmp_path / "other", grounds, ("z:flip",), (*settings, "adapt.cycles=1"))
    assert fitted == ["slow_backward"]
    assert other["found"][0]["errors"] == first["found"][0]["errors"]
    assert other["found"][0]["pa_mpjpe"] != first["found"][0]["pa_mpjpe"]
    with pytest.raises(ConfigError, match=r"relations\.steps was 3, now 5"):
        study(tmp_path / "third", grounds, ("z:flip",), (*settings, "relations.steps=5"))

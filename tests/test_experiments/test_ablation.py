"""The ablation: its variants, what it refuses, and that parts of it add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sa3dhp_edge.config import AdaptConfig
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments import ablation as job
from sa3dhp_edge.experiments import proving_ground
from sa3dhp_edge.experiments.ablation import chosen_table, chosen_targets, chosen_variants, publish
from sa3dhp_edge.experiments.variants import BASELINE, ORDER, TABLES

PAPER, BEYOND = TABLES["paper"], TABLES["beyond"]
VARIANTS = PAPER.variants


def test_every_loss_is_added_in_order_and_left_out_once():
    cfg = AdaptConfig(losses=("consensus",), target_statistics=True, cycles=7)
    by_key = {v.key: v.config(cfg) for v in VARIANTS}
    for i, name in enumerate(ORDER):
        added, left = by_key[name], by_key[f"without-{name}"]
        assert added is not None
        assert left is not None
        assert added.losses == ORDER[: i + 1]
        assert set(ORDER) - set(left.losses) == {name}
        assert (added.target_statistics, added.cycles) == (False, 7)
    assert by_key[BASELINE] is None


def test_baselines_take_as_many_steps_as_all_losses_or_none():
    by_key = {v.key: v for v in VARIANTS}
    assert by_key["continued"].losses == ("replay",) * len(ORDER)
    assert by_key["exact"].losses == ("exact",) * len(ORDER)
    assert by_key["consensus"].losses == ("consensus",) * len(ORDER)
    statistics = by_key["statistics"].config(AdaptConfig())
    assert statistics is not None
    assert (statistics.losses, statistics.target_statistics) == ((), True)
    then_all = by_key["statistics-all"].config(AdaptConfig())
    assert then_all is not None
    assert (then_all.losses, then_all.target_statistics) == (ORDER, True)


def test_equal_variants_share_one_trial():
    shared = {v.key: PAPER.trial(v) for v in VARIANTS if PAPER.trial(v) != v.key}
    assert shared == {"without-l2v": "l1v"}
    for table in TABLES.values():
        assert len({v.key for v in table.variants}) == len({v.title for v in table.variants}) == len(table.variants)
        assert all(v.config(AdaptConfig()) is not None for v in table.variants if v.key != BASELINE)
    assert all(BEYOND.trial(v) == v.key for v in BEYOND.variants)


def test_the_papers_figures_stand_as_changes():
    paper = [round(v.paper_percent, 1) for v in PAPER.groups[1] if v.paper_percent is not None]
    assert paper == [-7.7, -17.9, -33.3, -56.2, -58.9]


def test_a_subset_comes_with_its_baseline():
    assert [v.key for v in chosen_variants(PAPER, ("exact", "lcr"))] == [BASELINE, "lcr", "exact"]
    assert chosen_variants(PAPER, ()) == VARIANTS
    with pytest.raises(ConfigError, match="there is no 'without-l1w'") as refused:
        chosen_variants(PAPER, ("without-l1w",))
    assert "without-l1" in (refused.value.hint or "")
    with pytest.raises(ConfigError, match="there is no 'beyont'"):
        chosen_table("beyont")


def test_targets_are_those_that_can_be_used():
    assert chosen_targets((), None, None) == ("site", "park")
    assert chosen_targets((), Path("c"), "m") == ("site", "park", "real")
    assert chosen_targets(("real", "park"), Path("c"), "m") == ("park", "real")
    for names, clips, start, says in (
        (("real",), None, None, "there are none"),
        (("moon",), None, None, "no 'moon'"),
        ((), Path("c"), None, "both --clips and --from"),
    ):
        with pytest.raises(ConfigError, match=says):
            chosen_targets(names, clips, start)


def run(out: Path, grounds: Path, settings: tuple[str, ...], **asked: Any) -> dict[str, Any]:
    given = {
        "table": "paper", "seeds": (0,), "variants": ("lcr", "statistics"), "targets": ("park",), "clips": None,
        "start": None, "poses": None, "preset_name": "demo", "overrides": settings,
    }  # fmt: skip
    return job.ablation(out=out, grounds=grounds, **(given | asked))


def test_parts_are_kept_and_add_up(
    tiny_grounds: Path, tiny_settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def counted(model: Any, clips: Any, cfg: AdaptConfig | None, *rest: Any) -> dict[str, Any]:
        if len(tried) == 2:
            tried.append("broken off")
            raise KeyboardInterrupt
        tried.append("nothing" if cfg is None else ",".join(cfg.losses))
        return {"weight_change": 0.0}

    monkeypatch.setattr(proving_ground, "tried", counted)
    figures = {"mpjpe": 200.0, "pa_mpjpe": 100.0, "source_pa_mpjpe": 70.0}
    monkeypatch.setattr(proving_ground.ProvingGround, "errors", lambda *_: figures)
    monkeypatch.setattr(job, "change_dots", lambda *_: b"")
    settings = (*tiny_settings, "adapt.cycles=1", "threads=1")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tiny_grounds, settings)
    run(tmp_path, tiny_grounds, settings)
    assert tried == ["nothing", "", "broken off", "lcr"]
    told = run(tmp_path, tiny_grounds, settings, targets=("site",), variants=("statistics",))
    assert tried[4:] == ["nothing", ""]
    assert sorted(told["pa_mpjpe"]) == ["park", "site"]
    assert sorted(told["pa_mpjpe"]["park"]) == ["lcr", "source", "statistics"]
    record = json.loads((tmp_path / "ablation.json").read_text())
    assert record["targets"]["park"]["lcr"]["pa_mpjpe"]["each"] == [told["pa_mpjpe"]["park"]["lcr"]]
    assert record["settings"]["generated"]["adapt"]["cycles"] == 1
    with pytest.raises(ConfigError, match=r"adapt\.cycles was 1, now 2"):
        run(tmp_path, tiny_grounds, tiny_settings)


def kept(out: Path, target: str, name: str, seed: int, pa: float, **more: Any) -> None:
    path = proving_ground.trial_path(out / "trials" / f"seed{seed}", target, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {"pa_mpjpe": pa, "mpjpe": 2 * pa, "pck_150": 0.4, "auc": 0.2, "source_pa_mpjpe": 70.0}
    about = {"target": target, "name": name, "seed": seed, "seconds": 6.0, "cpu_seconds": 6.0, "commit": "c"}
    path.write_text(json.dumps(figures | about | more))


def test_the_table_has_targets_clips_and_the_paper(tmp_path: Path) -> None:
    for seed in (0, 1):
        for variant in VARIANTS:
            error = 100.0 - seed - len(variant.losses or ())
            kept(tmp_path, "site", PAPER.trial(variant), seed, error, pa_mpjpe_true_bones=error - 1)
            kept(tmp_path, "real/a/walk", PAPER.trial(variant), seed, error + 10, impossible="one clip")
            cost = {"cost": {"seconds": 1.0, "held_mb": 2.0}}
            kept(tmp_path, "real/a/ball", PAPER.trial(variant), seed, error, report=cost)
            kept(tmp_path, "real/squat", PAPER.trial(variant), seed, error - 10, report=cost)
    publish(tmp_path, "paper", {"balance": "nobody was found"})
    text = (tmp_path / "ablation.md").read_text()
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## the `site` domain", "## real clips, mean", "## PA-MPJPE of each real clip",
    ]  # fmt: skip
    assert "| + LCR | 2 | 197.0 ± 1.4 | 98.5 ± 0.7 | 97.5 ± 0.7 | 0.400 ± 0.000 | 0.200 ± 0.000 | 70.0 ± 0.0 |" in text
    assert "| −1.0 ± 0.0 | −7.7 | 0 |" in text
    assert "| variant | a/ball | a/walk | squat |" in lines
    assert sum(line.startswith("| all without L2v ") for line in lines) == 3
    record = json.loads((tmp_path / "ablation.json").read_text())
    assert record["targets"]["real"]["lcr"]["pa_mpjpe"]["mean"] == 98.5
    assert record["left_out"] == {"balance": "nobody was found"}
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_what_goes_beyond_the_paper_says_its_cost(tmp_path: Path) -> None:
    for seed in (0, 1):
        kept(tmp_path, "site", BASELINE, seed, 100.0)
        for name, gain in (("votes", 20.0), ("whole", -4.0)):
            kept(
                tmp_path,
                "site",
                name,
                seed,
                100.0 - gain,
                report={"cost": {"seconds": 10.0 * (seed + 1), "held_mb": 50.0}},
            )
    publish(tmp_path, "beyond")
    lines = (tmp_path / "beyond.md").read_text().splitlines()
    assert any(line.endswith("| s | MB held | mm per s | mm per 10 MB | stopped |") for line in lines)
    titles = ("consensus, the recipe", "everything moves")
    votes, whole = (next(line for line in lines if line.startswith(f"| {title} |")) for title in titles)
    assert votes.endswith("| 15 | 50 | +1.33 | +4.00 | 0 |")
    assert whole.endswith("| 15 | 50 | −0.27 | −0.80 | 0 |")


def test_a_gain_is_against_the_same_seeds_and_free_where_it_took_no_time(tmp_path: Path) -> None:
    for seed, error in ((0, 200.0), (1, 100.0)):
        kept(tmp_path, "site", BASELINE, seed, error)
    kept(tmp_path, "site", "votes", 1, 90.0, report={"cost": {"seconds": 5.0, "held_mb": 0.0}})
    publish(tmp_path, "beyond")
    line = next(x for x in (tmp_path / "beyond.md").read_text().splitlines() if x.startswith("| consensus, the recipe"))
    assert line.endswith("| −10.0 | 5 | 0 | +2.00 | – | 0 |")

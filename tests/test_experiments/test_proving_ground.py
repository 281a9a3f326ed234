"""The proving ground: trials are done once, under the configuration they were asked for, and leave it as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sa3dhp_edge.config import AdaptConfig, override, preset
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments import proving_ground as job
from sa3dhp_edge.experiments.proving_ground import ProvingGround, once, proving_ground, spread
from sa3dhp_edge.training.log import Quiet

ABOUT = {"target": "site", "name": "lcr", "seed": 4}


@pytest.fixture
def ground(tiny_grounds: Path, tmp_path: Path, tiny_settings: tuple[str, ...]) -> Iterator[ProvingGround]:
    settings = override(preset("demo"), (*tiny_settings, "adapt.cycles=1", "adapt.lr_relation=0.01", "threads=1"))
    before = {path: path.stat().st_mtime_ns for path in tiny_grounds.rglob("*.safetensors")}
    with proving_ground(tiny_grounds / "seed0", settings, kept=tmp_path / "kept") as ground:
        yield ground
    assert before == {path: path.stat().st_mtime_ns for path in tiny_grounds.rglob("*.safetensors")}


def test_a_trial_is_done_once_and_says_what_it_was(tmp_path: Path) -> None:
    done: list[Path] = []

    def do(keep: Path) -> dict[str, Any]:
        done.append(keep)
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.write_bytes(b"half way")
        return {"pa_mpjpe": 90.0}

    path, cfg = tmp_path / "kept" / "site-lcr.json", AdaptConfig(cycles=3)
    first = once(path, ABOUT, cfg, do, Quiet())
    assert once(path, ABOUT, cfg, do, Quiet()) == first
    assert len(done) == 1
    assert not done[0].exists()
    assert (first["pa_mpjpe"], first["adapt"]["cycles"], first["name"]) == (90.0, 3, "lcr")
    assert first["seconds"] >= 0
    with pytest.raises(ConfigError, match=r"another adapt\.cycles"):
        once(path, ABOUT, replace(cfg, cycles=4), do, Quiet())
    with pytest.raises(ConfigError, match=r"another adapt\.losses"):
        once(path, ABOUT, None, do, Quiet())


def test_a_trial_that_predates_a_setting_counts(tmp_path: Path) -> None:
    path, cfg = tmp_path / "site-lcr.json", AdaptConfig()
    found = once(path, ABOUT, cfg, lambda keep: {"pa_mpjpe": 1.0}, Quiet())
    del found["adapt"]["temperature"]
    path.write_text(json.dumps(found))
    assert once(path, ABOUT, cfg, lambda keep: pytest.fail("done again"), Quiet()) == found


def test_nothing_statistics_alone_and_steps_move_what_they_should(ground: ProvingGround) -> None:
    cfg = ground.settings.adapt
    still = ground.trial("source", "park", None)
    statistics = ground.trial("statistics", "park", replace(cfg, losses=(), target_statistics=True))
    moved = ground.trial("l1z", "park", replace(cfg, losses=("l1z",)))
    assert still["weight_change"] == 0
    assert still["path"] == statistics["path"] == []
    assert statistics["weight_change"] > 0
    assert (moved["cycles"], len(moved["path"])) == (1, 1)
    assert moved["path"][-1] == pytest.approx(moved["pa_mpjpe"], abs=1)
    assert len({round(t["pa_mpjpe"], 4) for t in (still, statistics, moved)}) == 3
    kept = sorted(path.name for path in (ground.kept or Path()).glob("*.json"))
    assert kept == ["park-l1z.json", "park-source.json", "park-statistics.json"]


def test_a_model_is_tested_on_its_target_the_source_and_the_other_targets(ground: ProvingGround) -> None:
    model = ground.model()
    site, park = (ground.errors(model, domain) for domain in ("site", "park"))
    assert site["on_park_pa_mpjpe"] == park["pa_mpjpe"]
    assert park["on_site_mpjpe"] == site["mpjpe"]
    assert site["source_auc"] == park["source_auc"]
    assert "on_site_mpjpe" not in site


def test_a_ground_serves_other_settings_of_adaptation_and_no_other_source(
    tiny_grounds: Path, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "train_source_model", pytest.fail)
    other = override(preset("demo"), (*tiny_settings, "source.steps=161"))
    with (
        pytest.raises(ConfigError, match=r"source\.steps was 160, now 161"),
        proving_ground(tiny_grounds / "seed0", other, kept=tmp_path),
    ):
        pass


def test_spread_is_that_of_a_sample() -> None:
    values = [90.0, 94.0, 98.0]
    assert spread(values) == {"mean": 94, "std": pytest.approx(np.std(values) * (3 / 2) ** 0.5), "each": values}
    assert spread([5.0])["std"] is None

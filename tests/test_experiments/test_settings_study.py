"""The study of settings: who has labels in each, where it is tested, and that what it says is paired."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sa3dhp_edge.config import override, preset
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments import settings_study as job
from sa3dhp_edge.experiments.proving_ground import ProvingGround, proving_ground
from sa3dhp_edge.experiments.settings_study import SETTINGS, measured, with_labels
from sa3dhp_edge.frameset import FrameSet

BY_KEY = {setting.key: setting for setting in SETTINGS}


@pytest.fixture
def ground(tiny_grounds: Path, tiny_settings: tuple[str, ...], tmp_path: Path) -> Iterator[ProvingGround]:
    settings = override(preset("demo"), tiny_settings)
    with proving_ground(tiny_grounds / "seed0", settings, kept=tmp_path / "kept") as ground:
        yield ground


def test_labelled_subjects_are_not_adapted_to_and_keep_their_labels(
    ground: ProvingGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "LABELLED_SUBJECTS", 1)
    given = with_labels(ground, BY_KEY["semi"], "site")
    assert isinstance(given.labelled, tuple)
    source, subjects = given.labelled
    assert source is ground.labelled
    assert isinstance(subjects, FrameSet)
    assert subjects.labelled
    before, after = ground.targets["site"].clips, given.targets["site"].clips
    assert not after.labelled
    assert set(subjects.clip.tolist()).isdisjoint(after.clip.tolist())
    assert len(subjects) + len(after) == len(before)
    assert given.targets["site"].test is ground.targets["site"].test
    assert given.targets["park"] is ground.targets["park"]


def test_a_setting_that_adds_no_labels_is_the_ground_itself(ground: ProvingGround) -> None:
    assert with_labels(ground, BY_KEY["unsupervised"], "park") is ground
    assert BY_KEY["unseen"].trial == "unsupervised"
    assert [s.trial for s in SETTINGS if not s.unseen] == [s.key for s in SETTINGS if not s.unseen]


@pytest.mark.slow
def test_a_second_source_is_rendered_once(
    tiny_grounds: Path, tiny_settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_grounds / "seed0", tmp_path / "seed0")
    settings = override(preset("demo"), tiny_settings)
    with proving_ground(tmp_path / "seed0", settings) as ground:
        given = with_labels(ground, BY_KEY["two-sources"], "site")
        assert isinstance(given.labelled, tuple)
        own, second = (np.asarray(each.images) for each in given.labelled if isinstance(each, FrameSet))
        assert len(second) == settings.source.clips * settings.source.frames_per_clip
        assert not np.array_equal(own, second)
        monkeypatch.setattr("sa3dhp_edge.jobs.labelled_source.render_clips", pytest.fail)
        with_labels(ground, BY_KEY["two-sources"], "park")


def trial(target: str, name: str, seed: int, pa: float, elsewhere: float = 0.0) -> dict[str, Any]:
    other = "park" if target == "site" else "site"
    return {
        "target": target, "name": name, "seed": seed, "pa_mpjpe": pa, "mpjpe": pa, "source_pa_mpjpe": 70.0,
        f"on_{other}_pa_mpjpe": elsewhere, "seconds": 1.0, "cpu_seconds": 1.0, "commit": "c",
    }  # fmt: skip


def test_an_unseen_target_is_tested_where_adaptation_was_not():
    trials = [
        trial("site", "source", 0, 200), trial("park", "source", 0, 100),
        trial("park", "unsupervised", 0, 90, elsewhere=180), trial("park", "unsupervised-labels-alone", 0, 99, 190),
    ]  # fmt: skip
    found = measured(trials)
    assert {tested: list(rows) for tested, rows in found.items()} == {"site": ["unseen"], "park": ["unsupervised"]}
    unseen, plain = found["site"]["unseen"], found["park"]["unsupervised"]
    assert (unseen.adapted_to, plain.adapted_to) == ("park", "park")
    assert unseen.before.each["pa_mpjpe"] == [200]
    assert unseen.labels.each["pa_mpjpe"] == [190]
    assert unseen.adapted.each["pa_mpjpe"] == [180]
    assert unseen.adapted.changes == pytest.approx([-10])
    assert unseen.gain == pytest.approx([100 * (180 / 190 - 1)])
    assert plain.gain == pytest.approx([100 * (90 / 99 - 1)])


def test_a_setting_that_is_not_known_begins_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no 'semis'"):
        job.settings_study(
            out=tmp_path / "o", grounds=None, seeds=(0,), chosen=("semis",), preset_name=None, overrides=()
        )
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_every_setting_is_measured_and_done_once(
    tiny_grounds: Path, tiny_settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_second_source", lambda ground: replace(ground.probe, origin=("second",)))
    asked: dict[str, Any] = {"out": tmp_path, "grounds": tiny_grounds, "seeds": (0,), "preset_name": "demo"}
    asked |= {"overrides": (*tiny_settings, "adapt.cycles=1", "threads=1")}
    job.settings_study(chosen=("semi",), **asked)
    told = job.settings_study(chosen=(), **asked)
    assert {tested: set(found) for tested, found in told["pa_mpjpe"].items()} == {
        "site": set(BY_KEY), "park": set(BY_KEY),
    }  # fmt: skip
    monkeypatch.setattr(ProvingGround, "model", pytest.fail)
    assert job.settings_study(chosen=(), **asked) == told
    text = (tmp_path / "settings_study.md").read_text()
    assert text.count("| target unseen in adaptation | S->W, tested elsewhere | park | 1 |") == 1
    record = json.loads((tmp_path / "settings_study.json").read_text())
    assert record["tested_on"]["site"]["unseen"]["adapted_to"] == "park"
    assert (tmp_path / "settings_study.png").read_bytes().startswith(b"\x89PNG")

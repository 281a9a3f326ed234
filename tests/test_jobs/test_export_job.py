"""From a run to a model folder: what it is compared on, and what is refused before the work begins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sa3dhp_edge.atomic import write_json
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import InputError, ModelError, OutputError
from sa3dhp_edge.jobs import export as job
from sa3dhp_edge.jobs.export import export_model


def test_a_run_becomes_a_model_that_is_the_trained_one(tiny_model: Path) -> None:
    contract = read_contract(tiny_model)
    report = json.loads((tiny_model / "parity.json").read_text())
    assert contract.name == "tiny"
    assert [r.rule for r in contract.relations] == ["flip", "flip_backward_tilt50", "slow_backward"]
    assert (report["passed"], report["pictures"]) == (True, 12)  # the run's held-out source


@pytest.mark.parametrize(
    ("run", "kind", "words"),
    [
        ("none", ModelError, "none is not there"),
        ("empty", ModelError, "holds no weights"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, run: str, kind: type[Exception], words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(kind, match=words):
        export_model(run=str(tmp_path / run), out=tmp_path / "m", name=None, crops=None)
    assert not (tmp_path / "m").exists()


def test_what_exists_is_refused_before_any_work(
    tiny_run: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "read_weights", pytest.fail)
    with pytest.raises(OutputError, match=r"exists already[\s\S]*name another path"):
        export_model(run=str(tiny_run), out=tiny_model, name=None, crops=None)


def test_a_video_to_compare_on_needs_a_model_first(tiny_run: Path, person_video: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no exported model yet[\s\S]*export without --crops first"):
        export_model(run=str(tiny_run), out=tmp_path / "m", name=None, crops=person_video)
    with pytest.raises(InputError, match=r"none.mp4"):
        export_model(run=str(tiny_run), out=tmp_path / "m", name=None, crops=tmp_path / "none.mp4")


@pytest.mark.parametrize("accepted", [True, False])
def test_a_model_that_its_own_adaptation_refused_says_so(tiny_run: Path, tmp_path: Path, accepted: bool) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    verdict = {"accepted": accepted, "expected_gain_mm": 0.2, "reason": "no better: a gain of +0.2 mm is expected"}
    write_json(run / "stages" / "adapt.json", {"verdict": verdict})
    report = export_model(run=str(run), out=tmp_path / "m", name=None, crops=None)
    said = report.get("not_accepted", "")
    assert ("no better" in said, str(run / "source_model") in said) == (not accepted, not accepted)

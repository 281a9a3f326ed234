"""The soak at its smallest: every fault is met, and everything is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sa3dhp_edge.experiments import soak_study
from sa3dhp_edge.experiments.soak_study import Lengths, soak

SHORT = Lengths(gone_s=0.2, frozen_s=0.3, hanging_s=0.3, pictures=3)


def test_a_camera_that_fails_all_the_time_gives_every_frame_that_was_asked_for(
    tiny_model: Path, person_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak_study, "FAULTS", ("gone", "corrupt", "resized", "reshaped"))
    told = soak(
        video=person_video, out=tmp_path, model=str(tiny_model), frames=300, faults=10, people=1, seed=1, lengths=SHORT
    )
    assert told["frames"] == 300
    result = json.loads((tmp_path / "soak.json").read_text())
    assert sum(result["injected"].values()) >= 6
    assert result["injected"].get("gone", 0) + result["injected"].get("reshaped", 0) <= result["report"]["outages"]
    assert result["recorded_frames"] == 300
    assert result["files"][1] <= result["files"][0] + 3
    assert [point["frames"] for point in result["points"]] == list(range(1, 301))
    assert not list(tmp_path.glob("*.jsonl"))
    assert "growth over the second half" in (tmp_path / "soak.md").read_text()

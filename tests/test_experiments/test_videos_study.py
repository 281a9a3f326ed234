"""The study of speed on videos, at its smallest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sa3dhp_edge.errors import InputError
from sa3dhp_edge.experiments.videos_study import Timed, page, videos


def test_a_video_is_timed_stage_by_stage(tiny_model: Path, person_video: Path, tmp_path: Path) -> None:
    told = videos(
        videos=[person_video], out=tmp_path, model=str(tiny_model), cores=[1], frames=12, blazepose=None
    )  # fmt: skip
    assert told["videos"] == 1
    (one,) = json.loads((tmp_path / "videos.json").read_text())["timed"]
    assert one["frames"][0] == 12
    assert one["ours_ms"]["p50"] < one["stages_ms"]["total"]["p50"] + 1e-6
    assert one["frames_per_s"] > 0
    with pytest.raises(InputError, match="4000 cores"):
        videos(videos=[person_video], out=tmp_path, model="", cores=[4000], frames=1, blazepose=None)


def test_the_share_is_of_the_medians() -> None:
    ms = {"p50": 10.0, "p95": 12.0, "p99": 13.0}
    one = Timed("walk", (720, 1280), 1, (100, 90), {"crop": ms, "total": ms}, ms, 90.0, {**ms, "p50": 40.0}, 99)
    row = page([one]).splitlines()[-1]
    assert "| 25 |" in row
    assert "10.0 / 12.0 / 13.0" in row
    assert "| 90 |" in row

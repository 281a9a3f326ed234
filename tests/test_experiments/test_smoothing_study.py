"""The study of smoothing: its lags, and its table on a real clip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.smoothing_study import lag_ms, smoothing

WALK = Path(__file__).resolve().parents[2] / "../shared/data/gt3d/opencap_walk"


def test_only_live_is_behind_and_less_so_behind_a_fast_hand() -> None:
    assert lag_ms("raw", 1000.0) == pytest.approx(0, abs=0.01)
    assert abs(lag_ms("smooth", 1000.0)) < 2
    assert 2 < lag_ms("live", 2000.0) < lag_ms("live", 200.0) < 60


@pytest.mark.skipif(not WALK.is_dir(), reason="the clip is not on this machine")
def test_a_real_clip_gets_better(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "walk").symlink_to(WALK.resolve())
    told = smoothing(clips=tmp_path / "clips", out=tmp_path / "out", models=("shipped",))
    assert told["clips"] == 1
    rows = {row["preset"]: row for row in json.loads((tmp_path / "out" / "smoothing.json").read_text())["rows"]}
    assert rows["smooth"]["pa_mpjpe"] < rows["raw"]["pa_mpjpe"] - 1
    assert rows["smooth"]["jitter"] < 1.5 * rows["raw"]["jitter_truth"]
    assert rows["live"]["jitter"] < 0.6 * rows["raw"]["jitter"]
    assert "| all | mean | smooth |" in (tmp_path / "out" / "smoothing.md").read_text()
    assert (tmp_path / "out" / "smoothing.png").stat().st_size > 5000


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip with gt_joints"):
        smoothing(clips=tmp_path, out=tmp_path, models=("shipped",))

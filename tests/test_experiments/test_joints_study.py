"""The study of joints' confidence: on a real clip it ranks better than the pose's alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.joints_study import joints

WALK = Path(__file__).resolve().parents[2] / "../shared/data/gt3d/opencap_walk"


@pytest.mark.skipif(not WALK.is_dir(), reason="the clip is not on this machine")
def test_joints_of_a_real_clip_are_ranked(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "walk").symlink_to(WALK.resolve())
    joints(clips=tmp_path / "clips", out=tmp_path / "out", model="shipped")
    walk, everything = json.loads((tmp_path / "out" / "joints.json").read_text())["rows"]
    assert (walk["clip"], everything["clip"], walk["frames"]) == ("walk", "all", 75)
    assert walk["joint"] > 0.3 > walk["pose"]
    assert walk["within"] > 0.3
    assert walk["area_oracle"] < walk["area_joint"] < walk["area_pose"] - 5
    assert "| walk | 75 |" in (tmp_path / "out" / "joints.md").read_text()


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip with gt_joints"):
        joints(clips=tmp_path, out=tmp_path, model="shipped")

"""The study of what else could be done over time: its parts by hand, and its table on a real clip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.alternatives_study import alternatives, learned_mm, with_bones
from sa3dhp_edge.records import Pose
from sa3dhp_edge.skeleton import BONES, TEMPLATE_BONE_MM, bone_lengths_mm, pose_from_directions

WALK = Path(__file__).resolve().parents[2] / "../shared/data/gt3d/opencap_walk"


def person(lengths_mm: np.ndarray) -> Pose:
    down = np.tile(np.array([0, 1, 0], np.float32), (len(BONES), 1))
    joints = pose_from_directions(down, lengths_mm.astype(np.float32))
    return Pose(joints, None, np.zeros((17, 2), np.float32), (0, 0, 1, 1), 1.0, 1, np.zeros(32, np.float32))


def test_learned_bones_are_a_median_with_both_sides_as_one() -> None:
    """A shin that is 40 mm longer on one side is 20 mm longer on both, and one bad frame changes nothing."""
    long = TEMPLATE_BONE_MM.copy()
    long[BONES.index("left_ankle")] += 40
    found = [person(long), person(long), None, person(3 * long), person(long)]
    lengths = learned_mm(found)[-1]
    for side in ("left", "right"):
        assert lengths[BONES.index(f"{side}_ankle")] == pytest.approx(430, abs=0.01)
    last = with_bones(found, [lengths] * 5)[-1]
    assert last is not None
    assert bone_lengths_mm(last.joints_mm) == pytest.approx(lengths, abs=0.01)


@pytest.mark.skipif(not WALK.is_dir(), reason="the clip is not on this machine")
def test_on_a_real_clip_the_networks_bones_are_constant_and_the_prior_costs_accuracy(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "walk").symlink_to(WALK.resolve())
    alternatives(clips=tmp_path / "clips", out=tmp_path / "out", model="shipped")
    rows = {row["variant"]: row for row in json.loads((tmp_path / "out" / "alternatives.json").read_text())["rows"]}
    assert rows["smooth"]["bone_spread"] < 0.01
    assert rows["bones, learned"]["mpjpe"] == pytest.approx(rows["smooth"]["mpjpe"], abs=0.05)
    assert rows["bones, true"]["pa_mpjpe"] < rows["smooth"]["pa_mpjpe"] - 2
    assert rows["motion"]["pa_mpjpe"] > rows["smooth"]["pa_mpjpe"] + 5
    assert rows["motion"]["jitter"] < 10


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip with gt_joints"):
        alternatives(clips=tmp_path, out=tmp_path, model="shipped")

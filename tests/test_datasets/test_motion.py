"""Motion capture of any kind as one motion set."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.datasets.motion import captured_motion, motion_of, unpaired_motion
from sa3dhp_edge.datasets.record import Take
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.motion.load import unpaired_motion as made_up
from sa3dhp_edge.skeleton import JOINTS, TEMPLATE_BONE_MM, pose_from_directions

CMU = Path(__file__).parents[3] / "shared" / "data" / "cmu" / "bvh"


def _take(fps: float, count: int) -> Take:
    """A template person twice as large, sinking at 1 m/s."""
    directions = made_up(None, 5, 0).directions[:1]
    pose = np.repeat(pose_from_directions(directions, TEMPLATE_BONE_MM * 2), count, 0)
    pose[..., 1] += np.arange(count)[:, None] * 1000 / fps
    return Take("d", "t", "", "", "train", fps, "sa3dhp17", pose.astype(np.float32), frames=np.arange(count))


def test_takes_are_resampled_and_brought_to_the_template() -> None:
    take = _take(30, 31)
    motion = motion_of([take, replace(take, name="u")])
    assert (motion.names, motion.hz) == (("t", "u"), 60)
    assert np.count_nonzero(motion.sequence == 0) == 61
    assert np.allclose(motion.root_mm[60] - motion.root_mm[0], [0, 500, 0], atol=0.5)  # half the size, half the way
    bones = motion.poses_mm()[0] - motion.poses_mm()[0][0]
    theirs = (take.joints_mm[0] - take.joints_mm[0, 0]) / 2
    assert np.allclose(bones, theirs, atol=1)


def test_takes_that_are_no_motion_are_refused() -> None:
    take = _take(30, 4)
    with pytest.raises(DataError, match="d t is seen by a camera"):
        motion_of([replace(take, camera=Intrinsics.guess((8, 8)))])
    unknown = take.joints_mm.copy()
    unknown[1, JOINTS.index("left_wrist")] = np.nan
    with pytest.raises(DataError, match="d t: left_wrist are not known in every frame"):
        motion_of([replace(take, joints_mm=unknown)])
    with pytest.raises(DataError, match="has 1 frames"):
        motion_of([_take(30, 1)])


def test_a_folder_without_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no motion capture"):
        captured_motion(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        captured_motion(tmp_path / "absent")
    assert unpaired_motion(None, 5, 0).names == made_up(None, 5, 0).names


def test_amass_without_body_models_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SA3DHP_SMPLH", raising=False)
    (tmp_path / "CMU" / "01").mkdir(parents=True)
    np.savez(tmp_path / "CMU" / "01" / "01_01_poses.npz", poses=np.zeros((2, 156)))
    with pytest.raises(DataError, match="joints need SMPL-H files that you may download under their licence"):
        captured_motion(tmp_path)


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no motion capture at {CMU}")
def test_bvh_folders_are_read_as_before_where_nothing_is_wrong(tmp_path: Path) -> None:
    for name in ("002_03.bvh", "016_58.bvh"):
        (tmp_path / name).symlink_to(CMU / name)
    before, now = made_up(tmp_path, 0, 0), unpaired_motion(tmp_path, 0, 0)
    assert before.names == now.names
    assert np.array_equal(before.directions, now.directions)
    assert np.array_equal(before.root_mm, now.root_mm)


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no motion capture at {CMU}")
def test_a_lost_bone_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = (CMU / "002_03.bvh").read_text().splitlines()
    for i, line in enumerate(lines):
        if line.split()[-1:] in (["Neck"], ["LeftShoulder"], ["RightShoulder"]):
            lines[i + 2] = "OFFSET 0 0 0"
    (tmp_path / "002_03.bvh").write_text("\n".join(lines) + "\n")
    with caplog.at_level(logging.WARNING):
        captured_motion(tmp_path)
    assert "about 115 mm too low" in caplog.text

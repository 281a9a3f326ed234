"""Made-up motion: anatomy, sides, floor, repeatability."""

import numpy as np
import pytest

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.anatomy import ANGLES, COLUMN, LIMITS, directions_from_angles, mirror_angles, within_limits
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.motion.procedural import procedural_motion
from sa3dhp_edge.motion.upper_body import hands_together, hits_trunk_or_head
from sa3dhp_edge.skeleton import BONES, JOINTS, mirror, pose_from_directions


@pytest.fixture(scope="module")
def motion() -> MotionSet:
    return procedural_motion(240, seed=5)


def _pose(**angles: float) -> dict[str, np.ndarray]:
    vector = np.zeros(len(ANGLES))
    for name, deg in angles.items():
        vector[COLUMN[name]] = deg
    return dict(zip(JOINTS, pose_from_directions(directions_from_angles(vector).astype(np.float32)), strict=True))


def _random_angles(count: int, seed: int) -> np.ndarray:
    low, high = np.array(list(LIMITS.values())).T
    return np.random.default_rng(seed).uniform(np.maximum(low, -180), np.minimum(high, 180), (count, len(ANGLES)))


def test_who_faces_the_viewer_has_the_right_side_at_negative_x() -> None:
    pose = _pose()
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot"):
        assert pose[f"right_{part}"][0] < -50
        assert pose[f"left_{part}"][0] > 50
    assert pose["right_foot"][2] < pose["right_ankle"][2] - 100
    assert pose["head_top"][1] < pose["neck"][1] < 0 < pose["left_knee"][1]


@pytest.mark.parametrize(
    ("angle", "joint", "axis", "sign"),
    [
        ("right_arm_flex", "right_wrist", 2, -1),
        ("right_arm_out", "right_wrist", 0, -1),
        ("left_arm_out", "left_wrist", 0, 1),
        ("right_elbow", "right_wrist", 2, -1),
        ("left_hip_flex", "left_ankle", 2, -1),
        ("left_hip_out", "left_ankle", 0, 1),
        ("right_knee", "right_ankle", 2, 1),
        ("left_ankle", "left_foot", 1, -1),
        ("trunk_flex", "neck", 2, -1),
        ("trunk_side", "neck", 0, -1),
        ("lean", "neck", 0, -1),
        ("turn", "right_shoulder", 2, 1),
        ("trunk_twist", "right_shoulder", 2, 1),
        ("head_flex", "head_top", 2, -1),
        ("left_clavicle_up", "left_shoulder", 1, -1),
        ("left_clavicle_front", "left_shoulder", 2, -1),
    ],
)
def test_every_angle_moves_its_joint_the_stated_way(angle: str, joint: str, axis: int, sign: int) -> None:
    moved = _pose(**{angle: 25.0})[joint] - _pose()[joint]
    assert sign * moved[axis] > 15


def test_directions_have_length_one_and_hips_are_opposite() -> None:
    directions = directions_from_angles(_random_angles(300, 1))
    assert np.allclose(np.linalg.norm(directions, axis=-1), 1)
    assert np.allclose(directions[:, BONES.index("right_hip")], -directions[:, BONES.index("left_hip")])


def test_mirrored_angles_give_the_mirrored_pose() -> None:
    angles = _random_angles(100, 2)
    pose = pose_from_directions(directions_from_angles(angles).astype(np.float32))
    mirrored = pose_from_directions(directions_from_angles(mirror_angles(angles)).astype(np.float32))
    assert np.allclose(mirrored, mirror(pose), atol=0.01)
    assert np.array_equal(mirror_angles(mirror_angles(angles)), angles)


def test_limits_hold() -> None:
    wild = np.random.default_rng(3).normal(0, 300, (50, len(ANGLES)))
    tamed = within_limits(wild)
    low, high = np.array(list(LIMITS.values())).T
    assert (tamed >= low).all()
    assert (tamed <= high).all()


def test_knees_and_elbows_never_bend_backwards(motion: MotionSet) -> None:
    d = dict(zip(BONES, np.moveaxis(motion.directions.astype(float), 1, 0), strict=True))
    for side in ("right", "left"):
        thigh, shank, foot = d[f"{side}_knee"], d[f"{side}_ankle"], d[f"{side}_foot"]
        bend = np.degrees(np.arccos(np.clip((thigh * shank).sum(-1), -1, 1)))
        clear = bend > 10
        assert clear.sum() > 1000
        # The knee folds the shank one way, the ankle holds the foot the other way.
        assert ((np.cross(thigh, shank) * np.cross(shank, foot)).sum(-1)[clear] < 0).all()
        assert bend.max() <= LIMITS[f"{side}_knee"][1] + 0.1
        upper, lower = d[f"{side}_elbow"], d[f"{side}_wrist"]
        fold = np.degrees(np.arccos(np.clip((upper * lower).sum(-1), -1, 1)))
        assert fold.max() <= LIMITS[f"{side}_elbow"][1] + 0.1


def test_the_lowest_joint_is_on_the_floor_or_above_it_in_jumps(motion: MotionSet) -> None:
    lowest = (motion.poses_mm()[..., 1] + motion.root_mm[:, None, 1]).max(-1)
    assert lowest.max() < 1
    assert (lowest > -1).mean() > 0.85
    assert lowest.min() > -700
    airborne = {motion.names[i] for i in np.unique(motion.sequence[lowest < -5])}
    assert airborne
    assert all("jump" in name or "run" in name for name in airborne)


def test_motion_is_smooth(motion: MotionSet) -> None:
    pose = motion.poses_mm() + motion.root_mm[:, None]
    step = np.linalg.norm(np.diff(pose, axis=0), axis=-1)[motion.windows(2)]
    assert np.percentile(step, 99.9) * motion.hz < 10_000
    assert step.max() * motion.hz < 30_000


def test_hands_that_meet_do_meet_and_not_within_the_body() -> None:
    right, left = JOINTS.index("right_wrist"), JOINTS.index("left_wrist")
    for seed in range(8):
        angles = hands_together(np.random.default_rng(seed), 300)
        pose = pose_from_directions(directions_from_angles(angles).astype(np.float32))
        gap_mm = np.linalg.norm(pose[:, right] - pose[:, left], axis=-1)
        assert gap_mm.min() < 140
        assert hits_trunk_or_head(angles).mean() < 0.2


def test_equal_seeds_give_equal_motion() -> None:
    a, b, c = (procedural_motion(15, seed) for seed in (1, 1, 2))
    assert a.names == b.names
    assert np.array_equal(a.directions, b.directions)
    assert np.array_equal(a.root_mm, b.root_mm)
    assert a.names != c.names or not np.array_equal(a.directions, c.directions)
    assert a.seconds >= 15
    with pytest.raises(DataError, match="0 s of procedural motion"):
        procedural_motion(0, 1)


def test_sequences_last_4_to_12_seconds_and_are_varied(motion: MotionSet) -> None:
    seconds = np.bincount(motion.sequence) / motion.hz
    assert seconds.min() >= 3.9
    assert seconds.max() <= 12.1
    assert len({action for name in motion.names for action in name.split(" > ")}) > 15


def test_without_motion_capture_there_is_made_up_motion() -> None:
    assert unpaired_motion(None, 8, seed=3).names == procedural_motion(8, 3).names

"""The skeleton's tables agree with its tree, and its operations have the properties they promise."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.skeleton import (
    ANCESTORS,
    BONES,
    DIFFERENCES,
    JOINTS,
    MIRROR,
    PARENTS,
    TEMPLATE_BONE_MM,
    TEMPLATE_HEIGHT_MM,
    B,
    J,
    bone_directions,
    bone_lengths_mm,
    mirror,
    pose_from_directions,
    to_template,
)


@pytest.fixture
def poses(rng: np.random.Generator) -> np.ndarray:
    """(50, 17, 3) mm of no particular person, pelvis at the origin."""
    directions = rng.normal(size=(50, B, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    lengths = TEMPLATE_BONE_MM * rng.uniform(0.6, 1.5, (50, B))
    return pose_from_directions(directions.astype(np.float32), lengths.astype(np.float32))


def test_parents_come_before_their_children() -> None:
    assert (J, B) == (17, 16)
    assert all(parent < joint for joint, parent in enumerate(PARENTS))


def test_the_two_matrices_undo_each_other() -> None:
    np.testing.assert_array_equal(DIFFERENCES @ ANCESTORS, np.eye(B))


def test_directions_and_lengths_rebuild_the_pose(poses: np.ndarray) -> None:
    rebuilt = pose_from_directions(bone_directions(poses), bone_lengths_mm(poses))
    np.testing.assert_allclose(rebuilt, poses, atol=0.01)


def test_directions_do_not_depend_on_the_origin(poses: np.ndarray) -> None:
    np.testing.assert_allclose(bone_directions(poses + np.float32(300)), bone_directions(poses), atol=1e-4)


def test_a_bone_without_length_has_no_direction() -> None:
    assert not bone_directions(np.zeros((J, 3), np.float32)).any()


def test_template_gives_template_lengths(poses: np.ndarray) -> None:
    lengths = bone_lengths_mm(to_template(poses))
    np.testing.assert_allclose(lengths, np.broadcast_to(TEMPLATE_BONE_MM, lengths.shape), atol=0.01)


def test_template_keeps_the_pelvis_between_the_hips(poses: np.ndarray) -> None:
    assert np.abs(_mid_hip(poses)).max() > 10, "the poses must have something to mend"
    np.testing.assert_allclose(_mid_hip(to_template(poses)), 0, atol=0.01)


def test_template_keeps_all_directions_but_the_hips(poses: np.ndarray) -> None:
    others = [i for i, name in enumerate(BONES) if not name.endswith("hip")]
    before, after = bone_directions(poses), bone_directions(to_template(poses))
    np.testing.assert_allclose(after[:, others], before[:, others], atol=1e-4)


def test_template_is_reached_in_one_step(poses: np.ndarray) -> None:
    once = to_template(poses)
    np.testing.assert_allclose(to_template(once), once, atol=0.01)


def test_template_bones_are_of_its_height_and_symmetric() -> None:
    up = np.zeros((B, 3), np.float32)
    up[:, 1] = [-1 if name in ("neck", "head_top") else 1 for name in BONES]
    pose = pose_from_directions(up)
    extent = pose[JOINTS.index("right_ankle"), 1] - pose[JOINTS.index("head_top"), 1]
    assert extent == pytest.approx(TEMPLATE_HEIGHT_MM, abs=110)
    swapped = [MIRROR[i + 1] - 1 for i in range(B)]
    np.testing.assert_array_equal(TEMPLATE_BONE_MM[swapped], TEMPLATE_BONE_MM)


def test_mirror_is_its_own_inverse_and_changes_the_pose(poses: np.ndarray) -> None:
    np.testing.assert_array_equal(mirror(mirror(poses)), poses)
    assert np.abs(mirror(poses) - poses).max() > 100


def test_mirror_moves_a_raised_right_hand_to_the_left() -> None:
    pose = np.zeros((J, 3), np.float32)
    pose[JOINTS.index("right_wrist")] = (-300, -900, 50)
    np.testing.assert_array_equal(mirror(pose)[JOINTS.index("left_wrist")], (300, -900, 50))
    assert not mirror(pose)[JOINTS.index("right_wrist")].any()


def test_mirror_swaps_bone_lengths(poses: np.ndarray) -> None:
    swapped = [MIRROR[i + 1] - 1 for i in range(B)]
    np.testing.assert_allclose(bone_lengths_mm(mirror(poses)), bone_lengths_mm(poses)[:, swapped], rtol=1e-4)


def _mid_hip(poses: np.ndarray) -> np.ndarray:
    return (poses[:, JOINTS.index("right_hip")] + poses[:, JOINTS.index("left_hip")]) / 2

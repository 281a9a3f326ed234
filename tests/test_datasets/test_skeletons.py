from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.datasets import cmu
from sa3dhp_edge.datasets.mapping import bone_lengths_of, template_offsets_mm, to_project
from sa3dhp_edge.datasets.record import Take
from sa3dhp_edge.datasets.skeleton_maps import LOSSY_MM, MAPS, SkeletonMap, map_of
from sa3dhp_edge.datasets.skeletons import SKELETONS, Skeleton, skeleton
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.bvh import read_positions
from sa3dhp_edge.skeleton import BONES, JOINTS, MIRROR, TEMPLATE_BONE_MM, bone_lengths_mm, pose_from_directions

CMU = Path(__file__).resolve().parents[2] / "../shared/data/cmu/bvh"

SIZES = {
    "sa3dhp17": 17, "smpl24": 24, "smplh52": 52, "human36m32": 32, "mpi_inf_3dhp28": 28, "mpi_inf_3dhp17": 17,
    "cmu31": 31, "cmu_bvh38": 38, "opencap20": 20, "opencap63": 63, "pose2sim_halpe26": 22, "pose2sim_body25b": 21,
    "prepared18": 18, "prepared13": 13, "coco17": 17,
}  # fmt: skip


def t_pose() -> np.ndarray:
    """(17, 3) mm: arms out, facing the viewer, so that the person's left is at the right of the picture."""
    ways = {"shoulder": 0, "elbow": 0, "wrist": 0, "hip": 0}
    directions = np.zeros((16, 3), np.float32)
    for i, bone in enumerate(BONES):
        side, _, limb = bone.partition("_")
        if limb in ways:
            directions[i, 0] = -1 if side == "right" else 1
        elif limb == "foot":
            directions[i, 2] = -1
        else:
            directions[i, 1] = -1 if bone in ("neck", "head_top") else 1
    return pose_from_directions(directions)


def in_its_own_joints(chosen: SkeletonMap) -> np.ndarray:
    """(S, 3) mm: joints of the data set's skeleton that map to the T-pose, as near to nothing as they can be."""
    return np.asarray(np.linalg.pinv(chosen.weights[chosen.known]) @ t_pose()[chosen.known], np.float32)


def take(name: str, joints_mm: np.ndarray, **other: object) -> Take:
    return Take("d", "t", "", "", "train", 30.0, name, joints_mm, frames=np.arange(len(joints_mm)), **other)  # type: ignore[arg-type]


def test_every_skeleton_has_its_number_of_joints_and_a_map() -> None:
    assert {name: len(s) for name, s in SKELETONS.items()} == SIZES
    assert set(MAPS) == set(SKELETONS)
    assert all(name == s.name and s.source for name, s in SKELETONS.items())


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("smpl24", {0: "pelvis", 9: "spine3", 12: "neck", 15: "head", 16: "left_shoulder", 21: "right_wrist"}),
        ("smplh52", {21: "right_wrist", 22: "left_index1", 36: "left_thumb3", 37: "right_index1"}),
        ("human36m32", {0: "Hips", 1: "RightUpLeg", 6: "LeftUpLeg", 12: "Spine1", 13: "Neck", 15: "HeadEnd",
                        17: "LeftArm", 19: "LeftHand", 25: "RightArm", 27: "RightHand"}),
        ("mpi_inf_3dhp28", {4: "pelvis", 7: "head_top", 9: "left_shoulder", 14: "right_shoulder", 18: "left_hip",
                            21: "left_foot", 23: "right_hip", 25: "right_ankle"}),
        ("mpi_inf_3dhp17", {0: "head_top", 2: "right_shoulder", 7: "left_wrist", 8: "right_hip", 14: "pelvis"}),
        ("cmu31", {0: "root", 2: "lfemur", 6: "rhipjoint", 13: "thorax", 16: "head", 18: "lhumerus", 30: "rthumb"}),
        ("cmu_bvh38", {0: "Hips", 1: "LHipJoint", 7: "RHipJoint", 19: "HeadEnd", 21: "LeftArm", 37: "RThumbEnd"}),
        ("coco17", {0: "nose", 5: "left_shoulder", 6: "right_shoulder", 11: "left_hip", 16: "right_ankle"}),
    ],
)  # fmt: skip
def test_joints_stand_where_other_readers_of_the_set_index_them(name: str, places: dict[int, str]) -> None:
    assert {i: SKELETONS[name].joints[i] for i in places} == places


@pytest.mark.parametrize("name", SKELETONS)
def test_left_and_right_are_pairs(name: str) -> None:
    chosen = SKELETONS[name]
    mirror = np.array(chosen.mirror)
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(chosen)))
    alone = [joint for joint, other in zip(chosen.joints, mirror, strict=True) if chosen.joints[other] == joint]
    middle = ("pelvis", "spine", "neck", "head", "hip", "root", "back", "thorax", "nose", "lumbar", "c7", "mid")
    assert all(any(word in joint.lower() for word in middle) for joint in alone), alone
    assert not any(joint.lower().startswith(("left", "right", "l_", "r_")) for joint in alone)


@pytest.mark.parametrize("name", MAPS)
def test_weights_sum_to_one_and_mirrored_joints_have_mirrored_weights(name: str) -> None:
    chosen = MAPS[name]
    np.testing.assert_allclose(chosen.weights[chosen.known].sum(1), 1, atol=1e-6)
    mirrored = chosen.weights[list(MIRROR)][:, list(chosen.skeleton.mirror)]
    np.testing.assert_array_equal(mirrored, chosen.weights)
    off = chosen.residual_mm
    np.testing.assert_array_equal(off[list(MIRROR)], off)
    assert np.isnan(off[~chosen.known]).all()


@pytest.mark.parametrize("name", MAPS)
def test_a_t_pose_keeps_its_sides(name: str) -> None:
    chosen = MAPS[name]
    mapped = chosen.apply(in_its_own_joints(chosen)[None])[0]
    np.testing.assert_allclose(mapped[chosen.known], t_pose()[chosen.known], atol=0.1)
    for limb in ("shoulder", "elbow", "wrist", "hip"):
        assert mapped[JOINTS.index(f"left_{limb}"), 0] > 0 > mapped[JOINTS.index(f"right_{limb}"), 0]


@pytest.mark.parametrize("name", MAPS)
def test_a_joint_is_made_of_joints_of_its_own_side_and_limb(name: str) -> None:
    chosen = MAPS[name]
    for j, joint in enumerate(JOINTS):
        side = joint.partition("_")[0]
        if side not in ("left", "right") or not chosen.known[j]:
            continue
        for s in np.flatnonzero(chosen.weights[j]):
            source = chosen.skeleton.joints[s].lower()
            assert source[0] == side[0], f"{joint} of {source}"


def test_the_crown_of_smpl_lies_beyond_the_head_on_the_line_from_the_upper_spine() -> None:
    chosen = MAPS["smpl24"]
    joints = np.zeros((24, 3), np.float32)
    joints[chosen.skeleton.index("spine3")] = (0, 100, 0)
    joints[chosen.skeleton.index("head")] = (0, -180, 0)
    np.testing.assert_allclose(chosen.apply(joints)[JOINTS.index("head_top")], (0, -370, 0), atol=1)


def test_a_lossy_map_is_refused_with_what_is_lost_and_the_option() -> None:
    joints = np.zeros((2, 13, 3), np.float32)
    with pytest.raises(DataError, match="no head_top, no right_foot, no left_foot") as e:
        to_project(take("prepared13", joints))
    assert "--allow-lossy" in e.value.hint
    pose = to_project(take("prepared13", joints), allow_lossy=True)
    missing = [JOINTS.index(n) for n in ("head_top", "right_foot", "left_foot")]
    assert pose.joints_mm is not None
    assert np.isnan(pose.joints_mm[:, missing]).all()
    assert not pose.known[missing].any()
    assert pose.known.sum() == 14


def test_a_joint_too_far_off_is_lossy_as_well() -> None:
    whole = MAPS["sa3dhp17"]
    residual = np.zeros(17, np.float32)
    assert not whole.lossy
    residual[1] = LOSSY_MM + 1
    far = SkeletonMap(whole.skeleton, whole.weights, residual, "made up")
    assert far.lossy
    assert far.loss == "neck 96 mm off"


def test_an_unknown_joint_spreads_to_what_is_made_of_it_and_no_further() -> None:
    chosen = SKELETONS["smpl24"]
    joints = np.random.default_rng(0).normal(size=(3, 24, 3)).astype(np.float32)
    visible = np.ones((3, 24), bool)
    joints[1, chosen.index("left_hip")] = np.nan
    visible[2, chosen.index("left_shoulder")] = False
    pose = to_project(take("smpl24", joints, visible=visible))
    assert pose.joints_mm is not None
    assert pose.visible is not None
    lost = {JOINTS[j] for j in np.flatnonzero(np.isnan(pose.joints_mm[1]).any(-1))}
    assert lost == {"pelvis", "left_hip"}
    assert {JOINTS[j] for j in np.flatnonzero(~pose.visible[2])} == {"neck", "left_shoulder"}
    assert np.isfinite(pose.joints_mm[0]).all()
    assert pose.known.all()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: take("", np.zeros((1, 17, 3), np.float32)), "has no joints"),
        (lambda: take("smpl24", np.zeros((1, 17, 3), np.float32)), "17 joints, not the 24 of smpl24"),
        (lambda: take("dog", np.zeros((1, 17, 3), np.float32)), "no map from a skeleton 'dog'"),
    ],
)
def test_takes_that_cannot_be_mapped_say_why(made: Callable[[], Take], words: str) -> None:
    with pytest.raises(DataError, match=words):
        to_project(made())


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(DataError, match="smpl24"):
        skeleton("dog")
    with pytest.raises(DataError, match="smpl24"):
        map_of("dog")
    with pytest.raises(DataError, match="it has pelvis"):
        SKELETONS["smpl24"].index("tail")
    with pytest.raises(DataError, match="named twice"):
        Skeleton("x", "X", ("a", "a"), "")


def test_bones_of_the_template_at_any_size_are_not_off() -> None:
    rigid = np.stack([t_pose(), t_pose() + 100]) * 1.3
    rigid[1, JOINTS.index("left_foot")] = np.nan
    mean, spread = bone_lengths_of(rigid.astype(np.float32))
    np.testing.assert_allclose(mean, TEMPLATE_BONE_MM * 1.3, rtol=1e-5)
    assert spread.max() < 1e-2
    assert template_offsets_mm(mean).max() < 1e-2
    longer = mean.copy()
    longer[BONES.index("head_top")] *= 1.5
    off = template_offsets_mm(longer)
    assert JOINTS[int(np.argmax(off))] == "head_top"
    assert off[JOINTS.index("head_top")] > 100
    bent = rigid.copy()
    bent[1, JOINTS.index("left_wrist"), 0] += 40
    assert bone_lengths_of(bent.astype(np.float32))[1][BONES.index("left_wrist")] == pytest.approx(20, abs=0.1)


RIGS = {
    "human36m32": {"neck": 490.5, "shoulder": 151, "elbow": 279, "wrist": 252, "head_top": 236, "hip": 133,
                   "knee": 443, "ankle": 454, "foot": 163},
    "smpl24": {"neck": 542, "shoulder": 174, "elbow": 255, "wrist": 255, "hip": 68, "knee": 385, "ankle": 401,
               "foot": 134},
}  # fmt: skip
"""mm, of a public rig's offsets at rest."""


@pytest.mark.parametrize("name", RIGS)
def test_stated_residuals_are_those_of_the_public_rigs(name: str) -> None:
    limbs = [bone.removeprefix("right_").removeprefix("left_") for bone in BONES]
    off = template_offsets_mm(np.array([RIGS[name].get(limb, np.nan) for limb in limbs], np.float32))
    known = np.isfinite(off)
    np.testing.assert_allclose(MAPS[name].residual_mm[known], off[known], atol=8)


@pytest.mark.skipif(not CMU.is_dir(), reason="the CMU files are not on this machine")
def test_stated_residual_of_cmu_is_what_its_files_give() -> None:
    rows = []
    for path in sorted(CMU.glob("*.bvh"))[::6]:
        pose, _ = read_positions(path)
        rows.append(template_offsets_mm(bone_lengths_mm(pose[:20].astype(np.float32)).mean(0)))
    assert len(rows) > 5
    np.testing.assert_allclose(np.median(rows, 0), MAPS["cmu_bvh38"].residual_mm, atol=16)


@pytest.mark.skipif(not CMU.is_dir(), reason="the CMU files are not on this machine")
def test_a_crown_made_as_for_smpl_is_as_far_off_on_cmu_as_stated() -> None:
    bvh, lever_mm, off = SKELETONS["cmu_bvh38"], 190.0, []
    for name in cmu.READER.inventory(CMU).takes[::2]:
        joints = cmu.READER.read(CMU, name).joints_mm
        assert joints is not None
        spine, head, crown = (joints[::24, bvh.index(joint)] for joint in ("Spine1", "Head", "HeadEnd"))
        line, true = (way / np.linalg.norm(way, axis=-1, keepdims=True) for way in (head - spine, crown - head))
        off.append(np.linalg.norm(line - true, axis=-1) * lever_mm)
    assert np.median(np.concatenate(off)) == pytest.approx(44, abs=6)
    assert np.percentile(np.concatenate(off), 90) == pytest.approx(112, abs=25)

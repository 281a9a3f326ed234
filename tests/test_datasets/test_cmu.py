"""CMU: bones by hand, units, the two traps of BVH conversions, damage."""

from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.datasets.acclaim import read_amc, read_asf
from sa3dhp_edge.datasets.cmu import READER
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.skeleton import JOINTS

CMU = Path(__file__).parents[3] / "shared" / "data" / "cmu" / "bvh"
UNIT_MM = 25.4 / 0.45

_HEAD = ":version 1.10\n:units\n  mass 1.0\n  length 0.45\n  angle deg\n"
_ROOT = ":root\n   order TX TY TZ RX RY RZ\n   axis XYZ\n   position 0 0 0\n   orientation 0 0 0\n"
_TWO = (
    _HEAD + _ROOT + ":bonedata\n"
    "  begin\n id 1\n name upper\n direction 0 -1 0\n length 4\n axis 0 0 90 XYZ\n dof rx ry rz\n"
    " limits (-160.0 20.0)\n (-70.0 70.0)\n (-60.0 70.0)\n  end\n"
    "  begin\n id 2\n name lower\n direction 0 -1 0\n length 3\n axis 0 0 0 XYZ\n dof rx\n"
    " limits (-10.0 170.0)\n  end\n"
    ":hierarchy\n  begin\n    root upper\n    upper lower\n  end\n"
)
_AMC = "#!OML:ASF x.ASF\n:FULLY-SPECIFIED\n:DEGREES\n"


def _amc(*frames: str) -> str:
    return _AMC + "".join(f"{i}\n{frame}\n" for i, frame in enumerate(frames, 1))


def _two_bones(tmp_path: Path, *frames: str) -> np.ndarray:
    (tmp_path / "a.asf").write_text(_TWO)
    (tmp_path / "a_01.amc").write_text(_amc(*frames))
    skeleton = read_asf(tmp_path / "a.asf")
    return skeleton.ends(read_amc(tmp_path / "a_01.amc", skeleton))


def test_bones_turn_about_their_own_axes(tmp_path: Path) -> None:
    # C turns x to y: a turn of 90 about the bone's own x is one about the world's y, which leaves a bone along -y be;
    # about its own y it is one about the world's -x, which takes -y to +z.
    ends = _two_bones(
        tmp_path,
        "root 1 2 3 0 0 0\nupper 0 0 0\nlower 0",
        "root 0 0 0 0 0 0\nupper 90 0 0\nlower 90",
        "root 0 0 0 0 0 0\nupper 0 90 0\nlower 0",
        "root 0 0 0 0 0 90\nupper 0 0 0\nlower 0",
    )
    assert np.allclose(ends[0], [[1, 2, 3], [1, -2, 3], [1, -5, 3]])
    # the lower bone's own x is the world's, and is turned with the upper bone, about y: x to -z
    # so -y goes about -z by 90 degrees: to -x
    assert np.allclose(ends[1], [[0, 0, 0], [0, -4, 0], [-3, -4, 0]])
    assert np.allclose(ends[2], [[0, 0, 0], [0, 0, 4], [0, 0, 7]])
    assert np.allclose(ends[3], [[0, 0, 0], [4, 0, 0], [7, 0, 0]])


def test_root_angles_turn_about_x_first(tmp_path: Path) -> None:
    ends = _two_bones(tmp_path, "root 0 0 0 90 0 90\nupper 0 0 0\nlower 0")
    assert np.allclose(ends[0, 1], [0, 0, -4])  # -y to -z about x; z then leaves it be


def _whole_asf() -> str:
    """All 31 points of CMU's skeleton in a chain of unit bones upwards, each without degrees of freedom."""
    names = SKELETONS["cmu31"].joints[1:]
    bones = "".join(f"begin\n name {n}\n direction 0 1 0\n length 1\n axis 0 0 0 XYZ\nend\n" for n in names)
    tree = "".join(f"{a} {b}\n" for a, b in zip(("root", *names), names, strict=False))
    return f"{_HEAD}{_ROOT}:bonedata\n{bones}:hierarchy\nbegin\n{tree}end\n"


def test_the_official_layout_is_read_in_mm_with_y_down(tmp_path: Path) -> None:
    subject = tmp_path / "subjects" / "07"
    subject.mkdir(parents=True)
    (subject / "07.asf").write_text(_whole_asf())
    (subject / "07_01.amc").write_text(_amc("root 1 10 2 0 0 0", "root 1 11 2 0 0 0"))
    (subject / "08_01.amc").write_text("")
    inventory = READER.inventory(tmp_path)
    assert READER.recognises(tmp_path)
    assert inventory.takes == ("07_01",)
    assert inventory.missing == ("08_01.amc needs 08.asf in its folder",)
    take = READER.read(tmp_path, "07_01")
    assert (take.skeleton, take.fps, take.subject, take.action) == ("cmu31", 120, "07", "01")
    assert np.allclose(take.joints_mm[0, 0], np.array([1, -10, -2]) * UNIT_MM, atol=1e-2)
    assert np.allclose(take.joints_mm[1, 30], np.array([1, -41, -2]) * UNIT_MM, atol=1e-2)
    assert "no rate" in take.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":bonedata", ":bones", "has no section :bonedata"),
        ("direction 0 -1 0\n length 4", "direction 0 x 0\n length 4", "line 15: expected 3 numbers, found '0 x 0'"),
        (" length 4\n", "", "the bone has no length"),
        ("axis 0 0 90 XYZ", "axis 0 0 90 XYY", "expected an order such as XYZ"),
        ("upper lower\n", "upper lowest\n", "lowest has no bone or no parent"),
        ("    upper lower\n", "", "lower is not in the hierarchy"),
        ("length 0.45", "length 0", "expected more than 0"),
        ("order TX", "order QX", "expected channels like TX"),
    ],
)
def test_damage_to_a_skeleton_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "a.asf"
    path.write_text(_TWO.replace(old, new))
    with pytest.raises(DataError) as error:
        read_asf(path)
    assert str(path) in error.value.message
    assert message in error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no frame numbers"),
        (_amc("root 0 0 0 0 0 0\nupper 0 0 0"), "they differ in lower"),
        (_amc("root 0 0 0 0 0 0\nupper 0 0\nlower 0"), "line 6: expected upper and 3 numbers"),
        (_amc("root 0 0 0 0 0 0\nupper 0 0 0\nlower x"), "a channel of lower is no number"),
        (_amc("root 0 0 0 0 0 0\nupper 0 0 0\nlower 0", "root 0 0 0 0 0 0"), "ends within frame 2"),
        (_amc("root 0 0 0 0 0 0\nupper 0 0 0\nlower 0", "root 0 0 0 0 0 0\nlower 0\nupper 0 0 0"), "line 10"),
    ],
)
def test_damage_to_a_motion_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.asf").write_text(_TWO)
    path = tmp_path / "a_01.amc"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_amc(path, read_asf(tmp_path / "a.asf"))
    assert str(path) in error.value.message
    assert message in error.value.message


_BVH = (("Hips", None), ("LowerBack", "Hips"), ("Spine", "LowerBack"), ("Spine1", "Spine"), ("Neck", "Spine1"),
    ("Head", "Neck"), ("LeftShoulder", "Spine1"), ("LeftArm", "LeftShoulder"), ("LeftForeArm", "LeftArm"),
    ("LeftHand", "LeftForeArm"), ("RightShoulder", "Spine1"), ("RightArm", "RightShoulder"),
    ("RightForeArm", "RightArm"), ("RightHand", "RightForeArm"), ("LeftUpLeg", "Hips"), ("LeftLeg", "LeftUpLeg"),
    ("LeftFoot", "LeftLeg"), ("LeftToeBase", "LeftFoot"), ("RightUpLeg", "Hips"), ("RightLeg", "RightUpLeg"),
    ("RightFoot", "RightLeg"), ("RightToeBase", "RightFoot"))  # fmt: skip
_LOST = ("Neck", "LeftShoulder", "RightShoulder")


def _node(name: str) -> list[str]:
    side = -1 if name.startswith("Right") else 1 if name.startswith("Left") else 0
    offset = "0 0 0" if name in _LOST else f"{side} 2 1"
    channels = "6 Xposition Yposition Zposition" if name == "Hips" else "3"
    children = [line for child, above in _BVH if above == name for line in _node(child)]
    ends = [] if children else ["End Site", "{", "OFFSET 0 1 0", "}"]
    kind = "ROOT" if name == "Hips" else "JOINT"
    own = [f"OFFSET {offset}", f"CHANNELS {channels} Zrotation Yrotation Xrotation"]
    return [f"{kind} {name}", "{", *own, *children, *ends, "}"]


def _bvh(t_pose: bool) -> str:
    rows = np.random.default_rng(0).uniform(-30, 30, (4, 3 + 3 * len(_BVH)))
    if t_pose:
        rows[0, 3:] = 0
        rows[0, [9, 20]] = [-17, 17]
    lines = ["HIERARCHY", *_node("Hips"), "MOTION", "Frames: 4", "Frame Time: 0.0083333"]
    return "\n".join([*lines, *(" ".join(f"{v:.4f}" for v in row) for row in rows)]) + "\n"


def test_an_artificial_first_frame_is_left_out_and_a_captured_one_kept(tmp_path: Path) -> None:
    for name, t_pose, count in (("1_01", True, 3), ("1_02", False, 4)):
        (tmp_path / f"{name}.bvh").write_text(_bvh(t_pose))
        take = READER.read(tmp_path, name)
        assert len(take) == count
        assert any("T-pose" in note for note in take.notes) == t_pose
        assert take.fps == pytest.approx(120, abs=0.01)


def test_the_lost_bone_is_told_of_and_restored_from_the_skeleton(tmp_path: Path) -> None:
    (tmp_path / "02_01.bvh").write_text(_bvh(False))
    lost = READER.read(tmp_path, "02_01")
    assert any("about 115 mm too low; put 02.asf" in note for note in lost.notes)
    (tmp_path / "2.asf").write_text(
        _whole_asf().replace("name thorax\n direction 0 1 0\n length 1", "name thorax\n direction 0 1 0\n length 2")
    )
    whole = READER.read(tmp_path, "02_01")
    assert any("restored from 2.asf" in note for note in whole.notes)
    moved = np.linalg.norm(whole.joints_mm - lost.joints_mm, axis=-1)
    upper = [JOINTS.index(name) for name in ("neck", "head_top", "left_wrist", "right_shoulder")]
    assert np.allclose(moved[:, upper], 2 * UNIT_MM, atol=0.05)
    assert np.allclose(moved[:, JOINTS.index("left_knee")], 0)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match=r"no \*.amc and no \*.bvh"):
        READER.inventory(tmp_path)
    with pytest.raises(DataError, match="has no take x"):
        READER.read(tmp_path, "x")


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no motion capture at {CMU}")
def test_real_conversions_have_all_38_points_of_a_standing_person() -> None:
    take = READER.read(CMU, "002_01")
    assert take.skeleton == "cmu_bvh38"
    joints = SKELETONS["cmu_bvh38"].joints
    head, toes = (take.joints_mm[:, joints.index(name), 1] for name in ("HeadEnd", "LeftToeBase"))
    assert 1400 < np.median(toes - head) < 2000  # y is down

"""BVH files: positions, axes, rates, names, damage."""

from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.bvh import read_bvh, read_bvh_folder, read_positions
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.skeleton import JOINTS

CMU = Path(__file__).parents[3] / "shared" / "data" / "cmu"

_TREE: dict[str, tuple[str, tuple[float, float, float]]] = {
    "Neck": ("Hips", (0, 5, 0)),
    "Head": ("Neck", (0, 1, 0)),
    "Head_End": ("Head", (0, 1.5, 0)),
    "RightArm": ("Neck", (-1.7, 0, 0)),
    "RightForeArm": ("RightArm", (0, -3, 0)),
    "RightHand": ("RightForeArm", (0, -2.5, 0)),
    "LeftArm": ("Neck", (1.7, 0, 0)),
    "LeftForeArm": ("LeftArm", (0, -3, 0)),
    "LeftHand": ("LeftForeArm", (0, -2.5, 0)),
    "RightUpLeg": ("Hips", (-1, -0.5, 0)),
    "RightLeg": ("RightUpLeg", (0, -4, 0)),
    "RightFoot": ("RightLeg", (0, -4, 0)),
    "RightToeBase": ("RightFoot", (0, -0.5, 1.4)),
    "LeftUpLeg": ("Hips", (1, -0.5, 0)),
    "LeftLeg": ("LeftUpLeg", (0, -4, 0)),
    "LeftFoot": ("LeftLeg", (0, -4, 0)),
    "LeftToeBase": ("LeftFoot", (0, -0.5, 1.4)),
}
_ROOT_CHANNELS = "CHANNELS 6 Xposition Yposition Zposition Yrotation Zrotation Xrotation"


def _node(name: str, offset: tuple[float, float, float], prefix: str) -> list[str]:
    at = "OFFSET " + " ".join(map(str, offset))
    if name == "Head_End":
        return ["End Site", "{", at, "}"]
    children = [line for child, (above, o) in _TREE.items() if above == name for line in _node(child, o, prefix)]
    kind = "ROOT" if name == "Hips" else "JOINT"
    channels = _ROOT_CHANNELS if name == "Hips" else "CHANNELS 3 Xrotation Yrotation Zrotation"
    return [f"{kind} {prefix}{name}", "{", at, channels, *children, "}"]


def _bvh(frames: np.ndarray, seconds: float = 1 / 30, prefix: str = "") -> str:
    lines = ["HIERARCHY", *_node("Hips", (0, 0, 0), prefix), "MOTION", f"Frames: {len(frames)}"]
    lines.append(f"Frame Time: {seconds:.8f}")
    return "\n".join([*lines, *(" ".join(f"{v:.6f}" for v in frame) for frame in frames)]) + "\n"


def _frames(count: int = 4) -> np.ndarray:
    values = np.zeros((count, 6 + 3 * 16))
    values[:, 1] = 9
    return values


def _write(folder: Path, text: str, name: str = "a.bvh") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_person_facing_the_viewer_of_the_file_faces_ours(tmp_path: Path) -> None:
    # In the file +z comes towards the viewer and y is up; ours looks along +z with y down.
    positions, hz = read_positions(_write(tmp_path, _bvh(_frames())), unit_mm=100)
    at = dict(zip(JOINTS, positions[0], strict=True))
    assert hz == pytest.approx(30, abs=1e-3)
    assert np.allclose(at["pelvis"], [0, -850, 0])
    assert np.allclose(at["right_wrist"], [-170, -850, 0])
    assert np.allclose(at["left_foot"], [100, 0, -140])
    assert np.allclose(at["head_top"], [0, -1650, 0])


def test_channels_turn_in_their_written_order(tmp_path: Path) -> None:
    frames = _frames()
    frames[:, 3], frames[:, 4] = 90, 90  # about y, then about the turned z
    positions, _ = read_positions(_write(tmp_path, _bvh(frames)), unit_mm=100)
    hips_to_neck = positions[0, JOINTS.index("neck")] - np.array([0, -900, 0])
    # z turns y (up) to -x, then y turns -x to +z of the file, which is our -z.
    assert np.allclose(hips_to_neck, [0, 0, -500], atol=1e-3)


def test_any_rate_becomes_60_hz_and_the_bones_keep_their_directions(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = _frames(31)
    frames[:, 3:] = rng.uniform(-60, 60, frames.shape[1] - 3) * np.linspace(0, 1, 31)[:, None]
    frames[:, 0] = np.linspace(0, 3, 31)
    path = _write(tmp_path, _bvh(frames))
    motion = read_bvh(path, unit_mm=100)
    assert len(motion) == 61
    assert motion.names == ("a",)
    positions, _ = read_positions(path, unit_mm=100)
    shank = positions[:, JOINTS.index("left_ankle")] - positions[:, JOINTS.index("left_knee")]
    assert np.allclose(motion.directions[::2, JOINTS.index("left_ankle") - 1], shank / 400, atol=1e-3)
    scale = 830 / 800
    assert np.allclose(motion.root_mm[::2], positions[:, 0] * scale, atol=0.1)


def test_prefixed_names_are_understood(tmp_path: Path) -> None:
    plain = read_bvh(_write(tmp_path, _bvh(_frames())))
    prefixed = read_bvh(_write(tmp_path, _bvh(_frames(), prefix="mixamorig:"), "b.bvh"))
    assert np.array_equal(plain.directions, prefixed.directions)


def test_missing_joints_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path, _bvh(_frames()).replace("LeftForeArm", "Something"))
    with pytest.raises(DataError, match="no joint for left_elbow; it has Hips, Neck"):
        read_bvh(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIERARCHIE", "line 1: expected HIERARCHY"),
        ("OFFSET 0 5 0", "OFFSET 0 5", "line 8: expected 3 numbers"),
        ("Zposition", "Wposition", "line 5: expected CHANNELS"),
        ("Frames: 4", "Frames: four", "expected 'Frames:'"),
        ("Frames: 4", "Frames: 5", "ends after line"),
        ("Frame Time: 0.03333333", "Frame Time: 0", "frame time above 0"),
        ("0.000000 9.000000", "0.000000 nan", "expected 54 numbers, found '0.000000 nan"),
        ("0.000000 9.000000", "9.000000", "expected 54 numbers"),
        ("MOTION", "}\nMOTION", "expected a joint, OFFSET, CHANNELS or a closing brace, found '}'"),
    ],
)
def test_damage_is_reported_with_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = _write(tmp_path, _bvh(_frames()).replace(old, new))
    with pytest.raises(DataError) as error:
        read_bvh(path)
    assert str(path) in error.value.message
    assert message in error.value.message
    assert "damaged" in error.value.hint


def test_a_bone_without_length_is_reported(tmp_path: Path) -> None:
    path = _write(tmp_path, _bvh(_frames()).replace("OFFSET 0 5 0", "OFFSET 0 -0.5 0"))
    with pytest.raises(DataError, match="no length in the bone to neck"):
        read_bvh(path)


def test_a_folder_is_read_in_order_and_an_empty_one_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no \*\.bvh file"):
        read_bvh_folder(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        read_bvh_folder(tmp_path / "absent")
    for name in ("b.bvh", "a.bvh"):
        _write(tmp_path, _bvh(_frames()), name)
    assert read_bvh_folder(tmp_path).names == ("a", "b")
    mixed = unpaired_motion(tmp_path, 5, seed=0)
    assert mixed.names[:2] == ("a", "b")
    assert len(mixed.names) > 2
    assert unpaired_motion(tmp_path, 0, seed=0).names == ("a", "b")


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no motion capture at {CMU}")
def test_positions_agree_with_the_reference_of_the_cmu_files() -> None:
    order = {
        "right_hip": 1, "right_knee": 2, "right_ankle": 3, "left_hip": 4, "left_knee": 5, "left_ankle": 6, "neck": 8,
        "head_top": 10, "left_shoulder": 11, "left_elbow": 12, "left_wrist": 13, "right_shoulder": 14,
        "right_elbow": 15, "right_wrist": 16,
    }  # fmt: skip
    with np.load(CMU / "poses_h36m17_30hz.npz") as data:
        files, poses, sequence = data["files"], data["poses_mm"], data["seq"]
    for name in ("002_01.bvh", "013_29.bvh", "035_20.bvh"):
        theirs = poses[sequence == list(files).index(name)][:, list(order.values())]
        positions, hz = read_positions(CMU / "bvh" / name)
        assert hz == pytest.approx(120, abs=0.1)
        ours = positions[::4][:, [JOINTS.index(joint) for joint in order]] * [1, -1, -1]
        assert len(ours) == len(theirs) > 10
        assert np.linalg.norm(ours - theirs, axis=-1).max() < 3

"""AMASS: forward kinematics by hand, axes, body models, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.datasets.amass import MODELS_VARIABLE, READER, read_model, rotation_matrices
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError

NAMES = SKELETONS["smplh52"].joints
# SMPL+H: each joint's parent, from the model's kinematic tree
PARENTS = [
    4294967295, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19,
    20, 22, 23, 20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 21, 37, 38, 21, 40, 41, 21, 43, 44, 21, 46, 47, 21,
    49, 50,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_models_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    read_model.cache_clear()


def _model(folder: Path, **other: np.ndarray) -> None:
    """52 joints, each at a vertex of its own: vertex j at (0, j / 100, 0) m; beta 0 stretches y."""
    template = np.zeros((52, 3))
    template[:, 1] = np.arange(52) / 100
    shape = np.zeros((52, 3, 16))
    shape[:, 1, 0] = np.arange(52) / 100
    arrays = {"J_regressor": np.eye(52), "v_template": template, "shapedirs": shape}
    arrays["kintree_table"] = np.stack([np.array(PARENTS, np.uint32), np.arange(52, dtype=np.uint32)])
    folder.mkdir(parents=True)
    np.savez(folder / "model.npz", **(arrays | other))


def _data(root: Path, poses: np.ndarray, name: str = "CMU/01/01_01_poses.npz", **other: object) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "poses": poses, "trans": np.zeros((len(poses), 3)), "betas": np.zeros(16), "gender": "male",
        "mocap_framerate": 120.0,
    } | other  # fmt: skip
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_a_turned_hip_carries_the_leg_and_nothing_else(tmp_path: Path) -> None:
    _model(tmp_path / "body_models/smplh/male")
    poses = np.zeros((2, 156))
    hip = NAMES.index("left_hip")
    poses[1, 3 * hip] = np.pi / 2  # about x: y goes to z
    _data(tmp_path, poses, trans=np.array([[0, 0, 0], [1, 2, 3.0]]))
    take = READER.read(tmp_path, "CMU/01/01_01")
    assert (take.skeleton, take.fps, take.split, take.subject) == ("smplh52", 120, "train", "CMU/01")
    rest = np.array([[0, 0, 10.0 * i] for i in range(52)])  # Y of the model to our z, mm
    assert np.allclose(take.joints_mm[0], rest, atol=1e-3)
    knee = NAMES.index("left_knee")
    # hip at y = .01, knee .03 beyond it: turned to (0, .01, .03), then moved; ours is (x, -z, y)
    moved = np.array([1000.0, -3000, 2000])
    assert np.allclose(take.joints_mm[1, hip], moved + np.array([0, 0, 10]), atol=1e-3)
    assert np.allclose(take.joints_mm[1, knee], moved + np.array([0, -30, 10]), atol=1e-3)
    right = NAMES.index("right_knee")
    assert np.allclose(take.joints_mm[1, right], moved + rest[right], atol=1e-3)


def test_turns_are_rotations_about_their_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    matrices = rotation_matrices(vectors)
    assert np.allclose(matrices @ np.swapaxes(matrices, -1, -2), np.eye(3))
    assert np.allclose((matrices @ vectors[..., None])[..., 0], vectors)
    assert np.allclose(np.trace(matrices, axis1=1, axis2=2), 1 + 2 * np.cos(np.linalg.norm(vectors, axis=1)))
    assert np.array_equal(rotation_matrices(np.zeros((1, 3))), np.eye(3)[None])


def test_shape_and_the_held_out_parts_and_byte_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _model(tmp_path / "elsewhere/female")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "elsewhere"))
    betas = np.zeros(16)
    betas[0] = 1
    data = tmp_path / "data"
    _data(
        data, np.zeros((1, 156)), "HumanEva/S1/Box_1_stageii.npz", betas=betas, gender=np.bytes_(b"female"),
        mocap_framerate=None, mocap_frame_rate=60.0,
    )  # fmt: skip
    (data / "HumanEva/S1/shape.npz").write_bytes(b"")
    assert READER.inventory(data).takes == ("HumanEva/S1/Box_1",)
    take = READER.read(data, "HumanEva/S1/Box_1")
    assert (take.fps, take.split) == (60, "validation")
    assert np.allclose(take.joints_mm[0, 51], [0, 0, 2 * 510], atol=1e-3)


def test_without_body_models_the_reason_is_given(tmp_path: Path) -> None:
    _data(tmp_path, np.zeros((1, 156)))
    inventory = READER.inventory(tmp_path)
    assert inventory.takes == ()
    assert "AMASS stores joint rotations only" in inventory.missing[0]
    with pytest.raises(DataError, match="joints need SMPL-H files that you may download under their licence") as error:
        READER.read(tmp_path, "CMU/01/01_01")
    assert MODELS_VARIABLE in error.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": np.zeros((3, 165))}, "is of the release SMPL-X"),
        ({"poses": np.zeros((3, 72))}, r"expected poses \(N, 156\)"),
        ({"poses": np.full((3, 156), np.nan)}, "values that are no numbers"),
        ({"trans": np.zeros((2, 3))}, r"trans \(N, 3\)"),
        ({"gender": "unknown"}, "gender is 'unknown'"),
        ({"mocap_framerate": 0.0}, "no mocap_framerate above 0"),
        ({"mocap_framerate": None}, "no mocap_framerate above 0"),
        ({"betas": None}, "has no betas"),
        ({"gender": np.array(["male", {}], object)}, "cannot be read"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    _model(tmp_path / "body_models/smplh/male")
    poses = change.get("poses", np.zeros((3, 156)))
    path = _data(tmp_path, poses, **{k: v for k, v in change.items() if k != "poses"})
    with pytest.raises(DataError, match=message) as error:
        READER.read(tmp_path, "CMU/01/01_01")
    assert str(path) in error.value.message


def test_damaged_files_and_other_models_are_refused(tmp_path: Path) -> None:
    path = _data(tmp_path, np.zeros((4, 156)))
    _model(tmp_path / "body_models/smplh/male", kintree_table=np.zeros((2, 24)))
    with pytest.raises(DataError, match=r"is no SMPL\+H model"):
        READER.read(tmp_path, "CMU/01/01_01")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(whole), 20):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"01_01_poses\.npz"):
            READER.read(tmp_path, "CMU/01/01_01")
    with pytest.raises(DataError, match="has no AMASS file"):
        READER.inventory(tmp_path / "body_models")
    assert not READER.recognises(tmp_path / "absent")

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.pw3d import READER
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import rotation_about_x, rotation_about_y

T = 6
NAME = "downtown_walking_00"
K = np.array([[1961.8, 0, 540.0], [0, 1969.2, 960.0], [0, 0, 1]])
CAMERA_POSITIONS_M = np.linspace((0.0, 1.5, 0.0), (0.5, 1.6, 0.1), T)
ROTATION = rotation_about_x(5) @ rotation_about_y(20) @ np.diag([1.0, -1.0, -1.0])
"""World with y up to a camera that looks along -z and a little aside."""


def sequence(people: int = 2) -> dict[str, Any]:
    chance = np.random.default_rng(4)
    world = chance.uniform(-0.5, 0.5, (people, T, 24, 3)) + np.array([0.5, 1.0, -4.0])
    poses = np.tile(np.eye(4), (T, 1, 1))
    poses[:, :3, :3] = ROTATION
    poses[:, :3, 3] = -CAMERA_POSITIONS_M @ ROTATION.T
    return {
        "sequence": NAME,
        "jointPositions": [person.reshape(T, 72) for person in world],
        "poses2d": [np.ones((T, 3, 18)) for _ in range(people)],
        "cam_poses": poses,
        "campose_valid": [np.ones(T, np.uint8) for _ in range(people)],
        "cam_intrinsics": K,
        "genders": ["m", "f"][:people],
        "img_frame_ids": np.arange(0, 2 * T, 2),
        "betas": [np.zeros(10)] * people,
        "v_template_clothed": [np.zeros((5, 3))] * people,
    }


def write(root: Path, data: Any, split: str = "test", name: str = NAME) -> Path:
    path = root / "sequenceFiles" / split / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(data, 2))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, sequence())
    images = tmp_path / "imageFiles" / NAME
    images.mkdir(parents=True)
    for i in range(T):
        cv2.imwrite(str(images / f"image_{i:05d}.jpg"), np.full((192, 108, 3), 30 * i, np.uint8))
    return tmp_path


def test_people_are_takes_of_their_own(folder: Path) -> None:
    write(folder, sequence(1), "validation", "courtyard_one_00")
    found = READER.inventory(folder)
    assert found.takes == ("validation/courtyard_one_00", f"test/{NAME}/0", f"test/{NAME}/1")
    assert found.missing == ("sequenceFiles/train", "imageFiles/courtyard_one_00")
    first, second = (READER.read(folder, take) for take in found.takes[1:])
    assert first.joints_mm is not None
    assert second.joints_mm is not None
    assert not np.allclose(first.joints_mm, second.joints_mm)
    assert "gender m" in first.notes
    assert "gender f" in second.notes
    assert READER.recognises(folder)


def test_a_person_is_read_with_all_that_is_said(folder: Path) -> None:
    take = READER.read(folder, f"test/{NAME}/1")
    assert (take.action, take.split, take.fps, take.skeleton, take.size_wh) == (
        "downtown_walking", "test", 30.0, "smpl24", (108, 192),
    )  # fmt: skip
    assert take.pictures is not None
    assert len(take.pictures) == T
    assert [round(float(image.mean()) / 30) for image in take.pictures.read([1, 4])] == [1, 4]


def test_joints_in_the_picture_are_the_projection_written_out(folder: Path) -> None:
    take = READER.read(folder, f"test/{NAME}/0")
    data = sequence()
    world = data["jointPositions"][0].reshape(T, 24, 3)
    for t in range(T):
        for s in (0, 11, 23):
            x, y, w = K @ (data["cam_poses"][t] @ np.append(world[t, s], 1))[:3]
            assert take.joints_px is not None
            assert take.joints_px[t, s] == pytest.approx((x / w, y / w), abs=1e-2)


def test_outer_geometry_brings_the_joints_back_to_a_world_with_y_down(folder: Path) -> None:
    take = READER.read(folder, f"test/{NAME}/0")
    assert take.rot_world_to_camera is not None
    assert take.camera_position_mm is not None
    assert take.joints_mm is not None
    world = np.einsum("tji,tsj->tsi", take.rot_world_to_camera, take.joints_mm) + take.camera_position_mm[:, None]
    wanted = 1000 * sequence()["jointPositions"][0].reshape(T, 24, 3) * (1, -1, -1)
    assert np.allclose(world, wanted, atol=0.01)
    assert np.allclose(take.camera_position_mm, 1000 * CAMERA_POSITIONS_M * (1, -1, -1), atol=0.01)
    assert np.allclose(np.linalg.det(take.rot_world_to_camera), 1, atol=1e-5)


def test_rows_without_a_camera_or_a_detection_are_left_out(folder: Path) -> None:
    data = sequence()
    data["campose_valid"][1][2] = 0
    data["poses2d"][1][4] = 0
    write(folder, data)
    assert READER.read(folder, f"test/{NAME}/0").frames.tolist() == [0, 1, 2, 3, 4, 5]
    take = READER.read(folder, f"test/{NAME}/1")
    assert take.frames.tolist() == [0, 1, 3, 5]
    assert any("2 frames are left out" in note for note in take.notes)


def test_without_pictures_the_size_comes_from_the_camera(tmp_path: Path) -> None:
    write(tmp_path, sequence())
    take = READER.read(tmp_path, f"test/{NAME}/0")
    assert take.pictures is None
    assert take.size_wh == (1080, 1920)
    assert any("guess" in note for note in take.notes)


class Runs:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch ran",)


def test_a_sequence_that_runs_a_command_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(folder, {**sequence(), "betas": Runs()})
    with pytest.raises(DataError, match=rf"{NAME}\.pkl asks for .*system.*not run"):
        READER.read(folder, f"test/{NAME}/0")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(DataError, match=r"asks for .*system"):  # nothing else is left to list
        READER.inventory(folder)


def test_a_damaged_sequence_does_not_hide_the_others(folder: Path) -> None:
    path = write(folder, {}, "train", "broken_00")
    path.write_bytes(path.read_bytes()[:3])
    found = READER.inventory(folder)
    assert f"test/{NAME}/0" in found.takes
    assert any("broken_00.pkl" in line for line in found.missing)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cam_poses": None}, "holds no cam_poses"),
        ({"cam_intrinsics": np.eye(4)}, r"cam_intrinsics is \(4, 4\), expected \(3, 3\)"),
        ({"cam_intrinsics": np.zeros((3, 3))}, "focal lengths 0, 0"),
        ({"cam_poses": np.zeros((T, 4, 4))}, "no rotations"),
        ({"cam_poses": np.zeros((T - 1, 4, 4))}, "jointPositions is"),
        ({"jointPositions": [np.zeros((T, 51))] * 2}, r"jointPositions is \(6, 51\), expected \(6, 72\)"),
        ({"jointPositions": [np.full((T, 72), np.nan)] * 2}, "no finite numbers"),
        ({"jointPositions": ["text"] * 2}, "holds no numbers"),
        ({"jointPositions": 3}, "not a list of people"),
        ({"jointPositions": []}, "not a list of people"),
        ({"campose_valid": [np.ones(T)]}, "people are counted differently"),
        ({"poses2d": [np.zeros((T, 3, 17))] * 2}, r"poses2d is \(6, 3, 17\)"),
    ],
)
def test_wrong_content_is_an_error_that_names_the_file(change: dict[str, Any], words: str, folder: Path) -> None:
    write(folder, {name: value for name, value in {**sequence(), **change}.items() if value is not None})
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, f"test/{NAME}/0")
    assert f"{NAME}.pkl" in caught.value.message


@pytest.mark.parametrize("take", [f"test/{NAME}/2", f"test/{NAME}/x", "test/gone", "nowhere/x", "test/..", "", "test/"])
def test_a_take_that_is_not_there_is_an_error(take: str, folder: Path) -> None:
    with pytest.raises(DataError):
        READER.read(folder, take)


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match="no sequence of 3DPW") as caught:
        READER.inventory(tmp_path)
    assert "sequenceFiles" in caught.value.hint

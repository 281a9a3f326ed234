from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cdflib.cdfwrite
import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.human36m import READER
from sa3dhp_edge.datasets.human36m_cameras import CAMERAS, studio_camera
from sa3dhp_edge.errors import DataError

T = 5
WORLD_MM = np.random.default_rng(2).uniform(-500, 500, (T, 32, 3)) + np.array([200.0, 100.0, 900.0])
"""A cloud of joints in the middle of the hall, z up."""


def write_pose(path: Path, table: np.ndarray) -> Path:
    """As the release has it: one record of T rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = table.reshape(len(table), -1)
    holder = path.parent / "writing"
    file = cdflib.cdfwrite.CDF(holder, cdf_spec={"Compressed": 0}, delete=True)
    about = {
        "Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Var_Type": "zVariable",
        "Dim_Sizes": list(rows.shape),
    }  # fmt: skip
    file.write_var(about, var_data=rows[None].astype(np.float32))
    file.close()
    holder.with_suffix(".cdf").rename(path)
    return path


def metadata(root: Path, shift_mm: float = 0.0) -> Path:
    """A metadata.xml with one plain camera everywhere: looks along world y from 4 m away, 1 m high."""
    outer = np.zeros((4, 11, 6))
    outer[..., 0] = np.pi / 2
    outer[..., 3:] = (shift_mm, -4000.0, 1000.0)
    inner = np.tile([1000.0, 1010.0, 500.0, 501.0, -0.2, 0.1, 0.0, 0.001, -0.001], (4, 1))
    text = " ".join(f"{number:.15g}" for number in (*outer.ravel(), *inner.ravel()))
    path = root / "Release-v1.2" / "metadata.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<a><w0>[{text}]</w0></a>')
    return path


@pytest.fixture
def folder(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    features = tmp_path / "S9" / "MyPoseFeatures"
    write_pose(features / "D3_Positions" / "Walking 1.cdf", WORLD_MM)
    (tmp_path / "S9" / "Videos").mkdir()
    frames = [np.full((100, 100, 3), 30 * i, np.uint8) for i in range(T + 2)]
    write_video(tmp_path / "S9" / "Videos" / "Walking 1.55011271.mp4", frames, 50.0)
    return tmp_path


def by_opencv(take_camera: object, camera: str, folder: Path, subject: str = "S9") -> np.ndarray:
    """OpenCV's own projection with the published camera, from world millimetres."""
    known = studio_camera(folder, subject, camera)
    assert known.rotation is not None
    assert known.position_mm is not None
    turn = cv2.Rodrigues(known.rotation)[0]
    shift = -known.rotation @ known.position_mm
    lens = known.intrinsics
    points, _ = cv2.projectPoints(WORLD_MM.reshape(-1, 3), turn, shift, lens.matrix(), np.array(lens.distortion))
    return np.asarray(points).reshape(T, 32, 2)


def test_every_camera_sees_the_world_joints_where_opencv_does(folder: Path) -> None:
    found = READER.inventory(folder)
    assert found.takes == tuple(sorted(f"S9/Walking 1/{camera}" for camera in CAMERAS))
    for name in found.takes:
        take = READER.read(folder, name)
        assert take.joints_px is not None
        assert np.abs(take.joints_px - by_opencv(take.camera, name[-8:], folder)).max() < 0.05
        assert np.all((take.joints_px > 0) & (take.joints_px < 1000))  # the four cameras look at the middle of the hall


def test_a_take_says_what_the_protocol_says(folder: Path) -> None:
    take = READER.read(folder, "S9/Walking 1/55011271")
    assert (take.subject, take.action, take.split, take.fps, take.skeleton, take.size_wh) == (
        "S9", "Walking", "test", 50.0, "human36m32", (1000, 1000),
    )  # fmt: skip
    assert take.frames.tolist() == list(range(T))
    assert take.pictures is not None
    assert [round(float(image.mean()) / 30) for image in take.pictures.read([0, 4])] == [0, 4]
    other = READER.read(folder, "S9/Walking 1/54138969")
    assert other.pictures is None
    assert other.size_wh == (1000, 1002)
    assert "Walking 1.54138969.mp4 is missing" in other.notes


def test_outer_geometry_brings_the_joints_back_to_a_world_with_y_down(folder: Path) -> None:
    take = READER.read(folder, "S9/Walking 1/60457274")
    assert take.rot_world_to_camera is not None
    assert take.camera_position_mm is not None
    assert take.joints_mm is not None
    world = np.einsum("tji,tsj->tsi", take.rot_world_to_camera, take.joints_mm) + take.camera_position_mm[:, None]
    assert np.allclose(world, np.stack([WORLD_MM[..., 0], -WORLD_MM[..., 2], WORLD_MM[..., 1]], -1), atol=0.05)
    assert take.camera_position_mm[0, 1] == pytest.approx(-1591, abs=1)  # that high above the floor


def test_camera_joints_and_picture_joints_are_preferred_where_they_are(folder: Path) -> None:
    world = READER.read(folder, "S9/Walking 1/55011271")
    assert world.joints_mm is not None
    assert world.joints_px is not None
    features = folder / "S9" / "MyPoseFeatures"
    write_pose(features / "D3_Positions_mono" / "Walking 1.55011271.cdf", world.joints_mm + 7)
    write_pose(features / "D2_Positions" / "Walking 1.55011271.cdf", world.joints_px + 3)
    take = READER.read(folder, "S9/Walking 1/55011271")
    assert take.joints_mm is not None
    assert take.joints_px is not None
    assert np.allclose(take.joints_mm, world.joints_mm + 7, atol=0.01)
    assert np.allclose(take.joints_px, world.joints_px + 3, atol=0.01)


def test_the_users_own_metadata_is_used_where_it_is(folder: Path) -> None:
    metadata(folder)
    take = READER.read(folder, "S9/Walking 1/55011271")
    assert take.camera is not None
    assert take.camera.focal_px == (1000.0, 1010.0)
    assert take.camera.distortion == (-0.2, 0.1, 0.001, -0.001, 0.0)
    assert take.joints_mm is not None
    wanted = np.stack([WORLD_MM[..., 0], 1000 - WORLD_MM[..., 2], WORLD_MM[..., 1] + 4000], -1)
    assert np.allclose(take.joints_mm, wanted, atol=0.05)
    assert not any("metadata" in line for line in READER.inventory(folder).missing)


def test_videos_of_subjects_without_poses_are_unlabelled(folder: Path, write_video: Callable[..., Path]) -> None:
    (folder / "S2" / "Videos").mkdir(parents=True)
    frames = [np.zeros((100, 100, 3), np.uint8)] * 3
    write_video(folder / "S2" / "Videos" / "Eating.58860488.mp4", frames, 50.0)
    write_video(folder / "S2" / "Videos" / "_ALL.58860488.mp4", frames, 50.0)
    assert "S2/Eating/58860488" in READER.inventory(folder).takes
    assert "S2/_ALL/58860488" not in READER.inventory(folder).takes
    take = READER.read(folder, "S2/Eating/58860488")
    assert (take.split, take.joints_mm, take.skeleton, len(take)) == ("unlabelled", None, "", 3)
    assert take.rot_world_to_camera is None
    metadata(folder)
    assert READER.read(folder, "S2/Eating/58860488").rot_world_to_camera is not None


def test_what_is_known_to_be_wrong_in_the_release_is_said(folder: Path) -> None:
    features = folder / "S11" / "MyPoseFeatures" / "D3_Positions"
    write_pose(features / "Directions.cdf", WORLD_MM)
    write_pose(features / "_ALL.cdf", WORLD_MM)
    takes = [take for take in READER.inventory(folder).takes if take.startswith("S11/")]
    assert takes == [f"S11/Directions/{camera}" for camera in sorted(CAMERAS) if camera != "54138969"]
    assert any("damaged" in note for note in READER.read(folder, "S11/Directions/54138969").notes)
    write_pose(folder / "S9" / "MyPoseFeatures" / "D3_Positions" / "Greeting.cdf", WORLD_MM)
    assert any("200 mm" in note for note in READER.read(folder, "S9/Greeting/54138969").notes)
    assert not any("200 mm" in note for note in READER.read(folder, "S9/Walking 1/54138969").notes)


def test_the_inventory_says_what_is_missing(folder: Path) -> None:
    found = READER.inventory(folder)
    assert "S1/MyPoseFeatures/D3_Positions" in found.missing
    assert "S9/Videos: 3 of 4 videos" in found.missing
    assert any("metadata.xml" in line for line in found.missing)
    assert READER.recognises(folder)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.zeros((T, 17, 3)), r"Pose is \(5, 51\), expected \(any, 96\)"),
        (np.full((T, 32, 3), np.nan), "not finite"),
    ],
)
def test_wrong_poses_are_an_error_that_names_the_file(table: np.ndarray, words: str, folder: Path) -> None:
    write_pose(folder / "S9" / "MyPoseFeatures" / "D3_Positions" / "Walking 1.cdf", table)
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, "S9/Walking 1/55011271")
    assert "Walking 1.cdf" in caught.value.message


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.zeros((T - 1, 32, 2)), r"has 4 frames, .*Walking 1\.cdf has 5"),
        (np.zeros((T, 32, 2)), r"lies \d+ px from"),
        (np.zeros((T, 32, 3)), r"Pose is \(5, 96\), expected \(any, 64\)"),
    ],
)
def test_files_that_contradict_each_other_are_an_error(table: np.ndarray, words: str, folder: Path) -> None:
    write_pose(folder / "S9" / "MyPoseFeatures" / "D2_Positions" / "Walking 1.55011271.cdf", table)
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, "S9/Walking 1/55011271")
    assert "D2_Positions" in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no xml", "is not Human3.6M's metadata.xml"),
        ("<a></a>", "w0 has 0 numbers, expected 300"),
        ("<a><w0>[1 2 3]</w0></a>", "w0 has 3 numbers, expected 300"),
        ("<a><w0>[a b]</w0></a>", "is not Human3.6M's metadata.xml"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a><w0>&b;</w0></a>', "defines entities"),
        (b"\xff\xfe\x00", "is not Human3.6M's metadata.xml"),
    ],
)
def test_a_wrong_metadata_file_is_an_error_that_names_it(content: str | bytes, words: str, folder: Path) -> None:
    path = metadata(folder)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, "S9/Walking 1/55011271")
    assert "metadata.xml" in caught.value.message


@pytest.mark.parametrize(
    "take", ["S9/Walking 1/1", "S12/Walking/55011271", "S9/Gone/55011271", "S9", "", "S9/../55011271", "S2/x/55011271"]
)
def test_a_take_that_is_not_there_is_an_error(take: str, folder: Path) -> None:
    with pytest.raises(DataError):
        READER.read(folder, take)


def test_a_damaged_pose_file_is_an_error(folder: Path) -> None:
    path = folder / "S9" / "MyPoseFeatures" / "D3_Positions" / "Walking 1.cdf"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"Walking 1\.cdf is not a CDF file, or is damaged"):
        READER.read(folder, "S9/Walking 1/55011271")


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "S1" / "Videos").mkdir(parents=True)
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match=r"no recording of Human3\.6M") as caught:
        READER.inventory(tmp_path)
    assert "D3_Positions" in caught.value.hint

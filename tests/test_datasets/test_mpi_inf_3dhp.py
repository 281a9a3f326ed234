from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import scipy.io

from sa3dhp_edge.datasets.mpi_inf_3dhp import READER
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import rotation_about_x, rotation_about_y

T = 6
ROTATION = rotation_about_x(10) @ np.diag([1.0, -1.0, -1.0]) @ rotation_about_y(30)
"""World with y up to a camera."""
POSITION_MM = np.array([2000.0, 1500.0, 3400.0])
CENTER_PX = np.array([1024.7, 1051.4])


def focal_px(camera: int) -> float:
    return 1500.0 + camera


def calibration() -> str:
    lines = ["Skeletool Camera Calibration File V1.0"]
    shift = -ROTATION @ POSITION_MM
    for i in range(14):
        inner = np.eye(4)
        inner[:2, :3] = [[focal_px(i), 0, 1024.7], [0, focal_px(i) + 1, 1051.4]]
        outer = np.eye(4)
        outer[:3, :3], outer[:3, 3] = ROTATION, shift
        lines += [
            f"name          {i}", "  sensor      10 10", "  size        2048 2048", "  animated    0",
            "  intrinsic   " + " ".join(f"{v:.9g}" for v in inner.ravel()) + " ",
            "  extrinsic   " + " ".join(f"{v:.9g}" for v in outer.ravel()) + " ", "  radial      0",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def annotations(rows: int = T) -> dict[str, Any]:
    chance = np.random.default_rng(6)
    three, two, universal = (np.empty((14, 1), object) for _ in range(3))
    for i in range(14):
        mm = chance.uniform(-800, 800, (rows, 28, 3)) + np.array([0.0, 0.0, 3500.0])
        px = np.stack([focal_px(i) * mm[..., 0], (focal_px(i) + 1) * mm[..., 1]], -1) / mm[..., 2:]
        three[i, 0], two[i, 0] = mm.reshape(rows, 84), (px + CENTER_PX).reshape(rows, 56)
        universal[i, 0] = three[i, 0] * 0.9
    return {
        "annot2": two, "annot3": three, "univ_annot3": universal, "cameras": np.arange(14)[None],
        "frames": np.arange(rows)[:, None],
    }  # fmt: skip


def write_training(root: Path, sequence: str = "S1/Seq2", held: dict[str, Any] | None = None) -> Path:
    place = root / sequence
    (place / "imageSequence").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(place / "annot.mat", annotations() if held is None else held)
    (place / "camera.calibration").write_text(calibration())
    return place


def sees(test: str, mm: np.ndarray, distorted: bool) -> np.ndarray:
    """The test cameras of the release, from millimetres on the sensor, through OpenCV."""
    focal, (cx, cy), (w, h), sensor, aspect = (
        (7.32506, (-0.0322884, 0.0929296), (2048, 2048), (10, 10), 1.00044)
        if test < "TS5"
        else (8.770747185, (-0.104908645, 0.104899704), (1920, 1080), (10, 5.625), 0.993236423)
    )
    sx, sy = w / sensor[0], h / sensor[1] * aspect
    matrix = np.array(
        [[focal * sx, 0, (sensor[0] / 2 + cx) * sx], [0, focal * sy, (sensor[1] / 2 + cy) * sy], [0, 0, 1]]
    )
    bent = np.array([-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332]) * distorted
    points, _ = cv2.projectPoints(mm.reshape(-1, 3), np.zeros(3), np.zeros(3), matrix, bent)
    return np.asarray(points).reshape(*mm.shape[:-1], 2)


def write_test(root: Path, test: str = "TS1", distorted: bool = False, change: dict[str, Any] | None = None) -> Path:
    chance = np.random.default_rng(8)
    mm = chance.uniform(-800, 800, (T, 1, 17, 3)) + np.array([0.0, 0.0, 3500.0])
    held = {
        "annot3": mm, "annot2": sees(test, mm, distorted), "univ_annot3": mm * 0.9,
        "valid_frame": np.array([[1.0], [1], [0], [1], [0], [1]]), "activity_annotation": np.ones((T, 1)),
    }  # fmt: skip
    place = root / "mpi_inf_3dhp_test_set" / test
    place.mkdir(parents=True, exist_ok=True)
    with h5py.File(place / "annot_data.mat", "w") as file:
        for name, value in {**held, **(change or {})}.items():
            if value is not None:
                file[name] = value
    return place


@pytest.fixture
def folder(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    place = write_training(tmp_path)
    frames = [np.full((64, 64, 3), 30 * i, np.uint8) for i in range(T)]
    for i in (0, 8, 12):
        write_video(place / "imageSequence" / f"video_{i}.avi", frames, 50.0)
    images = write_test(tmp_path) / "imageSequence"
    images.mkdir()
    for i in range(T):
        cv2.imwrite(str(images / f"img_{i + 1:06d}.jpg"), frames[i])
    return tmp_path


def test_the_inventory_lists_what_is_there_and_what_is_not(folder: Path) -> None:
    write_training(folder, "S3/Seq1")
    found = READER.inventory(folder)
    assert found.takes == ("S1/Seq2/video_0", "S1/Seq2/video_8", "S1/Seq2/video_12", "TS1")
    assert "S1/Seq1/annot.mat" in found.missing
    assert "S3/Seq1/imageSequence/video_0.avi" in found.missing
    assert "mpi_inf_3dhp_test_set/TS2/annot_data.mat" in found.missing
    assert READER.recognises(folder)


def test_each_camera_has_its_own_joints_and_lens(folder: Path) -> None:
    for i in (0, 8, 12):
        take = READER.read(folder, f"S1/Seq2/video_{i}")
        assert (take.subject, take.split, take.fps, take.skeleton, take.size_wh) == (
            "S1", "train", 50.0, "mpi_inf_3dhp28", (2048, 2048),
        )  # fmt: skip
        assert take.camera is not None
        assert take.camera.focal_px == (focal_px(i), focal_px(i) + 1)
        assert take.joints_mm is not None
        assert take.joints_px is not None
        assert np.allclose(take.joints_mm.reshape(T, 84), annotations()["annot3"][i, 0], atol=0.01)
        image = take.joints_mm @ take.camera.matrix().T
        assert np.abs(image[..., :2] / image[..., 2:] - take.joints_px).max() < 0.01
        assert take.pictures is not None
        assert [round(float(picture.mean()) / 30) for picture in take.pictures.read([1, 5])] == [1, 5]


@pytest.mark.parametrize(
    ("sequence", "fps"),
    [("S1/Seq1", 25), ("S1/Seq2", 50), ("S2/Seq1", 25), ("S3/Seq1", 50), ("S5/Seq2", 50), ("S8/Seq2", 25)],
)
def test_the_rate_is_that_of_the_sequence(sequence: str, fps: float, tmp_path: Path) -> None:
    write_training(tmp_path, sequence)
    assert READER.read(tmp_path, f"{sequence}/video_0").fps == fps


def test_outer_geometry_brings_the_joints_back_to_a_world_with_y_down(folder: Path) -> None:
    take = READER.read(folder, "S1/Seq2/video_8")
    assert take.rot_world_to_camera is not None
    assert take.camera_position_mm is not None
    assert take.joints_mm is not None
    assert take.camera_position_mm[0] == pytest.approx((2000, -1500, -3400), abs=0.01)
    world = np.einsum("tji,tsj->tsi", take.rot_world_to_camera, take.joints_mm) + take.camera_position_mm[:, None]
    mm = annotations()["annot3"][8, 0].reshape(T, 28, 3)
    assert np.allclose(world * (1, -1, -1), (mm + ROTATION @ POSITION_MM) @ ROTATION, atol=0.01)


def test_the_test_set_gives_its_valid_frames_and_their_pictures(folder: Path) -> None:
    take = READER.read(folder, "TS1")
    assert (take.subject, take.split, take.skeleton, take.size_wh) == ("TS1", "test", "mpi_inf_3dhp17", (2048, 2048))
    assert take.frames.tolist() == [0, 1, 3, 5]
    assert take.pictures is not None
    assert len(take.pictures) == T
    assert [round(float(picture.mean()) / 30) for picture in take.pictures.read(take.frames)] == [0, 1, 3, 5]  # type: ignore[arg-type]
    assert any("25 frames per second are assumed" in note for note in take.notes)


@pytest.mark.parametrize("distorted", [True, False])
def test_outdoors_the_lens_that_fits_is_chosen(distorted: bool, tmp_path: Path) -> None:
    write_test(tmp_path, "TS6", distorted)
    take = READER.read(tmp_path, "TS6")
    assert take.camera is not None
    assert bool(take.camera.distortion) == distorted
    assert take.size_wh == (1920, 1080)
    assert take.pictures is None
    assert "imageSequence is missing" in take.notes


def test_the_archives_own_nesting_is_found(tmp_path: Path) -> None:
    write_test(tmp_path / "mpi_inf_3dhp_test_set", "TS2")
    assert READER.inventory(tmp_path).takes == ("TS2",)
    assert READER.inventory(tmp_path / "mpi_inf_3dhp_test_set" / "mpi_inf_3dhp_test_set").takes == ("TS2",)


def person(rows: int) -> np.ndarray:
    """(rows, 28, 3) mm: someone upright before the camera who faces it."""
    names = SKELETONS["mpi_inf_3dhp28"].joints
    body = np.random.default_rng(1).uniform(-20, 20, (rows, 28, 3)) + np.array([0.0, 0.0, 3500.0])
    for joint, place in {
        "neck": (0, -500, 0), "left_hip": (100, 0, 0), "right_hip": (-100, 0, 0), "left_ankle": (100, 800, 0),
        "right_ankle": (-100, 800, 0), "left_toe": (100, 800, -200), "right_toe": (-100, 800, -200),
    }.items():  # fmt: skip
        body[:, names.index(joint)] += place
    return body


@pytest.mark.parametrize("release_is_wrong", [True, False])
def test_the_exchanged_part_of_s4_is_exchanged_back_and_only_if_it_is(release_is_wrong: bool, tmp_path: Path) -> None:
    rows, part = 6000, slice(3759, 5853)
    body = person(rows)
    mm = body.copy()
    if release_is_wrong:
        mm[part] = mm[part][:, list(SKELETONS["mpi_inf_3dhp28"].mirror)]
    held = annotations()
    for i in range(14):
        held["annot3"][i, 0] = held["annot2"][i, 0] = np.zeros((1, 84))
    px = np.stack([focal_px(0) * mm[..., 0], (focal_px(0) + 1) * mm[..., 1]], -1) / mm[..., 2:] + CENTER_PX
    held["annot3"][0, 0], held["annot2"][0, 0] = mm.reshape(rows, 84), px.reshape(rows, 56)
    write_training(tmp_path, "S4/Seq2", held)
    take = READER.read(tmp_path, "S4/Seq2/video_0")
    assert take.joints_mm is not None
    assert np.allclose(take.joints_mm, body, atol=0.01)
    assert any("exchanged" in note for note in take.notes) == release_is_wrong
    assert take.camera is not None
    image = take.joints_mm @ take.camera.matrix().T
    assert np.abs(image[..., :2] / image[..., 2:] - take.joints_px).max() < 0.01


def test_rows_beyond_the_videos_are_cut(tmp_path: Path) -> None:
    held = annotations(1)
    for name in ("annot2", "annot3"):
        held[name][2, 0] = np.repeat(held[name][2, 0], 6200, 0)
        held[name][0, 0] = np.repeat(held[name][0, 0], 6200, 0)
    write_training(tmp_path, "S6/Seq2", held)
    assert len(READER.read(tmp_path, "S6/Seq2/video_2")) == 3911
    assert len(READER.read(tmp_path, "S6/Seq2/video_0")) == 6145


def cells(count: int, shape: tuple[int, ...]) -> np.ndarray:
    table = np.empty((count, 1), object)
    for i in range(count):
        table[i, 0] = np.ones(shape)
    return table


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annot3": None}, "holds no annot3"),
        ({"annot3": cells(8, (T, 84))}, "expected a cell for each of 14 cameras"),
        ({"annot3": np.zeros((T, 84))}, "expected a cell for each of 14 cameras"),
        ({"annot3": cells(14, (T, 51))}, r"annot3\{9\} is \(6, 51\), expected \(any, 84\)"),
        ({"annot2": cells(14, (T - 1, 56))}, "annot2 has 5 rows, annot3 6"),
        ({"annot2": cells(14, (T, 56))}, r"annot2 lies \d+ px from annot3"),
        ({"annot3": cells(14, (T, 84)) * -1}, "annot2 lies inf px from annot3"),
    ],
)
def test_wrong_annotations_are_an_error_that_names_the_file(change: dict[str, Any], words: str, folder: Path) -> None:
    held = {name: value for name, value in {**annotations(), **change}.items() if value is not None}
    write_training(folder, held=held)
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, "S1/Seq2/video_8")
    assert "annot.mat" in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no camera 8"),
        (calibration().replace("name          8", "name          20"), "has no camera 8"),
        (calibration().replace("intrinsic", "inner"), "lacks size, intrinsic or extrinsic"),
        (calibration().replace("2048 2048", "big"), "lacks size, intrinsic or extrinsic"),
        (calibration().replace("1508 0", "1508 x"), "lacks size, intrinsic or extrinsic"),
        (calibration().replace("1508 0", "nan 0"), "focal lengths nan"),
        (b"\xff\xfe", "is not a camera calibration"),
    ],
)
def test_a_wrong_calibration_is_an_error_that_names_it(content: str | bytes, words: str, folder: Path) -> None:
    path = folder / "S1" / "Seq2" / "camera.calibration"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, "S1/Seq2/video_8")
    assert "camera.calibration" in caught.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annot3": None}, "holds no annot3"),
        ({"annot3": np.zeros((T, 1, 28, 3))}, r"annot3 is \(6, 1, 28, 3\)"),
        ({"annot2": np.zeros((T, 1, 17, 2))}, r"annot2 lies \d+ px"),
        ({"valid_frame": np.zeros((T, 1))}, "no frame is valid"),
        ({"valid_frame": np.ones((T + 1, 1))}, r"valid_frame is \(7, 1\), expected \(6, 1\)"),
    ],
)
def test_wrong_test_annotations_are_an_error_that_names_the_file(
    change: dict[str, Any], words: str, folder: Path
) -> None:
    write_test(folder, change=change)
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, "TS1")
    assert "annot_data.mat" in caught.value.message


def test_a_matlab_file_of_the_wrong_version_is_an_error(folder: Path) -> None:
    training, test = folder / "S1" / "Seq2" / "annot.mat", folder / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    a, b = training.read_bytes(), test.read_bytes()
    training.write_bytes(b)
    test.write_bytes(a)
    with pytest.raises(DataError, match=r"annot\.mat is not a MATLAB file up to version 7"):
        READER.read(folder, "S1/Seq2/video_8")
    with pytest.raises(DataError, match=r"annot_data\.mat is not a MATLAB 7\.3"):
        READER.read(folder, "TS1")


@pytest.mark.parametrize("take", ["S1/Seq2/video_14", "S9/Seq1/video_0", "S2/Seq1/video_0", "TS7", "TS4", "", "../x"])
def test_a_take_that_is_not_there_is_an_error(take: str, folder: Path) -> None:
    with pytest.raises(DataError):
        READER.read(folder, take)


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match="no sequence of MPI-INF-3DHP") as caught:
        READER.inventory(tmp_path)
    assert "annot.mat" in caught.value.hint

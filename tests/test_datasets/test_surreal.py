from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.datasets.surreal import READER
from sa3dhp_edge.errors import DataError

T = 4
TAKE = "train/run1/ung_104_01/ung_104_01_c0002"
CAMERA_M = np.array([6.75, -0.98, -1.93])


def info(frames: int = T) -> dict[str, Any]:
    """What a clip's file holds: the release's projection written out, with its rounding."""
    chance = np.random.default_rng(3)
    x, y, z = chance.uniform(-1, 1, (3, 24, frames))
    joints3d = np.stack([x, y - 1, z - 2])
    dx, dy, dz = joints3d - CAMERA_M[:, None, None]
    joints2d = np.round([160 + 600 * -dz / -dx, 120 + 600 * dy / -dx])
    return {
        "joints3D": joints3d.astype(np.float32),
        "joints2D": joints2d.astype(np.float32),
        "camLoc": CAMERA_M[:, None].astype(np.float32),
        "zrot": np.full((frames, 1), 2.6, np.float32),
        "gender": np.ones((frames, 1), np.uint8),
        "sequence": "ung_104_01_c0002",
    }


def write(root: Path, held: dict[str, Any], take: str = TAKE) -> Path:
    path = root / "cmu" / f"{take}_info.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, held)
    return path


@pytest.fixture
def folder(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    write(tmp_path, info())
    frames = [np.full((240, 320, 3), 50 * i, np.uint8) for i in range(T)]
    write_video(tmp_path / "cmu" / f"{TAKE}.mp4", frames, 30.0)
    return tmp_path


def test_a_clip_is_read_with_all_it_says(folder: Path) -> None:
    take = READER.read(folder, TAKE)
    assert (take.subject, take.split, take.fps, take.skeleton, take.size_wh) == (
        "ung_104", "train", 30.0, "smpl24", (320, 240),
    )  # fmt: skip
    assert take.frames.tolist() == [0, 1, 2, 3]
    assert take.pictures is not None
    assert [round(float(image.mean()) / 50) for image in take.pictures.read([0, 3])] == [0, 3]


def test_joints_lie_where_the_file_sees_them_with_left_and_right_exchanged(folder: Path) -> None:
    take = READER.read(folder, TAKE)
    assert take.joints_mm is not None
    assert take.joints_px is not None
    assert take.camera is not None
    assert np.abs(project_px(take.joints_mm, take.camera) - take.joints_px).max() < 1e-2
    mirror = list(SKELETONS["smpl24"].mirror)
    pixels = info()["joints2D"].transpose(2, 1, 0)[:, mirror]
    assert np.abs(take.joints_px + 0.5 - pixels).max() < 0.51
    deep = 1000 * (CAMERA_M[0] - info()["joints3D"][0].T)[:, mirror]
    assert np.allclose(take.joints_mm[..., 2], deep, atol=0.1)


def test_the_body_one_sees_has_its_toes_in_front(tmp_path: Path) -> None:
    """A body in the world of the file, upright (y down) and facing the camera, which looks along -x."""
    held = info(1)
    names = SKELETONS["smpl24"].joints
    body = np.zeros((24, 3))
    for joint, place in {
        "pelvis": (0, 0, 0), "neck": (0, -0.5, 0), "left_hip": (0, 0, 0.1), "right_hip": (0, 0, -0.1),
        "left_ankle": (0, 0.8, 0.1), "right_ankle": (0, 0.8, -0.1), "left_foot": (0.1, 0.8, 0.1),
        "right_foot": (0.1, 0.8, -0.1),
    }.items():  # fmt: skip
        body[names.index(joint)] = place
    up, right, toes = (
        body[names.index(b)] - body[names.index(a)]
        for a, b in (("pelvis", "neck"), ("left_hip", "right_hip"), ("left_ankle", "left_foot"))
    )
    assert np.cross(up, right) @ toes > 0  # a body as bodies are, in a right-handed world
    held["joints3D"] = (body + np.array([0.0, -1.0, -2.0])).T[..., None]
    dx, dy, dz = held["joints3D"] - CAMERA_M[:, None, None]
    held["joints2D"] = np.round([160 + 600 * -dz / -dx, 120 + 600 * dy / -dx])
    write(tmp_path, held)
    take = READER.read(tmp_path, TAKE)
    assert take.joints_mm is not None
    seen = dict(zip(names, take.joints_mm[0], strict=True))
    forward = np.cross(seen["neck"] - seen["pelvis"], seen["right_hip"] - seen["left_hip"])
    assert forward @ (seen["left_foot"] - seen["left_ankle"]) > 0
    assert seen["right_hip"][0] < seen["left_hip"][0]  # of someone who looks at us


def test_the_outer_camera_agrees_with_the_joints(folder: Path) -> None:
    take = READER.read(folder, TAKE)
    assert take.camera_position_mm is not None
    assert take.joints_mm is not None
    assert take.camera_position_mm[0].tolist() == pytest.approx([1930, -980, -6750])
    world = take.joints_mm + take.camera_position_mm[:, None]
    assert np.allclose(world[..., 1], 1000 * info()["joints3D"][1].T[:, list(SKELETONS["smpl24"].mirror)], atol=0.1)


def test_frames_without_a_body_are_left_out_and_a_single_frame_is_read(folder: Path) -> None:
    held = info()
    held["joints3D"][..., 1] = held["joints2D"][..., 1] = 0
    write(folder, held)
    assert READER.read(folder, TAKE).frames.tolist() == [0, 2, 3]
    held = info(1)
    write(folder, {**held, "joints3D": held["joints3D"][..., 0], "joints2D": held["joints2D"][..., 0]})
    assert READER.read(folder, TAKE).frames.tolist() == [0]


def test_the_inventory_lists_what_is_there_and_what_is_not(folder: Path) -> None:
    write(folder, info(), "val/run0/01_01/01_01_c0001")
    found = READER.inventory(folder)
    assert found.takes == (TAKE, "val/run0/01_01/01_01_c0001")
    assert "cmu/test/run0" in found.missing
    assert "cmu/val/run0: 1 of 1 clips have no video" in found.missing
    assert READER.recognises(folder)
    assert READER.read(folder, found.takes[1]).split == "validation"
    assert READER.read(folder, found.takes[1]).pictures is None
    assert READER.inventory(folder / "cmu").takes == found.takes


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    assert not READER.recognises(tmp_path)
    assert not READER.recognises(tmp_path / "gone")
    with pytest.raises(DataError, match="no clip of SURREAL") as caught:
        READER.inventory(tmp_path)
    assert "_info.mat" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"joints3D": None}, "holds no joints3D"),
        ({"camLoc": np.zeros(2)}, r"camLoc is \(2,\), expected \(3\)"),
        ({"joints3D": np.zeros((3, 17, T))}, r"joints3D is \(3, 17, 4\)"),
        ({"joints2D": np.zeros((2, 24, T + 1))}, "joints2D is"),
        ({"joints2D": 319 - info()["joints2D"]}, r"joints2D lies \d+ px from joints3D"),
        ({"camLoc": -CAMERA_M}, "behind the camera"),
        ({"joints3D": np.zeros((3, 24, T))}, "every joint of every frame is 0"),
        ({"joints3D": np.full((3, 24, T), np.nan)}, "nowhere"),
        ({"joints3D": "text"}, "joints3D"),
    ],
)
def test_wrong_content_is_an_error_that_names_the_file(change: dict[str, Any], words: str, folder: Path) -> None:
    held = {name: value for name, value in {**info(), **change}.items() if value is not None}
    write(folder, held)
    with pytest.raises(DataError, match=words) as caught:
        READER.read(folder, TAKE)
    assert "ung_104_01_c0002_info.mat" in caught.value.message


@pytest.mark.parametrize("take", ["train/run1/x", "nowhere/run1/a/b", "train/../../etc", "train/run1/01_01/gone", ""])
def test_a_take_that_is_not_there_is_an_error(take: str, folder: Path) -> None:
    with pytest.raises(DataError):
        READER.read(folder, take)


def test_a_video_shorter_than_the_clip_is_noticed_when_it_is_read(
    folder: Path, write_video: Callable[..., Path]
) -> None:
    write_video(folder / "cmu" / f"{TAKE}.mp4", [np.zeros((240, 320, 3), np.uint8)] * 2, 30.0)
    take = READER.read(folder, TAKE)
    assert take.pictures is not None
    with pytest.raises(DataError, match="has 2 frames; frame 2 is asked for"):
        list(take.pictures.read(take.frames))  # type: ignore[arg-type]

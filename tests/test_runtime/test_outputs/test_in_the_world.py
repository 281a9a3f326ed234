"""Recordings with a world: every format holds the poses there, and those without are as before."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from runtime.outputs import PoseWriter, Stream
from runtime.outputs.csv_table import COLUMNS
from runtime.outputs.formats import convert
from runtime.world import World, in_world, up_of
from sa3dhp_edge.datasets.trc import read_trc
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.records import Frame
from sa3dhp_edge.skeleton import JOINTS

from .conftest import MODEL, NO_PICTURE, STREAM, motion_mm, person, root_mm
from .test_bvh import positions_mm
from .test_formats import read_c3d

WORLD = World.above_floor(up_of(25, -6), 2100)


@pytest.fixture
def recorded(tmp_path: Path):
    """Write 40 frames of one person; gives the recording and (40, 17, 3) mm before the camera, or about the pelvis."""

    def write(placed: bool = True, world: World | None = WORLD) -> tuple[Path, np.ndarray]:
        mm, root = motion_mm(40), root_mm(40)
        stream = Stream(STREAM.source, STREAM.fps, STREAM.size_wh, STREAM.intrinsics, STREAM.height_mm, world)
        seen = [
            (Frame(NO_PICTURE, i, i / 30), (person(1, mm[i], root[i] if placed else None),), 1.0) for i in range(40)
        ]
        with PoseWriter(tmp_path / "w.jsonl", stream, MODEL) as writer:
            for frame, poses, latency_ms in in_world(seen, world):
                writer.write(frame, poses, latency_ms)
        return tmp_path / "w.jsonl", mm + root[:, None] if placed else mm

    return write


def truth(xyz: np.ndarray, placed: bool) -> np.ndarray:
    turned = xyz @ WORLD.rot_camera_to_world.T
    return turned + WORLD.camera_mm if placed else turned


@pytest.mark.parametrize("placed", [True, False], ids=["placed", "upright"])
def test_motion_capture_files_are_of_the_world_y_up(recorded, tmp_path, placed):
    recording, xyz = recorded(placed)
    convert(recording, [tmp_path / f"a{suffix}" for suffix in (".trc", ".c3d", ".bvh")])
    wanted = truth(xyz, placed)[..., [0, 2, 1]] * (1, 1, -1)
    assert np.abs(read_trc(tmp_path / "a.trc").xyz_mm - wanted).max() < 0.1
    assert np.abs(read_c3d(tmp_path / "a.c3d")[0] - wanted).max() < 0.1
    assert np.abs(positions_mm(tmp_path / "a.bvh") - wanted).max() < 0.1


@pytest.mark.parametrize("placed", [True, False], ids=["placed", "upright"])
def test_tables_have_both(recorded, tmp_path, placed):
    recording, xyz = recorded(placed)
    convert(recording, [tmp_path / "a.csv", tmp_path / "a.npz"])
    wanted = truth(xyz, placed)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    in_csv = [[[float(row[f"{joint}_{axis}_world_mm"]) for axis in "xyz"] for joint in JOINTS] for row in rows]
    assert np.abs(np.array(in_csv) - wanted).max() < 0.1
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert np.abs(file["world_joints_mm"][:, 0] - wanted).max() < 0.1
        back = (file["world_joints_mm"][:, 0] - file["camera_mm"]) @ file["rotation_camera_to_world"]
        assert not placed or np.abs(back - file["joints_mm"][:, 0] - file["root_mm"]).max() < 0.1


def test_without_a_world_the_tables_are_as_they_were(recorded, tmp_path):
    recording, _ = recorded(world=None)
    convert(recording, [tmp_path / "a.csv", tmp_path / "a.npz"])
    assert (tmp_path / "a.csv").read_text().splitlines()[0].split(",") == list(COLUMNS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert not [name for name in file.files if "world" in name or name == "camera_mm"]


def test_a_damaged_world_is_said(recorded, tmp_path):
    recording, _ = recorded()
    recording.write_text(recording.read_text().replace("[0.0,0.0,2100.0]", "[0.0,0.0]", 1))
    with pytest.raises(DataError, match="line 1: the world is damaged"):
        convert(recording, [tmp_path / "a.npz"])

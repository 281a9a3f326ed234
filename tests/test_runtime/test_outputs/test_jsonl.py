import dataclasses
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.intrinsics import load_intrinsics
from runtime.outputs import PoseWriter, Stream, read_poses
from runtime.overlay import OverlayWriter, draw
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import DataError, InputError, OutputError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import JOINTS, PARENTS

FRAME = Frame(np.full((240, 320, 3), 80, np.uint8), 7, 0.23333333)
STREAM = Stream("a.mp4", 30.0, (320, 240), Intrinsics.guess((320, 240)), 1700.0)


def some_pose(root: bool = True) -> Pose:
    rng = np.random.default_rng(0)
    mm = rng.normal(0, 400, (17, 3)).astype(np.float32)
    px = rng.uniform(40, 200, (17, 2)).astype(np.float32)
    place = np.array([1.0, 2.0, 3000.123456], np.float32) if root else None
    return Pose(mm, place, px, (10.0, 20.0, 110.123456, 120.0), 0.87654321, 3, np.zeros(32, np.float32))


@pytest.fixture
def contract(fake_model):
    return read_contract(fake_model)


def test_the_records_have_exactly_the_promised_fields(contract, tmp_path):
    with PoseWriter(tmp_path / "p.jsonl", STREAM, contract) as writer:
        known = dataclasses.replace(some_pose(), expected_error_mm=123.456, expected_pa_error_mm=98.76)
        writer.write(FRAME, (known,), 12.3456)
        writer.write(FRAME, (some_pose(root=False),), 12.3456)
        writer.write(FRAME, (), 1.0)
    header, pose, rootless, empty = read_poses(tmp_path / "p.jsonl")
    assert list(header)[:11] == [
        *("record", "schema", "unit", "camera_frame", "root", "joints", "parents", "source", "fps", "size_wh", "model")
    ]
    assert header["schema"] == "sa3dhp-edge/poses/1"
    assert header["unit"] == "mm"
    assert header["camera_frame"] == "x right, y down, z forward"
    assert header["root"] == "pelvis"
    assert header["joints"] == list(JOINTS)
    assert header["parents"] == list(PARENTS)
    assert header["model"] == {"name": "fake", "sha256": contract.sha256()}
    assert header["intrinsics"]["assumed"] is True
    assert list(pose) == [
        *("record", "frame", "time_s", "track", "box_xyxy_px", "joints_mm", "root_mm", "joints_px", "confidence"),
        *("expected_error_mm", "expected_pa_error_mm", "latency_ms"),
    ]
    assert (pose["frame"], pose["time_s"], pose["track"], pose["latency_ms"]) == (7, 0.2333, 3, 12.35)
    assert pose["confidence"] == 0.8765
    assert (pose["expected_error_mm"], pose["expected_pa_error_mm"]) == (123.5, 98.8)
    assert rootless["expected_error_mm"] is rootless["expected_pa_error_mm"] is None
    assert pose["box_xyxy_px"] == [10.0, 20.0, 110.12, 120.0]
    assert np.allclose(pose["joints_mm"], some_pose().joints_mm, atol=0.005)
    assert np.allclose(pose["root_mm"], [1, 2, 3000.12])
    assert rootless["root_mm"] is None
    assert empty == {"record": "empty", "frame": 7, "time_s": 0.2333}


def test_every_person_of_a_frame_has_a_record(contract, tmp_path):
    with PoseWriter(tmp_path / "p.jsonl", STREAM, contract) as writer:
        writer.write(FRAME, [dataclasses.replace(some_pose(), track=track) for track in (4, 2)], 1.0)
    _, *records = read_poses(tmp_path / "p.jsonl")
    assert [(r["record"], r["frame"], r["track"]) for r in records] == [("pose", 7, 4), ("pose", 7, 2)]


def test_a_new_model_writes_a_new_header(contract, tmp_path):
    with PoseWriter(tmp_path / "p.jsonl", STREAM, contract) as writer:
        writer.write(FRAME, (), 1.0)
        writer.new_model(contract)
        writer.write(FRAME, (), 1.0)
    kinds = [r["record"] for r in read_poses(tmp_path / "p.jsonl")]
    assert kinds == ["header", "empty", "header", "empty"]


def test_lines_are_on_disk_as_soon_as_they_are_written(contract, tmp_path):
    writer = PoseWriter(tmp_path / "p.jsonl", STREAM, contract)
    writer.write(FRAME, (some_pose(),), 1.0)
    assert len(read_poses(tmp_path / "p.jsonl")) == 2
    writer.close()
    with pytest.raises(OutputError, match="closed"):
        writer.write(FRAME, (), 1.0)


def test_an_existing_file_is_refused_unless_asked(contract, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        PoseWriter(path, STREAM, contract)
    assert path.read_text() == "precious"
    PoseWriter(path, STREAM, contract, overwrite=True).close()
    assert len(read_poses(path)) == 1


def test_a_short_write_is_taken_back_and_said(contract, tmp_path, monkeypatch):
    path = tmp_path / "p.jsonl"
    writer = PoseWriter(path, STREAM, contract)
    whole_write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: whole_write(fd, data[: len(data) // 2]))
        with pytest.raises(OutputError, match="lines so far are whole"):
            writer.write(FRAME, (some_pose(),), 1.0)
    assert len(read_poses(path)) == 1
    writer.write(FRAME, (), 1.0)
    assert [r["record"] for r in read_poses(path)] == ["header", "empty"]
    writer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_an_output_error(contract):
    with pytest.raises(OutputError, match="cannot be written"):
        PoseWriter(Path("/dev/full"), STREAM, contract, overwrite=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ('{"record":"empty"}\n', "expected a header"), ("HEADER{}\n", "line 1 is damaged")],
)
def test_the_reader_names_a_damaged_line(tmp_path, text, message):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        read_poses(tmp_path / "p.jsonl")


def test_the_reader_names_a_cut_line(contract, tmp_path):
    with PoseWriter(tmp_path / "p.jsonl", STREAM, contract) as writer:
        writer.write(FRAME, (some_pose(),), 1.0)
    path = tmp_path / "p.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="line 2 is damaged"):
        read_poses(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_poses(tmp_path / "none")


def test_drawing_changes_a_copy_and_marks_the_sides():
    before = FRAME.image_bgr.copy()
    picture = draw(FRAME.image_bgr, (some_pose(),), 12.0)
    assert np.array_equal(FRAME.image_bgr, before)
    assert (picture != before).any(axis=-1).mean() > 0.02
    assert (draw(FRAME.image_bgr, (), 1.0) != before).any()
    other = dataclasses.replace(some_pose(), box_xyxy_px=(150.0, 100.0, 300.0, 230.0))
    assert (draw(FRAME.image_bgr, (some_pose(), other), 12.0) != picture)[150:, 300].any()


def test_the_overlay_appears_whole_when_it_is_closed(tmp_path):
    path = tmp_path / "o.mp4"
    with OverlayWriter(path, 30.0, (320, 240)) as writer:
        for _ in range(5):
            writer.write(FRAME, (some_pose(),), 1.0)
        assert not path.exists()
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    assert count == 5
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]
    with pytest.raises(OutputError, match="exists already"):
        OverlayWriter(path, 30.0, (320, 240))
    with pytest.raises(OutputError, match=r"\.mp4"):
        OverlayWriter(tmp_path / "o.gif", 30.0, (320, 240))


def test_calibration_files_are_read_in_both_layouts(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"K": [[900, 0, 320], [0, 901, 240], [0, 0, 1]], "dist": [0.1, 0, 0, 0, 0]}))
    assert load_intrinsics(path) == Intrinsics((900, 901), (320, 240), (0.1, 0, 0, 0, 0))
    path.write_text(json.dumps({"fx": 900, "fy": 901, "cx": 320, "cy": 240}))
    assert load_intrinsics(path) == Intrinsics((900, 901), (320, 240))
    for bad in ("{", "[]", "{}", '{"K": [[1]]}', '{"fx": -1, "fy": 1, "cx": 0, "cy": 0}'):
        path.write_text(bad)
        with pytest.raises(InputError, match=r"calibration|focal"):
            load_intrinsics(path)

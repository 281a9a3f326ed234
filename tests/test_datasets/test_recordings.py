"""The project's own files: recordings and frame sets read back as they were written."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from runtime.outputs import PoseWriter, Stream
from sa3dhp_edge.crop import CropCamera, cut
from sa3dhp_edge.datasets.recordings import READER
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose

CAMERA = Intrinsics((500.0, 510.0), (160.0, 120.0), (0.1, 0.0, 0.0, 0.0))


def _pose(track: int, root: bool) -> Pose:
    rng = np.random.default_rng(track)
    mm = rng.normal(0, 400, (17, 3)).astype(np.float32)
    place = np.array([100.0, 200.0, 3000.0], np.float32) if root else None
    px = rng.uniform(40, 200, (17, 2)).astype(np.float32)
    return Pose(mm, place, px, (10.0, 20.0, 110.0, 120.0), 0.9, track, np.zeros(32, np.float32))


def _record(folder: Path, tracks: dict[int, int], camera: Intrinsics = CAMERA, root: bool = True) -> Path:
    """A recording with a person of a track in each of some frames, and nobody in the others."""
    model = cast(Any, SimpleNamespace(name="m", sha256=lambda: "0" * 64))
    path = folder / "walk.jsonl"
    with PoseWriter(path, Stream("walk.avi", 25.0, (320, 240), camera, 1700.0), model) as writer:
        for index in range(max(tracks) + 2):
            frame = Frame(np.zeros((240, 320, 3), np.uint8), index, index / 25)
            writer.write(frame, (_pose(tracks[index], root),) if index in tracks else (), 1.0)
    return path


def test_a_recording_is_read_as_it_was_written_with_its_video(tmp_path: Path) -> None:
    _record(tmp_path, {1: 1, 3: 1})
    video = cv2.VideoWriter(str(tmp_path / "walk.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for value in range(5):
        video.write(np.full((240, 320, 3), 40 * value, np.uint8))
    video.release()
    assert READER.recognises(tmp_path)
    assert READER.inventory(tmp_path).takes == ("walk",)
    take = READER.read(tmp_path, "walk")
    assert (list(take.frames), take.fps, take.size_wh, take.camera) == ([1, 3], 25, (320, 240), CAMERA)
    assert np.allclose(take.joints_mm[0], _pose(1, True).joints_mm + np.array([100, 200, 3000]), atol=0.02)
    assert np.allclose(take.joints_px[1], _pose(1, True).joints_px, atol=0.01)
    assert abs(int(next(take.pictures.read([3]))[0, 0, 0]) - 120) < 4


def test_persons_are_takes_and_an_unknown_root_is_unknown(tmp_path: Path) -> None:
    _record(tmp_path, {0: 4, 1: 4, 2: 7}, Intrinsics.guess((320, 240)), root=False)
    inventory = READER.inventory(tmp_path)
    assert inventory.takes == ("walk#4", "walk#7")
    assert inventory.missing == ("walk: its video",)
    take = READER.read(tmp_path, "walk#4")
    assert len(take) == 2
    assert np.isnan(take.joints_mm).all()
    assert np.isfinite(take.joints_px).all()
    assert any("without a root" in note for note in take.notes)
    assert any("focal length is a guess" in note for note in take.notes)


def test_damage_is_named_with_its_line(tmp_path: Path) -> None:
    path = _record(tmp_path, {1: 1, 2: 1})
    lines = path.read_text().splitlines()
    pose = json.loads(lines[2])
    header = json.loads(lines[0])
    for broken, message in (
        ([lines[0], "{"], "line 2 is damaged"),
        ([lines[0], json.dumps(pose | {"joints_mm": [[1, 2, 3]]})], r"line 2: joints_mm is not \(17, 3\)"),
        ([lines[0], json.dumps(pose | {"frame": None})], "line 2: frame is not a number"),
        ([lines[0], json.dumps(pose | {"joints_px": "x"})], "line 2: joints_px"),
        ([json.dumps(header | {"fps": "x"}), lines[2]], "line 1: fps"),
        ([json.dumps(header | {"joints": ["a"]}), lines[2]], "line 1: expected a header"),
        ([lines[0]], "has no pose"),
    ):
        path.write_text("\n".join(broken) + "\n")
        with pytest.raises(DataError, match=message):
            READER.read(tmp_path, "walk")


def test_a_clip_of_a_frame_set_has_its_joints_where_they_were_cut(tmp_path: Path) -> None:
    frame = np.zeros((240, 320, 3), np.uint8)
    points = np.random.default_rng(0).uniform(90, 150, (17, 2)).round()
    frame[int(points[4, 1]), int(points[4, 0])] = (0, 0, 255)  # red in BGR
    crop = CropCamera.looking_at((80.0, 80.0, 180.0, 180.0), CAMERA)
    side = picture_px(96)
    picture = cut(frame, crop, side, 1.5)
    uv = crop.px_to_uv(points).astype(np.float32)
    mm = np.zeros((3, 17, 3), np.float32)
    FrameSet(
        np.stack([picture] * 3), 96, np.array([0, 1, 1], np.int32), np.array([0, 0, 0.04]), mm,
        np.stack([uv] * 3), np.ones((3, 17), bool), origin=("first", "second"),
    ).save(tmp_path / "set")  # fmt: skip
    assert READER.inventory(tmp_path).takes == ("set/0", "set/1")
    take = READER.read(tmp_path, "set/1")
    assert (len(take), take.fps, take.split) == (2, pytest.approx(25), "train")
    assert "second" in take.notes
    shown = next(take.pictures.read([1]))
    y, x = np.unravel_index(int(shown[..., 2].astype(int).argmax()), shown.shape[:2])
    assert np.abs(take.joints_px[1, 4] - [x, y]).max() <= 1
    assert shown[y, x, 0] == 0
    with pytest.raises(DataError, match="has 2 clips, no clip 9"):
        READER.read(tmp_path, "set/9")


def test_a_folder_without_either_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match="has no recording and no frame set"):
        READER.inventory(tmp_path)

"""Pose2Sim: turned axes, cameras by their numbers, calibrations, and the project's own demonstration."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.pose2sim import READER, read_calibration
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError

DEMO = Path(__file__).parents[3] / "shared" / "data" / "gt3d" / "pose2sim_balance"
NAMES = SKELETONS["pose2sim_halpe26"].joints
K = np.array([[500.0, 0, 120], [0, 510, 160], [0, 0, 1]])
DISTORTION = np.array([0.1, -0.05, 0.001, 0.002])
ROTATION, TRANSLATION_M = np.array([1.6, 0.2, -0.1]), np.array([0.1, 0.9, 3.0])

_CAMERA = """[{name}]
name = "{name}"
size = [ 240.0, 320.0]
matrix = [ [ 500.0, 0.0, 120.0], [ 0.0, 510.0, 160.0],
  [ 0.0, 0.0, 1.0]]  # over two lines
distortions = [ 0.1, -0.05, 0.001, 0.002]
rotation = [ {rotation}]
translation = [ 0.1, 0.9, 3.0,]
fisheye = false

"""

_KEYS = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"


def _calibration(*names: str) -> str:
    rows = [", ".join(str(v) for v in (ROTATION if i else -ROTATION)) for i in range(len(names))]
    cameras = [_CAMERA.format(name=name, rotation=row) for name, row in zip(names, rows, strict=True)]
    return "".join(cameras) + "[metadata]\nadjusted = false\nerror = 0.0\n"


def _trc(path: Path, world_m: np.ndarray, first: int, start: int, names: tuple[str, ...] = NAMES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = f"30 30 {len(world_m)} {len(names)} m 30 {start} {len(world_m)}".split()
    lines = [f"PathFileType\t4\t(X/Y/Z)\t{path.name}", _KEYS, "\t".join(values)]
    lines += ["Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t", "\t\tX1\tY1\tZ1\t"]
    for i, row in enumerate(world_m[..., [1, 2, 0]]):
        lines.append(f"{first + i}\t{(first + i) / 30:.6f}\t" + "\t".join(f"{v:.7f}" for v in row.ravel()))
    path.write_text("\n".join(lines) + "\n")


def _video(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (240, 320))
    for _ in range(frames):
        writer.write(np.zeros((320, 240, 3), np.uint8))
    writer.release()


def _project(folder: Path, frames: int = 8) -> np.ndarray:
    """World points with Z up, in metres."""
    world = np.random.default_rng(0).uniform(-0.4, 0.4, (5, len(NAMES), 3))
    (folder / "calibration").mkdir(parents=True)
    (folder / "calibration" / "Calib.toml").write_text(_calibration("cam_01", "cam_02"))
    _trc(folder / "pose-3d" / "walk_2-6.trc", world + 9, 2, 2)
    _trc(folder / "pose-3d" / "walk_2-6_filt_butterworth.trc", world, 2, 2)
    for camera in ("cam01", "cam02"):
        _video(folder / "videos" / f"{camera}.avi", frames)
    return world


def test_markers_reach_the_pixels_of_their_frames(tmp_path: Path) -> None:
    world = _project(tmp_path)
    assert READER.recognises(tmp_path)
    assert READER.inventory(tmp_path).takes == ("walk/cam01", "walk/cam02")
    take = READER.read(tmp_path, "walk/cam02")  # not the first camera, not the first frame, the filtered file
    expected = [cv2.projectPoints(w, ROTATION, TRANSLATION_M, K, DISTORTION)[0][:, 0] for w in world]
    assert np.abs(take.joints_px - np.array(expected)).max() < 0.01
    assert np.allclose(take.joints_mm, (world @ cv2.Rodrigues(ROTATION)[0].T + TRANSLATION_M) * 1000, atol=0.01)
    assert (list(take.frames), take.fps, take.skeleton) == ([2, 3, 4, 5, 6], 30, "pose2sim_halpe26")
    level = take.joints_mm @ take.rot_world_to_camera[0] + take.camera_position_mm[0]
    assert np.allclose(-level[..., 1], world[..., 2] * 1000, atol=0.02)  # Z up is y down
    assert np.linalg.det(take.rot_world_to_camera[0]) == pytest.approx(1, abs=1e-5)


def test_rows_beyond_the_video_are_left_out_and_old_frame_numbers_understood(tmp_path: Path) -> None:
    world = _project(tmp_path, frames=3)
    (tmp_path / "pose-3d" / "walk_2-6_filt_butterworth.trc").unlink()
    _trc(tmp_path / "pose-3d" / "walk_2-6.trc", world, 1, 0)  # counted from one, begins with frame 0
    take = READER.read(tmp_path, "walk/cam01")
    assert list(take.frames) == [0, 1, 2]
    assert any("2 rows are left out" in note for note in take.notes)


def test_persons_and_a_shared_calibration(tmp_path: Path) -> None:
    world = _project(tmp_path / "Trial_1")
    (tmp_path / "Trial_1" / "calibration").rename(tmp_path / "calibration")
    for person in (1, 2):
        _trc(tmp_path / "Trial_1" / "pose-3d" / f"t_P{person}_0-4.trc", world, 0, 0)
    takes = READER.inventory(tmp_path).takes
    assert {"t_P1/cam01", "t_P2/cam02", "walk/cam01"} <= set(takes)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fisheye = false", "fisheye = true", r"\[cam_01\]: a fisheye or moving camera"),
        ("rotation = [ ", "rotation = [ 1.0, ", r"\[cam_01\]: rotation is"),
        ("distortions = [ 0.1,", "distortions = [", r"distortions is .* expected 4 or 5 numbers"),
        ("size = [ 240.0, 320.0]", "size 240", "line 3: expected key = value"),
        ("matrix", "mtx", "has no camera"),
        ("[ 500.0,", "[ nan_,", "expected key = value"),
    ],
)
def test_wrong_calibrations_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(_calibration("cam_01").replace(old, new))
    with pytest.raises(DataError, match=message) as error:
        read_calibration(path)
    assert str(path) in error.value.message


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no Pose2Sim project"):
        READER.inventory(tmp_path)
    world = _project(tmp_path)
    (tmp_path / "calibration" / "Calib.toml").write_text(_calibration("left", "right", "top"))
    with pytest.raises(DataError, match=r"has 3 cameras \(left, right, top\).*2 videos"):
        READER.read(tmp_path, "walk/cam01")
    (tmp_path / "calibration" / "Calib.toml").write_text(_calibration("cam_01", "cam_02"))
    _trc(tmp_path / "pose-3d" / "walk_2-6_filt_butterworth.trc", world[:, :2], 2, 2, ("A", "B"))
    with pytest.raises(DataError, match="has the markers A, B"):
        READER.read(tmp_path, "walk/cam01")


@pytest.mark.skipif(not DEMO.is_dir(), reason=f"no demonstration at {DEMO}")
def test_the_demonstration_falls_on_what_was_seen_in_its_videos(tmp_path: Path) -> None:
    for folder, file in (("calibration", "Pose2Sim_cameras.toml"), ("pose-3d", "Pose2Sim_markers.trc")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_bytes((DEMO / file).read_bytes())
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "cam04.mp4").symlink_to(DEMO / "cam04" / "video.mp4")
    take = READER.read(tmp_path, "Pose2Sim_markers/cam04")
    with np.load(DEMO / "openpose_body25b_2d.npz") as data:
        seen, names = data["kp"][3], list(data["names"])
    joints = SKELETONS[take.skeleton].joints
    off = [np.linalg.norm(take.joints_px[:, joints.index(n)] - seen[:, i, :2], axis=-1) for i, n in enumerate(names)]
    sure = seen[..., 2].T > 0.3
    assert len(take) == 100
    assert np.median(np.array(off)[sure]) < 12

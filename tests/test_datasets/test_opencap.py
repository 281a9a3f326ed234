"""OpenCap: from a board's axes through OpenSim's to a picture and back, halved videos, pickles, what is missing."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.opencap import READER
from sa3dhp_edge.datasets.opencap_camera import read_camera
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError

NAMES = SKELETONS["opencap20"].joints
K = np.array([[800.0, 0, 320], [0, 810, 400], [0, 0, 1]])
DISTORTION = np.array([[0.1, -0.2, 0.001, -0.002, 0.05]])
OFFSET_M = -0.25

_KEYS = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"


def _turn(axis: str, degrees: float) -> np.ndarray:
    vector = np.zeros(3)
    vector["xyz".index(axis)] = np.radians(degrees)
    return cv2.Rodrigues(vector)[0]


def _video(path: Path, size_wh: tuple[int, int], frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 60, size_wh)
    for i in range(frames):
        writer.write(np.full((size_wh[1], size_wh[0], 3), 20 * i, np.uint8))
    writer.release()


def _trc(path: Path, xyz_m: np.ndarray, names: tuple[str, ...] = NAMES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = f"60.0 60.0 {len(xyz_m)} {len(names)} m 60.0 1 {len(xyz_m)}".split()
    lines = ["PathFileType  4\t(X/Y/Z) here", _KEYS, "\t".join(values)]
    lines += ["Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in names), "\t\tX1\tY1\tZ1\t", ""]
    for i, row in enumerate(xyz_m):
        lines.append(f"{i + 1}\t{i / 60:.7f}\t" + "\t".join(f"{v:.7f}" for v in row.ravel()))
    path.write_text("\n".join(lines) + "\n")


def _camera(
    path: Path, rotation: np.ndarray, translation_mm: np.ndarray, other: dict[str, object] | None = None
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "distortion": DISTORTION, "intrinsicMat": K, "imageSize": np.array([[800.0], [640.0]]), "rotation": rotation,
        "translation": translation_mm.reshape(3, 1), "rotation_EulerAngles": cv2.Rodrigues(rotation)[0],
    }  # fmt: skip
    path.write_bytes(pickle.dumps({k: v for k, v in (facts | (other or {})).items() if v is not None}))


def _session(folder: Path, placement: str, steps: list[tuple[str, float]], rotation: np.ndarray) -> np.ndarray:
    """Write a session as OpenCap does: points in the board's axes, turned step by step, lowered; returns the pixels."""
    board_m = np.random.default_rng(0).uniform(-0.5, 0.5, (4, len(NAMES), 3))
    translation_mm = np.array([50.0, -100, 4000])
    turned = board_m
    for axis, degrees in steps:
        turned = turned @ _turn(axis, degrees).T
    _trc(folder / "MarkerData" / "walk.trc", turned - np.array([0, OFFSET_M, 0]))
    (folder / "MarkerData" / "Settings").mkdir()
    (folder / "MarkerData" / "Settings" / "settings_walk.yaml").write_text(f"a: 1\nverticalOffset: {OFFSET_M}\n")
    (folder / "sessionMetadata.yaml").write_text(
        f"checkerBoard:\n  black2BlackCornersHeight_n: 4\n  placement: {placement}\nheight_m: 1.8\n"
    )
    _camera(folder / "Videos/Cam0/cameraIntrinsicsExtrinsics.pickle", rotation, translation_mm)
    _video(folder / "Videos/Cam0/InputMedia/walk/walk_sync.avi", (320, 400), 3)
    points = [
        cv2.projectPoints(p * 1000, cv2.Rodrigues(rotation)[0], translation_mm, K, DISTORTION)[0] for p in board_m
    ]
    return (np.array(points)[:, :, 0] + 0.5) / 2 - 0.5


@pytest.mark.parametrize(
    ("placement", "steps", "upside_down"),
    [
        ("ground", [("x", 90), ("y", 90)], False),
        ("Lying", [("x", 90), ("y", 90)], False),
        ("backWall", [("y", 90), ("z", 180)], False),
        ("Perpendicular", [("y", -90)], True),
    ],
)
def test_markers_reach_the_pixels_they_came_from(
    tmp_path: Path, placement: str, steps: list[tuple[str, float]], upside_down: bool
) -> None:
    rotation = _turn("z", 180 if upside_down else 5) @ _turn("x", 20)
    pixels = _session(tmp_path, placement, steps, rotation)
    assert READER.recognises(tmp_path)
    assert READER.inventory(tmp_path).takes == ("walk/Cam0",)
    take = READER.read(tmp_path, "walk/Cam0")
    assert (take.skeleton, take.size_wh, len(take), take.fps) == ("opencap20", (320, 400), 3, 60)
    assert np.abs(take.joints_px - pixels[:3]).max() < 0.05
    assert any("3 frames, walk.trc 4 rows" in note for note in take.notes)
    level = (take.joints_mm - 0) @ take.rot_world_to_camera[0] + take.camera_position_mm[0]
    up_mm = -level[..., 1]  # the level world is that of the markers, y up there
    assert np.allclose(up_mm[0], _y_of_trc(tmp_path / "MarkerData" / "walk.trc") * 1000, atol=0.1)
    assert next(take.pictures.read([0])).shape == (400, 320, 3)


def _y_of_trc(path: Path) -> np.ndarray:
    return np.array(path.read_text().splitlines()[6].split("\t")[2:], float).reshape(-1, 3)[:, 1]


def test_without_the_offset_or_the_placement_a_trial_is_motion_only(tmp_path: Path) -> None:
    _session(tmp_path / "s1", "ground", [("x", 90), ("y", 90)], _turn("x", 20))
    (tmp_path / "s1/MarkerData/Settings/settings_walk.yaml").unlink()
    inventory = READER.inventory(tmp_path)
    assert inventory.takes == ("s1/walk",)
    assert any("settings_walk.yaml with verticalOffset: motion only" in line for line in inventory.missing)
    take = READER.read(tmp_path, "s1/walk")
    assert take.camera is None
    assert take.pictures is None
    assert np.allclose(-take.joints_mm[0, :, 1], _y_of_trc(tmp_path / "s1/MarkerData/walk.trc") * 1000, atol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotation": None}, "has no rotation"),
        ({"intrinsicMat": np.zeros(4)}, "intrinsicMat is not 9 numbers"),
        ({"rotation": np.zeros((3, 3))}, "rotation is no rotation"),
        ({"translation": np.full(3, np.nan)}, "translation is not 3 numbers"),
        ({"distortion": "none"}, "distortion is not 5 numbers"),
    ],
)
def test_wrong_cameras_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "c.pickle"
    _camera(path, np.eye(3), np.zeros(3), change)
    with pytest.raises(DataError, match=message) as error:
        read_camera(path)
    assert str(path) in error.value.message


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must not run",))


def test_nothing_in_a_pickle_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.pickle").write_bytes(pickle.dumps({"rotation": _Evil()}))
    with pytest.raises(DataError, match="it was not run"):
        read_camera(tmp_path / "c.pickle")
    assert "must not" not in capsys.readouterr().out


def test_a_video_of_another_shape_is_refused(tmp_path: Path) -> None:
    _session(tmp_path, "ground", [("x", 90), ("y", 90)], _turn("x", 20))
    _video(tmp_path / "Videos/Cam0/InputMedia/walk/walk_sync.avi", (400, 320), 3)
    with pytest.raises(DataError, match="another shape"):
        READER.read(tmp_path, "walk/Cam0")


def test_the_release_gives_videos_and_motion_apart(tmp_path: Path) -> None:
    names = ("C7", "R_Shoulder", "L_Shoulder", "R_HJC", "L_HJC", "R_elbow_lat", "R_elbow_med", "L_elbow_lat",
        "L_elbow_med", "R_wrist_radius", "R_wrist_ulna", "L_wrist_radius", "L_wrist_ulna", "r_knee", "r_mknee",
        "L_knee", "L_mknee", "r_ankle", "r_mankle", "L_ankle", "L_mankle", "r_toe", "L_toe", "r_5meta", "L_5meta",
        "r_calc", "L_calc")  # fmt: skip
    xyz = np.random.default_rng(1).uniform(-1, 1, (2, len(names), 3))
    subject = tmp_path / "subject2"
    _trc(subject / "MarkerData/Mocap/DJ1.trc", xyz, names)
    _camera(subject / "VideoData/Session0/Cam1/cameraIntrinsicsExtrinsics.pickle", np.eye(3), np.zeros(3))
    for name in ("DJ1", "DJ1_syncdWithMocap"):
        _video(subject / f"VideoData/Session0/Cam1/DJ1/{name}.avi", (640, 800), 5 if name == "DJ1" else 2)
    inventory = READER.inventory(tmp_path)
    assert READER.recognises(tmp_path)
    assert inventory.takes == ("subject2/Mocap/DJ1", "subject2/Session0/Cam1/DJ1")
    motion = READER.read(tmp_path, inventory.takes[0])
    knee = (xyz[:, names.index("L_knee")] + xyz[:, names.index("L_mknee")]) / 2 * [1000, -1000, -1000]
    assert np.allclose(motion.joints_mm[:, NAMES.index("LKnee")], knee, atol=0.01)
    video = READER.read(tmp_path, inventory.takes[1])
    assert (len(video), video.joints_mm, video.camera.focal_px) == (2, None, (800.0, 810.0))
    _trc(subject / "MarkerData/Mocap/DJ1.trc", xyz[:, 1:3], ("R_Shoulder", "L_Shoulder"))
    with pytest.raises(DataError, match=r"has no marker L_5meta, L_HJC.*it has R_Shoulder, L_Shoulder"):
        READER.read(tmp_path, inventory.takes[0])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match="has no OpenCap session"):
        READER.inventory(tmp_path)

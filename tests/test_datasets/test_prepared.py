"""Prepared clips: cameras given and implied, frames without truth, the real clips."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.prepared import READER
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "gt3d"
NAMES = SKELETONS["prepared13"].joints
K = np.array([[300.0, 0, 100], [0, 310, 80], [0, 0, 1]])
BENT = np.array([-3.0, 0.3, 0.05, -0.05, 0.05])


def _clip(folder: Path, frames: int = 6, bent: np.ndarray | None = None, **other: object) -> dict[str, np.ndarray]:
    """A clip as it is prepared; the joints stand in another order and with a spare one among them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["nose", *reversed(NAMES)]
    xyz = np.random.default_rng(0).uniform(-500, 500, (frames, len(names), 3)) + np.array([0, 0, 3000])
    uv = [cv2.projectPoints(p, np.zeros(3), np.zeros(3), K, np.zeros(5) if bent is None else bent)[0] for p in xyz]
    arrays = {
        "joints": np.array(names), "xyz_cam_mm": xyz.astype(np.float32), "fps": np.float64(25),
        "uv_px": np.array(uv)[:, :, 0].astype(np.float32), "in_mocap_range": np.arange(frames) != 2,
    } | other  # fmt: skip
    np.savez(folder / "gt_joints.npz", **{k: v for k, v in arrays.items() if v is not None})
    writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (200, 160))
    for _ in range(6):
        writer.write(np.zeros((160, 200, 3), np.uint8))
    writer.release()
    return arrays


def test_joints_come_in_the_order_of_the_skeleton_and_a_camera_is_implied(tmp_path: Path) -> None:
    arrays = _clip(tmp_path / "person" / "cam1")
    assert READER.recognises(tmp_path)
    assert READER.inventory(tmp_path).takes == ("person/cam1",)
    take = READER.read(tmp_path, "person/cam1")
    assert (take.skeleton, take.fps, take.split, take.size_wh) == ("prepared13", 25, "test", (200, 160))
    assert np.allclose(take.joints_mm[0], arrays["xyz_cam_mm"][0, :0:-1])
    assert np.isnan(take.joints_mm[2]).all()
    assert np.allclose(take.camera.focal_px, (300, 310), atol=0.01)
    assert np.allclose(take.camera.center_px, (100, 80), atol=0.01)
    assert len(next(take.pictures.read([5]))) == 160


def test_a_given_camera_bends_the_rays_as_the_clip_was_made(tmp_path: Path) -> None:
    _clip(tmp_path, bent=BENT)
    with pytest.raises(DataError, match="no camera takes xyz_cam_mm to uv_px"):
        READER.read(tmp_path, tmp_path.name)
    (tmp_path / "camera.json").write_text(json.dumps({"K": K.tolist(), "dist": BENT.tolist()}))
    take = READER.read(tmp_path, tmp_path.name)
    off = np.linalg.norm(project_px(take.joints_mm, take.camera) - take.joints_px, axis=-1)
    assert np.nanmax(off) < 0.01
    assert take.notes[0] == "camera from camera.json"


def test_truth_beyond_the_video_is_left_out(tmp_path: Path) -> None:
    _clip(tmp_path, frames=9)
    take = READER.read(tmp_path, tmp_path.name)
    assert len(take) == 6
    assert any("6 frames, the truth 9 rows" in note for note in take.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": np.array(["nose"] * 14)}, "no mid_hip, r_hip"),
        ({"xyz_cam_mm": np.zeros((6, 13, 3))}, r"xyz_cam_mm is \(6, 13, 3\)"),
        ({"in_mocap_range": np.zeros(6, bool)}, "0 joints in the picture: too few"),
        ({"uv_px": None}, "neither camera.json nor uv_px"),
        ({"in_mocap_range": None}, "has no in_mocap_range"),
        ({"joints": np.array([{}] * 14)}, "cannot be read"),
    ],
)
def test_wrong_truth_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    _clip(tmp_path, **change)
    with pytest.raises(DataError, match=message) as error:
        READER.read(tmp_path, tmp_path.name)
    assert str(tmp_path) in error.value.message


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"K": [[1, 2], [3, 4]]}', '{"K": "x"}', '{"K": null, "dist": {}}'])
def test_wrong_cameras_are_named(tmp_path: Path, text: str) -> None:
    _clip(tmp_path)
    (tmp_path / "camera.json").write_text(text)
    with pytest.raises(DataError, match=r"camera\.json"):
        READER.read(tmp_path, tmp_path.name)


def test_a_clip_without_its_video_is_missing(tmp_path: Path) -> None:
    _clip(tmp_path / "a")
    (tmp_path / "a" / "video.mp4").unlink()
    inventory = READER.inventory(tmp_path)
    assert (inventory.takes, inventory.missing) == ((), ("a/video.mp4",))
    with pytest.raises(DataError, match="has no clip"):
        READER.inventory(tmp_path / "absent")


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no clips at {CLIPS}")
@pytest.mark.parametrize("name", ["opencap_walk", "pose2sim_balance/cam01"])
def test_real_clips_project_onto_their_pixels(name: str) -> None:
    take = READER.read(CLIPS, name)
    off = np.linalg.norm(project_px(take.joints_mm, take.camera) - take.joints_px, axis=-1)
    assert np.nanmax(off) < 0.1
    assert len(take) == {"opencap_walk": 75, "pose2sim_balance/cam01": 100}[name]

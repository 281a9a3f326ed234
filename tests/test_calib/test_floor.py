"""The floor under a board: what is measured is how the camera stands, and what cannot be trusted is refused."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from calib.board import Board
from calib.collector import ViewCollector
from calib.detection import Sighting
from calib.floor import GOAL, calibrate_floor, floor_of, save_given_world
from calib.floor_fit import fit_floor
from calib.views import View, Views
from runtime.world import World, load_world, up_of
from sa3dhp_edge.errors import InputError, OutputError
from sa3dhp_edge.geometry import Intrinsics, rotation_about_z

CAMERA = Intrinsics((1000.0, 1004.0), (655.0, 355.0), (-0.12, 0.03, 0.0, 0.0, 0.0))
BOARD = Board("charuco", (9, 6), 60.0, 43.0)
SIZE_WH = (1280, 720)
ACCOUNT = "seen in all"
PLACES = ((-700, 2600, 10), (600, 2700, 80), (0, 3600, -40), (-900, 4200, 130), (900, 4100, 20), (100, 2400, 60))


def on_floor(world: World, x: float, y: float, turn_deg: float, raised_mm: float = 0) -> tuple[np.ndarray, ...]:
    """Rotation and place of the board's origin before the camera; its middle lies at (x, y)."""
    turn = world.rot_camera_to_world.T @ rotation_about_z(turn_deg) @ np.diag([1.0, -1, -1])
    middle = np.array([*BOARD.squares_wh, 0]) * BOARD.square_mm / 2
    return turn, world.world_to_camera(np.array([x, y, raised_mm])) - turn @ middle


def views_of(world: World, places=PLACES, noise_px: float = 0.1, raised_mm=(), seed: int = 0) -> Views:
    rng = np.random.default_rng(seed)
    views = []
    for i, (x, y, turn_deg) in enumerate(places):
        turn, place = on_floor(world, x, y, turn_deg, dict(raised_mm).get(i, 0.0))
        px, _ = cv2.projectPoints(
            BOARD.points_mm, cv2.Rodrigues(turn)[0], place, CAMERA.matrix(), np.array(CAMERA.distortion)
        )
        seen = (px[:, 0] + rng.normal(0, noise_px, px[:, 0].shape)).astype(np.float32)
        views.append(View(str(i), Sighting(np.arange(len(seen)), seen, 1.0)))
    return Views("studio", SIZE_WH, tuple(views), ACCOUNT)


@pytest.fixture
def camera_json(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"K": CAMERA.matrix().tolist(), "dist": CAMERA.distortion, "image_size": SIZE_WH}))
    return path


@pytest.mark.parametrize(("tilt", "roll", "height"), [(25.0, 0.0, 1800.0), (40.0, -12.0, 2600.0), (15.0, 90.0, 1100.0)])
def test_a_board_on_the_floor_tells_how_the_camera_stands(tilt, roll, height, camera_json):
    world = World.above_floor(up_of(tilt, roll), height)
    made = floor_of(BOARD, views_of(world), camera_json)
    found = made.fit.world
    assert found.tilt_deg == pytest.approx(tilt, abs=0.15)
    assert found.roll_deg == pytest.approx(roll, abs=0.15)
    assert found.camera_mm[2] == pytest.approx(height, rel=0.003)
    assert made.fit.rms_px == pytest.approx(0.14, abs=0.03)
    assert made.left_out == ()


def test_without_noise_it_is_exact():
    world = World.above_floor(up_of(30, 5), 2000)
    found = fit_floor(BOARD, views_of(world, noise_px=0).views, CAMERA)
    assert np.abs(found.world.rot_camera_to_world - world.rot_camera_to_world).max() < 1e-4
    assert found.world.camera_mm[2] == pytest.approx(2000, abs=0.2)


def test_the_spread_that_is_told_is_the_spread_there_is():
    world = World.above_floor(up_of(30, 5), 2000)
    fits = [fit_floor(BOARD, views_of(world, noise_px=0.4, seed=seed).views, CAMERA) for seed in range(25)]
    off_deg = [np.hypot(f.world.tilt_deg - 30, f.world.roll_deg - 5) for f in fits]
    off_mm = [f.world.camera_mm[2] - 2000 for f in fits]
    assert 0.4 < np.sqrt(np.mean(np.square(off_mm))) / np.mean([f.height_sd_mm for f in fits]) < 2.0
    assert 0.3 < np.sqrt(np.mean(np.square(off_deg))) / np.mean([f.tilt_sd_deg for f in fits]) < 2.5


def test_a_board_that_lay_on_a_box_is_left_out(camera_json):
    world = World.above_floor(up_of(30, 0), 2000)
    made = floor_of(BOARD, views_of(world, raised_mm={1: 300.0}), camera_json)
    assert made.left_out == ("1",)
    assert made.fit.world.camera_mm[2] == pytest.approx(2000, rel=0.004)


def test_views_that_disagree_are_refused(camera_json):
    world = World.above_floor(up_of(30, 0), 2000)
    raised = {1: 400.0, 3: 800.0, 5: 300.0}
    with pytest.raises(InputError, match=r"studio: the views disagree about the floor: corners lie .* px off") as said:
        floor_of(BOARD, views_of(world, raised_mm=raised), camera_json)
    assert "the camera must not move" in said.value.hint


def test_too_few_views_are_refused(camera_json):
    world = World.above_floor(up_of(30, 0), 2000)
    with pytest.raises(InputError, match="2 usable views of the board, 3 are needed") as said:
        floor_of(BOARD, views_of(world, PLACES[:2]), camera_json)
    assert "lay the board flat on the floor" in said.value.hint


def test_one_far_place_is_not_sure_enough(camera_json):
    world = World.above_floor(up_of(8, 0), 1500)
    with pytest.raises(InputError, match=r"is sure to .* degrees and .* mm only, 0.5 degrees and 30 mm are needed"):
        floor_of(BOARD, views_of(world, [(0, 12000, 0)] * 3, noise_px=0.6), camera_json)


def test_pictures_become_a_file_that_a_run_reads(studio, tmp_path):
    world = World.above_floor(up_of(35, 4), 1500)
    board = Board("chessboard", (7, 5), 80.0)
    (tmp_path / "floor").mkdir()
    for i, (x, y, turn_deg) in enumerate([(-250, 1900, 5), (250, 2000, 70), (0, 2500, -30), (-150, 1500, 160)]):
        turn, _ = on_floor(world, x, y, turn_deg)
        place = tuple(world.world_to_camera(np.array([x, y, 0.0])))
        shot = studio.photograph(board, place, tuple(cv2.Rodrigues(turn)[0].ravel()), seed=i)
        cv2.imwrite(str(tmp_path / "floor" / f"{i}.png"), shot)
    camera = tmp_path / "camera.json"
    camera.write_text(json.dumps({"K": studio.k.tolist(), "dist": studio.distortion, "image_size": studio.size_wh}))
    out = tmp_path / "world.json"
    made = calibrate_floor(board, out, camera, pictures=tmp_path / "floor")
    raw, found = json.loads(out.read_text()), load_world(out)
    assert (raw["from"], raw["views"], raw["board"]["square_mm"]) == ("board", 4, 80.0)
    assert found.tilt_deg == pytest.approx(35, abs=0.4)
    assert found.roll_deg == pytest.approx(4, abs=0.4)
    assert found.camera_mm == pytest.approx([0, 0, 1500], abs=15)
    assert made.fit.rms_px < 0.5
    with pytest.raises(OutputError, match="exists already"):
        calibrate_floor(board, out, camera, pictures=tmp_path / "floor")


def test_a_live_camera_asks_for_places_until_there_are_eight():
    """A board that stays where it is counts once; how it is tilted is not asked for, since it lies."""
    world = World.above_floor(up_of(40, 0), 2200)
    places = [(600 * (i % 3 - 1), 1800 + 700 * (i // 3), 40 * i) for i in range(8)]
    collector, said = ViewCollector(BOARD, SIZE_WH, GOAL), []
    for n, view in enumerate(views_of(world, places).views):
        assert not collector.enough
        for still in range(3):
            collector.offer(2 * n + 0.1 * still, view.sighting)
        said.append(collector.request())
    assert said == [*(f"{left} more views" for left in range(7, 0, -1)), "enough"]
    assert collector.enough


def test_a_wrong_camera_file_is_said_before_anything_is_looked_at(tmp_path):
    with pytest.raises(InputError, match="cannot be read as a calibration"):
        calibrate_floor(BOARD, tmp_path / "w.json", tmp_path / "none.json", pictures=tmp_path)


def test_given_numbers_become_the_same_file(tmp_path):
    save_given_world(tmp_path / "w.json", World.above_floor(up_of(12, -3), 2200))
    raw, found = json.loads((tmp_path / "w.json").read_text()), load_world(tmp_path / "w.json")
    assert (raw["from"], raw["tilt_deg"], raw["roll_deg"]) == ("given", 12.0, -3.0)
    assert found.rot_camera_to_world == pytest.approx(World.above_floor(up_of(12, -3), 2200).rot_camera_to_world)
    with pytest.raises(OutputError, match="exists already"):
        save_given_world(tmp_path / "w.json", found)

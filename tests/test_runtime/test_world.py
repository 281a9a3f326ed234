"""The world: up is up, the floor is at 0, a point goes there and back, and a turned picture has the same room."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtime.config import InputConfig, RuntimeConfig
from runtime.outputs import read_poses
from runtime.service import iterate_poses, run_stream
from runtime.turning import turned_world
from runtime.world import World, in_world, load_world, up_of
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.records import Frame, Pose

from .conftest import standing_mm

RNG = np.random.default_rng(0)
WORLD = World.above_floor(up_of(20, 7), 2200)


def test_a_level_camera_is_turned_by_a_quarter():
    world = World.above_floor((0.0, -1, 0), 1500)
    assert world.camera_to_world(np.array([100.0, 200, 3000])) == pytest.approx([100, 3000, 1300])
    assert (world.tilt_deg, world.roll_deg) == (0, 0)


def test_tilt_and_roll_are_what_they_are_called():
    """A camera that looks down by 30 degrees sees the floor ahead; one that is turned right sees up at its left."""
    down = World.above_floor(up_of(30, 0), 1000)
    assert down.camera_to_world(np.array([0.0, 0, 2000])) == pytest.approx([0, 2000 * np.cos(np.pi / 6), 0], abs=1e-9)
    up_in_picture = up_of(0, 10)[:2]
    assert (up_in_picture < 0).all()


@pytest.mark.parametrize("tilt", [-80.0, -20.0, 0.0, 45.0, 80.0])
@pytest.mark.parametrize("roll", [-170.0, -90.0, 0.0, 33.0])
def test_there_and_back(tilt, roll):
    world = World.above_floor(up_of(tilt, roll), 2300)
    points = RNG.uniform(-5000, 5000, (50, 17, 3))
    assert np.abs(world.world_to_camera(world.camera_to_world(points)) - points).max() < 1e-6
    assert (world.tilt_deg, world.roll_deg) == pytest.approx((tilt, roll))
    looks = world.camera_to_world(np.array([0.0, 0, 1000])) - world.camera_mm
    assert looks[0] == pytest.approx(0, abs=1e-9)
    assert looks[1] > 0
    assert np.linalg.det(world.rot_camera_to_world) == pytest.approx(1)


def test_a_camera_on_the_ceiling_has_the_top_of_its_picture_ahead():
    world = World.above_floor(up_of(90, 0), 3000)
    assert world.camera_to_world(np.array([0.0, -500, 3000])) == pytest.approx([0, 500, 0], abs=1e-6)


TURNS = [InputConfig(rotate, flip) for rotate in (0, 90, 180, 270) for flip in ("none", "horizontal", "vertical")]


@pytest.mark.parametrize("turn", TURNS, ids=lambda c: f"{c.rotate_deg}-{c.flip}")
def test_a_turned_picture_shows_the_same_room(turn):
    """A point's own turned place before the camera is at the same place in the room, mirrored with the picture."""
    points = RNG.uniform(-2000, 2000, (20, 3))
    turned = points.copy()
    for _ in range(turn.rotate_deg // 90):  # clockwise: x right becomes y down, y down becomes x left
        turned = np.stack([-turned[:, 1], turned[:, 0], turned[:, 2]], 1)
    turned[:, {"horizontal": 0, "vertical": 1}.get(turn.flip, 0)] *= 1 if turn.flip == "none" else -1
    mirrored = np.array([1.0 if turn.flip == "none" else -1.0, 1, 1])
    made = turned_world(WORLD, turn)
    assert made.camera_to_world(turned) == pytest.approx(WORLD.camera_to_world(points) * mirrored, abs=1e-6)
    again = World.above_floor(made.rot_camera_to_world[2], 2200)
    assert made.rot_camera_to_world == pytest.approx(again.rot_camera_to_world, abs=1e-9)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "cannot be read as a world"),
        ("[]", "cannot be read as a world"),
        ('{"K": 1}', "cannot be read as a world: 'schema'"),
        ({"schema": "sa3dhp-edge/world/9"}, "of schema 'sa3dhp-edge/world/9'"),
        ({"camera_mm": [0, 0]}, "is no place in a room"),
        ({"camera_mm": [0, 0, float("nan")]}, "is no place in a room"),
        ({"rotation_camera_to_world": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "is no rotation"),
        ({"rotation_camera_to_world": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}, "is no rotation"),
        ({"rotation_camera_to_world": "up"}, "is not a world"),
    ],
)
def test_files_that_are_no_worlds_are_refused_by_name(tmp_path, raw, words):
    path = tmp_path / "bad.json"
    whole = {"schema": "sa3dhp-edge/world/1"} | WORLD.to_dict()
    path.write_text(raw if isinstance(raw, str) else json.dumps(whole | raw))
    with pytest.raises(InputError, match=words) as refused:
        load_world(path)
    assert "bad.json" in refused.value.message
    assert "sa3dhp-edge calib floor" in refused.value.hint


@pytest.mark.parametrize(("up", "height"), [((0.0, 0, 0), 1500), ((float("nan"), 0, 1), 1500), ((0, -1, 0), 0)])
def test_what_is_no_direction_or_height_is_refused(up, height):
    with pytest.raises(InputError):
        World.above_floor(up, height)


def pose(root) -> Pose:
    place = None if root is None else np.asarray(root, np.float32)
    return Pose(standing_mm(), place, np.zeros((17, 2), np.float32), (0, 0, 1, 1), 1.0, 1, np.zeros(32, np.float32))


def test_poses_are_placed_and_those_without_a_place_are_upright():
    frame = Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0)
    ((_, (placed, upright), _),) = in_world([(frame, (pose((50, 100, 3000)), pose(None)), 1.0)], WORLD)
    back = WORLD.world_to_camera(placed.world_joints_mm) - placed.root_mm
    assert np.abs(back - placed.joints_mm).max() < 0.1
    assert upright.world_joints_mm[0] == pytest.approx([0, 0, 0], abs=1e-6)
    assert upright.world_joints_mm @ WORLD.rot_camera_to_world == pytest.approx(upright.joints_mm, abs=0.01)


def test_without_a_world_nothing_changes():
    seen = [(Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0), (pose(None),), 1.0)]
    assert list(in_world(seen, None)) == seen


@pytest.fixture
def files(tmp_path):
    (tmp_path / "world.json").write_text(json.dumps({"schema": "sa3dhp-edge/world/1"} | WORLD.to_dict()))
    (tmp_path / "c.json").write_text(json.dumps({"fx": 300, "fy": 300, "cx": 160, "cy": 120}))
    return tmp_path


@pytest.mark.parametrize(("rotate", "centre_x"), [(0, 110), (180, 209)])
def test_a_run_writes_the_world_and_the_places_in_it(fake_model, walk_video, files, rotate, centre_x):
    out, turn = files / "p.jsonl", InputConfig(rotate)
    run_stream(
        RuntimeConfig(
            fake_model, video=walk_video, out=out, intrinsics=files / "c.json", world=files / "world.json",
            max_frames=5, input=turn, box=(centre_x - 60.0, 60.0, centre_x + 60.0, 180.0),
        )
    )  # fmt: skip
    header, *records = read_poses(out)
    world = turned_world(WORLD, turn)
    assert header["world"] == World.of_dict(header["world"]).to_dict()
    assert np.array(header["world"]["rotation_camera_to_world"]) == pytest.approx(world.rot_camera_to_world)
    for record in records:
        before = np.array(record["joints_mm"]) + record["root_mm"]
        assert np.abs(world.world_to_camera(np.array(record["world_joints_mm"])) - before).max() < 0.1


def test_from_python_too(fake_model, walk_video, files):
    seen = iterate_poses(fake_model, walk_video, world=files / "world.json")
    (found,) = next(poses for _, poses in seen if poses)
    assert found.root_mm is None
    assert found.world_joints_mm @ WORLD.rot_camera_to_world == pytest.approx(found.joints_mm, abs=0.01)


def test_a_world_that_is_not_there_leaves_no_output(fake_model, walk_video, tmp_path):
    with pytest.raises(InputError, match="cannot be read as a world"):
        run_stream(RuntimeConfig(fake_model, video=walk_video, out=tmp_path / "p.jsonl", world=tmp_path / "none.json"))
    assert not (tmp_path / "p.jsonl").exists()

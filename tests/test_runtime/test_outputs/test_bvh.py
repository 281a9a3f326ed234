"""BVH files read by a parser and kinematics of their own: where the joints are, and that nothing turns suddenly."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from runtime.config import RuntimeConfig
from runtime.outputs import read_poses
from runtime.outputs.bvh_rotations import NODES, TWIST_DEG_S, RotationSolver, euler_degrees
from runtime.outputs.formats import convert
from runtime.service import run_stream
from sa3dhp_edge.datasets.trc import read_trc
from sa3dhp_edge.skeleton import JOINTS, PARENTS, TEMPLATE_BONE_MM, bone_lengths_mm

Y_UP = (1, -1, -1)
VIDEO = Path(__file__).parents[4] / "shared" / "data" / "videos" / "one_by_one.mp4"


@dataclass
class Joint:
    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)


def parse(path: Path) -> tuple[list[Joint], np.ndarray, float]:
    """Joints, the table of the motion, and the time between two frames in seconds."""
    head, _, motion = path.read_text().partition("MOTION\n")
    joints: list[Joint] = []
    stack: list[int] = []
    for line in head.splitlines():
        words = line.split()
        if words[0] in ("ROOT", "JOINT", "End"):
            joints.append(Joint(words[1], stack[-1] if stack else -1))
        elif words[0] == "{":
            stack.append(len(joints) - 1)
        elif words[0] == "}":
            stack.pop()
        elif words[0] == "OFFSET":
            joints[-1].offset = np.array(words[1:], float)
        elif words[0] == "CHANNELS":
            assert int(words[1]) == len(words) - 2
            joints[-1].channels = words[2:]
    assert not stack
    count, step, *rows = motion.splitlines()
    table = np.array([row.split() for row in rows], float)
    assert int(count.removeprefix("Frames: ")) == len(table)
    assert sum(len(j.channels) for j in joints) == table.shape[1]
    return joints, table, float(step.removeprefix("Frame Time: "))


def rotation(axis: str, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = c
    turn[i, j], turn[j, i] = -s, s
    return turn


def forward(joints: list[Joint], row: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> place in the file's units, channels applied in the order of the file."""
    places: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    values = iter(row)
    for joint in joints:
        place = joint.offset.copy()
        turn = np.eye(3)
        for channel in joint.channels:
            value = next(values)
            if channel.endswith("position"):
                place["XYZ".index(channel[0])] += value
            else:
                turn = turn @ rotation(channel[0], value)
        if joint.parent >= 0:
            place = places[joint.parent] + turns[joint.parent] @ place
            turn = turns[joint.parent] @ turn
        places.append(place)
        turns.append(turn)
    return {joint.name: place for joint, place in zip(joints, places, strict=True)}


def positions_mm(path: Path) -> np.ndarray:
    """(T, 17, 3) mm, y up."""
    joints, table, _ = parse(path)
    return np.array([[forward(joints, row)[name] for name in JOINTS] for row in table]) * 10


def test_joints_of_constant_bones_are_where_they_were(record, walk_people, walk, tmp_path):
    convert(record(walk_people), [tmp_path / "a.bvh"])
    found = positions_mm(tmp_path / "a.bvh")
    assert np.linalg.norm(found - walk[0] * Y_UP, axis=-1).max() < 0.1
    assert parse(tmp_path / "a.bvh")[2] == pytest.approx(1 / 30, abs=1e-7)


def test_bones_have_the_persons_mean_lengths_and_the_tree_is_ours(record, walk_people, walk, tmp_path):
    convert(record(walk_people), [tmp_path / "a.bvh"])
    joints, _, _ = parse(tmp_path / "a.bvh")
    at = {joint.name: i for i, joint in enumerate(joints)}
    for name, parent, length in zip(JOINTS[1:], PARENTS[1:], TEMPLATE_BONE_MM, strict=True):
        joint = joints[at[name]]
        assert np.linalg.norm(joint.offset) * 10 == pytest.approx(length, abs=0.1)
        above = joints[joint.parent]
        assert above.name == JOINTS[parent] or (not above.offset.any() and joints[above.parent].name == JOINTS[parent])
    assert [j.name for j in joints if j.name == "Site"] == ["Site"] * 5
    rest = forward(joints, np.zeros(6 + 3 * 22))
    assert rest["left_wrist"][0] > 0 > rest["right_wrist"][0]
    assert rest["head_top"][1] > rest["neck"][1] > 0 > rest["left_foot"][1]
    assert rest["left_foot"][2] > 0


def test_with_bones_that_vary_directions_are_kept_and_the_residual_is_said(record, walk_people, tmp_path, caplog):
    rng = np.random.default_rng(5)
    scaled = [{1: (one[1][0] * np.float32(rng.uniform(0.9, 1.1)), one[1][1])} for one in walk_people]
    with caplog.at_level(logging.INFO, "runtime"):
        convert(record(scaled), [tmp_path / "a.bvh"])
    truth = np.array([(one[1][0] + one[1][1]) * Y_UP for one in scaled])
    found = positions_mm(tmp_path / "a.bvh")
    lengths = np.mean([bone_lengths_mm(one[1][0]) for one in scaled], 0)
    normal = np.zeros_like(truth)
    for joint, parent in enumerate(PARENTS):
        bone = truth[:, joint] - truth[:, max(parent, 0)]
        unit = bone / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
        normal[:, joint] = truth[:, 0] if parent < 0 else normal[:, parent] + unit * lengths[joint - 1]
    assert np.linalg.norm(found - normal, axis=-1).max() < 1
    said = re.search(r"move its joints by ([\d.]+) mm in the mean and ([\d.]+) mm at most", caplog.text)
    assert said
    moved = np.linalg.norm(found - truth, axis=-1)
    assert float(said[1]) == pytest.approx(moved.mean(), abs=0.1)
    assert float(said[2]) == pytest.approx(moved.max(), abs=0.2)
    assert moved.mean() > 5


def test_a_missing_person_holds_the_last_pose(record, walk_people, walk, tmp_path):
    for i in (12, 13, 14):
        walk_people[i] = {}
    convert(record(walk_people), [tmp_path / "a.bvh"])
    found = positions_mm(tmp_path / "a.bvh")
    truth = walk[0] * Y_UP
    truth[12:15] = truth[11]
    assert np.linalg.norm(found - truth, axis=-1).max() < 0.1


def smallest_turns_deg(rotations: np.ndarray) -> np.ndarray:
    """(T - 1, nodes) degrees between neighbouring frames."""
    step = np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:]
    return np.degrees(np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def swinging_arm(frames: int, side: float) -> np.ndarray:
    """(T, 17, 3) mm, y up: a T pose whose left upper arm swings back past the direction opposite to its rest."""
    angle = np.linspace(np.pi / 2, 3 * np.pi / 2, frames)
    pose = np.zeros((frames, 17, 3))
    for joint, parent in enumerate(PARENTS[1:], 1):
        rest = next(node.rest for node in NODES if node.name == JOINTS[joint])
        bone = np.broadcast_to(rest, (frames, 3))
        if JOINTS[joint] == "left_elbow":
            bone = np.stack([np.cos(angle), np.sin(angle), np.full(frames, side)], -1)
            bone = bone / np.linalg.norm(bone, axis=-1, keepdims=True)
        pose[:, joint] = pose[:, parent] + bone * TEMPLATE_BONE_MM[joint - 1]
    return pose


@pytest.mark.parametrize("side", [0.0, 1e-4, -0.01, 0.05])
def test_a_limb_that_passes_the_opposite_of_its_rest_does_not_flip(side):
    pose, fps = swinging_arm(61, side), 30.0
    local = RotationSolver(fps).local(pose)
    own = 180 / 60  # what the arm itself turns in a frame
    assert smallest_turns_deg(local).max() <= own + TWIST_DEG_S / fps + 1.0
    assert np.abs(np.diff(euler_degrees(local, None), axis=0)).max() < 90


def test_pieces_are_solved_as_the_whole_is():
    pose = swinging_arm(61, 1e-4)
    whole = RotationSolver(30.0).local(pose)
    solver = RotationSolver(30.0)
    pieces = np.concatenate([solver.local(pose[:20]), solver.local(pose[20:31]), solver.local(pose[31:])])
    assert np.abs(whole - pieces).max() < 1e-9


def test_angles_are_those_of_the_rotation_also_at_a_right_angle():
    rng = np.random.default_rng(3)
    angles = rng.uniform(-170, 170, (200, 1, 3))
    angles[:20, :, 1], angles[20:40, :, 1] = 90, -90
    turns = np.array([[rotation("Z", z) @ rotation("X", x) @ rotation("Y", y)] for ((z, x, y),) in angles])
    again = euler_degrees(turns, None)
    back = np.array([[rotation("Z", z) @ rotation("X", x) @ rotation("Y", y)] for ((z, x, y),) in again])
    assert np.abs(turns - back).max() < 1e-6


@pytest.mark.slow
@pytest.mark.skipif(not VIDEO.exists(), reason="no recordings here")
def test_a_run_on_a_real_video_comes_back_from_its_files(tmp_path):
    outs = tuple(tmp_path / f"r{suffix}" for suffix in (".jsonl", ".trc", ".bvh", ".npz"))
    run_stream(RuntimeConfig("shipped", video=VIDEO, out=outs, max_frames=120, threads=1))
    poses = {r["frame"]: r for r in read_poses(outs[0]) if r["record"] == "pose" and r["track"] == 1}
    assert len(poses) > 20
    found, markers = positions_mm(outs[2]), read_trc(outs[1]).xyz_mm
    with np.load(outs[3], allow_pickle=False) as file:
        table = file["joints_mm"][:, 0]
    start = min(poses)
    assert len(found) == len(markers) == max(poses) - start + 1
    for frame, pose in poses.items():
        truth = np.array(pose["joints_mm"]) * Y_UP
        assert np.abs(markers[frame - start] - truth).max() < 0.1
        assert np.abs(table[frame] * Y_UP - truth).max() < 0.1
        assert np.linalg.norm(found[frame - start] - truth, axis=-1).max() < 1

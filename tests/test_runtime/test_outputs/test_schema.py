"""The published JSON Schema describes what is written, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from runtime.config import RuntimeConfig
from runtime.outputs import PoseWriter, Stream, read_poses
from runtime.outputs.schema import SCHEMA_FILE, schema_text
from runtime.service import run_stream
from runtime.world import World
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose

VALIDATOR = Draft202012Validator(json.loads(schema_text()))
LENS = Intrinsics((300.0, 300.0), (160.0, 120.0), (0.1, 0, 0, 0, 0))
STREAM = Stream("a.mp4", 30.0, (320, 240), LENS, 1700.0, World.above_floor((0, -1, 0), 1500))
OPTIONAL = {"world", "world_joints_mm", "joint_confidence"}
"""Keys that older recordings lack, and those of cameras or models that do not know."""


@pytest.fixture
def records(fake_model, tmp_path) -> list[dict[str, Any]]:
    """A header, a plain pose, one with all that may be there, and an empty frame."""
    mm, px = np.ones((17, 3), np.float32), np.ones((17, 2), np.float32)
    plain = Pose(mm, None, px, (0.0, 0.0, 9.0, 9.0), 0.5, 1, np.zeros(32, np.float32))
    full = dataclasses.replace(
        plain,
        root_mm=mm[0],
        expected_error_mm=9.0,
        expected_pa_error_mm=8.0,
        raw_joints_mm=mm,
        raw_root_mm=mm[0],
        world_joints_mm=mm,
        joint_confidence=np.ones(17, np.float32),
    )
    frame = Frame(np.zeros((240, 320, 3), np.uint8), 3, 0.1)
    with PoseWriter(tmp_path / "p.jsonl", STREAM, read_contract(fake_model)) as writer:
        writer.write(frame, (plain, full), 1.0)
        writer.write(frame, (), 1.0)
    return read_poses(tmp_path / "p.jsonl")


def test_the_schema_is_one_and_lies_in_the_package() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))
    assert SCHEMA_FILE.is_file()


def test_everything_that_can_be_written_is_valid(records) -> None:
    assert [r["record"] for r in records] == ["header", "pose", "pose", "empty"]
    for record in records:
        VALIDATOR.validate(record)


@pytest.mark.parametrize("smoothing", ["raw", "smooth"])
def test_a_run_is_valid(fake_model, video_of, tmp_path, smoothing) -> None:
    video = video_of([*[(100.0, 120.0)] * 10, *[None] * 15])
    run_stream(RuntimeConfig(fake_model, video=video, out=tmp_path / "p.jsonl", smoothing=smoothing))
    found = read_poses(tmp_path / "p.jsonl")
    assert {r["record"] for r in found} == {"header", "pose", "empty"}
    for record in found:
        VALIDATOR.validate(record)


def test_every_key_of_a_record_is_asked_for_and_no_other_is_taken(records) -> None:
    """Keys that come and go together, the raw ones, are missed where one of them goes."""
    for record in records:
        for key in record:
            broken = {k: v for k, v in record.items() if k != key}
            assert VALIDATOR.is_valid(broken) == (key in OPTIONAL), f"{record['record']} without {key}"
        assert not VALIDATOR.is_valid(record | {"more": 1})


@pytest.mark.parametrize(
    ("which", "key", "value"),
    [
        (0, "schema", "sa3dhp-edge/poses/2"), (0, "unit", "m"), (0, "joints", ["pelvis"]), (0, "fps", 0),
        (0, "size_wh", [320.5, 240]), (0, "model", {"name": "m", "sha256": "x"}), (0, "intrinsics", {}),
        (0, "world", {"axes": "z up"}), (2, "world_joints_mm", None), (2, "joint_confidence", [2.0] * 17),
        (1, "frame", -1), (1, "frame", 1.5), (1, "track", "1"), (1, "confidence", 1.2),
        (1, "joints_mm", [[0, 0, 0]] * 16),
        (1, "joints_mm", [[0, 0]] * 17), (1, "joints_px", [[0, 0, 0]] * 17), (1, "root_mm", [1, 2]),
        (1, "box_xyxy_px", [0, 0, 1]), (1, "latency_ms", None), (1, "record", "person"), (2, "raw_joints_mm", None),
        (2, "expected_error_mm", -1), (3, "time_s", "0"), (3, "time_s", None),
    ],
)  # fmt: skip
def test_a_broken_record_is_not_valid(records, which, key, value) -> None:
    broken = copy.deepcopy(records[which])
    broken[key] = value
    assert not VALIDATOR.is_valid(broken)

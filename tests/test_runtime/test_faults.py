"""What a run of weeks meets: it is stopped in the middle of anything, and nobody is there for long."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.config import FinderConfig, RuntimeConfig, TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import AbstractSearch, PeopleFinder
from runtime.follow_one import FollowOne
from runtime.outputs import PoseWriter, read_poses
from runtime.outputs.formats import PER_PERSON
from runtime.overlay import OverlayWriter
from runtime.service import run_stream
from runtime.sources import VideoSource
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.datasets.trc import read_trc
from sa3dhp_edge.records import Frame, Pose

HOME = Path(__file__).parents[2]

STAGES: dict[str, tuple[object, str, int]] = {
    "the first picture is asked for": (VideoSource, "frames", 1),
    "the network computes": (Estimator, "poses", 10),
    "a pose is written": (PoseWriter, "write", 10),
    "a picture is drawn": (OverlayWriter, "write", 10),
    "the recording is closed": (PoseWriter, "close", 1),
    "the overlay is closed": (OverlayWriter, "close", 1),
    "a format is made": (PER_PERSON, ".trc", 1),
}


def signalled(work: Callable, at_call: int) -> Callable:
    """The same, and in its n-th call the process is told to end."""
    calls = itertools.count(1)

    def told(*args: object, **kwargs: object) -> object:
        if next(calls) == at_call:
            os.kill(os.getpid(), signal.SIGTERM)
        return work(*args, **kwargs)

    return told


@pytest.mark.parametrize("stage", STAGES)
def test_sigterm_leaves_whole_files_at_every_stage(stage, fake_model, walk_video, tmp_path, monkeypatch) -> None:
    owner, name, at_call = STAGES[stage]
    if isinstance(owner, dict):
        monkeypatch.setitem(owner, name, signalled(owner[name], at_call))
    else:
        monkeypatch.setattr(owner, name, signalled(getattr(owner, name), at_call))
    before = signal.getsignal(signal.SIGTERM)
    poses, trc, overlay = (tmp_path / f"w{suffix}" for suffix in (".jsonl", ".trc", ".mp4"))
    report = run_stream(RuntimeConfig(fake_model, video=walk_video, out=(poses, trc), overlay=overlay))
    assert signal.getsignal(signal.SIGTERM) is before
    records = read_poses(poses)[1:]
    assert len(records) == report.frames == (60 if "closed" in stage or "made" in stage else report.frames)
    assert poses.read_bytes().endswith(b"\n")
    kept = {p.name for p in tmp_path.iterdir()}
    if report.frames:
        assert kept == {"w.jsonl", "w.trc", "w.mp4"}
        assert len(read_trc(trc).xyz_mm) == report.poses
        capture = cv2.VideoCapture(str(overlay))
        assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == report.frames
        capture.release()
    else:
        assert kept <= {"w.jsonl", "w.mp4"}


@pytest.mark.parametrize("stage", ["Model.load", "open_source", "supervisor"])
def test_sigterm_before_the_first_frame_leaves_no_recording(stage, fake_model, walk_video, tmp_path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from runtime import service
from runtime.config import RuntimeConfig
def end(*_, **__):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
service.{stage} = end
service.run_stream(RuntimeConfig({str(fake_model)!r}, video=Path({str(walk_video)!r}), out=Path("w.csv")))
"""
    if stage == "supervisor":  # from here on the run ends in order
        code = code.replace("signal.pause()", "return None")
    where = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(HOME)}}
    ended = subprocess.run([sys.executable, "-c", code], **where, timeout=100, check=False).returncode
    assert ended == (0 if stage == "supervisor" else -signal.SIGTERM)
    assert [p.name for p in tmp_path.iterdir()] == (["w.csv"] if stage == "supervisor" else [])


class Nobody(AbstractSearch):
    """Detects nobody, and counts how often it was asked."""

    asked = 0

    def find(self, image_bgr):
        self.asked += 1
        return []


def test_nobody_for_an_hour_costs_nothing_and_who_comes_then_is_taken_at_once() -> None:
    search = Nobody()
    tracker = FollowOne(PeopleFinder(FinderConfig(), search), TrackerConfig())
    room = np.random.default_rng(0).integers(90, 120, (72, 96, 3), np.uint8)
    shape = np.linspace(-0.5, 0.5, 17)[:, None] * np.array([0.3, 1.0]) * 50
    mm, z = np.zeros((17, 3), np.float32), np.zeros(32, np.float32)

    def pose(middle: tuple[float, float], confidence: float) -> Pose:
        joints = (shape + middle).astype(np.float32)
        return Pose(mm, None, joints, square_box(joints), confidence, 0, z)

    nobody = pose((48, 36), 0.0)

    def look(box, there) -> Pose:
        whole = there is not None and box[0] <= there[0] - 5 and there[0] + 5 <= box[2]
        return pose(there, 0.9) if whole else nobody

    def step(index: int, time_s: float, there=None) -> tuple[Pose, ...]:
        image = room.copy()
        if there is not None:
            image[there[1] - 25 : there[1] + 25, there[0] - 7 : there[0] + 7] = 250
        frame = Frame(image, index, time_s)
        poses = tracker.settle(frame, [look(box, there) for box in tracker.propose(frame)])
        return tracker.settle(frame, [look(b, there) for b in tracker.propose(frame)]) if tracker.fresh else poses

    tracemalloc.start()
    before = 0
    for index in range(1200):  # one picture every three seconds
        assert step(index, 3.0 * index) == ()
        if index == 200:
            before = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000
    assert search.asked <= 1200
    assert any(step(1200 + i, 3600 + i / 10, (30 + i, 36)) for i in range(10))

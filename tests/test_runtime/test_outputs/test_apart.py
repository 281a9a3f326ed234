"""An output apart from the loop: slow, dead, broken or full, it never holds the loop up, and is heard."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from runtime.config import TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import FixedBox
from runtime.follow_one import FollowOne
from runtime.loop import run
from runtime.model import Model
from runtime.outputs import AbstractOutput, PoseWriter, Stream
from runtime.outputs.apart import Apart
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame

PICTURE = np.zeros((4, 4, 3), np.uint8)
LONG_S = 20.0


class Held(AbstractOutput):
    """Takes a frame only while its gate is open."""

    def __init__(self, open_gate: bool = False) -> None:
        self.gate, self.entered, self.broken = threading.Event(), threading.Event(), None
        self.frames: list[int] = []
        self.shapes: set[tuple[int, ...]] = set()
        self.closed_by: str | None = None
        if open_gate:
            self.gate.set()

    def write(self, frame, poses, latency_ms):
        self.entered.set()
        assert self.gate.wait(LONG_S)
        if self.broken is not None:
            raise self.broken
        self.frames.append(frame.index)
        self.shapes.add(frame.image_bgr.shape)

    def close(self):
        self.closed_by = threading.current_thread().name


def frame(index: int) -> Frame:
    return Frame(PICTURE, index, index / 30)


def test_frames_come_in_order_and_all_are_written_before_it_closes() -> None:
    held = Held(open_gate=True)
    with Apart(held, "p", 100) as apart:
        for i in range(50):
            apart.write(frame(i), (), 1.0)
    assert held.frames == list(range(50))
    assert held.closed_by == "output p"
    assert apart.missed == 0
    assert held.shapes == {(0, 0, 3)}
    apart.close()
    with pytest.raises(OutputError, match="closed already"):
        apart.write(frame(50), (), 1.0)


def test_pictures_come_with_the_frames_where_they_are_wanted() -> None:
    held = Held(open_gate=True)
    with Apart(held, "o", 8, pictures=True) as apart:
        apart.write(frame(0), (), 1.0)
    assert held.shapes == {(4, 4, 3)}


def test_frames_for_a_slow_output_are_dropped_and_counted(caplog) -> None:
    held = Held()
    with Apart(held, "p", 3) as apart:
        apart.write(frame(0), (), 1.0)
        assert held.entered.wait(LONG_S)  # it holds frame 0; three may wait
        for i in range(1, 11):
            apart.write(frame(i), (), 1.0)
        assert apart.missed == 7
        held.gate.set()
    assert held.frames == [0, 1, 2, 3]
    assert "left out of it from frame 4 on" in caplog.text
    assert "p lacks 7 frames" in caplog.text


def test_an_output_that_blocks_for_ever_neither_stops_the_loop_nor_its_end(fake_model, frame_at, list_source) -> None:
    held, seen = Held(), Held(open_gate=True)
    estimator = Estimator(Model.load(fake_model), Intrinsics.guess((320, 240)))
    tracker = FollowOne(FixedBox((50, 60, 170, 180)), TrackerConfig())
    outputs = [Apart(held, "dead.jsonl", 5, close_s=0.2), seen]
    source = list_source([frame_at((110, 120))] * 40)
    with pytest.raises(OutputError, match=r"dead\.jsonl did not take its last 6 frames in 0\.2 s"):
        run(source, tracker, estimator, outputs, threading.Event())
    assert seen.frames == list(range(40))
    assert outputs[0].missed == 34
    assert source.closed
    held.gate.set()  # let the thread go


def test_the_report_counts_what_outputs_missed(fake_model, frame_at, list_source) -> None:
    held = Held(open_gate=True)
    held.missed = 3
    estimator = Estimator(Model.load(fake_model), Intrinsics.guess((320, 240)))
    tracker = FollowOne(FixedBox((50, 60, 170, 180)), TrackerConfig())
    report = run(list_source([frame_at((110, 120))] * 4), tracker, estimator, [held], threading.Event())
    assert report.missed == 3


@pytest.mark.parametrize("error", [OutputError("the disk is full", "free some"), ValueError("a bug")])
def test_an_error_in_the_thread_is_heard_at_the_next_write(error) -> None:
    held = Held(open_gate=True)
    held.broken = error
    apart = Apart(held, "p", 3)
    apart.write(frame(0), (), 1.0)
    apart._thread.join(LONG_S)
    with pytest.raises(OutputError, match=error.args[0]):
        apart.write(frame(1), (), 1.0)
    apart.close()
    assert held.closed_by == "output p"


def test_an_error_with_the_last_frame_is_heard_at_the_end() -> None:
    held = Held(open_gate=True)
    held.broken = OutputError("the disk is full")
    apart = Apart(held, "p", 3)
    apart.write(frame(0), (), 1.0)
    with pytest.raises(OutputError, match="the disk is full"):
        apart.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fills_up_is_an_error(fake_model, tmp_path, monkeypatch) -> None:
    stream = Stream("0", 30.0, (320, 240), Intrinsics.guess((320, 240)), 1700.0)
    writer = PoseWriter(tmp_path / "p.jsonl", stream, read_contract(fake_model))
    apart = Apart(writer, "p.jsonl", 3)
    monkeypatch.setattr("runtime.outputs.jsonl.os.write", lambda fd, data: len(data) // 2)
    apart.write(frame(0), (), 1.0)
    apart._thread.join(LONG_S)
    with pytest.raises(OutputError, match="the disk is full; the lines so far are whole"):
        apart.write(frame(1), (), 1.0)
    apart.close()

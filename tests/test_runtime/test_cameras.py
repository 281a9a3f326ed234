"""Faults of live cameras, each injected into a camera whose time is made up."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from threading import Event

import numpy as np
import pytest

from runtime import captures
from runtime.camera_reader import Picture
from runtime.cameras import CameraSource
from sa3dhp_edge.errors import CameraLost, InputError
from sa3dhp_edge.records import Frame

GONE, HANGS = "gone", "hangs"
SIZE_WH = (32, 24)


def noise(now_s: float, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    rng = np.random.default_rng(round(1000 * now_s))
    return rng.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)


class World:
    """A camera and its clock; `gives` says what the camera does at a time: a picture, or a fault."""

    def __init__(self, gives: Callable[[float], np.ndarray | str] = noise, period_s: float = 0.1) -> None:
        self.now_s, self.gives, self.period_s = 1000.0, gives, period_s
        self.opened_s: list[float] = []
        self.end_s, self.stop = float("inf"), Event()

    @property
    def at(self) -> float:
        """Seconds since the beginning; a source that never ends fails here."""
        assert self.now_s < 200_000
        return self.now_s - 1000.0

    def open(self) -> Connection:
        self.opened_s.append(self.at)
        return Connection(self)

    def pause(self, stop: Event, seconds: float) -> None:
        self.now_s += seconds
        if self.at > self.end_s:
            self.stop.set()

    def source(self, timeout_s: float | None = None) -> CameraSource:
        return CameraSource(0, timeout_s, start_reader=self.open, clock=lambda: self.now_s, pause=self.pause)


class Connection:
    """A reader without a thread: waiting is moving the clock."""

    def __init__(self, world: World) -> None:
        self._world, self._start_s, self._number, self._hung = world, world.now_s, -1, False
        self.failure: str | None = None
        self.fps, self.corrupt = 1 / world.period_s, 0

    def take(self, wait_s: float) -> Picture | None:
        world, period_s = self._world, self._world.period_s
        newest = int((world.now_s - self._start_s) / period_s + 1e-6)
        due_s = self._start_s + (self._number + 1) * period_s
        given = world.gives(world.at)
        if isinstance(given, str) or (newest <= self._number and due_s - world.now_s > wait_s):
            if isinstance(given, str) and given == GONE:
                self.failure = "a read failed"
            else:
                self._hung = isinstance(given, str) and given == HANGS
                world.now_s += wait_s
            return None
        world.now_s = max(world.now_s, due_s)
        given = world.gives(world.at)
        if isinstance(given, str):
            return None
        self._number = max(newest, self._number + 1)
        return Picture(given, self._number, self._start_s + self._number * period_s)

    def close(self, wait_s: float) -> bool:
        return not self._hung


def frames_until(world: World, source: CameraSource, end_s: float) -> list[tuple[float, Frame]]:
    """Frames with the time of their hand-over, until the world's clock shows `end_s`."""
    world.end_s, world.stop = end_s, Event()
    seen = []
    for frame in source.frames(world.stop):
        seen.append((world.at, frame))
        if world.at > end_s:
            break
    return seen


def gap_s(seen: list[tuple[float, Frame]]) -> float:
    return max(np.diff([at for at, _ in seen]))


def test_a_good_camera_gives_every_frame_with_the_time_it_was_taken():
    world = World()
    source = world.source()
    seen = frames_until(world, source, 5)
    assert [frame.index for _, frame in seen] == list(range(len(seen)))
    assert np.allclose(np.diff([frame.time_s for _, frame in seen]), 0.1)
    assert all(frame.captured_s == pytest.approx(1000 + at) for at, frame in seen)
    assert (source.state, source.dropped, source.corrupt) == ("live", 0, 0)
    source.close()
    assert source.state == "closed"


def test_a_slow_caller_gets_the_newest_frame_and_the_rest_is_counted():
    world = World()
    source, seen = world.source(), []
    for frame in source.frames(Event()):
        seen.append((world.now_s - frame.captured_s, frame.index))
        world.now_s += 0.55
        if len(seen) == 10:
            break
    assert max(age for age, _ in seen) <= world.period_s
    assert source.dropped == seen[-1][1] - 9 > 30


@pytest.mark.parametrize("away_s", [1.0, 60.0, 600.0])
def test_a_camera_that_was_gone_comes_back(caplog, away_s):
    world = World(lambda at: GONE if 5 < at < 5 + away_s else noise(at))
    with caplog.at_level(logging.INFO, logger="runtime.cameras"):
        source = world.source()
        seen = frames_until(world, source, 50 + away_s)
    assert source.state == "live"
    assert gap_s(seen) < away_s + 31
    waits = np.diff(world.opened_s[1:])
    assert all(b == pytest.approx(min(2 * a, 30), abs=0.3) for a, b in itertools.pairwise(waits))
    assert [f.index for _, f in seen] == sorted({f.index for _, f in seen})
    assert np.all(np.diff([f.time_s for _, f in seen]) > 0)
    said = [r.getMessage() for r in caplog.records]
    states = ["camera 0 is live", "camera 0 is reopening", "camera 0 is live"]
    assert [text.split(":")[0] for text in said] == states, said
    assert "a read failed" in said[1]


def test_gone_for_ever_with_a_limit_is_lost_in_time():
    world = World(lambda at: GONE if at > 5 else noise(at))
    source = world.source(timeout_s=20.0)
    with pytest.raises(CameraLost, match="no frame for 20 s: a read failed") as e:
        list(source.frames(Event()))
    assert 24 < world.at < 27
    assert source.state == "lost"
    assert "hint" in str(e.value)


def test_gone_without_a_limit_is_tried_for_ever():
    world = World(lambda at: GONE if at > 5 else noise(at))
    source = world.source()
    seen = frames_until(world, source, 86_400)
    assert source.state == "reopening"
    assert seen[-1][0] < 5.2
    assert len(world.opened_s) == pytest.approx(86_400 / 30, rel=0.02)


def test_an_outage_is_told_while_it_lasts_and_counted_once():
    world = World(lambda at: "silent" if 5 < at < 65 else noise(at))
    source, told = world.source(), []
    source.listener = lambda state, reason: told.append((world.at, state, reason))
    seen = frames_until(world, source, 90)
    assert [state for _, state, _ in told] == ["stalled", "reopening", "live"]
    assert told[0][0] < 7.5
    assert not [at for at, _ in seen if told[0][0] < at < told[-1][0]], "no frame is made up meanwhile"
    assert source.outages == 1
    source.close()
    assert (told[-1][1], source.outages) == ("closed", 1)


def test_a_frozen_camera_is_opened_again(caplog):
    frozen = noise(0.5)
    world = World(lambda at: frozen if at > 5 and len(world.opened_s) == 1 else noise(at))
    source = world.source()
    seen = frames_until(world, source, 30)
    assert len(world.opened_s) == 2
    assert 10 < world.opened_s[1] < 11
    assert gap_s(seen) < 1
    assert "is reopening: the very same picture" in caplog.text
    assert source.state == "live"


def test_a_picture_that_stays_the_same_after_reopening_is_accepted_and_said_once(caplog):
    still = noise(0)
    world = World(lambda at: still)
    seen = frames_until(world, world.source(), 600)
    assert len(world.opened_s) == 2
    assert gap_s(seen) < 1
    assert seen[-1][0] > 600
    assert caplog.text.count("nothing moves") == 1


def test_a_scene_that_is_often_still_is_opened_again_less_and_less():
    world = World(lambda at: noise(at // 30))  # as an encoder that repeats a picture for half a minute
    frames_until(world, world.source(), 1500)
    assert 2 <= len(world.opened_s) <= 4


def test_a_hanging_read_is_abandoned_and_a_new_one_goes_on(caplog):
    world = World(lambda at: HANGS if at > 5 and len(world.opened_s) == 1 else noise(at))
    source = world.source()
    seen = frames_until(world, source, 40)
    assert gap_s(seen) < 17
    assert all(text in caplog.text for text in ("is stalled", "is reopening: a read did not come back"))
    assert len(world.opened_s) == 2
    assert seen[-1][1].index == len(seen) - 1


def test_reads_that_hang_again_and_again_are_a_lost_camera():
    world = World(lambda at: HANGS if at > 5 else noise(at))
    source = world.source()
    with pytest.raises(CameraLost, match="4 reads did not come back"):
        list(source.frames(Event()))
    assert len(world.opened_s) == 4
    assert source.state == "lost"


def test_a_short_silence_is_a_stall_and_nothing_is_opened(caplog):
    world = World(lambda at: "silent" if 5 < at < 9 else noise(at))
    source = world.source()
    seen = frames_until(world, source, 20)
    assert len(world.opened_s) == 1
    assert "is stalled: no picture for 2" in caplog.text
    assert source.state == "live"
    assert all(world_s - (f.captured_s - 1000) < 0.2 for world_s, f in seen), "nothing old was handed over"


def test_a_slow_camera_is_no_stalled_one(caplog):
    world = World(period_s=4.0)
    seen = frames_until(world, world.source(), 200)
    assert len(seen) >= 48
    assert len(world.opened_s) == 1
    assert caplog.text.count("stalled") <= 2  # until its pace is known


def test_the_same_shape_in_another_size_is_scaled(caplog):
    world = World(lambda at: noise(at, (64, 48) if at > 5 else SIZE_WH))
    seen = frames_until(world, world.source(), 10)
    assert {frame.image_bgr.shape for _, frame in seen} == {(24, 32, 3)}
    assert gap_s(seen) < 0.2
    assert caplog.text.count("it gives 64 x 48 now, and the run began with 32 x 24; frames are scaled") == 1


def test_another_shape_is_waited_out_and_then_lost():
    world = World(lambda at: noise(at, (24, 24) if 5 < at < 6 else SIZE_WH))
    source = world.source()
    seen = frames_until(world, source, 10)
    assert {frame.image_bgr.shape for _, frame in seen} == {(24, 32, 3)}
    assert source.state == "live"
    world = World(lambda at: noise(at, (24, 24) if at > 5 else SIZE_WH))
    with pytest.raises(CameraLost, match="gives 24 x 24 now, and the run began with 32 x 24") as e:
        list(world.source().frames(Event()))
    assert "calibration" in e.value.hint


def test_a_picture_from_before_the_camera_died_is_not_sold_as_new():
    world = World(lambda at: noise(at) if at < 5 else "silent")
    source = world.source()
    frames = source.frames(Event())
    next(frames)
    waiting = [Picture(noise(1), 3, world.now_s)]
    source._reader.take = lambda wait_s: waiting.pop()
    world.now_s += 60  # as long as the caller was busy
    assert source._step(Event()) is None
    assert not waiting


def test_the_wall_clock_does_not_matter(monkeypatch):
    wall = itertools.cycle([1.7e9, 1.7e9 + 3600, 1.7e9 - 3600])
    monkeypatch.setattr("time.time", lambda: next(wall))
    world = World()
    seen = frames_until(world, world.source(timeout_s=1.0), 5)
    assert np.allclose(np.diff([frame.time_s for _, frame in seen]), 0.1)


@pytest.mark.parametrize(("gives", "said"), [(GONE, "a read failed"), ("silent", "no answer for 15 s")])
def test_a_camera_that_gives_no_first_picture_is_refused_at_once(gives, said):
    world = World(lambda at: gives)
    with pytest.raises(InputError, match=said) as e:
        world.source()
    assert not isinstance(e.value, CameraLost)
    assert world.at < 16


def test_streams_that_open_at_once_share_the_options_and_the_users_own_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    monkeypatch.delenv(name, raising=False)
    with captures._ffmpeg_options():
        with captures._ffmpeg_options():
            assert "low_delay" in os.environ[name]
        assert "low_delay" in os.environ[name]
    assert name not in os.environ
    monkeypatch.setenv(name, "rtsp_transport;udp")
    with captures._ffmpeg_options():
        assert os.environ[name] == "rtsp_transport;udp"
    assert os.environ[name] == "rtsp_transport;udp"

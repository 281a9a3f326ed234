"""The watchdog hears of frames that are finished and of a camera that is waited for, and of nothing else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import sa3dhp_edge
from runtime.camera_reader import Picture
from runtime.cameras import CameraSource
from runtime.heartbeat import Heartbeat
from runtime.loop import run
from runtime.notify import Notifier, supervisor
from runtime.outputs import AbstractOutput
from runtime.outputs.apart import Apart
from sa3dhp_edge.records import Frame

WAIT_S = 60.0
FRAME = Frame(np.zeros((24, 32, 3), np.uint8), 0, 0.0)
Beating = Callable[..., Heartbeat]


class Ear:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def now(self) -> list[str]:
        """All lines that are there."""
        self.socket.setblocking(False)
        lines: list[str] = []
        while True:
            try:
                lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def until(self, wanted: str) -> list[str]:
        """All lines up to one that begins so."""
        self.socket.settimeout(WAIT_S)
        lines: list[str] = []
        while not any(line.startswith(wanted) for line in lines):
            lines += self.socket.recv(4096).decode().splitlines()
        return lines


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    one = Ear(str(tmp_path / "notify"))
    yield one
    one.socket.close()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def source_of() -> SimpleNamespace:
    return SimpleNamespace(name="camera 0", state="live", pulse=None)


@pytest.fixture
def beating(ear: Ear, tmp_path: Path) -> Iterator[Beating]:
    """A heartbeat for a watchdog of 20 s that `ear` hears."""
    made: list[Heartbeat] = []

    def make(source: Any, clock: Callable[[], float], *outputs: AbstractOutput) -> Heartbeat:
        made.append(Heartbeat(Notifier(str(tmp_path / "notify"), 20.0), source, outputs, clock=clock))
        return made[-1]

    yield make
    for heart in made:
        heart.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_words_arrive_at_a_path_and_at_an_abstract_name(tmp_path: Path, abstract: bool) -> None:
    name = f"sa3dhp-edge-{os.getpid()}"
    hearing = Ear(f"\0{name}" if abstract else str(tmp_path / name))
    said = supervisor({"NOTIFY_SOCKET": f"@{name}" if abstract else str(tmp_path / name), "WATCHDOG_USEC": "30000000"})
    assert said is not None
    said.say("READY=1", "STATUS=ä")
    said.close()
    assert (said.watchdog_s, hearing.now()) == (30.0, ["READY=1", "STATUS=ä"])
    hearing.socket.close()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_where_nobody_supervises_nobody_is_told(environment: dict[str, str]) -> None:
    assert supervisor(environment) is None


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_of_another_process_is_not_ours(watchdog: dict[str, str]) -> None:
    said = supervisor({"NOTIFY_SOCKET": "/run/x", **watchdog})
    assert said is not None
    assert said.watchdog_s is None
    said.close()


def test_a_supervisor_that_went_away_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = Notifier(str(tmp_path / "nobody"))
    for _ in range(3):
        said.say("WATCHDOG=1")
    said.close()
    assert [r.message for r in caplog.records] == [
        "the supervisor cannot be told WATCHDOG=1: No such file or directory"
    ]


def test_finished_frames_are_told_and_counted(beating: Beating, ear: Ear) -> None:
    clock = Clock()
    heart = beating(source_of(), clock)
    heart.write(FRAME, (), 0.0)
    assert ear.now() == ["READY=1", "STATUS=camera 0: live, 1 frames"]
    for _ in range(60):
        clock.now_s += 0.5
        heart.write(FRAME, (), 0.0)
    heard = ear.now()
    assert heard.count("WATCHDOG=1") == 6, "every quarter of 20 s in 30 s"
    assert heard[-1] == "WATCHDOG=1"
    assert "STATUS=camera 0: live, 2.0 frames/s, 21 frames" in heard
    heart.close()
    heart.close()
    assert ear.now() == ["STOPPING=1", "STATUS=camera 0: closing the outputs"]


def test_a_frame_in_work_silences_the_waiting_source(beating: Beating, ear: Ear) -> None:
    clock = Clock()
    heart = beating(source_of(), clock)
    heart.pulse(False)
    assert "READY=1" in ear.now()
    heart.write(FRAME, (), 0.0)
    heart.pulse(True)
    for _ in range(10):
        clock.now_s += 10
        heart.pulse(False)
        heart.pulse(True)
    assert not ear.now()
    heart.write(FRAME, (), 0.0)
    assert "WATCHDOG=1" in ear.now()


def test_a_reason_of_several_lines_is_one_status_without_a_password(beating: Beating, ear: Ear) -> None:
    beating(source_of(), Clock()).heard("reopening", "error:\nWATCHDOG=1 of rtsp://me:secret@camera")
    assert ear.now() == ["STATUS=camera 0: reopening (error: WATCHDOG=1 of rtsp://***@camera), 0 frames"]


def test_first_frames_that_smoothing_holds_back_are_not_in_work(beating: Beating, ear: Ear) -> None:
    clock = Clock()
    heart = beating(source_of(), clock)
    for _ in range(100):
        heart.pulse(True)
    clock.now_s += 10
    heart.pulse(False)
    assert "WATCHDOG=1" in ear.now()
    heart.pulse(True)
    clock.now_s += 10
    heart.pulse(False)
    assert not ear.now(), "nothing holds back so many"


def test_a_camera_that_is_waited_for_is_healthy_and_its_state_is_told(beating: Beating, ear: Ear) -> None:
    """A real camera source over a scripted connection: one picture, then silence, then the device is gone."""
    clock = Clock()
    heard: list[str] = []

    class Silent:
        failure: str | None = None
        fps, corrupt = 30.0, 0

        def __init__(self) -> None:
            self.pictures = [Picture(FRAME.image_bgr, i, i / 30) for i in range(2)]

        def take(self, wait_s: float) -> Picture | None:
            clock.now_s += wait_s
            heard.extend(ear.now())
            return self.pictures.pop(0) if self.pictures else None

        def close(self, wait_s: float) -> bool:
            return True

    stop, first = threading.Event(), Silent()

    def reader() -> Silent:
        return first

    def pause(_: threading.Event, seconds: float) -> None:
        clock.now_s += seconds
        heard.extend(ear.now())
        if clock.now_s > 300:
            stop.set()

    source = CameraSource(0, start_reader=reader, clock=clock, pause=pause)
    heart = beating(source, clock)
    source.listener = heart.heard
    for frame in source.frames(stop):
        heart.write(frame, (), 0.0)
        first.failure = "unplugged" if clock.now_s > 60 else None
    heard.extend(ear.now())
    source.close()
    assert heard.count("WATCHDOG=1") >= 300 / 20
    assert any(line.startswith("STATUS=camera 0: stalled (no picture for") for line in heard)
    assert any(line.startswith("STATUS=camera 0: reopening") for line in heard)


def test_an_output_that_hangs_stops_the_pings(beating: Beating, ear: Ear) -> None:
    entered, release = threading.Event(), threading.Event()

    class Hanging(AbstractOutput):
        def write(self, frame, poses, latency_ms) -> None:
            entered.set()
            assert release.wait(WAIT_S)

        def close(self) -> None: ...

    output, later_s = Apart(Hanging(), "dead disk", 5), [0.0]
    heart = beating(source_of(), lambda: time.monotonic() + later_s[0], output)
    heart.write(FRAME, (), 0.0)
    later_s[0] = 6.0
    heart.write(FRAME, (), 0.0)
    assert "WATCHDOG=1" in ear.now()
    output.write(FRAME, (), 0.0)
    assert entered.wait(WAIT_S)
    for _ in range(5):
        later_s[0] += 100
        heart.write(FRAME, (), 0.0)
    assert "WATCHDOG=1" not in ear.now(), "the loop goes on, but what it records is lost"
    release.set()
    output.close()
    later_s[0] += 100
    heart.write(FRAME, (), 0.0)
    assert "WATCHDOG=1" in ear.now()


def test_a_network_that_hangs_stops_the_pings(beating: Beating, ear: Ear, frame_at, list_source) -> None:
    """The loop itself, with a network that does not come back from its third frame."""
    clock, entered, release = Clock(), threading.Event(), threading.Event()

    class Estimator:
        timings = SimpleNamespace(add=lambda *_: None, note=lambda *_: None, next_frame=lambda: 0.0, summary=dict)
        calls = 0

    def look(*_: object) -> tuple[()]:
        clock.now_s += 10
        Estimator.calls += 1
        if Estimator.calls == 3:
            entered.set()
            assert release.wait(WAIT_S)
        return ()

    source = list_source([frame_at(None)] * 5)
    heart = beating(source, clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.loop.look", look)
        thread = threading.Thread(target=run, args=(source, None, Estimator(), [heart], threading.Event()), daemon=True)
        thread.start()
        assert entered.wait(WAIT_S)
        before = ear.now()
        clock.now_s += 1000
        silent = ear.now()
        release.set()
        thread.join(WAIT_S)
    assert "WATCHDOG=1" in before
    assert not silent
    assert "WATCHDOG=1" in ear.now()


def test_a_run_is_ready_alive_and_stopped_for_systemd(fake_model: Path, tmp_path: Path, ear: Ear) -> None:
    """The whole program as a service: one picture comes, then none; then systemd stops it."""
    command = [sys.executable, "-m", "sa3dhp_edge", "run", "--model", fake_model, "--input", "-", "--out", "p.jsonl"]
    home = str(Path(sa3dhp_edge.__file__).parent.parent)
    said = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000", "PYTHONPATH": home}
    picture = cv2.imencode(".jpg", np.full((240, 320, 3), 40, np.uint8))[1].tobytes()
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | said, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdin is not None
        program.stdin.write(picture * 2)
        program.stdin.flush()
        assert ear.until("READY=1")[0] == "READY=1"
        ear.until("WATCHDOG=1")
        program.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in ear.until("STOPPING=1")
        assert program.wait(WAIT_S) == 0
    assert (tmp_path / "p.jsonl").read_text().count('"record":"header"') == 1

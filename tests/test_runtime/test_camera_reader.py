"""The thread that reads a camera, on captures that fail, and on a server that is really killed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest

from runtime import cameras
from runtime.cameras import CameraSource
from sa3dhp_edge.errors import CameraLost, InputError


class FakeCapture:
    """Gives `good` frames, then fails in the asked way."""

    def __init__(self, good: int = 10**9, failure: Exception | Event | None = None, period_s: float = 0.002) -> None:
        self.left, self.failure, self.period_s, self.released = good, failure, period_s, Event()
        self.bad_pictures, self.opened = 0, True

    def isOpened(self):  # noqa: N802
        return self.opened

    def grab(self):
        time.sleep(self.period_s)
        if self.left == 1 and isinstance(self.failure, Event):
            assert self.failure.wait(60)  # as a driver that hangs
        elif self.left == 1 and self.failure is not None:
            raise self.failure
        self.left -= self.left > 0
        return self.left > 0 or self.failure is not None

    def retrieve(self):
        if self.bad_pictures:
            self.bad_pictures -= 1
            return False, None
        return True, np.full((24, 32, 3), self.left % 256, np.uint8)

    def get(self, what):
        return 30.0

    def release(self):
        self.released.set()


def some(source: CameraSource, count: int) -> list:
    return [frame for frame, _ in zip(source.frames(Event()), range(count), strict=False)]


def test_the_newest_frame_wins_and_dropped_ones_are_counted():
    with CameraSource(0, capture=lambda _: FakeCapture()) as camera:
        frames, ages = [], []
        for frame in camera:
            ages.append(time.monotonic() - frame.captured_s)
            frames.append(frame)
            time.sleep(0.03)
            if len(frames) == 5:
                break
    assert (np.diff([f.index for f in frames]) > 1).all()
    assert camera.dropped == frames[-1].index - len(frames) + 1
    assert (np.diff([f.time_s for f in frames]) > 0.02).all()
    assert min(ages) < 0.02


def test_an_exception_of_the_driver_is_heard_and_named():
    capture = FakeCapture(5, RuntimeError("cable pulled"))
    with CameraSource(0, 0.3, lambda _: capture) as camera, pytest.raises(CameraLost, match="cable pulled"):
        list(camera)
    assert capture.released.is_set()


def test_a_camera_that_fails_is_opened_again(monkeypatch):
    monkeypatch.setattr(cameras, "_BACK_OFF_S", (0.01, 0.01))
    opened = []

    def opener(_):
        opened.append(FakeCapture(4))
        return opened[-1]

    with CameraSource(0, capture=opener) as camera:
        frames = some(camera, 6)
    assert len(opened) > 1
    assert len({f.index for f in frames}) == 6
    assert all(capture.released.wait(2) for capture in opened)


def test_a_read_that_hangs_is_left_behind_and_its_late_picture_is_not_used(monkeypatch):
    for name, value in {"_BACK_OFF_S": (0.01, 0.01), "_STALL_S": 0.1, "_HANG_S": 0.3, "_TICK_S": 0.02}.items():
        monkeypatch.setattr(cameras, name, value)
    free = Event()
    captures = [FakeCapture(20, failure=free), FakeCapture()]
    left = list(captures)
    with CameraSource(0, capture=lambda _: left.pop(0)) as camera:
        before = next(frame.index for frame in camera if not left)
        assert len(camera._stuck) == 1
        assert captures[1].left < 10**9
        free.set()
        assert captures[0].released.wait(5), "the thread that hung lets go when it comes back"
        assert some(camera, 3)[-1].index > before


def test_pictures_that_cannot_be_decoded_are_counted_and_the_rest_goes_on():
    capture = FakeCapture()
    with CameraSource(0, capture=lambda _: capture) as camera:
        capture.bad_pictures = 3
        deadline = time.monotonic() + 5
        for _ in camera:
            if camera.corrupt == 3 or time.monotonic() > deadline:
                break
        assert camera.corrupt == 3
        assert len(some(camera, 3)) == 3
        assert camera.state == "live"


def test_a_stop_ends_the_wait_for_a_camera():
    stop = Event()
    with CameraSource(0, 60.0, lambda _: FakeCapture(2)) as camera:
        threading.Timer(0.1, stop.set).start()
        start = time.monotonic()
        list(camera.frames(stop))
    assert time.monotonic() - start < 3


def test_a_camera_without_a_picture_is_an_input_error():
    with pytest.raises(InputError, match="cannot be opened or gives no picture: a read failed"):
        CameraSource(7, capture=lambda _: FakeCapture(0))


def test_a_password_in_an_address_is_not_in_its_name():
    camera = CameraSource("rtsp://me:secret@host:554/s?a=b@c", capture=lambda _: FakeCapture())
    camera.close()
    assert camera.name == "rtsp://***@host:554/s?a=b@c"


class MjpegServer:
    """A network camera on this machine that can be killed like one whose power fails."""

    def __init__(self, port: int = 0) -> None:
        self.dead = Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
                self.end_headers()
                number = 0
                with contextlib.suppress(OSError):
                    while not server.dead.wait(0.03):
                        number += 1
                        self.wfile.write(part(number))

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        self.dead.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def part(number: int) -> bytes:
    image = np.full((48, 64, 3), 5 * number % 256, np.uint8)
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


@pytest.fixture
def serve() -> Iterator[Callable[..., MjpegServer]]:
    made: list[MjpegServer] = []

    def start(port: int = 0) -> MjpegServer:
        made.append(MjpegServer(port))
        return made[-1]

    yield start
    for server in made:
        if not server.dead.is_set():
            server.kill()


def test_frames_go_on_after_a_network_camera_was_killed_and_restarted(serve):
    server = serve()
    camera = CameraSource(f"http://127.0.0.1:{server.port}/video.mjpg", timeout_s=60.0)
    states, restarter = [], None
    with camera:
        for count, frame in enumerate(camera):
            assert time.monotonic() - frame.captured_s < 1.0
            if count == 5:
                server.kill()
                restarter = threading.Timer(1.0, serve, args=(server.port,))
                restarter.start()
            if camera._base > 0:  # of another connection
                states.append(camera.state)
            if len(states) == 5:
                break
        assert camera.size_wh == (64, 48)
    assert restarter is not None
    restarter.join()
    assert states == ["live"] * 5
    assert camera.state == "closed"


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing_is_refused_in_bounded_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(InputError, match="cannot be opened or gives no picture"):
            CameraSource(f"http://127.0.0.1:{silent.getsockname()[1]}/video.mjpg")
        assert time.monotonic() - start < 17

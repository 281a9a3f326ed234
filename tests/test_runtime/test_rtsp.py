"""A real RTSP server, killed and started again; skipped where the system's Python has no GStreamer server."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.cameras import CameraSource

PYTHON = Path("/usr/bin/python3")
PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
SERVER = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("videotestsrc", "jpegenc", "rtpjpegpay"))
if len(sys.argv) > 1:
    server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    raw = "video/x-raw,format=I420,width=320,height=240,framerate=20/1"
    factory.set_launch(f"( videotestsrc is-live=true pattern=ball ! {raw} ! jpegenc ! rtpjpegpay name=pay0 pt=26 )")
    factory.set_shared(True)
    server.get_mount_points().add_factory("/hall", factory)
    server.attach(None)
    GLib.MainLoop().run()
"""

Serve = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def port() -> int:
    asked = [PYTHON, "-c", SERVER]
    if not PYTHON.exists() or subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode:
        pytest.skip(f"no RTSP server here: apt-get install {PACKAGES}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def serve(port: int) -> Iterator[Serve]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        started.append(subprocess.Popen([PYTHON, "-c", SERVER, str(port)], env=environment))
        return started[-1]

    yield start
    for server in started:
        server.kill()
        server.wait(10)


@pytest.mark.slow
def test_frames_go_on_after_an_rtsp_server_was_killed_and_restarted(serve: Serve, port: int) -> None:
    server = serve()
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    ages, again = [], 0
    with CameraSource(f"rtsp://127.0.0.1:{port}/hall", timeout_s=60.0) as camera:
        assert camera.size_wh == (320, 240)
        for count, frame in enumerate(camera):
            ages.append(time.monotonic() - (frame.captured_s or 0.0))
            if count == 10:
                server.kill()
                threading.Timer(1.0, serve).start()
            again += camera._base > 0
            if again == 5:
                break
    assert again == 5
    assert max(ages) < 1.0

"""One address for every input, its turns, and files that behave like cameras."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest

from runtime import captures, inputs, pipes
from runtime.captures import open_capture, pipeline_of
from runtime.config import InputConfig, RuntimeConfig
from runtime.inputs import open_source
from runtime.realtime import RealtimeSource
from runtime.sources import FolderSource, VideoSource
from runtime.turning import size_before, turn_of, turned_intrinsics
from sa3dhp_edge.errors import ConfigError, InputError
from sa3dhp_edge.geometry import Intrinsics


@pytest.fixture
def asked(monkeypatch):
    """Addresses that cameras were made of."""
    made = []

    class Asked:
        name, size_wh = "asked", (640, 480)

        def __init__(self, address, *_, **__):
            made.append(address)

    monkeypatch.setattr(inputs, "CameraSource", Asked)
    return made


def test_addresses_go_where_they_belong(asked, monkeypatch, walk_video, tmp_path):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GStreamer:   YES (1.20)")
    uris = [
        "/dev/video1",
        "/dev/v4l/by-id/usb-Cam_0-video-index0",
        "rtsp://u:p@host:554/s?a=1",
        "https://host/cam.mjpg",
        "csi://0",
        "gst:videotestsrc",
    ]
    for uri in ("3", *uris):
        open_source(uri=uri)
    open_source(camera=2)
    assert asked == [3, *uris, 2]
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((4, 4, 3), np.uint8))
    for uri, kind in ((walk_video, VideoSource), (tmp_path, FolderSource)):
        with open_source(uri=str(uri)) as source:
            assert isinstance(source, kind)


@pytest.mark.parametrize("uri", ["rstp://host/s", "ftp://host/v.mp4", "csi://front", "file:///v.mp4"])
def test_an_unknown_scheme_is_refused_with_those_that_are_known(uri):
    with pytest.raises(InputError, match=f"{uri} is no input that is known") as e:
        open_source(uri=uri)
    assert all(word in e.value.hint for word in ("/dev/videoN", "csi://N", "rtsp://", "raw:WxH@FPS"))


@pytest.mark.parametrize("uri", ["csi://0", "gst:videotestsrc ! appsink"])
def test_without_gstreamer_its_inputs_are_refused_with_the_way_out(monkeypatch, uri):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GStreamer:                   NO")
    with pytest.raises(InputError, match="needs an OpenCV with GStreamer") as e:
        open_source(uri=uri)
    assert "jetson.md" in e.value.hint


@pytest.mark.parametrize("uri", ["raw:64x48", "raw:0x48@30", "raw:64x48@0", "raw:axb@c"])
def test_raw_frames_need_size_and_rate(uri):
    with pytest.raises(InputError, match=r"is not raw:WxH@FPS"):
        open_source(uri=uri)


def test_a_terminal_is_no_pipe(monkeypatch):
    monkeypatch.setattr(pipes.os, "isatty", lambda fd: True)
    with Path("/dev/null").open() as terminal:
        monkeypatch.setattr(pipes.sys, "stdin", terminal)
        with pytest.raises(InputError, match="nothing is piped in"):
            open_source(uri="-")


def test_a_descriptor_that_is_not_open_is_refused():
    with pytest.raises(InputError, match="fd:987 cannot be read"):
        open_source(uri="fd:987")


def test_pipelines_end_in_the_newest_bgr_frame():
    csi = pipeline_of("csi://1", InputConfig(camera_size_wh=(1920, 1080), camera_fps=29.97))
    assert csi.startswith("nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080")
    assert "framerate=2997/100" in csi or "framerate=30000/1001" in csi
    end = "appsink drop=true max-buffers=1 sync=false"
    assert csi.endswith(end)
    assert pipeline_of("gst:videotestsrc", InputConfig()) == f"videotestsrc ! {csi.split(' ! ', 4)[-1]}"
    assert pipeline_of("gst:a ! appsink name=x", InputConfig()) == "a ! appsink name=x"


class Asking:
    """Notes what a capture is asked for."""

    def __init__(self):
        self.opened, self.wishes = (), []

    def open(self, *args):
        self.opened = args

    def set(self, what, value):
        self.wishes.append((what, value))


def test_a_camera_is_asked_for_its_format_before_its_size(monkeypatch):
    capture = Asking()
    monkeypatch.setattr(captures.cv2, "VideoCapture", lambda: capture)
    open_capture("/dev/video0", InputConfig(camera_format="MJPG", camera_size_wh=(1280, 720), camera_fps=60.0))
    assert [what for what, _ in capture.wishes] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_BUFFERSIZE,
    ]
    assert capture.wishes[0][1] == cv2.VideoWriter.fourcc(*"MJPG")
    assert capture.wishes[-1][1] == 1


def test_a_stream_is_opened_with_time_outs_and_the_environment_is_left_as_it_was(monkeypatch):
    seen, capture = [], Asking()
    monkeypatch.setattr(captures.cv2, "VideoCapture", lambda: capture)
    monkeypatch.setattr(capture, "open", lambda *args: seen.append((args, dict(captures.os.environ))))
    monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", raising=False)
    open_capture("rtsp://host/s")
    (address, backend, limits), environment = seen[0]
    assert (address, backend) == ("rtsp://host/s", cv2.CAP_FFMPEG)
    assert {cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC} <= set(limits[::2])
    assert "nobuffer" in environment["OPENCV_FFMPEG_CAPTURE_OPTIONS"]
    assert "OPENCV_FFMPEG_CAPTURE_OPTIONS" not in captures.os.environ
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    open_capture("rtsp://host/s")
    assert seen[1][1]["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"


def test_a_camera_that_gives_another_size_than_asked_is_said(asked, caplog):
    open_source(camera=0, cfg=InputConfig(camera_size_wh=(1280, 720)))
    assert "was asked for 1280 x 720 and gives 640 x 480" in caplog.text


@pytest.mark.parametrize("uri", ["rtsp://host/s", "v.mp4", "raw:64x48@30", "-"])
def test_only_cameras_of_this_machine_are_asked_for_a_format(asked, uri):
    with pytest.raises(InputError, match="cannot be asked for --camera-format"):
        open_source(uri=uri, cfg=InputConfig(camera_format="MJPG"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotate_deg": 45},
        {"flip": "both"},
        {"camera_format": "MJPEG"},
        {"camera_size_wh": (0, 720)},
        {"camera_fps": float("nan")},
    ],
)
def test_settings_of_an_input_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        InputConfig(**wrong)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_time_limit_is_a_time(seconds):
    with pytest.raises(ConfigError, match="camera_timeout_s"):
        RuntimeConfig(model="m", camera=0, camera_timeout_s=seconds)


def test_a_turn_moves_the_corners_where_they_belong():
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0], image[0, 5] = 1, 2  # left and right end of the top row

    def corners(**cfg):
        turned = turn_of(InputConfig(**cfg))(image)[..., 0]
        return [[int(turned[0, 0]), int(turned[0, -1])], [int(turned[-1, 0]), int(turned[-1, -1])]]

    assert corners() == [[1, 2], [0, 0]]
    assert corners(rotate_deg=90) == [[0, 1], [0, 2]]
    assert corners(rotate_deg=180) == [[0, 0], [2, 1]]
    assert corners(rotate_deg=270) == [[2, 0], [1, 0]]
    assert corners(flip="horizontal") == [[2, 1], [0, 0]]
    assert corners(flip="vertical") == [[0, 0], [1, 2]]
    assert corners(rotate_deg=90, flip="horizontal") == [[1, 0], [2, 0]]


@pytest.mark.parametrize("flip", ["none", "horizontal", "vertical"])
@pytest.mark.parametrize("rotate_deg", [0, 90, 180, 270])
def test_a_calibration_turns_with_the_pictures(rotate_deg, flip):
    cfg, (w, h) = InputConfig(rotate_deg, flip), (64, 48)
    made = Intrinsics((60.0, 55.0), (30.0, 26.0), (-0.2, 0.05, 0.02, -0.03, 0.01))
    points = np.random.default_rng(0).uniform((-1, -1, 3), (1, 1, 5), (50, 3))

    def seen(camera, xyz):
        return cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), camera.matrix(), np.array(camera.distortion))[0][:, 0]

    # where each pixel goes, by turning a picture of pixel numbers
    numbers = np.stack([*np.meshgrid(np.arange(w), np.arange(h)), np.zeros((h, w))], -1).astype(np.uint8)
    turned = turn_of(cfg)(numbers).astype(float)
    dy, dx = (turned[1, 0] - turned[0, 0])[:2], (turned[0, 1] - turned[0, 0])[:2]
    axes = np.stack([dx, dy])  # rows: the turned picture's x and y in the given one's pixels
    expected = (seen(made, points) - turned[0, 0, :2]) @ axes.T
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ axes.T
    camera = turned_intrinsics(made, (w, h), cfg)
    assert np.allclose(seen(camera, moved), expected, atol=1e-9)
    assert size_before(turned.shape[1::-1], cfg) == (w, h)


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_the_size_of_an_input_is_that_of_its_turned_frames(kind, walk_video, tmp_path):
    image = np.arange(30 * 20 * 3, dtype=np.uint8).reshape(20, 30, 3)
    cv2.imwrite(str(tmp_path / "0.png"), image)
    with open_source(video=walk_video if kind == "video" else tmp_path, cfg=InputConfig(rotate_deg=90)) as source:
        frame = next(iter(source))
        assert source.size_wh == frame.image_bgr.shape[1::-1] == ((240, 320) if kind == "video" else (20, 30))
    if kind == "folder":
        assert np.array_equal(frame.image_bgr, np.rot90(image, -1))


def test_a_file_in_real_time_keeps_its_pace_and_drops_what_nobody_took(video_of):
    path = video_of([(100 + i, 120) for i in range(24)], 60.0)
    with open_source(video=path, cfg=InputConfig(realtime=True)) as source:
        assert isinstance(source, RealtimeSource)
        assert source.live
        start, seen = time.monotonic(), []
        for frame in source.frames(Event()):
            seen.append((time.monotonic() - start, frame))
            time.sleep(0.05)
        took_s = time.monotonic() - start
    assert took_s > 23 / 60
    assert source.dropped == 24 - len(seen) > 6
    assert seen[-1][1].index == 23
    assert all(f.time_s == pytest.approx(f.index / 60, abs=2e-3) for _, f in seen)
    assert all(at >= f.time_s - 0.02 for at, f in seen), "no frame comes before its time"


def test_an_error_behind_a_real_time_source_is_heard(tmp_path):
    for i, size in enumerate(((20, 30), (20, 30), (30, 30))):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((*size, 3), np.uint8))
    with (
        open_source(video=tmp_path, cfg=InputConfig(realtime=True)) as source,
        pytest.raises(InputError, match="30 x 30"),
    ):
        list(source)


@pytest.mark.parametrize("error", [cv2.error("decoder"), MemoryError("full"), ZeroDivisionError("bug")])
def test_whatever_ends_a_real_time_source_is_no_end_of_file(list_source, error):
    class Breaking(list_source):
        def frames(self, stop):
            yield from super().frames(stop)
            raise error

    source = RealtimeSource(Breaking([np.zeros((20, 30, 3), np.uint8)] * 2), paced=False)
    with source, pytest.raises(type(error)):
        list(source)


def test_a_program_in_front_of_a_pipe_is_followed(fake_model, tmp_path, frame_at):
    """The whole way, from a pipe of JPEG pictures to poses."""
    stream = b"".join(cv2.imencode(".jpg", frame_at((110 + i, 120)))[1].tobytes() for i in range(12))
    code = f"""
from pathlib import Path
from runtime.config import RuntimeConfig
from runtime.service import run_stream
report = run_stream(RuntimeConfig(model={str(fake_model)!r}, source="-", out=Path({str(tmp_path / "p.jsonl")!r})))
print(report.frames, report.poses, report.corrupt)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], input=stream[:-50], cwd=root, capture_output=True, timeout=60, check=False
    )
    assert done.stdout.split() == [b"11", b"11", b"1"], done.stderr

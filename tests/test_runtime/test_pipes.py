"""Frames through pipes: JPEG pictures and plain bytes, whole and broken."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from threading import Event

import cv2
import numpy as np
import pytest

from runtime.mjpeg import JpegSplitter
from runtime.pipes import PipeSource
from sa3dhp_edge.errors import CameraLost, InputError

WH = (64, 48)


def picture(number: int, wh: tuple[int, int] = WH) -> np.ndarray:
    return np.full((wh[1], wh[0], 3), (10 * number) % 256, np.uint8)


def jpeg(number: int, wh: tuple[int, int] = WH, progressive: bool = False) -> bytes:
    noisy = np.random.default_rng(number).integers(0, 9, (wh[1], wh[0], 3), np.uint8) + picture(number, wh)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, number % 3]
    return cv2.imencode(".jpg", noisy, options)[1].tobytes()


def with_preview(whole: bytes) -> bytes:
    """A JPEG that holds another one in its application data, as cameras write it."""
    preview = jpeg(99, (16, 16))
    segment = b"\xff\xe1" + (2 + len(preview)).to_bytes(2, "big") + preview
    return whole[:2] + segment + whole[2:]


@pytest.fixture
def piped() -> Callable[..., PipeSource]:
    """A source on a pipe that `data` was written into; closed there unless `leave_open`."""
    ends: list[int] = []

    def make(data: bytes, leave_open: bool = False, **options: object) -> PipeSource:
        read_fd, write_fd = os.pipe()
        ends.append(read_fd)
        ready = Event()

        def write() -> None:
            with contextlib.suppress(BrokenPipeError):  # the source may have had enough
                for start in range(0, len(data), 5000):
                    os.write(write_fd, data[start : start + 5000])
            if leave_open:
                ends.append(write_fd)
            else:
                os.close(write_fd)
            ready.set()

        threading.Thread(target=write, daemon=True).start()
        source = PipeSource(read_fd, "pipe", **options)
        assert not leave_open or ready.wait(10)
        return source

    yield make
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
def test_pictures_are_cut_where_they_end_however_they_arrive(progressive, step):
    wanted = [with_preview(jpeg(i, progressive=progressive)) if i % 2 else jpeg(i) for i in range(6)]
    stream = b"--part\r\nContent-Type: image/jpeg\r\n\r\n".join([b"", *wanted])
    splitter = JpegSplitter()
    got = [whole for at in range(0, len(stream), step) for whole in splitter.feed(stream[at : at + step])]
    assert got == wanted
    assert splitter.damaged == 0


@pytest.mark.parametrize("lost_at", [2, 30, 200, 700])
def test_a_picture_that_broke_off_costs_no_other(lost_at):
    wanted = [jpeg(i) for i in range(5)]
    splitter = JpegSplitter()
    got = list(splitter.feed(b"".join([*wanted[:2], wanted[2][:lost_at], *wanted[3:]])))
    assert got[:2] == wanted[:2]
    assert got[-1] == wanted[4]
    assert splitter.damaged == 1


def test_bytes_of_any_kind_never_stop_it():
    rng = np.random.default_rng(0)
    splitter = JpegSplitter()
    for _ in range(300):
        for whole in splitter.feed(rng.choice([0, 0xC0, 0xD8, 0xD9, 0xDA, 0xFF], 200).astype(np.uint8).tobytes()):
            assert whole[:2] == b"\xff\xd8"
            assert whole[-2:] == b"\xff\xd9"


def test_mjpeg_is_read_to_its_end_and_a_truncated_last_picture_is_counted(piped):
    stream = b"".join(jpeg(i) for i in range(8))
    source = piped(stream[:-300], fps=20.0)
    frames = list(source)
    assert [f.index for f in frames] == list(range(7))
    assert [f.time_s for f in frames] == [i / 20 for i in range(7)]
    assert all(abs(int(f.image_bgr.mean()) - (10 * f.index + 4)) <= 2 for f in frames)
    assert (source.size_wh, source.corrupt) == (WH, 1)


def test_a_picture_that_cannot_be_decoded_is_counted_and_leaves_a_gap(piped):
    bad = b"\xff\xd8\xff\xfe\x00\x04no\xff\xd9"
    source = piped(jpeg(0) + bad + jpeg(2))
    assert [f.index for f in source] == [0, 2]
    assert source.corrupt == 1


def test_raw_frames_are_bgr_and_half_a_frame_is_counted(piped):
    pictures = [picture(i) for i in range(4)]
    pictures[1][..., 0] = 200
    source = piped(b"".join(p.tobytes() for p in pictures)[:-10], raw_wh=WH, fps=25.0)
    frames = list(source)
    assert len(frames) == 3
    assert all(np.array_equal(f.image_bgr, p) for f, p in zip(frames, pictures, strict=False))
    assert source.corrupt == 1


def test_another_size_in_mid_stream_is_named(piped):
    with pytest.raises(InputError, match="picture 1 is 32 x 48, the first one is 64 x 48"):
        list(piped(jpeg(0) + jpeg(1, (32, 48))))


@pytest.mark.parametrize("data", [b"", b"hello", jpeg(0)[:200]])
def test_a_pipe_without_a_picture_is_refused(piped, data):
    with pytest.raises(InputError, match="ends without a picture"):
        piped(data)


def test_a_pipe_of_something_else_is_refused_before_it_ends(piped):
    with pytest.raises(InputError, match="holds no JPEG pictures"):
        piped(bytes(17 * 2**20))


def test_a_writer_that_falls_silent_is_lost_with_a_limit_and_a_stop_is_heard_without(piped):
    with pytest.raises(CameraLost, match=r"nothing for 0\.3 s"):
        list(piped(jpeg(0), leave_open=True, timeout_s=0.3))
    stop, start = Event(), time.monotonic()
    threading.Timer(0.1, stop.set).start()
    assert len(list(piped(jpeg(0), leave_open=True).frames(stop))) == 1
    assert time.monotonic() - start < 3

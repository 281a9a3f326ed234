"""Reading ahead loses nothing, ends, and hands errors on."""

import threading

import numpy as np
import pytest

from runtime.ahead import ReadAhead
from runtime.sources import AbstractSource
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.records import Frame


class Counting(AbstractSource):
    def __init__(self, count: int, fails: bool = False) -> None:
        self.name, self.fps, self.size_wh = "counting", 30.0, (4, 4)
        self.given, self.closed, self._count, self._fails = 0, False, count, fails
        self.full = threading.Event()

    def frames(self, stop):
        for n in range(self._count):
            self.given = n + 1
            if n == 5:
                self.full.set()
            self.corrupt = n // 10
            yield Frame(np.zeros((4, 4, 3), np.uint8), n, n / 30)
        if self._fails:
            raise InputError("the disk is gone")

    def close(self):
        self.closed = True


def test_every_frame_comes_in_order():
    source = Counting(100)
    with ReadAhead(source) as ahead:
        assert [frame.index for frame in ahead] == list(range(100))
        assert ahead.corrupt == 9
    assert source.closed


def test_it_is_only_a_few_frames_ahead():
    source = Counting(10_000)
    with ReadAhead(source) as ahead:
        frames = ahead.frames(threading.Event())
        next(frames)
        assert source.full.wait(10)
        assert source.given < 10
    assert not ahead._thread.is_alive()


def test_what_went_wrong_comes_after_the_frames_before_it():
    with ReadAhead(Counting(20, fails=True)) as ahead:
        frames = iter(ahead)
        assert [next(frames).index for _ in range(20)] == list(range(20))
        with pytest.raises(InputError, match="the disk is gone"):
            next(frames)


def test_a_stop_ends_it():
    stop = threading.Event()
    with ReadAhead(Counting(10_000)) as ahead:
        for frame in ahead.frames(stop):
            if frame.index == 7:
                stop.set()
        assert frame.index == 7


class Waiting(AbstractSource):
    """Gives nothing: it turns in its waiting for a while, or hangs."""

    def __init__(self, turns: bool) -> None:
        self.name, self.fps, self.size_wh, self._turns = "waiting", 30.0, (4, 4), turns
        self.over = threading.Event()

    def frames(self, stop):
        while not self.over.wait(0.05):
            if self._turns:
                self._turned(False)
        yield Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0)

    def close(self):
        self.over.set()


def test_a_source_that_waits_is_vouched_for_and_one_that_hangs_is_not():
    for turns in (True, False):
        source, heard, stop = Waiting(turns), [], threading.Event()
        with ReadAhead(source) as ahead:
            ahead.pulse = heard.append
            timer = threading.Timer(1.0, source.over.set)
            timer.start()
            assert [frame.index for frame in ahead.frames(stop)] == [0]
            timer.join()
        assert heard[-1] is True
        assert (False in heard) == turns

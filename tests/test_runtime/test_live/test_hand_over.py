"""What a sender does never slows or ends a run."""

from __future__ import annotations

import logging
import threading
import time

from runtime.live.sender import AbstractSender, LiveOutput, Moment


class Sender(AbstractSender):
    """Remembers, and fails or waits as it is told."""

    name = "there"

    def __init__(self) -> None:
        self.got: list[int] = []
        self.opened = self.closed = 0
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()

    def open(self) -> None:
        if self.broken:
            raise ConnectionRefusedError("nobody listens")
        self.opened += 1

    def send(self, moment: Moment) -> None:
        self.gate.wait(60)
        if self.broken:
            raise ConnectionResetError("it hung up")
        self.got.append(moment.frame.index)

    def close(self) -> None:
        self.closed += 1


def test_frames_come_in_order_without_their_pictures_and_the_last_ones_before_the_end(moment) -> None:
    sender = Sender()
    with LiveOutput(sender, most=100) as output:
        for i in range(50):
            output.write(*moment(i, 1))
    assert sender.got == list(range(50))
    assert (output.sent, output.unsent, output.missed, sender.closed) == (50, 0, 0, 1)


def test_a_slow_sender_gets_the_newest_and_the_loop_does_not_wait(moment, until) -> None:
    sender = Sender()
    sender.gate.clear()
    with LiveOutput(sender, most=4) as output:
        begun = time.monotonic()
        for i in range(1000):
            output.write(*moment(i))
        assert time.monotonic() - begun < 20
        assert len(output._waiting) == 4
        sender.gate.set()
        until(lambda: sender.got and sender.got[-1] == 999)
    assert sender.got[-4:] == [996, 997, 998, 999]
    assert output.sent + output.unsent == 1000
    assert output.busy_since_s is None


def test_a_dead_consumer_is_said_once_tried_later_and_later_and_comes_back(moment, until, caplog) -> None:
    caplog.set_level(logging.INFO, "runtime.live.sender")
    sender, now = Sender(), [0.0]
    with LiveOutput(sender, most=100, clock=lambda: now[0]) as output:
        output.write(*moment(0))
        until(lambda: output.sent == 1)
        sender.broken = True
        for i in range(1, 10):
            output.write(*moment(i))
        until(lambda: output.unsent == 9)
        now[0] += 1
        output.write(*moment(10))
        until(lambda: output.unsent == 10)
        sender.broken = False
        output.write(*moment(11))  # it is too early to try again
        until(lambda: output.unsent == 11)
        now[0] += 100
        output.write(*moment(12))
        until(lambda: output.sent == 2)
    assert sender.got == [0, 12]
    said = [record.message for record in caplog.records if "there" in record.message]
    assert sum("gets no poses: it hung up" in line for line in said) == 1
    assert sum("takes poses again" in line for line in said) == 1


def test_one_that_hangs_at_the_end_is_left_behind_in_time(moment, until, caplog) -> None:
    sender = Sender()
    sender.gate.clear()
    output = LiveOutput(sender, close_s=0.2)
    output.write(*moment(0))
    begun = time.monotonic()
    output.close()
    output.close()
    assert time.monotonic() - begun < 20
    assert "is left behind" in caplog.text
    sender.gate.set()

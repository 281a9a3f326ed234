"""What carries poses to another program, and the hand-over that keeps it from ever slowing or ending a run."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

from runtime.outputs.base import AbstractOutput
from runtime.outputs.jsonl import frame_records, pose_record
from sa3dhp_edge.records import Frame, Pose

log = logging.getLogger(__name__)

_MOST = 4
"""Frames that wait for a sender; the oldest makes room for a new one."""
_TICK_S = 0.1
_RETRY_S = (0.5, 30.0)
"""First and longest time between two tries."""


class Moment(NamedTuple):
    """A frame, the people in it, and the milliseconds that it took."""

    frame: Frame
    poses: tuple[Pose, ...]
    latency_ms: float

    def records(self) -> list[dict[str, Any]]:
        """What a recording holds of it."""
        return frame_records(self.frame, self.poses, self.latency_ms)

    def whole(self) -> dict[str, Any]:
        """The frame as one record, with all its people: `{"record": "frame", "frame", "time_s", "poses": […]}`."""
        poses = [pose_record(self.frame, pose, self.latency_ms) for pose in self.poses]
        return {
            "record": "frame", "frame": self.frame.index, "time_s": round(self.frame.time_s, 4), "poses": poses,
        }  # fmt: skip


class AbstractSender(ABC):
    """One way to another program. All calls come from one thread; any error means: closed, and opened again later.

    Attributes:
        name: what the user called it, without a password.
    """

    name: str

    @abstractmethod
    def open(self) -> None:
        """Make ready to send, in bounded time."""

    @abstractmethod
    def send(self, moment: Moment) -> None:
        """Send one frame, in bounded time."""

    @abstractmethod
    def close(self) -> None:
        """Let go, in bounded time; opened or not."""


@final
class LiveOutput(AbstractOutput):
    """Hands the newest frames to a sender in a thread of its own.

    The loop never waits and never fails for it: what a sender is too slow for is left out, oldest first, and one that
    fails is tried again, later and later; both are counted, and said once until it works again.

    Args:
        sender: only the thread touches it from now on.
        most: frames that may wait.
        close_s: so long the end waits for the last frames.
        clock: monotonic seconds; replaced in tests.

    Attributes:
        sent: frames.
        unsent: frames that came while it could not take them.
    """

    def __init__(
        self,
        sender: AbstractSender,
        most: int = _MOST,
        close_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sent = self.unsent = 0
        self._sender, self._close_s, self._clock = sender, close_s, clock
        self._waiting: deque[Moment] = deque(maxlen=most)
        self._news, self._ending = threading.Condition(), False
        self._open, self._failures, self._again_s = False, 0, 0.0
        self._thread = threading.Thread(target=self._work, name=f"send {sender.name}", daemon=True)
        self._thread.start()

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        moment = Moment(frame.without_picture(), tuple(poses), latency_ms)
        with self._news:
            self.unsent += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(moment)
            self._news.notify()

    def close(self) -> None:
        with self._news:
            if self._ending:
                return
            self._ending = True
            self._news.notify()
        self._thread.join(self._close_s)
        if self._thread.is_alive():
            log.warning("%s did not end in %g s and is left behind", self._sender.name, self._close_s)
        if self.unsent:
            log.warning("%s got %d frames; %d were not sent", self._sender.name, self.sent, self.unsent)

    def _work(self) -> None:
        self._try(self._sender.open)  # where somebody waits for the first frame, he is heard before it
        while True:
            with self._news:
                if not self._waiting and not self._ending:
                    self._news.wait(_TICK_S)
                moment = self._waiting.popleft() if self._waiting else None
                ending = self._ending
            if moment is not None:
                delivered = self._deliver(moment)
                with self._news:
                    self.sent, self.unsent = self.sent + delivered, self.unsent + (not delivered)
            elif ending:
                break
        try:
            self._sender.close()
        except Exception as e:  # noqa: BLE001  a dead consumer is no reason to end badly
            log.info("%s: %s", self._sender.name, e)

    def _deliver(self, moment: Moment) -> bool:
        if not self._open and (self._clock() < self._again_s or not self._try(self._sender.open)):
            return False
        return self._try(lambda: self._sender.send(moment))

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as e:  # noqa: BLE001  whatever another program does, the run goes on
            self._failed(e)
            return False
        if self._failures and self._open:
            log.info("%s takes poses again", self._sender.name)
            self._failures = 0
        self._open = True
        return True

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            log.warning("%s gets no poses: %s; it is tried again", self._sender.name, error)
        wait_s = min(_RETRY_S[0] * 2 ** min(self._failures, 10), _RETRY_S[1])
        self._failures, self._again_s = self._failures + 1, self._clock() + wait_s
        if self._open:
            self._open = False
            try:
                self._sender.close()
            except Exception as e:  # noqa: BLE001
                log.info("%s: %s", self._sender.name, e)

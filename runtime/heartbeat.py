"""Is the run alive? What proves it, told to the supervisor from the very places where work is done.

No thread of its own says so: one would go on beating over a dead loop. A frame that reached the end of all outputs is
a proof; so is a turn of the source's own waiting while no frame is in work. A network, output or source that hangs
brings forth neither, and the supervisor's watchdog ends the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import final

from runtime.notify import Notifier
from runtime.outputs.base import AbstractOutput
from runtime.sources import AbstractSource, SourceState, StateListener
from sa3dhp_edge.logs import without_passwords
from sa3dhp_edge.records import Frame, Pose

_STATUS_S = 10.0
_HELD_BACK = 100
"""Smoothing may hold so many of the first frames back; where more are in work and none is finished, the run hangs."""


@final
class Heartbeat(AbstractOutput):
    """The last output of a run: a frame that comes here is finished.

    Args:
        supervisor: who is told; closed with this.
        source: what the frames come from.
        outputs: the other ones; one of them that has been writing the same thing for too long is a run that hangs.
        on_state: hears the source's states too.
        clock: monotonic seconds; replaced in tests.
    """

    def __init__(
        self,
        supervisor: Notifier,
        source: AbstractSource,
        outputs: Sequence[AbstractOutput] = (),
        on_state: StateListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._supervisor, self._outputs = supervisor, tuple(outputs)
        self._name = " ".join(source.name.split())
        self._on_state, self._clock = on_state, clock
        self._state: str = source.state
        self._in_work = self._ready = self._closed = False
        self._frames = self._handed = self._counted = 0
        self._counted_s = self._beat_s = clock()
        source.pulse = self.pulse

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        self._frames += 1
        self._in_work = False
        self._beat()

    def pulse(self, handed_over: bool) -> None:
        """A turn of the source: it hands a frame over, or still waits for one."""
        if handed_over:
            self._handed += 1
            self._in_work = self._frames > 0 or self._handed > _HELD_BACK
        if not self._in_work or not self._ready:
            self._beat()

    def heard(self, state: SourceState, reason: str) -> None:
        """The source is in another state."""
        self._state = state if state == "live" else f"{state} ({reason})"
        self._say_status()
        if self._on_state is not None:
            self._on_state(state, reason)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._supervisor.say("STOPPING=1", f"STATUS={self._name}: closing the outputs")
            self._supervisor.close()

    def _beat(self) -> None:
        if self._closed:
            return
        now_s = self._clock()
        if not self._ready:
            self._ready = True
            self._supervisor.say("READY=1", self._status())
        if now_s - self._counted_s >= _STATUS_S:
            self._say_status()
        period_s = self._supervisor.watchdog_s
        if period_s is not None and now_s - self._beat_s >= period_s / 4 and self._busy_s(now_s) <= period_s / 2:
            self._beat_s = now_s
            self._supervisor.say("WATCHDOG=1")

    def _busy_s(self, now_s: float) -> float:
        """So long the slowest output has been writing what it writes now."""
        began_s = (output.busy_since_s for output in self._outputs)
        return max((now_s - began for began in began_s if began is not None), default=0.0)

    def _say_status(self) -> None:
        if not self._closed:
            self._supervisor.say(self._status())

    def _status(self) -> str:
        now_s = self._clock()
        seconds, frames = now_s - self._counted_s, self._frames - self._counted
        self._counted, self._counted_s = self._frames, now_s
        rate = f", {frames / seconds:.1f} frames/s" if frames and seconds > 0 else ""
        state = " ".join(without_passwords(self._state).split())  # a driver's reason may have several lines
        return f"STATUS={self._name}: {state}{rate}, {self._frames} frames"

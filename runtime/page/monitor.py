"""What a run is doing now, for whoever asks from another thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from runtime.budget import LatencyBudget
from runtime.outputs.base import AbstractOutput
from runtime.sources import AbstractSource, SourceState, StateListener
from runtime.timings import Timings, percentiles
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.logs import without_passwords
from sa3dhp_edge.records import Frame, Pose

_RECENT = 300
"""Frames that the latency now is taken over."""
_FPS_S = 3.0
_SILENT_S = 10.0
"""A camera that is live, and a frame that is not finished for so long: the run hangs."""
_START_S = 60.0
"""So long the first frame may take."""
_STAGES_S = 1.0
"""The percentiles of all stages are taken at most so often."""
_WAITING: tuple[SourceState, ...] = ("stalled", "reopening", "lost", "closed")


@dataclass(frozen=True)
class Counts:
    """What happened since the start.

    Attributes:
        frames, poses: finished.
        tracks: persons taken.
        dropped, corrupt, outages: of the source.
        late: poses that came after the latency budget.
        missed: frames that slow outputs lack.
    """

    frames: int
    poses: int
    tracks: int
    dropped: int
    corrupt: int
    outages: int
    late: int
    missed: int


@dataclass(frozen=True)
class Now:
    """A run at one moment.

    Attributes:
        source, size_wh: name without a password, and size of its frames.
        state, reason: of the source, and why.
        model, model_sha256: what computes the poses.
        seconds: since the start.
        fps: frames finished a second, lately; 0 while none comes.
        silent_s: since the last frame was finished.
        latency_ms: p50, p95 and p99 of the last frames, without waiting; empty before the first.
        age_ms: the same from the capture of a live frame to its poses.
        stages_ms: percentiles of each stage.
        counts: since the start.
        adaptation: what the run learns from what it sees; None where it does not.
    """

    source: str
    size_wh: tuple[int, int]
    state: str
    reason: str
    model: str
    model_sha256: str
    seconds: float
    fps: float
    silent_s: float
    latency_ms: dict[str, float]
    age_ms: dict[str, float]
    stages_ms: dict[str, dict[str, float]]
    counts: Counts
    adaptation: dict[str, Any] | None

    @property
    def trouble(self) -> str:
        """Why the run is not healthy; empty where it is."""
        if self.state in _WAITING:
            return f"the source is {self.state}: {self.reason}" if self.reason else f"the source is {self.state}"
        if self.silent_s > (_SILENT_S if self.counts.frames else _START_S):
            return f"no frame was finished for {self.silent_s:.0f} s"
        return ""


@final
class Monitor(AbstractOutput):
    """Takes every frame as the last output does, and hears the source's states; costs the loop a few microseconds.

    Args:
        source: what the frames come from.
        model: what computes the poses.
        timings: of the loop's stages.
        budget: that counts late poses.
        clock: monotonic seconds; replaced in tests.

    Attributes:
        on_state: hears the source's states too.
        outputs: the other ones, for the frames they lack.
        adaptation: what the page says of it; set by whoever adapts.
    """

    def __init__(
        self,
        source: AbstractSource,
        model: ModelContract,
        timings: Timings,
        budget: LatencyBudget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.adaptation: dict[str, Any] | None = None
        self._source, self._timings, self._budget = source, timings, budget
        self._model, self._model_sha256 = model.name, model.sha256()
        self.on_state: StateListener | None = None
        self.outputs: Sequence[AbstractOutput] = ()
        self._clock = clock
        self._lock = threading.Lock()
        self._state, self._reason = str(source.state), ""
        self._begun_s = self._last_s = clock()
        self._frames = self._poses = self._tracks = 0
        self._finished_s: deque[float] = deque(maxlen=_RECENT)
        self._latency_ms: deque[float] = deque(maxlen=_RECENT)
        self._age_ms: deque[float] = deque(maxlen=_RECENT)
        self._seen: tuple[Frame, tuple[Pose, ...], float] | None = None
        self._stages_ms: dict[str, dict[str, float]] = {}
        self._stages_s = -_STAGES_S

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        now_s = self._clock()
        with self._lock:
            self._seen = (frame, tuple(poses), latency_ms)
            self._frames += 1
            self._poses += len(poses)
            self._tracks = max(self._tracks, *(pose.track for pose in poses), 0)
            self._last_s = now_s
            self._finished_s.append(now_s)
            self._latency_ms.append(latency_ms)
            if frame.captured_s is not None:
                self._age_ms.append(1000 * (now_s - frame.captured_s))

    def heard(self, state: SourceState, reason: str) -> None:
        """The source is in another state."""
        with self._lock:
            self._state, self._reason = state, without_passwords(reason)
        if self.on_state is not None:
            self.on_state(state, reason)

    def close(self) -> None:
        pass

    def seen(self) -> tuple[Frame, tuple[Pose, ...], float] | None:
        """The newest finished frame, its people, and its milliseconds."""
        with self._lock:
            return self._seen

    def now(self) -> Now:
        """Everything at this moment."""
        now_s = self._clock()
        with self._lock:
            if now_s - self._stages_s >= _STAGES_S:
                self._stages_ms, self._stages_s = self._timings.summary(), now_s
            recent = sum(now_s - at <= _FPS_S for at in self._finished_s)
            span_s = min(_FPS_S, max(now_s - self._begun_s, 1e-3))
            if recent == _RECENT:
                span_s = max(now_s - self._finished_s[0], 1e-3)
            counts = Counts(
                self._frames, self._poses, self._tracks, self._source.dropped, self._source.corrupt,
                self._source.outages, self._budget.late, sum(output.missed for output in self.outputs),
            )  # fmt: skip
            return Now(
                source=without_passwords(self._source.name), size_wh=self._source.size_wh, state=self._state,
                reason=self._reason, model=self._model, model_sha256=self._model_sha256,
                seconds=now_s - self._begun_s, fps=recent / span_s, silent_s=now_s - self._last_s,
                latency_ms=percentiles(self._latency_ms) if self._latency_ms else {},
                age_ms=percentiles(self._age_ms) if self._age_ms else {}, stages_ms=self._stages_ms,
                counts=counts, adaptation=self.adaptation,
            )  # fmt: skip

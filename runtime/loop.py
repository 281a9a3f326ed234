"""Frame to pose to outputs: the loop that runs for months."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event

from runtime.budget import LatencyBudget
from runtime.config import SmoothingConfig
from runtime.estimator import Estimator
from runtime.outputs import AbstractOutput
from runtime.smoothing import Seen, smoothed
from runtime.sources import AbstractSource, StateListener
from runtime.tracker import AbstractTracker
from runtime.world import World, in_world
from sa3dhp_edge.records import Frame, Pose

RAW = SmoothingConfig("raw")


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes:
        source: name of the input.
        frames: processed.
        poses: of all frames and people.
        tracks: persons taken, counting somebody who came back again.
        dropped: frames of a live camera that were older than the newest.
        corrupt: frames that could not be decoded.
        outages: times a live camera gave no more frames and was waited for or opened again.
        seconds: wall time.
        latency_ms: p50 and p95 by stage.
        stopped: ended by the user, not by the input.
        missed: frames that slow outputs lack, all outputs together.
        late: frames whose poses came after the latency budget.
    """

    source: str
    frames: int
    poses: int
    tracks: int
    dropped: int
    corrupt: int
    outages: int
    seconds: float
    latency_ms: dict[str, dict[str, float]]
    stopped: bool
    missed: int = 0
    late: int = 0


def run(
    source: AbstractSource,
    tracker: AbstractTracker,
    estimator: Estimator,
    outputs: Sequence[AbstractOutput],
    stop: Event,
    max_frames: int | None = None,
    smoothing: SmoothingConfig = RAW,
    on_state: StateListener | None = None,
    budget: LatencyBudget | None = None,
    world: World | None = None,
) -> RunReport:
    """Turn frames into poses until the input ends, `stop` is set or `max_frames` are done.

    Every end, `CameraLost` too, leaves source and outputs closed and the recording whole. While a live
    source has no frame the loop waits in it; `on_state` hears at once that it does, and when frames come again.
    """
    start = time.monotonic()
    frames = poses = tracks = 0
    budget = budget or LatencyBudget(None)
    source.listener = on_state
    with ExitStack() as opened:
        opened.enter_context(source)
        for output in outputs:
            opened.enter_context(output)
        seen = smoothed(poses_of(source, tracker, estimator, stop, budget), smoothing)
        for frame, people, latency_ms in in_world(seen, world):
            for output in outputs:
                output.write(frame, people, latency_ms)
            frames += 1
            poses += len(people)
            tracks = max(tracks, *(pose.track for pose in people), 0)
            if frames == max_frames:
                break
    return RunReport(
        source=source.name,
        frames=frames,
        poses=poses,
        tracks=tracks,
        dropped=source.dropped,
        corrupt=source.corrupt,
        outages=source.outages,
        seconds=round(time.monotonic() - start, 3),
        latency_ms=estimator.timings.summary(),
        stopped=stop.is_set(),
        missed=sum(output.missed for output in outputs),
        late=budget.late,
    )


def poses_of(
    source: AbstractSource,
    tracker: AbstractTracker,
    estimator: Estimator,
    stop: Event,
    budget: LatencyBudget | None = None,
) -> Iterator[Seen]:
    """Every frame with the poses of who is followed and its latency in milliseconds."""
    timings, budget = estimator.timings, budget or LatencyBudget(None)
    for frame in source.frames(stop):
        timings.add("decode", frame.decode_ms)
        budget.begin(frame)
        poses = look(frame, tracker, estimator, budget)
        age_ms = budget.end()
        if frame.captured_s is not None:
            timings.note("age", age_ms)
        yield frame, poses, timings.next_frame()


def look(
    frame: Frame, tracker: AbstractTracker, estimator: Estimator, budget: LatencyBudget | None = None
) -> tuple[Pose, ...]:
    """One frame's poses; who comes into question is looked at again, from better boxes."""
    budget = budget or LatencyBudget(None)
    poses = _look_once(frame, tracker, estimator, budget)
    return _look_once(frame, tracker, estimator, budget) if tracker.fresh else poses


def _look_once(frame: Frame, tracker: AbstractTracker, estimator: Estimator, budget: LatencyBudget) -> tuple[Pose, ...]:
    with estimator.timings.measure("search"):
        boxes = tracker.propose(frame, budget.squares())
    start = time.perf_counter()
    poses = estimator.poses(frame, boxes)
    budget.looked(len(boxes), 1000 * (time.perf_counter() - start))
    return tracker.settle(frame, poses)

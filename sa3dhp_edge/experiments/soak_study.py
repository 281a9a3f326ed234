"""Does the runtime stay as small and as fast over a week's worth of frames from a camera that fails in every way?

soak.md     table
soak.json   the same with its curve, machine and commit

The camera plays a video as fast as the loop takes it, through the very reader and state machine that serve real ones,
and fails by a seeded plan. Poses go to a recording and to an output that is too slow now and then.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from threading import enumerate as all_threads
from typing import Any, final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.bench.soak import rss_mb, slope_and_error
from runtime.budget import LatencyBudget
from runtime.cameras import CameraSource
from runtime.config import SmoothingConfig, TrackerConfig
from runtime.estimator import Estimator
from runtime.loop import RunReport, run
from runtime.model import Model
from runtime.outputs import AbstractOutput, PoseWriter, Stream
from runtime.outputs.apart import Apart
from runtime.service import make_finder, make_tracker
from runtime.sources import VideoSource
from runtime.timings import Timings, percentiles
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.report.tables import Cell, Column, markdown_table

FAULTS = ("gone", "frozen", "corrupt", "resized", "reshaped", "slow", "hanging", "slow output")
_POINTS = 400
_HELD_FRAMES = 90
"""So many of the video's pictures are played forth and back, noise added, so that no two are the same."""


@dataclass(frozen=True)
class Lengths:
    """How long each fault lasts.

    Attributes:
        gone_s, frozen_s, hanging_s: seconds; the state machine waits 5 s for a frozen and 15 s for a hanging camera.
        pictures: of the faults that are counted in pictures.
    """

    gone_s: float = 1.2
    frozen_s: float = 6.0
    hanging_s: float = 16.5
    pictures: int = 12


@final
class _World:
    """A camera that outlives its connections: what it shows, and what is wrong with it now."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], every: int, seed: int, lengths: Lengths) -> None:
        self._pictures, self._every, self._lengths = pictures, every, lengths
        self._rng = np.random.default_rng(seed)
        self._noise = self._rng.integers(0, 4, (64, *pictures[0].shape[1:]), np.uint8)
        self._shown, self._left, self._fault = 0, 0, ""
        self._until_s = 0.0
        self._next = every
        self.wanted = Event()
        self.injected: Counter[str] = Counter()

    def fault(self) -> str:
        """What is wrong with the next picture."""
        now_s = time.monotonic()
        if self._fault and (self._left > 0 or now_s < self._until_s):
            self._left -= 1
            return self._fault
        self._fault = ""
        if self._shown >= self._next:
            self._next += self._every
            self._begin(str(self._rng.choice(FAULTS)), now_s)
        return self._fault

    def _begin(self, fault: str, now_s: float) -> None:
        lengths = self._lengths
        self.injected[fault] += 1
        seconds = {"gone": lengths.gone_s, "frozen": lengths.frozen_s, "hanging": lengths.hanging_s}
        self._fault = fault if fault != "slow output" else ""
        self._until_s = now_s + seconds.get(fault, 0.0)
        self._left = 0 if fault in seconds or fault == "slow output" else 1 if fault == "reshaped" else lengths.pictures

    def over(self) -> None:
        """A fault that is felt once is over."""
        self._fault, self._left, self._until_s = "", 0, 0.0

    def picture(self, frozen: bool = False) -> NDArray[np.uint8]:
        """The next picture, or the last one again."""
        if not frozen:
            self._shown += 1
        count = len(self._pictures)
        place = self._shown % (2 * count - 2)
        image = self._pictures[place if place < count else 2 * count - 2 - place].copy()
        row = self._shown % (len(image) - len(self._noise))
        image[row : row + len(self._noise)] ^= self._noise
        return image


@final
class _FaultyCapture:
    """One connection to the world's camera; gives a picture as soon as the last one was taken."""

    def __init__(self, world: _World) -> None:
        self._world, self._now, self._released = world, "", False

    def isOpened(self) -> bool:  # noqa: N802
        return self._world.fault() != "gone"

    def grab(self) -> bool:
        self._world.wanted.wait(0.05)
        self._world.wanted.clear()
        self._now = self._world.fault()
        if self._now == "hanging":
            self._world.over()
            time.sleep(self._world._lengths.hanging_s)
        elif self._now == "slow":
            time.sleep(0.1)
        return self._now != "gone"

    def retrieve(self) -> tuple[bool, Any]:
        if self._now == "corrupt":
            return False, None
        image = self._world.picture(self._now == "frozen")
        h, w = image.shape[:2]
        if self._now == "resized":
            return True, cv2.resize(image, (w // 2, h // 2))
        return True, cv2.resize(image, (w, h // 2)) if self._now == "reshaped" else image

    def get(self, what: int) -> float:
        return 30.0 if what == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self._released = True


@final
class _Watcher(AbstractOutput):
    """Asks for the next picture, and notes now and then what the process holds."""

    def __init__(self, world: _World, every: int) -> None:
        self._world, self._every, self._count = world, every, 0
        self._since: list[float] = []
        self._last_s = time.perf_counter()
        self.points: list[Report] = []

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        self._count += 1
        self._since.append(latency_ms)
        self._world.wanted.set()
        if self._count % self._every == 0:
            now_s = time.perf_counter()
            self.points.append({
                "frames": self._count, "rss_mb": round(rss_mb(), 2), "files": _open_files(),
                "threads": len(all_threads()), "latency_ms": percentiles(self._since),
                "frames_per_s": round(len(self._since) / (now_s - self._last_s), 1),
            })  # fmt: skip
            self._since, self._last_s = [], now_s

    def close(self) -> None:
        pass


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@final
class _Sluggish(AbstractOutput):
    """An output that stops for a while whenever the plan says so."""

    def __init__(self, world: _World) -> None:
        self._world, self._heard = world, 0

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        if self._world.injected["slow output"] > self._heard:
            self._heard += 1
            time.sleep(5.0)

    def close(self) -> None:
        pass


def soak(
    *, video: Path, out: Path, model: str, frames: int, faults: int, people: int, seed: int,
    lengths: Lengths | None = None, say: Callable[[str], None] = lambda _: None,
) -> Report:  # fmt: skip
    """So many frames of the whole runtime, with faults all the time; a table in `out`.

    Args:
        video: what the camera shows.
        model: a model folder, or `shipped`.
        frames: to finish.
        faults: about so many are injected.
        people: followed at once.
        seed: of the plan.
        lengths: of the faults.

    Raises:
        InputError: as the video does.
    """
    with VideoSource(video) as source:
        pictures = [frame.image_bgr for frame, _ in zip(source, range(_HELD_FRAMES), strict=False)]
    if len(pictures) < 2:
        raise InputError(f"{video} has too few frames to play", "name a video of a second or more")
    world = _World(pictures, max(frames // max(faults, 1), 1), seed, lengths or Lengths())
    loaded = Model.load(model, 1)
    states: Counter[str] = Counter()
    watcher = _Watcher(world, max(frames // _POINTS, 1))
    recording = out / "soak.poses.jsonl"
    try:
        report = _run(world, loaded, watcher, recording, states, frames, people)
        recorded = _counted(recording)
    finally:
        recording.unlink(missing_ok=True)
        loaded.close()
    result = _result(report, watcher.points, world.injected, states, recorded, people)
    write_json(out / "soak.json", result | {"seed": seed, "machine": machine(), "commit": commit()})
    write_text(out / "soak.md", _page(result))
    say(_page(result))
    return {"out": str(out), "frames": report.frames}


def _run(
    world: _World, model: Model, watcher: _Watcher, recording: Path, states: Counter[str], frames: int, people: int
) -> RunReport:
    source = CameraSource(0, capture=lambda _: _FaultyCapture(world))
    intrinsics = Intrinsics.guess(source.size_wh)
    stream = Stream(source.name, source.fps, source.size_wh, intrinsics, 1700.0)
    outputs = [
        watcher,
        Apart(PoseWriter(recording, stream, model.contract, overwrite=True), "the recording", 300),
        Apart(_Sluggish(world), "the slow output", 50),
    ]

    def heard(state: str, _: str) -> None:
        states[state] += 1
        world.wanted.set()

    return run(
        source, make_tracker(make_finder(), TrackerConfig(), people),
        Estimator(model, intrinsics, timings=Timings(100)),
        outputs, Event(), frames, SmoothingConfig("live"), heard, LatencyBudget(100.0),
    )  # fmt: skip


def _counted(recording: Path) -> int:
    """Frames that are in the recording; each line must be whole."""
    import json

    last, count = -1, 0
    with recording.open() as lines:
        for line in lines:
            frame = json.loads(line).get("frame", last)
            count += frame != last
            last = frame
    return count


def _result(
    report: RunReport,
    points: Sequence[Report],
    injected: Counter[str],
    states: Counter[str],
    recorded: int,
    people: int,
) -> Report:
    half = list(points[len(points) // 2 :])
    line = slope_and_error([p["frames"] / 1e5 for p in half], [p["rss_mb"] for p in half])
    tenth = max(len(points) // 10, 1)
    return {
        "experiment": "soak", "report": asdict(report), "people": people, "injected": dict(injected),
        "states": dict(states), "recorded_frames": recorded,
        "rss_slope_mb_per_100k_frames": None if line is None else [round(v, 3) for v in line],
        "rss_mb": [points[0]["rss_mb"], points[-1]["rss_mb"]] if points else None,
        "files": [points[0]["files"], points[-1]["files"], max(p["files"] for p in points)] if points else None,
        "threads": [points[0]["threads"], points[-1]["threads"], max(p["threads"] for p in points)] if points else None,
        "first_tenth_ms": _mean([p["latency_ms"] for p in points[:tenth]]),
        "last_tenth_ms": _mean([p["latency_ms"] for p in points[-tenth:]]),
        "points": list(points),
    }  # fmt: skip


def _mean(each: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([e[name] for e in each])), 2) for name in ("p50", "p95", "p99")} if each else {}


def _page(result: Report) -> str:
    report, slope = result["report"], result["rss_slope_mb_per_100k_frames"]
    rows: list[tuple[Cell, ...]] = [
        ("frames", str(report["frames"])),
        (
            "frames in the recording, and frames it lacks",
            f"{result['recorded_frames']}, {report['missed']} by all outputs",
        ),
        ("faults", ", ".join(f"{count} {fault}" for fault, count in sorted(result["injected"].items()))),
        ("outages, undecodable pictures", f"{report['outages']}, {report['corrupt']}"),
        ("poses later than 100 ms", str(report["late"])),
        ("memory at the start and the end (MB)", " – ".join(map(str, result["rss_mb"] or ()))),
        ("growth over the second half (MB per 100 000 frames)", "" if slope is None else f"{slope[0]} ± {slope[1]}"),
        ("open files at the start, the end, at most", ", ".join(map(str, result["files"] or ()))),
        ("threads at the start, the end, at most", ", ".join(map(str, result["threads"] or ()))),
        ("first tenth, p50 / p95 / p99 (ms)", " / ".join(str(v) for v in result["first_tenth_ms"].values())),
        ("last tenth, p50 / p95 / p99 (ms)", " / ".join(str(v) for v in result["last_tenth_ms"].values())),
        ("minutes", f"{report['seconds'] / 60:.1f}"),
    ]
    return markdown_table((Column("what"), Column("how much")), rows)

"""How well are several people kept apart? Generated streams of people who cross, where the truth is known.

people.md     table
people.json   the same of every stream, with machine and commit
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import final

import numpy as np
from numpy.typing import NDArray

from runtime.config import TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import AbstractFinder
from runtime.follow_all import FollowAll
from runtime.loop import poses_of
from runtime.model import Model
from runtime.service import make_finder
from runtime.sources import AbstractSource
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.report.tables import Cell, Column, markdown_table
from sa3dhp_edge.synth.crowd import RenderedCrowd, render_crowd
from sa3dhp_edge.synth.domain import DOMAINS

Floats = NDArray[np.floating]
_SEEN = 0.5
"""A person of whom less than this share of the joints is to be seen need not be found."""
_HIT = 0.25
"""A pose is a person's if its joints are nearer on average than this share of his longer side."""
_FPS, _SIZE_WH = 30.0, (960, 540)


@dataclass
class Score:
    """Counts over the frames of a stream.

    Attributes:
        visible: people who were to be seen, all frames together.
        found: those of them who have a pose.
        extra: poses that are nobody's.
        switches: times a person's number was another one than the last.
        numbers: given out.
        total_ms: of each frame.
        last: each person's last number.
    """

    visible: int = 0
    found: int = 0
    extra: int = 0
    switches: int = 0
    numbers: set[int] = field(default_factory=set)
    total_ms: list[float] = field(default_factory=list)
    last: dict[int, int] = field(default_factory=dict)

    def add(
        self, truth_px: NDArray[np.floating], seen: NDArray[np.floating], named: Sequence[tuple[int, Pose]]
    ) -> None:
        """One frame: joints (P, 17, 2) and the visible share (P,) of everybody, and poses with their numbers."""
        taken: set[int] = set()
        self.visible += int((seen >= _SEEN).sum())
        for number, pose in named:
            self.numbers.add(number)
            apart = np.linalg.norm(truth_px - pose.joints_px, axis=-1).mean(-1)
            near = apart / np.ptp(truth_px, axis=1).max(-1)
            person = int(np.argmin(near))
            if near[person] > _HIT or person in taken:
                self.extra += 1
                continue
            taken.add(person)
            self.found += bool(seen[person] >= _SEEN)
            self.switches += self.last.get(person, number) != number
            self.last[person] = number

    def report(self) -> Report:
        """The figures of the stream."""
        return {
            "visible": self.visible, "recall": round(self.found / max(self.visible, 1), 4), "extra": self.extra,
            "switches": self.switches, "numbers": len(self.numbers),
            "p50_ms": round(float(np.percentile(self.total_ms, 50)), 2) if self.total_ms else None,
            "p95_ms": round(float(np.percentile(self.total_ms, 95)), 2) if self.total_ms else None,
        }  # fmt: skip


@final
class _CrowdSource(AbstractSource):
    """The rendered frames; keeps of each what is to be seen."""

    def __init__(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        self.name, self.fps, self.size_wh, self._frames = "crowd", _FPS, _SIZE_WH, frames

    def frames(self, stop: Event) -> Iterator[Frame]:
        for index, image in enumerate(self._frames):
            yield Frame(image, index, index / _FPS)

    def close(self) -> None:
        self._frames = ()


def people(
    *, out: Path, model: str, counts: Sequence[int], streams: int, seconds: float, seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> Report:  # fmt: skip
    """Follow generated people who cross; a table in `out`.

    Where the package `trackers` is installed, its ByteTrack and OC-SORT number the very same poses beside ours.

    Args:
        model: a model folder, or `shipped`.
        counts: people in a stream, to compare.
        streams: of each count.
        seconds: each.
        seed: of the streams.
    """
    motion, loaded = unpaired_motion(None, 60, seed), Model.load(model, 1)
    rows: list[Report] = []
    for count in counts:
        for number in range(streams):
            crowd = render_crowd(
                DOMAINS["site"], motion, people=count, seconds=seconds, fps=_FPS, size_wh=_SIZE_WH,
                seed=seed + 1000 * count + number,
            )  # fmt: skip
            rows += [{"people": count, "stream": number} | row for row in _of_stream(crowd, loaded, count)]
            say(f"{count} people, stream {number}: {rows[-1]}")
    loaded.close()
    result: Report = {
        "experiment": "people", "machine": machine(), "commit": commit(), "seconds": seconds, "seed": seed,
        "size_wh": _SIZE_WH, "fps": _FPS, "rows": rows,
    }  # fmt: skip
    write_json(out / "people.json", result)
    write_text(out / "people.md", _page(rows))
    return {"out": str(out), "streams": len(counts) * streams}


def _of_stream(crowd: RenderedCrowd, model: Model, count: int) -> Iterator[Report]:
    pictures, seen = zip(*crowd.frames(), strict=True)
    estimator = Estimator(model, crowd.camera)
    followed = list(_followed(_CrowdSource(pictures), make_finder(), estimator, count))
    ours = Score()
    for (frame, poses, ms), share in zip(followed, seen, strict=True):
        ours.add(crowd.joints_px[frame.index], share, [(pose.track, pose) for pose in poses])
        ours.total_ms.append(ms)
    yield {"tracker": "ours"} | ours.report()
    for name, number in _peers():
        theirs = Score()
        for (frame, poses, _), share in zip(followed, seen, strict=True):
            theirs.add(crowd.joints_px[frame.index], share, number(poses))
        yield {"tracker": name} | theirs.report()


def _followed(
    source: AbstractSource, finder: AbstractFinder, estimator: Estimator, count: int
) -> Iterator[tuple[Frame, tuple[Pose, ...], float]]:
    tracker = FollowAll(finder, TrackerConfig(), count)
    yield from poses_of(source, tracker, estimator, Event())


def _peers() -> Iterator[tuple[str, Callable[[Sequence[Pose]], list[tuple[int, Pose]]]]]:
    """Other trackers, told the boxes around our joints."""
    if find_spec("trackers") is None:
        return
    import supervision
    import trackers

    for name, make in (("ByteTrack", trackers.ByteTrackTracker), ("OC-SORT", trackers.OCSORTTracker)):
        one = make(frame_rate=_FPS)

        def number(poses: Sequence[Pose], one: object = one) -> list[tuple[int, Pose]]:
            boxes = np.array([[*p.joints_px.min(0), *p.joints_px.max(0)] for p in poses], np.float32).reshape(-1, 4)
            detections = supervision.Detections(
                xyxy=boxes,
                confidence=np.array([max(p.confidence, 0.6) for p in poses], np.float32),
                class_id=np.zeros(len(poses), int),
                data={"pose": np.arange(len(poses))},
            )
            given = one.update(detections)  # type: ignore[attr-defined]
            pairs = zip(given.tracker_id, given.data["pose"], strict=True) if len(given) else ()
            return [(int(track), poses[int(which)]) for track, which in pairs if track >= 0]

        yield name, number


def _page(rows: Sequence[Report]) -> str:
    columns = (
        Column("people"), Column("tracker"), Column("recall", "%"), Column("poses of nobody", "% of those seen"),
        Column("wrong numbers", "a minute and person"), Column("numbers given out", "a person"),
        Column("a frame", "ms, p50"), Column("a frame", "ms, p95"),
    )  # fmt: skip
    cells: list[tuple[Cell, ...]] = []
    for count in sorted({row["people"] for row in rows}):
        for tracker in dict.fromkeys(row["tracker"] for row in rows):
            mine = [row for row in rows if row["people"] == count and row["tracker"] == tracker]
            if not mine:
                continue
            visible = sum(row["visible"] for row in mine)
            minutes = visible / _FPS / 60
            timed = [row for row in mine if row["p50_ms"] is not None]
            cells.append((
                count, tracker, 100 * sum(row["recall"] * row["visible"] for row in mine) / visible,
                100 * sum(row["extra"] for row in mine) / visible, sum(row["switches"] for row in mine) / minutes,
                sum(row["numbers"] for row in mine) / len(mine) / count,
                float(np.mean([row["p50_ms"] for row in timed])) if timed else "",
                float(np.mean([row["p95_ms"] for row in timed])) if timed else "",
            ))  # fmt: skip
    head = "Generated people who go to and fro and cross, followed by the shipped finder and network.\n\n"
    return head + markdown_table(columns, cells)

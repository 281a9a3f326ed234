"""How many people does each way of finding them find, and what does it cost?

detector.md     table
detector.json   the same in full, with machine and commit
detector.png    recall against the squares that the pose network has to look at

A person is found where a square overlaps the true square crop by half (intersection over union). Frames come from real
clips with 3D truth (one labelled person each, so wrong squares are not counted there), from videos whose people were
labelled by eye, and from generated scenes that no training saw.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.config import FinderConfig
from runtime.detector import PersonDetector
from runtime.finder import AbstractFinder, AbstractSearch, Candidate, PeopleFinder, overlap, squared
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.crop import BOX_MARGIN, square_box
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.detector_baselines import BASELINES, Hog
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.scored_clips import with_head
from sa3dhp_edge.jobs.person_answers import LEAST_SEEN
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.records import Box, Frame
from sa3dhp_edge.report.scatter import Point, ScatterPanel, scatter_panels
from sa3dhp_edge.report.tables import Cell, Column, markdown_table
from sa3dhp_edge.synth.crowd_frames import crowd_frames

LEAST_OVERLAP = 0.5
FIRST_SCENE = 1_000_000
"""Scenes from this number on are for the study; training takes those from 0 on."""
_SCENE_WH, _PER_SCENE, _SCENE_FPS = (640, 448), 2, 0.4
_LABEL_TO_CROP = 0.92 * BOX_MARGIN
"""A crop's side over the longer side of a box round the whole person, who is a little longer than the joints reach."""


class Looked(NamedTuple):
    """A frame to be searched and its truth: square crops of the people asked for, and of those who may be found too."""

    frame: Frame
    people: tuple[Box, ...]
    others: tuple[Box, ...]


@dataclass(frozen=True)
class Ground:
    """Frames that follow each other.

    Attributes:
        name: of the clip.
        kind: "truth", "labels" or "generated".
        complete: whether everybody is labelled, so that another square is a wrong one.
        frames: every frame with its truth, None for those that a finder watches but is not asked about.
    """

    name: str
    kind: str
    complete: bool
    frames: Callable[[], Iterator[tuple[Frame, Looked | None]]]


@dataclass(frozen=True)
class Score:
    """What a way of finding did on a clip: sums over the frames asked about."""

    way: str
    clip: str
    kind: str
    complete: bool
    frames: int
    people: int
    found: int
    squares: int
    wrong: int
    ms: float


def detector_study(*, out: Path, data: Path, labels: Path, every: int = 8, scenes: int = 60) -> Report:
    """Measure every way on every clip; table, plot and figures in `out`.

    Args:
        data: a folder with gt3d (clips with video.mp4 and gt_joints.npz) and videos.
        labels: people labelled by eye, as `docs/results/detector/labels.json`.
        every: of the clips with truth one frame in so many is asked about.
        scenes: generated scenes.

    Raises:
        DataError: no such clips.
    """
    cv2.setNumThreads(1)
    grounds = [*_true_grounds(data, every), *_labelled_grounds(data, labels), _generated(scenes)]
    scores = [_measured(name, make, ground) for ground in grounds for name, make in ways()]
    result: Report = {
        "experiment": "detector", "machine": machine(), "commit": commit(), "least_overlap": LEAST_OVERLAP,
        "settings": asdict(FinderConfig()), "scores": [asdict(s) for s in scores],
    }  # fmt: skip
    write_json(out / "detector.json", result)
    write_text(out / "detector.md", _page(scores))
    write_bytes(out / "detector.png", _plot(scores))
    return {"out": str(out), "clips": len(grounds), "ways": len(ways())}


@dataclass(frozen=True)
class _Searched(AbstractFinder):
    """A search as a finder, with nothing else."""

    search: AbstractSearch

    def candidates(self, frame: Frame) -> list[Candidate]:
        return self.search.find(frame.image_bgr)

    def confirms(self, frame: Frame, box: Box) -> bool:
        return False


def ways() -> list[tuple[str, Callable[[], AbstractFinder]]]:
    """What is compared, by name."""
    cfg = FinderConfig()
    larger = replace(cfg, long_side_px=320)
    return [
        *((name, lambda made=made: _Searched(made())) for name, made in BASELINES),
        ("HOG, movers, windows", lambda: PeopleFinder(cfg, Hog())),
        ("ours", lambda: _Searched(PersonDetector(cfg))),
        ("ours, 320 px", lambda: _Searched(PersonDetector(larger))),
        ("ours, movers, windows", lambda: PeopleFinder(cfg, PersonDetector(cfg))),
    ]


def _measured(way: str, make: Callable[[], AbstractFinder], ground: Ground) -> Score:
    finder = make()
    frames = people = found = squares = wrong = 0
    spent_ms: list[float] = []
    for frame, looked in ground.frames():
        finder.watch(frame, ())
        if looked is None:
            continue
        begun = time.thread_time()
        boxes = [c.box for c in finder.candidates(frame)]
        spent_ms.append(1e3 * (time.thread_time() - begun))
        frames, people, squares = frames + 1, people + len(looked.people), squares + len(boxes)
        found += matched(looked.people, boxes)
        known = (*looked.people, *looked.others)
        wrong += sum(all(overlap(box, one) < LEAST_OVERLAP for one in known) for box in boxes)
    ms = float(np.median(spent_ms))
    return Score(way, ground.name, ground.kind, ground.complete, frames, people, found, squares, wrong, ms)


def matched(people: Sequence[Box], boxes: Sequence[Box]) -> int:
    """How many people have a square of their own: pairs are made from the largest overlap on."""
    pairs = sorted(((overlap(p, b), i, k) for i, p in enumerate(people) for k, b in enumerate(boxes)), reverse=True)
    taken: set[int] = set()
    used: set[int] = set()
    for share, i, k in pairs:
        if share >= LEAST_OVERLAP and i not in taken and k not in used:
            taken.add(i)
            used.add(k)
    return len(taken)


def _read(video: Path) -> Iterator[Frame]:
    capture = cv2.VideoCapture(str(video))
    fps, index = capture.get(cv2.CAP_PROP_FPS) or 30.0, 0
    while True:
        ok, image = capture.read()
        if not ok:
            break
        yield Frame(np.asarray(image, np.uint8), index, index / fps)
        index += 1
    capture.release()


def _true_grounds(data: Path, every: int) -> list[Ground]:
    folders = sorted(p.parent for p in (data / "gt3d").rglob("gt_joints.npz"))
    if not folders:
        raise DataError(f"{data} holds no clip with gt_joints.npz", "name a folder with gt3d and videos in it")
    return [Ground(folder.name, "truth", False, partial(_true_frames, folder, every)) for folder in folders]


def _true_frames(folder: Path, every: int) -> Iterator[tuple[Frame, Looked | None]]:
    with np.load(folder / "gt_joints.npz") as truth:
        px: NDArray[np.floating] = truth["uv_px"]
    for frame in _read(folder / "video.mp4"):
        known = frame.index < len(px) and frame.index % every == 0
        joints = px[frame.index][np.isfinite(px[frame.index]).all(-1)] if known else np.zeros((0, 2))
        yield frame, Looked(frame, (square_box(with_head(joints)),), ()) if len(joints) >= LEAST_SEEN else None


def _labelled_grounds(data: Path, labels: Path) -> list[Ground]:
    told = json.loads(labels.read_text())["frames"]
    return [
        Ground(name, "labels", True, partial(_labelled_frames, data / "videos" / f"{name}.mp4", by))
        for name, by in told.items()
    ]


def _labelled_frames(video: Path, by_index: dict[str, list[list[float]]]) -> Iterator[tuple[Frame, Looked | None]]:
    if not video.is_file():
        raise DataError(f"{video} is not there", "name a folder with gt3d and videos in it")
    for frame in _read(video):
        boxes = by_index.get(str(frame.index))
        yield frame, None if boxes is None else Looked(frame, tuple(_crop_of(box) for box in boxes), ())


def _crop_of(box: Sequence[float]) -> Box:
    x0, y0, x1, y1 = squared((box[0], box[1], box[2], box[3]))
    grow = (x1 - x0) * (_LABEL_TO_CROP - 1) / 2
    return x0 - grow, y0 - grow, x1 + grow, y1 + grow


def _generated(scenes: int) -> Ground:
    made: list[tuple[Frame, Looked | None]] = []

    def frames() -> Iterator[tuple[Frame, Looked | None]]:
        if not made:
            made.extend(_drawn(scenes))
        return iter(made)

    return Ground("generated", "generated", True, frames)


def _drawn(scenes: int) -> Iterator[tuple[Frame, Looked | None]]:
    motion = unpaired_motion(None, 60.0, 0)
    for scene in range(scenes):
        for t, drawn in enumerate(crowd_frames(motion, 0, FIRST_SCENE + scene, _PER_SCENE, _SCENE_WH)):
            index = scene * _PER_SCENE + t
            frame = Frame(drawn.image_bgr, index, 100.0 * scene + t / _SCENE_FPS)
            squares = [square_box(joints) for joints in drawn.joints_px]
            clear = drawn.seen.sum(1) >= LEAST_SEEN
            yield (
                frame,
                Looked(
                    frame,
                    tuple(s for s, c in zip(squares, clear, strict=True) if c),
                    tuple(s for s, c in zip(squares, clear, strict=True) if not c),
                ),
            )


def _page(scores: Sequence[Score]) -> str:
    clips = tuple(dict.fromkeys(s.clip for s in scores))
    columns = (
        Column("way"), *(Column(clip, "%", 0) for clip in clips), Column("real clips", "%", 1, best="high"),
        Column("squares a frame", digits=1), Column("wrong a frame", digits=2), Column("search", "ms", 1),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for way in dict.fromkeys(s.way for s in scores):
        own = [s for s in scores if s.way == way]
        recalls = [100 * s.found / max(s.people, 1) for s in own]
        rows.append((way, *recalls, *_sums(own)))
    return (
        "Share of people for whom some square overlaps the true square crop by half; squares a frame that the pose "
        "network then looks at; wrong squares a frame where everybody is labelled; CPU time of the search, median.\n\n"
        + markdown_table(columns, rows)
    )


def _sums(own: Sequence[Score]) -> tuple[float, float, float, float]:
    """Mean recall of the real clips in percent, squares and wrong squares a frame, milliseconds, over all clips."""
    real, complete = [s for s in own if s.kind != "generated"], [s for s in own if s.complete]
    recall = float(np.mean([100 * s.found / max(s.people, 1) for s in real])) if real else float("nan")
    return (
        recall,
        sum(s.squares for s in own) / max(sum(s.frames for s in own), 1),
        sum(s.wrong for s in complete) / max(sum(s.frames for s in complete), 1),
        float(np.median([s.ms for s in own])),
    )


def _plot(scores: Sequence[Score]) -> bytes:
    panels = []
    for title, kinds in (("Real clips", ("truth", "labels")), ("Generated scenes", ("generated",))):
        points = []
        for way in dict.fromkeys(s.way for s in scores):
            own = [s for s in scores if s.way == way and s.kind in kinds]
            recall = float(np.mean([100 * s.found / max(s.people, 1) for s in own]))
            squares = sum(s.squares for s in own) / max(sum(s.frames for s in own), 1)
            points.append(Point(way, squares, recall, strong=way.startswith("ours")))
        panels.append(ScatterPanel(title, "people found against what it costs", points, {}))
    return scatter_panels(panels, "squares a frame that the pose network looks at", "people found, %")

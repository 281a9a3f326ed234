"""How fast is the whole runtime on real videos, stage by stage, with one core and more, beside BlazePose?

videos.md     table
videos.json   the same in full, with machine, conditions and commit

Ours and BlazePose take turns every few frames, on the same cores. Reading the video is no part of what either is
compared by; our frames per second have it within.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from threading import Event

import cv2

from runtime.bench.board import open_board
from runtime.bench.conditions import Watch
from runtime.bench.cores import held_to, usable_cores
from runtime.bench.peers import BlazePose
from runtime.config import SmoothingConfig, TrackerConfig
from runtime.estimator import Estimator
from runtime.loop import poses_of
from runtime.model import Model
from runtime.service import make_finder, make_tracker
from runtime.smoothing import Seen, smoothed
from runtime.sources import VideoSource
from runtime.timings import percentiles
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.tables import Cell, Column, markdown_table

_TURN_FRAMES = 25
_STAGES = ("decode", "search", "crop", "inference", "post")


@dataclass(frozen=True)
class Timed:
    """One video on so many cores.

    Attributes:
        frames: looked at, and how many had a pose.
        stages_ms: p50, p95 and p99 of each stage in which it ran, and of their total.
        ours_ms: of a frame without reading it.
        frames_per_s: of the loop with reading, in one thread.
        blazepose_ms: of its tracking mode on the same frames; None without it.
        blazepose_found: frames in which it saw somebody.
    """

    video: str
    size_wh: tuple[int, int]
    cores: int
    frames: tuple[int, int]
    stages_ms: dict[str, dict[str, float]]
    ours_ms: dict[str, float]
    frames_per_s: float
    blazepose_ms: dict[str, float] | None
    blazepose_found: int


def videos(
    *, videos: Sequence[Path], out: Path, model: str, cores: Sequence[int], frames: int, blazepose: Path | None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:  # fmt: skip
    """Time every video on every number of cores; a table in `out`.

    Args:
        videos: files.
        model: a model folder, or `shipped`.
        cores: the process is held to so many, with as many threads.
        frames: of each video, at most.
        blazepose: a Python that has mediapipe.

    Raises:
        InputError: a video that cannot be read, or more cores than there are.
        MissingPackage: mediapipe is not there.
    """
    if max(cores) > len(usable_cores()):
        raise InputError(
            f"{max(cores)} cores were asked for and there are {len(usable_cores())}", "--cores takes fewer"
        )
    made = []
    with open_board() as board:
        watch = Watch(board, usable_cores())
        for count in cores:
            with held_to(count):
                cv2.setNumThreads(count)
                for video in videos:
                    made.append(_timed(video, model, count, frames, blazepose, watch))
                    say(f"{video.name}, {count} cores: {made[-1].ours_ms['p50']} ms")
        conditions = watch.conditions()
    result = {
        "experiment": "videos", "model": model, "timed": [asdict(one) for one in made],
        "conditions": asdict(conditions), "machine": machine(), "commit": commit(),
    }  # fmt: skip
    write_json(out / "videos.json", result)
    write_text(out / "videos.md", page(made))
    return {"out": str(out), "videos": len(videos)}


def _timed(video: Path, model: str, cores: int, frames: int, blazepose: Path | None, watch: Watch) -> Timed:
    with ExitStack() as opened:
        loaded = opened.enter_context(closing(Model.load(model, cores)))
        source = opened.enter_context(VideoSource(video))
        rival = None if blazepose is None else opened.enter_context(BlazePose(blazepose, video))
        loaded.warm_up()
        estimator = Estimator(loaded, Intrinsics.guess(source.size_wh))
        tracker = make_tracker(make_finder(), TrackerConfig(), 1)
        followed = smoothed(poses_of(source, tracker, estimator, Event()), SmoothingConfig("live"))
        ours_ms: list[float] = []
        found, seconds = 0, 0.0
        for seen, spent_s in _in_turns(islice(followed, frames)):
            seconds += spent_s
            ours_ms += [ms - frame.decode_ms for frame, _, ms in seen]
            found += sum(bool(poses) for _, poses, _ in seen)
            if rival is not None:
                rival.look_at([frame.index for frame, _, _ in seen])
            watch.look()
        if not ours_ms:
            raise InputError(f"{video} has no frame", "name a video")
        told = None if rival is None else rival.tracked()
        return Timed(
            video=video.stem if video.stem != "video" else video.parent.name, size_wh=source.size_wh, cores=cores,
            frames=(len(ours_ms), found), stages_ms=estimator.timings.summary(), ours_ms=percentiles(ours_ms),
            frames_per_s=round(len(ours_ms) / seconds, 1), blazepose_ms=None if told is None else told[0],
            blazepose_found=0 if told is None else told[1],
        )  # fmt: skip


def _in_turns(followed: Iterator[Seen]) -> Iterator[tuple[list[Seen], float]]:
    """Some frames at a time, and the seconds that they took."""
    while True:
        start = time.perf_counter()
        some = list(islice(followed, _TURN_FRAMES))
        if not some:
            return
        yield some, time.perf_counter() - start


def page(made: Sequence[Timed]) -> str:
    """The table in Markdown."""
    columns = (
        Column("video"), Column("cores"), Column("frames with a pose", "%", 0), Column("frames/s", digits=0),
        Column("ours p50 / p95 / p99 (ms)"), *(Column(stage, "ms", 1) for stage in _STAGES),
        Column("BlazePose p50 / p95 / p99 (ms)"), Column("ours over it", "%", 0),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for one in made:
        theirs = one.blazepose_ms
        rows.append(
            (
                f"{one.video}, {one.size_wh[0]} x {one.size_wh[1]}", str(one.cores),
                100 * one.frames[1] / one.frames[0],
                one.frames_per_s, _three(one.ours_ms), *(one.stages_ms.get(s, {"p50": 0.0})["p50"] for s in _STAGES),
                "" if theirs is None else _three(theirs),
                None if theirs is None else 100 * one.ours_ms["p50"] / theirs["p50"],
            )
        )  # fmt: skip
    return (
        "The whole loop but for reading the video, and BlazePose full (tracking) on the same frames, in turns on the "
        "same cores. Stages are medians over the frames in which they ran; frames/s have reading within.\n\n"
        + markdown_table(columns, rows)
    )


def _three(ms: dict[str, float]) -> str:
    return " / ".join(f"{ms[name]:.1f}" for name in ("p50", "p95", "p99"))

"""The benchmark: what it times adds up, peers are driven in turns, and its answer can be asked for again."""

from __future__ import annotations

import io
import json
import mmap
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from runtime.bench.board import open_board
from runtime.bench.conditions import Watch
from runtime.bench.cores import usable_cores
from runtime.bench.peers import BlazePose, read_trtexec, trtexec_times
from runtime.bench.reading import Reading
from runtime.bench.report import BenchReport
from runtime.bench.soak import rss_mb, slope_and_error, soak
from runtime.bench.timing import bench
from runtime.config import TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import FixedBox
from runtime.follow_one import FollowOne
from runtime.model import Model
from runtime.sources import AbstractSource
from runtime.timings import Spent, Stopwatch, Timings, percentiles
from sa3dhp_edge.errors import InputError, MissingPackage, ModelError, NobodyFound, OutputError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.jobs.bench import bench as job
from sa3dhp_edge.records import Frame
from sa3dhp_edge.report.bench_tables import bench_lines, bench_tables

SOLUTIONS = """
    class Answer:
        pose_landmarks = True

    class Pose:
        def __init__(self, static_image_mode, model_complexity):
            self.slow = static_image_mode
            assert model_complexity == 1

        def process(self, rgb):
            assert rgb.shape == (240, 320, 3) or not rgb.any()
            print("a library that talks on stdout", flush=True)
            return Answer()

    class pose:
        Pose = Pose

    class solutions:
        pose = pose

    __version__ = "0.10.99"
"""


@pytest.fixture
def blazepose(tmp_path: Path) -> Path:
    """A Python whose mediapipe is a stand-in."""
    return python_with(tmp_path, SOLUTIONS)


def python_with(folder: Path, mediapipe: str) -> Path:
    (folder / "mediapipe.py").write_text(textwrap.dedent(mediapipe))
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture(scope="module")
def report(fake_model: Path, walk_video: Path) -> BenchReport:
    return bench(
        fake_model,
        walk_video,
        frames=30,
        threads=(1,),
        people=(1, 3),
        soak_s=0.6,
        pin=True,
        command="sa3dhp-edge bench",
    )


def test_percentiles_are_those_of_the_numbers() -> None:
    assert percentiles(range(101)) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def test_a_frame_ends_when_it_is_said() -> None:
    timings = Timings()
    for ms in (1.0, 3.0):
        timings.add("crop", ms)
        timings.add("crop", ms)
        timings.add("post", 1.0)
        assert timings.next_frame() == 2 * ms + 1
    assert list(timings.summary()) == ["crop", "post", "total"]
    assert timings.summary()["crop"] == {"p50": 4.0, "p95": 5.8, "p99": 5.96}


def test_waiting_costs_wall_time_and_no_cpu_time() -> None:
    watch = Stopwatch()
    for _ in range(3):
        with watch.measure():
            time.sleep(0.02)
    spent = watch.spent()
    assert (spent.count, spent.wall_ms["p50"] >= 20, spent.cpu_ms["p50"] < 10) == (3, True, True)


def test_everything_is_timed(report: BenchReport) -> None:
    assert report.frames == {"1": 30}
    assert {"decode", "search", "crop", "inference", "post", "total"} == set(report.latency_ms["1"])
    assert report.frames_per_s["1"] > 0
    assert report.warm_up["1"].load_ms > 0
    assert len(report.pinned["1"]) == 1
    one, three = report.crop_to_pose
    assert (one.people, three.people, one.threads) == (1, 3, 1)
    for crop in (one, three):
        assert crop.overhead_ms == pytest.approx(crop.whole.wall_ms["p50"] - crop.stages["inference"]["p50"], abs=0.002)
        assert crop.stages["total"]["p50"] <= crop.whole.wall_ms["p50"] * 1.05
        assert crop.people_per_s == pytest.approx(1000 * crop.people / crop.whole.mean_ms, rel=0.01)
    assert three.stages["crop"]["p50"] > 1.5 * one.stages["crop"]["p50"], "three crops were cut"


class Nothing(AbstractSource):
    """An input that ends before it begins."""

    name, fps, size_wh = "nothing", 30.0, (320, 240)

    def frames(self, stop: Event) -> Iterator[Frame]:
        return iter(())

    def close(self) -> None:
        pass


def test_the_soak_goes_round_its_input_until_the_time_is_up(
    fake_model: Path, frame_at: Callable[..., np.ndarray], list_source: Callable[..., AbstractSource]
) -> None:
    opened = []

    def again() -> AbstractSource:
        opened.append(list_source([frame_at((110.0, 120.0))] * 3))
        return opened[-1]

    def tracker() -> FollowOne:
        return FollowOne(FixedBox((50.0, 60.0, 170.0, 180.0)), TrackerConfig())

    estimator = Estimator(Model.load(fake_model, 1), Intrinsics.guess((320, 240)))
    with open_board() as board:
        watch = Watch(board, usable_cores())
        done = soak(again, tracker, estimator, watch, 0.5, usable_cores())
        assert done.seconds >= 0.5
        assert done.frames > 3
        assert len(opened) >= done.frames / 3
        assert all(source.closed for source in opened)  # type: ignore[attr-defined]
        assert done.points[0].rss_mb > 10
        with pytest.raises(InputError, match="gave no frame"):
            soak(Nothing, tracker, estimator, watch, 0.5, usable_cores())
    estimator.model.close()


def test_frames_since_the_last_look_count_when_input_and_time_end_together(
    monkeypatch: pytest.MonkeyPatch, list_source: Callable[..., AbstractSource], frame_at: Callable[..., np.ndarray]
) -> None:
    clock = iter((0.0, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8))  # start, time left?, two frames, time left?, a look, the end
    monkeypatch.setattr("runtime.bench.soak.time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr("runtime.bench.soak.poses_of", lambda *_: iter([(None, None, 8.0), (None, None, 10.0)]))
    watch: Any = SimpleNamespace(look=lambda at_once: Reading())
    nobody: Any = SimpleNamespace()
    done = soak(lambda: list_source([frame_at((1.0, 1.0))]), lambda: nobody, nobody, watch, 0.5, (0,))
    assert (done.frames, done.seconds) == (2, 0.8)
    assert [(p.at_s, p.frame_ms) for p in done.points] == [(0.7, 9.0)]


def test_the_answer_says_how_it_came_about(report: BenchReport) -> None:
    said = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (said["command"], said["schema"]) == ("sa3dhp-edge bench", "sa3dhp-edge/bench/1")
    assert {"cpu", "system", "python", "onnxruntime", "numpy", "opencv", "sa3dhp-edge"} <= set(said["machine"])
    assert report.verdict == "clean" or report.verdict.startswith("not clean: ")


def test_the_terminal_shows_all_of_it(report: BenchReport) -> None:
    console = Console(width=80, file=io.StringIO())
    for table in bench_tables(report):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for words in ("Whole loop, 1 thread", "inference", "engine", "we add", "people/s"):
        assert words in text
    assert "…" not in text, "80 letters are enough"
    lines = list(bench_lines(report))
    assert lines[-1] == report.verdict
    assert any(line.startswith("soak of ") for line in lines)


def test_a_folder_holds_the_figures_and_a_plot(fake_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    job(tmp_path / "b", model=fake_model, frames=3, threads=(1,), command="x")
    assert json.loads((tmp_path / "b" / "bench.json").read_text())["command"] == "x"
    picture = cv2.imread(str(tmp_path / "b" / "bench.png"))
    assert picture is not None
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    with pytest.raises(OutputError, match="exists already"):
        job(tmp_path / "b", model=tmp_path / "none")


def test_blazepose_looks_at_the_same_frames_in_turns(fake_model: Path, walk_video: Path, blazepose: Path) -> None:
    report = bench(fake_model, walk_video, frames=45, threads=(1,), people=(2,), peers={"blazepose": blazepose})
    ours = next(crop for crop in report.crop_to_pose if crop.people == 1)
    tracking, static = report.peers
    assert (tracking.name, static.name) == ("BlazePose full, tracking", "BlazePose full, static")
    assert tracking.version == "mediapipe 0.10.99"
    assert tracking.spent.count == tracking.found == ours.whole.count > 40
    assert tracking.wall_share == pytest.approx(ours.whole.wall_ms["p50"] / tracking.spent.wall_ms["p50"], rel=0.01)


def test_a_peer_that_is_not_there_says_what_to_do(tmp_path: Path, walk_video: Path, fake_model: Path) -> None:
    with pytest.raises(InputError, match="cannot be started"):
        BlazePose(tmp_path / "no-python", walk_video)
    with pytest.raises(MissingPackage, match=r"no solutions here[\s\S]*mediapipe==0\.10\.21"):
        BlazePose(python_with(tmp_path, "raise ImportError('no solutions here')"), walk_video)
    with pytest.raises(InputError, match="nobody in noise"):
        bench(fake_model, peers={"blazepose": tmp_path})


def test_a_peer_that_dies_is_heard(blazepose: Path, walk_video: Path) -> None:
    with BlazePose(blazepose, walk_video) as peer:
        peer.look_at([0, 3])
        with pytest.raises(MissingPackage, match="the video ends before frame 99"):
            peer.look_at([99])


def test_a_video_without_a_person_is_no_benchmark(fake_model: Path, video_of) -> None:
    with pytest.raises(NobodyFound):
        bench(fake_model, video_of([None] * 4), frames=4, threads=(1,))


TRTEXEC = """&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --loadEngine=g.engine
[11/02/2026-10:00:00] [I] === Performance summary ===
[11/02/2026-10:00:00] [I] Timing trace has 2968 queries over 3.0021 s
[11/02/2026-10:00:00] [I] Throughput: 988.641 qps
[11/02/2026-10:00:00] [I] Latency: min = 0.9 ms, max = 2.5 ms, mean = 1.02 ms, median = 1.01 ms, percentile(90%) = \
1.1 ms, percentile(95%) = 1.15 ms, percentile(99%) = 1.3 ms
[11/02/2026-10:00:00] [I] Enqueue Time: min = 0.2 ms, max = 0.9 ms, mean = 0.31 ms, median = 0.3 ms, percentile(90%) \
= 0.4 ms, percentile(95%) = 0.45 ms, percentile(99%) = 0.5 ms
[11/02/2026-10:00:00] [I] H2D Latency: min = 7 ms, max = 7 ms, mean = 7 ms, median = 7 ms, percentile(99%) = 7 ms
[11/02/2026-10:00:00] [I] D2H Latency: min = 8 ms, max = 8 ms, mean = 8 ms, median = 8 ms, percentile(99%) = 8 ms
&&&& PASSED TensorRT.trtexec [TensorRT v100300]
"""
"""In the words of TensorRT 10.3's program, with made-up numbers."""


def test_trtexec_is_understood() -> None:
    times = read_trtexec(TRTEXEC)
    assert times.version == "TensorRT 100300"
    wanted = Spent(2968, {"p50": 1.01, "p95": 1.15, "p99": 1.3}, {"p50": 0.3, "p95": 0.45, "p99": 0.5}, 1.02)
    assert times.spent == wanted
    turned = "\n".join(reversed(TRTEXEC.splitlines()))
    assert read_trtexec(turned).spent == wanted, "the copies' latencies are not taken for the whole's"
    for text in ("nothing", TRTEXEC.replace("percentile(99%)", "percentile(98%)")):
        with pytest.raises(ModelError, match="told no Latency"):
            read_trtexec(text)


@pytest.mark.parametrize(("words", "code"), [(TRTEXEC, 0), ("[E] Error: version tag does not match", 1)])
def test_trtexec_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, code: int) -> None:
    engine = tmp_path / "g.engine"
    with pytest.raises(InputError, match="is not there"):
        trtexec_times(engine)
    engine.write_bytes(b"")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    if not Path("/usr/src/tensorrt/bin/trtexec").exists():
        with pytest.raises(MissingPackage, match="no trtexec"):
            trtexec_times(engine)
    (tmp_path / "words").write_text(words)
    (tmp_path / "trtexec").write_text(f"#!/bin/sh\ncat {tmp_path}/words\nexit {code}\n")
    (tmp_path / "trtexec").chmod(0o755)
    if code:
        with pytest.raises(ModelError, match="version tag does not match"):
            trtexec_times(engine)
    else:
        assert trtexec_times(engine).spent.count == 2968


def test_the_slope_of_memory() -> None:
    rng = np.random.default_rng(0)
    hours = np.linspace(0, 2, 400)
    flat = slope_and_error(list(hours), list(500 + rng.normal(0, 1, 400)))
    leaking = slope_and_error(list(hours), list(500 + 3 * hours + rng.normal(0, 1, 400)))
    assert flat is not None
    assert leaking is not None
    assert abs(flat[0]) < 3 * flat[1] < 1
    assert leaking[0] == pytest.approx(3, abs=3 * leaking[1])
    assert slope_and_error(list(hours), list(500 + 3 * hours)) == pytest.approx((3, 0), abs=1e-6)
    assert slope_and_error([1.0, 2.0], [1.0, 2.0]) is None


def test_memory_is_counted_in_bytes() -> None:
    before = rss_mb()
    with mmap.mmap(-1, 40_000_000) as block:  # not from the heap, which may hold as much already
        block[:: mmap.PAGESIZE] = bytes(len(range(0, len(block), mmap.PAGESIZE)))
        assert 30 < rss_mb() - before < 60

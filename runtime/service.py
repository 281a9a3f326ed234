"""The composition root of the device: builds everything from a `RuntimeConfig` and runs it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from runtime.ahead import ReadAhead
from runtime.budget import LatencyBudget
from runtime.config import (
    CrowdConfig,
    FinderConfig,
    InputConfig,
    RuntimeConfig,
    SmoothingConfig,
    SmoothingName,
    TrackerConfig,
)
from runtime.detector import PersonDetector
from runtime.estimator import Estimator
from runtime.finder import AbstractFinder, FixedBox, PeopleFinder
from runtime.follow_all import FollowAll
from runtime.follow_one import FollowOne
from runtime.heartbeat import Heartbeat
from runtime.inputs import open_source
from runtime.intrinsics import load_intrinsics
from runtime.live import open_live
from runtime.loop import RunReport, poses_of, run
from runtime.model import Model
from runtime.notify import supervisor
from runtime.outputs import AbstractOutput, PoseWriter, Stream
from runtime.outputs.apart import Apart
from runtime.outputs.formats import OutPlan, made_afterwards, plan_outputs
from runtime.outputs.header import header
from runtime.overlay import OverlayWriter
from runtime.page import Monitor, Page, Recorder
from runtime.run_start import as_of_now
from runtime.smoothing import smoothed
from runtime.sources import AbstractSource, StateListener
from runtime.tracker import AbstractTracker
from runtime.turning import size_before, turned_intrinsics, turned_world
from runtime.window import Window
from runtime.world import World, in_world, load_world
from runtime.yolox import YoloxDetector
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.errors import NobodyFound
from sa3dhp_edge.extras import need
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Box, Frame, Pose
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM

log = logging.getLogger(__name__)

_LIVE_BUDGET_MS = 100.0
_POSES_WAIT, _PICTURES_WAIT = 300, 8
"""Frames of a live source that may wait for a slow disk: ten seconds of poses, or pictures of some MB each."""


def run_stream(
    cfg: RuntimeConfig, stop: threading.Event | None = None, on_state: StateListener | None = None
) -> RunReport:
    """Estimate poses from a camera or video until it ends, `stop` is set, or the process is asked to stop.

    In the main thread the first Ctrl-C or SIGTERM sets `stop`, and the recording is closed whole; the
    second one ends the process. `on_state` hears each change of a live camera's state, with its reason.

    Raises:
        ModelError, InputError, OutputError: a model, input or output that cannot be used.
        CameraLost: a camera that stopped giving frames; what came before is recorded.
        NobodyFound: a whole video without a person; it is recorded as empty frames.
    """
    stop = stop or threading.Event()
    cfg = as_of_now(cfg)
    plan = plan_outputs(cfg.outs, cfg.overwrite)
    if cfg.overlay is not None and not cfg.overwrite:
        refuse_existing(cfg.overlay, "name another path, or replace it with --overwrite")
    model = Model.load(cfg.model, cfg.threads, cfg.backend, cfg.engines)
    finder = make_finder(cfg.box, cfg.detector, cfg.finder, cfg.threads)
    with ExitStack() as opened:
        opened.callback(model.close)
        source = _open(cfg)
        source = opened.enter_context(source if source.live else ReadAhead(source))
        intrinsics = _intrinsics(cfg.intrinsics, source.size_wh, cfg.input)
        world = _world(cfg, intrinsics)
        model.warm_up()  # a model that does not run leaves no output behind
        estimator, smoothing = Estimator(model, intrinsics, cfg.height_mm), smoothing_of(source, cfg.smoothing)
        budget = LatencyBudget(budget_ms(source, cfg.latency_budget_ms))
        stream = Stream(source.name, source.fps, source.size_wh, intrinsics, cfg.height_mm, world)
        shown = _page(cfg, source, stream, estimator, budget) if cfg.serve is not None else None
        outputs, on_state = _opened(opened, cfg, plan, source, stream, model, shown, stop, on_state)
        tracker = make_tracker(finder, cfg.tracker, cfg.max_people, cfg.crowd)
        with made_afterwards(plan, cfg.overwrite):
            report = run(source, tracker, estimator, outputs, stop, cfg.max_frames, smoothing, on_state, budget, world)
    log.info(
        "%s: %d frames, %d poses, %d dropped, %d damaged, %d outages",
        *(report.source, report.frames, report.poses, report.dropped, report.corrupt, report.outages),
    )
    if report.poses == 0 and not report.stopped and not source.live:
        raise nobody_in(report.source)
    return report


def iterate_poses(
    model: Model | Path | str,
    source: AbstractSource | Path | str | int,
    *,
    box: Box | None = None,
    detector: Path | None = None,
    intrinsics: Intrinsics | Path | None = None,
    height_mm: float = TEMPLATE_HEIGHT_MM,
    threads: int = 0,
    smoothing: SmoothingName | None = None,
    max_people: int = 1,
    world: World | Path | None = None,
    stop: threading.Event | None = None,
) -> Iterator[tuple[Frame, tuple[Pose, ...]]]:
    """Every frame of an input with the poses of who is followed; nothing is written.

    Args:
        model: a loaded model, which stays open, or its folder.
        source: an open source, a path or address, or a camera's index; closed at the end.
        box: where the person is at the start, px.
        detector: YOLOX-style ONNX detector.
        intrinsics: the camera's, or their file; without them a focal length is assumed and root_mm is None.
        height_mm: of the person.
        threads: of the inference engine, where `model` is a folder.
        smoothing: what is done about jitter; None takes smooth for files and live for cameras.
        max_people: follow so many at once; 1 follows the one who matters.
        world: how the camera stands in the room, or its file; poses come in the room's axes too.
        stop: ends the iteration before the next frame is read; what waits to be smoothed still comes.
    """
    with ExitStack() as opened:
        if not isinstance(model, Model):
            model = Model.load(model, threads)
            opened.callback(model.close)
        if not isinstance(source, AbstractSource):
            source = open_source(camera=source) if isinstance(source, int) else open_source(uri=str(source))
        opened.enter_context(source)
        if not isinstance(intrinsics, Intrinsics):
            intrinsics = _intrinsics(intrinsics, source.size_wh)
        world = load_world(world) if isinstance(world, Path) else world
        tracker = make_tracker(make_finder(box, detector), TrackerConfig(), max_people)
        seen = poses_of(source, tracker, Estimator(model, intrinsics, height_mm), stop or threading.Event())
        for frame, poses, _ in in_world(smoothed(seen, smoothing_of(source, smoothing)), world):
            yield frame, poses


def smoothing_of(source: AbstractSource, preset: SmoothingName | None) -> SmoothingConfig:
    """The preset that is asked for, or the one for this kind of source: nobody waits for a file."""
    return SmoothingConfig(preset or ("live" if source.live else "smooth"))


def budget_ms(source: AbstractSource, wanted: float | None) -> float | None:
    """The latency that is asked for, or the one for this kind of source: files have time."""
    return wanted or (_LIVE_BUDGET_MS if source.live else None)


def make_finder(
    box: Box | None = None, detector: Path | None = None, cfg: FinderConfig | None = None, threads: int = 0
) -> AbstractFinder:
    """The user's box, the user's detector, or the built-in search."""
    if box is not None:
        return FixedBox(box)
    if detector is not None:
        return YoloxDetector(detector, threads)
    cfg = cfg or FinderConfig()
    return PeopleFinder(cfg, PersonDetector(cfg))


def make_tracker(
    finder: AbstractFinder, cfg: TrackerConfig, max_people: int, crowd: CrowdConfig | None = None
) -> AbstractTracker:
    """Follows the one who matters, or everybody."""
    return FollowOne(finder, cfg) if max_people == 1 else FollowAll(finder, cfg, max_people, crowd)


def nobody_in(source: str) -> NobodyFound:
    """The error for an input without a person."""
    return NobodyFound(
        f"nobody was found in {source}",
        "check that one person is seen from head to feet; if the search fails, give --box or --detector",
    )


def _open(cfg: RuntimeConfig) -> AbstractSource:
    return open_source(
        camera=cfg.camera, video=cfg.video, uri=cfg.source, timeout_s=cfg.camera_timeout_s, cfg=cfg.input
    )


def _intrinsics(path: Path | None, size_wh: tuple[int, int], turn: InputConfig | None = None) -> Intrinsics:
    """A calibration is of the pictures as the camera gives them."""
    if path is None:
        return Intrinsics.guess(size_wh)
    turn = turn or InputConfig()
    given_wh = size_before(size_wh, turn)
    return turned_intrinsics(load_intrinsics(path, given_wh), given_wh, turn)


def _world(cfg: RuntimeConfig, intrinsics: Intrinsics) -> World | None:
    """A world is of the pictures as the camera gives them, too."""
    if cfg.world is None:
        return None
    if intrinsics.assumed:
        log.info("without --intrinsics nobody's place is known: world_joints_mm are upright, about the pelvis")
    return turned_world(load_world(cfg.world), cfg.input)


def _outputs(
    cfg: RuntimeConfig, plan: OutPlan, source: AbstractSource, stream: Stream, model: Model
) -> Iterator[AbstractOutput]:
    """The recordings last: where another output cannot be opened, none is begun."""
    yield from open_live(cfg.send, header(stream, model.contract), cfg.overwrite)
    if cfg.overlay is not None:
        overlay = OverlayWriter(cfg.overlay, source.fps, source.size_wh, cfg.overwrite)
        yield Apart(overlay, str(cfg.overlay), _PICTURES_WAIT, pictures=True) if source.live else overlay
    for path in plan.lines:
        poses = PoseWriter(path, stream, model.contract, cfg.overwrite)
        yield Apart(poses, str(path), _POSES_WAIT) if source.live else poses


def _opened(
    opened: ExitStack,
    cfg: RuntimeConfig,
    plan: OutPlan,
    source: AbstractSource,
    stream: Stream,
    model: Model,
    page: Page | None,
    stop: threading.Event,
    on_state: StateListener | None,
) -> tuple[list[AbstractOutput], StateListener | None]:
    """All outputs of a run, open, and who hears of the source; from here on the first signal ends it in order."""
    outputs: list[AbstractOutput] = []
    if page is not None:
        opened.enter_context(page)
        page.monitor.on_state, on_state = on_state, page.monitor.heard
    if cfg.window:
        outputs.append(opened.enter_context(Window(f"sa3dhp-edge: {source.name}", stop)))
    outputs += [opened.enter_context(output) for output in _outputs(cfg, plan, source, stream, model)]
    if page is not None:
        page.monitor.outputs = tuple(outputs)
        outputs.append(page)
    opened.enter_context(_stopped_by_signals(stop))
    if (told := supervisor()) is not None:
        heartbeat = opened.enter_context(Heartbeat(told, source, outputs, on_state))
        outputs, on_state = [*outputs, heartbeat], heartbeat.heard
    return outputs, on_state


def _page(
    cfg: RuntimeConfig, source: AbstractSource, stream: Stream, estimator: Estimator, budget: LatencyBudget
) -> Page:
    """The page of a run; its port is taken from now on."""
    need("serve", "the page")
    contract = estimator.model.contract
    recorder = None if cfg.recordings is None else Recorder(cfg.recordings, stream, contract)
    monitor = Monitor(source, contract, estimator.timings, budget)
    return Page(cfg.serve or "", cfg.serve_token, monitor, recorder)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _: FrameType | None) -> None:
        log.info("stopping; once more to stop at once")
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

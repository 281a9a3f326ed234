"""The whole loop on generated people, start to end, with a report page: train, adapt, export, run, measure."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.model_folder import write_model
from runtime.bench.timing import bench
from runtime.config import RuntimeConfig
from runtime.service import run_stream
from sa3dhp_edge.adaptation.source import measure, read_frames
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import Settings, preset
from sa3dhp_edge.errors import NobodyFound
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import adapt_model
from sa3dhp_edge.jobs.crops import parity_pictures
from sa3dhp_edge.jobs.demo_page import Shown, write_demo_page
from sa3dhp_edge.jobs.embedded import TARGET_DOMAIN, Target, embedded_target
from sa3dhp_edge.jobs.pretrain import train_source_model
from sa3dhp_edge.jobs.run_folder import Report, RunFolder
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import RenderedVideo, render_video
from sa3dhp_edge.training.log import Log

TARGET_CLIPS, TEST_CLIPS = 24, 24
VIDEO_SECONDS, VIDEO_WH = 4.0, (480, 360)
MARKER = "demo.json"


def demo(out: Path, seed: int) -> Report:
    """Run everything into `out`; a finished demo there is replaced, any other folder is refused.

    Returns:
        errors before and after adaptation on the labelled test of the target, and where the report lies.
    """
    if (out / MARKER).exists():
        shutil.rmtree(out)
    refuse_existing(out, f"the demo writes into a folder of its own: name another, or remove {out}")
    started = time.monotonic()
    settings = replace(preset("demo"), seed=seed)
    run = RunFolder.start(out / "run", settings, resume=False)
    write_json(out / MARKER, {"finished": False})
    with Log(run.path) as log:
        model = train_source_model(run, "synth", None, log)
        labelled, probe = FrameSet.load(run.path / "source"), FrameSet.load(run.path / "source_held_out")
        target = embedded_target(run.path, settings, TARGET_CLIPS, TEST_CLIPS, log)
        before, poses_before = _look(model, target, settings)
        adapted, report = adapt_model(model, target.clips, labelled, probe, log, run.training("adapt"))
        adapted.save(run.weights)
        run.finish("adapt", report)
        after, poses_after = _look(adapted, target, settings)
        log.say("exporting, and comparing the exported networks with the trained ones")
        pictures = parity_pictures(target.clips, seed)
        parity = write_model(adapted, out / "model", name="demo", pictures=pictures).to_dict()
        live = _run_on_video(out, settings, log)
        speed = bench(out / "model", frames=100).to_dict()
    figures: Report = {
        "seed": seed, "source": run.report("source"), "before": before, "after": after, "adaptation": report,
        "parity": parity, "run": live, "bench": speed, "minutes": (time.monotonic() - started) / 60,
    }  # fmt: skip
    shown = Shown(target.test, poses_before, poses_after)
    page = write_demo_page(out / "report.html", run, figures, shown)
    write_json(out / MARKER, {"finished": True} | figures)
    return {
        "report": str(page), "model": str(out / "model"), "minutes": figures["minutes"],
        "target_pa_mpjpe_before": before["pa_mpjpe"], "target_pa_mpjpe_after": after["pa_mpjpe"],
        "target_mpjpe_before": before["mpjpe"], "target_mpjpe_after": after["mpjpe"],
    }  # fmt: skip


def _look(
    model: ModelSet, target: Target, settings: Settings
) -> tuple[dict[str, float], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Errors on the labelled test, and what is drawn of it: poses (N, 17, 3) mm and joints (N, 17, 2) uv."""
    px = settings.image.crop_px
    poses, joints, _ = read_frames(model.g, model.d_p, target.test.images, px)
    return measure(model.g, model.d_p, target.test, px), (poses, joints)


def _run_on_video(out: Path, settings: Settings, log: Log) -> Report:
    """The exported model on a rendered video, as a device would run it."""
    motion = unpaired_motion(None, 60, settings.seed + 1)
    video = render_video(
        DOMAINS[TARGET_DOMAIN], motion, seconds=VIDEO_SECONDS, fps=30.0, size_wh=VIDEO_WH, seed=settings.seed
    )
    path = out / "target.mp4"
    write_video(path, video)
    log.say(f"running the exported model on {path}")
    try:
        report = run_stream(
            RuntimeConfig(model=out / "model", video=path, out=out / "poses.jsonl", overlay=out / "overlay.mp4")
        )
    except NobodyFound as e:
        return {"note": e.message}
    return {"frames": report.frames, "poses": report.poses, "latency_ms": report.latency_ms}


def write_video(path: Path, video: RenderedVideo) -> None:
    """A rendered video as an mp4 file."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), video.fps, VIDEO_WH)
    for frame in video.frames():
        writer.write(frame)
    writer.release()

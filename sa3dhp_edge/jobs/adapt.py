"""Adaptation of a model to unlabelled video, from a finished model or from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from export.model_folder import read_weights, write_model
from runtime.clip_cutter import cut_clips
from runtime.clip_plan import video_paths
from runtime.model import Model
from runtime.service import make_finder
from runtime.sources import VideoSource
from sa3dhp_edge.adaptation.acceptance import judge
from sa3dhp_edge.adaptation.adapt import adapt as move_g
from sa3dhp_edge.adaptation.labelled import Pictures, labelled
from sa3dhp_edge.adaptation.signals import Evidence, look
from sa3dhp_edge.adaptation.source import LabelledFrames, measure, say_waiting
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.config import Settings
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.crops import parity_pictures
from sa3dhp_edge.jobs.given_model import given_model, settings_over
from sa3dhp_edge.jobs.labelled_source import (
    check_beside,
    check_source,
    held_out_pictures,
    pictures_beside,
    replay_settings,
    training_pictures,
)
from sa3dhp_edge.jobs.pretrain import check_training, source_motion, train_source_model
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, settings_for, settings_to_resume
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.records import Box
from sa3dhp_edge.training.device import use_threads
from sa3dhp_edge.training.distributed import refuse_team
from sa3dhp_edge.training.log import Log

SOURCE_MODEL = "source_model"
REPLAY_CLIPS = 400
"""Source clips rendered for replay when a finished model is adapted."""


def adapt(
    *, target: Path, source: str, poses: Path | None, start: str | None, preset: str | None,
    overrides: tuple[str, ...], out: Path, resume: bool, box: Box | None, detector: Path | None,
    beside: tuple[str, ...] = (),
) -> Report:  # fmt: skip
    """Adapt G to unlabelled video: all stages, or with `start` the last one alone.

    Args:
        target: a video, a folder of videos, or a frame set.
        source: `synth` or a labelled frame set, for stage 4 and for replay.
        poses: folder of BVH files, else generated motion.
        start: a model folder or a run to start from.
        box, detector: where the person is, for cutting clips.
        beside: labelled frame sets and shards replayed beside the source, each as often as it: some subjects of the
            target make this semi-supervised, another domain gives a second source.

    Returns:
        where the run is, the clips used, what adaptation measured without labels, and whether by that the adapted
        model is better than the one before.
    """
    refuse_team("adapt", "train the source model by torchrun with `pretrain`, then adapt it with --from")
    _check_target(target, box, detector)
    given = None if start is None else given_model(start)
    if given is None:
        settings = settings_for(out, preset, overrides, resume=resume)
        check_training(settings, source)
    else:
        begun = settings_to_resume(out) if resume else given.settings
        settings = settings_over(begun, "adapt", preset, overrides)
        check_source(replay_settings(settings, REPLAY_CLIPS), source)
    check_beside(settings, beside)
    with RunFolder.start(out, settings, resume=resume) as run:
        folders = ", ".join(str(Path(folder).resolve()) for folder in beside)
        run.made_from({"--from": start, "--source": source, "--poses": poses, "--labelled": folders or None})
        if run.done("adapt"):
            run.made_from(_chosen(target, box, detector))
        else:
            use_threads(settings.threads)
            with Log(out) as log:
                model, probe, motion = _source(run, given, source, poses, log)
                clips = _target(run, target, box, detector, log)
                replay = _replay_settings(run, 1 + len(beside))
                with (
                    training_pictures(out, replay, source, motion, log) as own,
                    pictures_beside(replay, beside) as more,
                ):
                    pictures = (own, *more) if more else own
                    evidence = _evidence(clips, probe, run.settings, log)
                    before = look(model, evidence)
                    adapted, report = adapt_model(model, clips, pictures, probe, log, run.training("adapt"))
                verdict = judge(before.signals, look(adapted, evidence).signals, run.settings.adapt)
                log.say(
                    ("accepted: " if verdict.accepted else "not to be used in place of the model before: ")
                    + verdict.reason
                )
                report["verdict"] = asdict(verdict)
                adapted.save(run.weights)
                run.finish("adapt", {"clips": len(clips.clips()), "frames": len(clips)} | report)
    return {"run": str(out)} | run.report("adapt")


def adapt_model(
    model: ModelSet, clips: FrameSet, source: Pictures, probe: FrameSet, log: Log, keep: Path,
    watch: Callable[[nn.Module], dict[str, float]] | None = None,
) -> tuple[ModelSet, Report]:  # fmt: skip
    """Stage 5 on one model in memory; the given model's own G moves.

    Args:
        clips: unlabelled target; labels, where a frame set has any, are not looked at.
        source, probe: labelled pictures to replay, and such as are held out for the guard.
        watch: figures to log at each check and never to use.
    """
    settings = model.settings
    px = settings.image.crop_px
    replayed = labelled(source, px, model.e_p)
    model.g.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    report = move_g(
        Networks(model.g, model.e_p, model.d_p, model.e_m, model.d_m, dict(model.relations)),
        TargetClips(clips),
        replayed, LabelledFrames(probe, px, model.e_p),
        settings.adapt, settings.source, settings.seed, log, keep, watch,
    )  # fmt: skip
    freeze(model.g)
    _say_left_out(report, settings.adapt.losses, log)
    report |= say_waiting(replayed, log)
    report["source_after"] = measure(model.g, model.d_p, probe, px)
    line = f"adapted on {len(clips)} frames of {len(clips.clips())} clips: {', '.join(settings.adapt.losses)}"
    return model.with_g(model.g, line + f", {report['cycles']} cycles, seed {settings.seed}"), report


def _evidence(clips: FrameSet, probe: FrameSet, settings: Settings, log: Log) -> Evidence:
    """What the model before and the adapted one are compared on: held-out clips, and of short footage all of it."""
    every = TargetClips(clips)
    watched = every.watched(settings.adapt.held_out_share, settings.seed)
    if watched is every:
        log.say("short footage: guard and verdict look at the frames that were adapted on, too")
    return Evidence.chosen(clips, watched.clips, probe)


def _say_left_out(report: Report, asked: tuple[str, ...], log: Log) -> None:
    """What of the asked losses the target could not serve."""
    for line in report["left_out"]:
        log.say(f"left out: {line}")
    if lost := [name for name in dict.fromkeys(asked) if name not in report["losses"]]:
        log.say(f"the target cannot serve these losses: {', '.join(lost)}")


def _check_target(target: Path, box: Box | None, detector: Path | None) -> None:
    """Stop before hours of training where the target or the detector cannot be opened."""
    if (target / "set.json").exists():
        FrameSet.load(target)
        return
    if not target.exists():
        raise InputError(
            f"there is no video, folder or frame set at {target}", "name a video, or a folder that holds some"
        )
    for path in video_paths(target):
        VideoSource(path).close()
    make_finder(box, detector)


def _source(
    run: RunFolder, given: ModelSet | None, source: str, poses: Path | None, log: Log
) -> tuple[ModelSet, FrameSet, MotionSet]:
    """The model before adaptation, labelled frames to watch, and the motion of those to replay.

    It is kept in `source_model/`, so that a resumed run starts from it whatever `weights/` holds by then.
    """
    kept = run.path / SOURCE_MODEL
    if kept.exists():
        model = read_weights(kept)
    else:
        model = given or train_source_model(run, source, poses, log)
    training, held_out = source_motion(run.settings, poses)
    probe = held_out_pictures(run.path, run.settings, source, held_out, log)
    if not kept.exists():
        write_model(model, kept, name=f"{run.path.name}-source", pictures=parity_pictures(probe, run.settings.seed))
    return replace(model, settings=run.settings), probe, training


def _replay_settings(run: RunFolder, sources: int) -> Settings:
    """Settings of the labelled source beside adaptation: the run's own set where there is one, else a smaller one."""
    clips = run.settings.source.clips if run.done("source") else REPLAY_CLIPS
    return replay_settings(run.settings, clips, sources)


def _chosen(target: Path, box: Box | None, detector: Path | None) -> dict[str, object]:
    """What decides which clips there are."""
    return {"--target": target, "--box": box, "--detector": detector}


def _target(run: RunFolder, target: Path, box: Box | None, detector: Path | None, log: Log) -> FrameSet:
    """The target's clips: a frame set as it is, a video cut once into the run."""
    chosen = _chosen(target, box, detector)
    if (target / "set.json").exists():
        run.made_from(chosen)
        return FrameSet.load(target)
    folder = run.path / "target"
    if not (folder / "set.json").exists():
        bar = log.bar("cutting clips")
        loaded = Model.load(run.path / SOURCE_MODEL)
        cut_clips(
            target, loaded, run.settings.image.crop_px, max_frames=run.settings.adapt.max_target_frames,
            seed=run.settings.seed, finder=make_finder(box, detector),
            progress=lambda share, _: bar(round(100 * share), 100),
        ).save(folder)  # fmt: skip
        loaded.close()
    run.made_from(chosen)
    frames = FrameSet.load(folder)
    log.say(f"target: {len(frames)} frames in {len(frames.clips())} clips of one person")
    return frames

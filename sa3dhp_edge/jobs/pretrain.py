"""Stages 1 to 4 in order: unpaired motion, relations, labelled source, a source model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sa3dhp_edge.adaptation.device import training_device, use_threads
from sa3dhp_edge.adaptation.image_to_latent import PaperG, image_network
from sa3dhp_edge.adaptation.log import Log
from sa3dhp_edge.adaptation.model_set import ModelSet, RelationKey, latent_size
from sa3dhp_edge.adaptation.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.adaptation.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.adaptation.poses import PoseSampler
from sa3dhp_edge.adaptation.prelearning import fit_motion_autoencoder, fit_pose_autoencoder, fit_relation, non_localness
from sa3dhp_edge.adaptation.relation_transformer import RelationTransformer
from sa3dhp_edge.adaptation.relations import CANDIDATES_V, CANDIDATES_Z, Rule
from sa3dhp_edge.adaptation.source import LabelledFrames, fit_image_to_latent, read_frames
from sa3dhp_edge.adaptation.trainable import freeze
from sa3dhp_edge.checkpoint import load_weights, save_weights
from sa3dhp_edge.config import Settings
from sa3dhp_edge.contract import Confidence
from sa3dhp_edge.errors import ConfigError, DataError, InputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, settings_for
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips

CLIPS_PER_PROCESS = 64
"""Rendering starts another process for so many clips: each takes seconds to start."""
SYNTH = "synth"
"""The word that stands for the generated source."""


def pretrain(
    *, source: str, poses: Path | None, preset: str | None, overrides: tuple[str, ...], out: Path, resume: bool
) -> Report:
    """Train a source model from nothing into a run folder; returns what each stage measured."""
    settings = settings_for(out, preset, overrides, resume=resume)
    check_training(settings, source)
    with RunFolder.start(out, settings, resume=resume) as run, Log(out) as log:
        run.made_from({"--source": source, "--poses": poses})
        train_source_model(run, source, poses, log)
    return {"run": str(out)} | {s: run.report(s) for s in ("pose_autoencoder", "motion_autoencoder", "source")}


def check_training(settings: Settings, source: str) -> None:
    """Stop before hours of training where a later stage could not begin.

    Raises:
        ConfigError: a rule or a domain that is not known.
        InputError, DataError: ImageNet weights or a labelled source that cannot be used.
    """
    relation_keys(settings)
    check_source(settings, source)
    g = image_network(settings.image)
    if isinstance(g, PaperG) and settings.image.imagenet_weights:
        g.backbone.load_imagenet(Path(settings.image.imagenet_weights))


def check_source(settings: Settings, source: str) -> None:
    """Stop where the labelled source cannot be used."""
    if source != SYNTH:
        _own_frames(source, settings.image.crop_px)
    elif settings.source.domain not in DOMAINS:
        raise ConfigError(
            f"there is no domain {settings.source.domain!r}", f"source.domain is one of: {', '.join(DOMAINS)}"
        )


def train_source_model(run: RunFolder, source: str, poses: Path | None, log: Log) -> ModelSet:
    """Every stage that is not done yet; ends with `weights/` complete."""
    settings = run.settings
    use_threads(settings.threads)
    if run.done("source"):
        return ModelSet.load(run.weights)
    motion = unpaired_motion(poses, settings.motion.procedural_seconds, settings.seed)
    log.say(f"unpaired motion: {motion.seconds / 60:.0f} min in {len(motion.names)} sequences")
    training, held_out = motion.split(settings.motion.held_out_share, settings.seed)
    device = training_device()
    nets = _prelearn(run, PoseSampler(training, device), PoseSampler(held_out, device), log)
    labelled, probe = source_frames(run.path, settings, source, training, held_out, log)
    return _learn_images(run, nets, labelled, probe, log)


def _prelearn(run: RunFolder, sampler: PoseSampler, held_out: PoseSampler, log: Log) -> dict[str, torch.nn.Module]:
    """Stages 1 to 3 and the study of all candidate rules: the frozen networks by file name."""
    settings, seed = run.settings, run.settings.seed
    e_m, d_m = motion_autoencoder(settings.motion_autoencoder.arch)
    nets: dict[str, torch.nn.Module] = {"e_p": PoseEncoder(), "d_p": PoseDecoder(), "e_m": e_m, "d_m": d_m}

    def poses() -> Report:
        nets["e_p"], nets["d_p"], _, report = fit_pose_autoencoder(
            sampler, held_out, settings.pose_autoencoder, seed, log, run.training("pose_autoencoder")
        )
        return _kept(run, report, nets, "e_p", "d_p")

    def motions() -> Report:
        nets["e_m"], nets["d_m"], report = fit_motion_autoencoder(
            sampler, held_out, nets["e_p"], nets["d_p"], settings.motion_autoencoder,
            settings.pose_autoencoder.tilt_deg, seed, log, run.training("motion_autoencoder"),
        )  # fmt: skip
        return _kept(run, report, nets, "e_m", "d_m")

    def study() -> Report:
        count = settings.relations.study_samples
        return {
            latent: {rule.name: non_localness(rule, latent, held_out, nets, count, seed) for rule in rules}
            for latent, rules in studied_rules(settings).items()
        }

    log.say(_line(_stage(run, "pose_autoencoder", poses, nets, "e_p", "d_p")))
    log.say(_line(_stage(run, "motion_autoencoder", motions, nets, "e_m", "d_m")))
    run.once("non_localness", study)
    for latent, rule in relation_keys(settings):
        name = f"t_{latent}_{rule.name}"
        nets[name] = RelationTransformer(latent_size(latent))

        def relation(latent: str = latent, rule: Rule = rule, name: str = name) -> Report:
            nets[name], report = fit_relation(
                rule, latent, sampler, held_out, nets, settings.relations, seed, log, run.training(name)
            )
            return _kept(run, report, nets, name)

        log.say(_line(_stage(run, name, relation, nets, name)))
    return nets


def relation_keys(settings: Settings) -> list[tuple[str, Rule]]:
    """(latent, rule) of every relation transformer a run learns."""
    z = [("z", Rule.parse(name)) for name in settings.relations.rules_z]
    return z + [("v", Rule.parse(name)) for name in settings.relations.rules_v]


def studied_rules(settings: Settings) -> dict[str, list[Rule]]:
    """latent -> the candidates and every other rule in use, each once."""
    used = settings.relations
    named = {"z": (*CANDIDATES_Z, *used.rules_z), "v": (*CANDIDATES_V, *used.rules_v)}
    return {latent: list(dict.fromkeys(map(Rule.parse, names))) for latent, names in named.items()}


def source_frames(
    folder: Path, settings: Settings, source: str, training: MotionSet, held_out: MotionSet, log: Log
) -> tuple[FrameSet, FrameSet]:
    """Labelled frames to learn from and to measure on: rendered once into the run, or a frame set of the user's."""
    cfg, px = settings.source, settings.image.crop_px
    if source != SYNTH:
        frames = _own_frames(source, px)
        starts = [clip[0] for clip in frames.clips()]
        cut = starts[-max(1, min(cfg.held_out_clips, len(starts) // 5))]
        return frames.take(np.arange(cut)), frames.take(np.arange(cut, len(frames)))
    sets = []
    for name, motion, clips, seed in (
        ("source", training, cfg.clips, settings.seed),
        ("source_held_out", held_out, cfg.held_out_clips, settings.seed + 10_000_019),
    ):
        if not (folder / name / "set.json").exists():
            log.say(f"rendering {clips * cfg.frames_per_clip} labelled pictures of the {cfg.domain} domain: {name}")
            bar = log.bar(f"rendering {name}"[:22])
            render_clips(
                DOMAINS[cfg.domain], motion, clips=clips, frames_per_clip=cfg.frames_per_clip, fps=cfg.fps,
                crop_px=px, seed=seed, workers=min(len(os.sched_getaffinity(0)), -(-clips // CLIPS_PER_PROCESS)),
                progress=bar,
            ).save(folder / name)  # fmt: skip
        sets.append(FrameSet.load(folder / name))
    return sets[0], sets[1]


def _own_frames(source: str, crop_px: int) -> FrameSet:
    """The user's labelled frames, checked for what stage 4 asks of them."""
    frames = FrameSet.load(Path(source))
    if frames.crop_px != crop_px:
        raise InputError(
            f"{source} has crops of {frames.crop_px} px, the network takes {crop_px} px",
            f"make the frame set with {crop_px} px, or train a model from the start with --set "
            f"image.crop_px={frames.crop_px}",
        )
    if frames.joints_mm is None or frames.joints_uv is None:
        raise DataError(f"{source} has no labels", "give --source a labelled frame set, or `synth`")
    if len(frames.clips()) < 2:
        raise DataError(f"{source} has fewer than two clips: one is held out to measure on", "divide it into clips")
    return frames


def _learn_images(
    run: RunFolder, nets: dict[str, torch.nn.Module], labelled: FrameSet, probe: FrameSet, log: Log
) -> ModelSet:
    """Stage 4, and the model folder's first content."""
    settings = run.settings
    e_p, d_p = nets["e_p"], nets["d_p"]
    assert isinstance(e_p, PoseEncoder)
    assert isinstance(d_p, PoseDecoder)
    px = settings.image.crop_px
    g, report = fit_image_to_latent(
        LabelledFrames(labelled, px, e_p), LabelledFrames(probe, px, e_p), e_p, d_p,
        settings.image, settings.source, settings.seed, log, run.training("source"),
    )  # fmt: skip
    freeze(g)
    log.say("source model: " + _line(report))
    keys: list[RelationKey] = [(latent, rule.name) for latent, rule in relation_keys(settings)]
    relations = {(latent, rule): nets[f"t_{latent}_{rule}"] for latent, rule in keys}
    model = ModelSet(
        settings=settings, g=g, e_p=e_p, d_p=d_p, e_m=nets["e_m"], d_m=nets["d_m"],
        relations={k: t for k, t in relations.items() if isinstance(t, RelationTransformer)},
        relation_errors={(a, b): run.report(f"t_{a}_{b}")["held_out_latent"] for a, b in keys},
        confidence=confidence_references(g, e_p, d_p, probe, px),
        lineage=(f"source {settings.source.domain}, {settings.source.steps} steps, seed {settings.seed}",),
    )  # fmt: skip
    model.save(run.weights)
    run.finish("source", report)
    return model


def confidence_references(
    g: torch.nn.Module, e_p: PoseEncoder, d_p: PoseDecoder, frames: FrameSet, crop_px: int
) -> Confidence:
    """What the prior cycle and the joint maps say on pictures G knows: medians over held-out source frames."""
    pose, _, readings = read_frames(g, d_p, frames.images, crop_px)
    with torch.no_grad():
        z = torch.cat([r.z for r in readings])
        cycle = float((z - e_p(torch.from_numpy(pose))).abs().mean(-1).median())
    scores = [r.score for r in readings if r.score is not None]
    return Confidence(cycle, float(torch.cat(scores).mean(-1).median()) if scores else None)


def _stage(run: RunFolder, name: str, do: Callable[[], Report], nets: dict[str, torch.nn.Module], *own: str) -> Report:
    """Do a stage or, if it is done, fill its networks from the run's weights."""
    if run.done(name):
        for net in own:
            load_weights(run.weights / f"{net}.safetensors", nets[net])
            freeze(nets[net])
    report = run.once(name, do)
    return {"stage": name} | report


def _kept(run: RunFolder, report: dict[str, float], nets: dict[str, torch.nn.Module], *own: str) -> Report:
    for net in own:
        save_weights(run.weights / f"{net}.safetensors", nets[net])
    return dict(report)


def _line(report: Report) -> str:
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{v}" for k, v in report.items())

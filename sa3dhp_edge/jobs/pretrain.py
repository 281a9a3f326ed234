"""Stages 1 to 4 in order: unpaired motion, relations, labelled source, a source model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from sa3dhp_edge.adaptation.calibration import source_confidence
from sa3dhp_edge.adaptation.labelled import labelled
from sa3dhp_edge.adaptation.poses import PoseSampler
from sa3dhp_edge.adaptation.prelearning import fit_motion_autoencoder, fit_pose_autoencoder, fit_relation, non_localness
from sa3dhp_edge.adaptation.relations import CANDIDATES_V, CANDIDATES_Z, Rule
from sa3dhp_edge.adaptation.source import LabelledFrames, fit_image_to_latent, learn_images
from sa3dhp_edge.checkpoint import load_weights, save_weights
from sa3dhp_edge.config import Settings, from_dict, to_dict
from sa3dhp_edge.contract import Confidence
from sa3dhp_edge.datasets.motion import unpaired_motion
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.given_model import given_model, settings_over
from sa3dhp_edge.jobs.labelled_source import check_source, held_out_pictures, training_pictures
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, settings_for, settings_to_resume
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.networks.image_to_latent import PaperG, image_network
from sa3dhp_edge.networks.model_set import ModelSet, RelationKey, latent_size
from sa3dhp_edge.networks.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.pool import Pool
from sa3dhp_edge.training.device import training_device, use_threads
from sa3dhp_edge.training.distributed import ALONE, Team, open_team
from sa3dhp_edge.training.log import Log, Quiet


def pretrain(
    *, source: str, poses: Path | None, preset: str | None, overrides: tuple[str, ...], out: Path, resume: bool,
    start: str | None = None,
) -> Report:  # fmt: skip
    """Train a source model into a run folder; returns what each stage measured.

    It begins with nothing or, with `start`, with a model or a run, all of whose networks but G stay as they are.

    Of several processes that `torchrun` started the first does all this, and the others help it in stage 4; theirs
    is an empty report.
    """
    with open_team() as team:
        if not team.leads:
            _help(source, poses, out, team)
            return {}
        given = None if start is None else given_model(start)
        if given is None:
            settings = settings_for(out, preset, overrides, resume=resume)
        else:
            begun = settings_to_resume(out) if resume else given.settings
            settings = settings_over(begun, "source", preset, overrides)
        team.parts(settings.source.parts)
        check_training(settings, source)
        with RunFolder.start(out, settings, resume=resume) as run, Log(out) as log:
            run.made_from({"--source": source, "--poses": poses, "--from": start})
            team.told(to_dict(settings))
            train_source_model(run, source, poses, log, team, given)
    stages = ("pose_autoencoder", "motion_autoencoder", "source")
    return {"run": str(out)} | {s: run.report(s) for s in stages if run.done(s)}


def _help(source: str, poses: Path | None, out: Path, team: Team) -> None:
    """What the processes that do not lead do: their parts of stage 4."""
    settings = from_dict(team.told({}))
    use_threads(settings.threads)
    if team.told(False):
        return
    e_p, d_p = PoseEncoder(), PoseDecoder()
    team.same_weights(e_p, d_p)
    freeze(e_p, d_p)
    training, _ = source_motion(settings, poses)
    log = Quiet()
    with training_pictures(out, settings, source, training, log, team) as pictures:
        own = labelled(pictures, settings.image.crop_px, e_p)
        learn_images(own, e_p, d_p, settings.image, settings.source, settings.seed, log, out, team)


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


def train_source_model(
    run: RunFolder, source: str, poses: Path | None, log: Log, team: Team = ALONE, given: ModelSet | None = None
) -> ModelSet:
    """Every stage that is not done yet; ends with `weights/` complete.

    Args:
        given: a model whose G learns on; it brings the networks of the stages before.
    """
    settings = run.settings
    use_threads(settings.threads)
    if team.told(run.done("source")):
        return ModelSet.load(run.weights)
    training, held_out = source_motion(settings, poses)
    minutes = (training.seconds + held_out.seconds) / 60
    log.say(f"unpaired motion: {minutes:.0f} min in {len(training.names) + len(held_out.names)} sequences")
    device = training_device()
    learned = given or _prelearn(run, PoseSampler(training, device), PoseSampler(held_out, device), log)
    probe = held_out_pictures(run.path, settings, source, held_out, log)
    team.same_weights(learned.e_p, learned.d_p)
    with training_pictures(run.path, settings, source, training, log, team) as pictures:
        return _learn_images(run, learned, pictures, probe, log, team, None if given is None else given.g)


def source_motion(settings: Settings, poses: Path | None) -> tuple[MotionSet, MotionSet]:
    """Unpaired motion to learn from, and to measure on."""
    motion = unpaired_motion(poses, settings.motion.procedural_seconds, settings.seed)
    return motion.split(settings.motion.held_out_share, settings.seed)


def _prelearn(run: RunFolder, sampler: PoseSampler, held_out: PoseSampler, log: Log) -> ModelSet:
    """Stages 1 to 3 and the study of all candidate rules: a model whose G has learned nothing yet."""
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
    return _without_images(run, nets)


def relation_keys(settings: Settings) -> list[tuple[str, Rule]]:
    """(latent, rule) of every relation transformer a run learns."""
    z = [("z", Rule.parse(name)) for name in settings.relations.rules_z]
    return z + [("v", Rule.parse(name)) for name in settings.relations.rules_v]


def studied_rules(settings: Settings) -> dict[str, list[Rule]]:
    """latent -> the candidates and every other rule in use, each once."""
    used = settings.relations
    named = {"z": (*CANDIDATES_Z, *used.rules_z), "v": (*CANDIDATES_V, *used.rules_v)}
    return {latent: list(dict.fromkeys(map(Rule.parse, names))) for latent, names in named.items()}


def _without_images(run: RunFolder, nets: dict[str, torch.nn.Module]) -> ModelSet:
    """What stages 1 to 3 have learned, in the form of a model."""
    e_p, d_p = nets["e_p"], nets["d_p"]
    assert isinstance(e_p, PoseEncoder)
    assert isinstance(d_p, PoseDecoder)
    keys: list[RelationKey] = [(latent, rule.name) for latent, rule in relation_keys(run.settings)]
    relations = {(latent, rule): nets[f"t_{latent}_{rule}"] for latent, rule in keys}
    return ModelSet(
        settings=run.settings, g=image_network(run.settings.image), e_p=e_p, d_p=d_p, e_m=nets["e_m"], d_m=nets["d_m"],
        relations={k: t for k, t in relations.items() if isinstance(t, RelationTransformer)},
        relation_errors={(a, b): run.report(f"t_{a}_{b}")["held_out_latent"] for a, b in keys},
        confidence=Confidence(1.0, None), lineage=(),
    )  # fmt: skip


def _learn_images(
    run: RunFolder, learned: ModelSet, pictures: FrameSet | Pool, probe: FrameSet, log: Log, team: Team,
    begin: torch.nn.Module | None,
) -> ModelSet:  # fmt: skip
    """Stage 4, and the model folder's first content."""
    settings, e_p, d_p = run.settings, learned.e_p, learned.d_p
    px = settings.image.crop_px
    g, report = fit_image_to_latent(
        labelled(pictures, px, e_p), LabelledFrames(probe, px, e_p), e_p, d_p,
        settings.image, settings.source, settings.seed, log, run.training("source"), team, begin,
    )  # fmt: skip
    freeze(g)
    log.say("source model: " + _line(report))
    line = f"source {settings.source.domain}, {settings.source.steps} steps, seed {settings.seed}"
    model = replace(learned.with_g(g, line), settings=settings, confidence=source_confidence(g, e_p, d_p, probe, px))
    model.save(run.weights)
    run.finish("source", report)
    return model


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

"""What each lever of the generated source is worth: small networks learn without it, and are tested beside the rest.

settings.json, inputs.json         an experiment that goes on must have the same
weights/                           E_p and D_p where they were trained here
tests/DOMAIN/                      generated pictures to test on, of people and motion nobody learns from
runs/VARIANT-SEED.json             one trained network's figures; its presence means done
levers.json, levers.md, levers.png what they say together, renewed after every run
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.poses import PoseSampler
from sa3dhp_edge.adaptation.prelearning import fit_pose_autoencoder
from sa3dhp_edge.adaptation.source import LabelledFrames, learn_images, read_frames
from sa3dhp_edge.checkpoint import load_weights, save_weights, write_json
from sa3dhp_edge.config import ImageConfig, Settings, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError, InputError
from sa3dhp_edge.experiments.levers_report import ALL, READINGS, REAL, publish
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.scored_clips import ScoredClip, scored_clips
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.labelled_source import SYNTH, check_source, held_out_pictures, render_workers
from sa3dhp_edge.jobs.pretrain import source_motion
from sa3dhp_edge.jobs.run_folder import Report, RunFolder
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.levers import GROUPS, without
from sa3dhp_edge.synth.render import render_clips
from sa3dhp_edge.training.device import training_device, use_threads
from sa3dhp_edge.training.log import Log, Quiet

CLIP_FRAMES = 25
"""So many frames of each real clip are scored."""
PERCENT_PER_UV = 50
"""A crop is 2 uv wide."""
_NETWORKS = ("e_p", "d_p")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Study:
    """What all runs of the experiment have in common."""

    run: RunFolder
    training: MotionSet
    e_p: PoseEncoder
    d_p: PoseDecoder
    generated: dict[str, FrameSet]
    real: tuple[ScoredClip, ...]


def standard_settings() -> Settings:
    """A network that learns in about 100 CPU seconds: worse than any in use, for its errors to be compared only."""
    demo = preset("demo")
    source = replace(demo.source, domain="wide", clips=500, held_out_clips=64, steps=1100, batch=32)
    return replace(demo, image=ImageConfig(width=16, crop_px=64), source=source)


def levers(
    *, out: Path, clips: Path | None, poses: Path | None, start: Path | None, seeds: tuple[int, ...],
    variant_seeds: int, overrides: tuple[str, ...],
) -> Report:  # fmt: skip
    """Train and test a network with all levers for every seed, and one without each group for the first seeds.

    An interrupted experiment goes on where it was; more seeds can be asked for later.

    Args:
        clips: prepared clips with 3D truth; None leaves the tests on real video out.
        poses: motion capture; None for made-up motion only.
        start: a run or its weights, for E_p and D_p; None trains them first.

    Raises:
        ConfigError: a setting that cannot be used, or others than the experiment was begun with.
        InputError, DataError: weights, clips or motion that cannot be read.
    """
    settings = override(standard_settings(), overrides)
    check_source(settings, SYNTH)
    runs = planned(seeds, variant_seeds)
    with RunFolder.start(out, settings, resume=out.exists()) as run, Log(out) as log:
        run.made_from({"--clips": clips, "--poses": poses, "--from": start})
        use_threads(settings.threads)
        study: _Study | None = None
        for number, (variant, seed) in enumerate(runs, 1):
            path = out / "runs" / f"{variant}-{seed}.json"
            if not path.exists():
                study = study or _prepare(run, clips, poses, start, log)
                result = _one(study, variant, seed)
                write_json(path, result)
                _tell(log, f"{number} of {len(runs)}: {variant}, seed {seed}", result)
                publish(out, finished(out, runs), _about(settings))
        rows = publish(out, finished(out, runs), _about(settings))
    return {"out": str(out), "pa_mpjpe": {row.name: row.error for row in rows}}


def planned(seeds: tuple[int, ...], variant_seeds: int) -> list[tuple[str, int]]:
    """(variant, seed) in the order in which they are run: the spread first, then each group once, then again."""
    chosen = tuple(dict.fromkeys(seeds))
    if not 1 <= variant_seeds <= len(chosen):
        raise ConfigError(
            f"--variant-seeds is {variant_seeds}, and there are {len(chosen)} different seeds",
            "every variant needs at least one seed, and each of its seeds must be one of --seeds",
        )
    return [(ALL, seed) for seed in chosen] + [(name, seed) for seed in chosen[:variant_seeds] for name in GROUPS]


def finished(out: Path, runs: list[tuple[str, int]]) -> list[Report]:
    """What those runs found that are done, in their order."""
    paths = [out / "runs" / f"{variant}-{seed}.json" for variant, seed in runs]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def _prepare(run: RunFolder, clips: Path | None, poses: Path | None, start: Path | None, log: Log) -> _Study:
    settings = run.settings
    real = () if clips is None else scored_clips(clips, settings.image.crop_px, CLIP_FRAMES)
    training, held_out = source_motion(settings, poses)
    e_p, d_p = _prior(run, start, training, held_out, log)
    if not real:
        log.say("no --clips: nothing is tested on real video")
    own = settings.source.domain
    generated = {}
    for domain in (own, "site" if own != "site" else "wide"):
        of_it = replace(settings, source=replace(settings.source, domain=domain))
        generated[domain] = held_out_pictures(run.path / "tests" / domain, of_it, SYNTH, held_out, log)
    render_clips(DOMAINS[own], training, clips=4, frames_per_clip=1, fps=2, crop_px=64, seed=0)  # compiles; untimed
    return _Study(run, training, e_p, d_p, generated, real)


def _prior(
    run: RunFolder, start: Path | None, training: MotionSet, held_out: MotionSet, log: Log
) -> tuple[PoseEncoder, PoseDecoder]:
    """E_p and D_p, given or trained here, frozen."""
    e_p, d_p = PoseEncoder(), PoseDecoder()
    folder = run.weights if start is None else start / "weights" if (start / "weights").is_dir() else start
    paths = [folder / f"{name}.safetensors" for name in _NETWORKS]
    if start is None and not all(path.exists() for path in paths):
        device = training_device()
        e_p, d_p, _, report = fit_pose_autoencoder(
            PoseSampler(training, device), PoseSampler(held_out, device), run.settings.pose_autoencoder,
            run.settings.seed, log, run.training("pose_autoencoder"),
        )  # fmt: skip
        for path, net in zip(paths, (e_p, d_p), strict=True):
            save_weights(path, net)
        run.finish("pose_autoencoder", dict(report))
    elif missing := [path for path in paths if not path.exists()]:
        raise InputError(f"{missing[0]} is not there", "name a run whose pose auto-encoder is trained, or no --from")
    else:
        for path, net in zip(paths, (e_p, d_p), strict=True):
            load_weights(path, net)
    freeze(e_p, d_p)
    return e_p, d_p


def _one(study: _Study, variant: str, seed: int) -> Report:
    """Render, learn, test; the pictures are kept nowhere."""
    settings, began = study.run.settings, time.monotonic()
    cfg, px = settings.source, settings.image.crop_px
    left_out = GROUPS.get(variant, ())
    cpu_s = _cpu_s()
    frames = render_clips(
        without(DOMAINS[cfg.domain], *left_out), study.training, clips=cfg.clips, frames_per_clip=cfg.frames_per_clip,
        fps=cfg.fps, crop_px=px, seed=seed, workers=render_workers(cfg.clips),
    )  # fmt: skip
    cpu_s = _cpu_s() - cpu_s
    keep = study.run.training(f"{variant}-{seed}")
    g, _ = learn_images(
        LabelledFrames(frames, px, study.e_p), study.e_p, study.d_p, settings.image, cfg, seed, Quiet(), keep
    )
    result = {"variant": variant, "seed": seed, "left_out": list(left_out), "pictures": len(frames)}
    result |= {"render_ms": 1000 * cpu_s / len(frames)} | _tested(study, g, px)
    keep.unlink(missing_ok=True)
    return result | {"seconds": time.monotonic() - began}


def _tested(study: _Study, g: EdgeG | PaperG, px: int) -> Report:
    """Errors by reading and test; on real clips the mean over these, and each of them."""
    found: dict[str, dict[str, float]] = {reading: {} for reading in READINGS}
    clips: dict[str, dict[str, float]] = {reading: {} for reading in READINGS}
    for domain, frames in study.generated.items():
        assert frames.joints_mm is not None
        assert frames.joints_uv is not None
        decoded, read = _poses(study, g, frames.images, px)
        found["decoded"][domain] = float(metrics.pa_mpjpe(decoded, frames.joints_mm).mean())
        found["read"][domain] = float(metrics.pa_mpjpe(read, frames.joints_mm).mean())
        off_uv = np.linalg.norm(read[..., :2] - frames.joints_uv, axis=-1)
        found["plane"][domain] = PERCENT_PER_UV * float(off_uv.mean())
    for clip in study.real:
        decoded, read = _poses(study, g, clip.images, px)
        clips["decoded"][clip.name], clips["read"][clip.name] = clip.pa_mpjpe(decoded), clip.pa_mpjpe(read)
        clips["plane"][clip.name] = PERCENT_PER_UV * clip.uv_error(read[..., :2])
    if study.real:
        for reading, errors in clips.items():
            found[reading][REAL] = float(np.mean(list(errors.values())))
    return {"errors": found, "clips": clips}


def _poses(study: _Study, g: EdgeG | PaperG, images: NDArray[np.uint8], px: int) -> tuple[Array, Array]:
    """Decoded poses (N, 17, 3) mm, and what the network reads: joints and depth (N, 17, 3) uv.

    The depth of a network that reads none is that of its decoded pose, at its camera's scale.
    """
    pose, joints_uv, readings = read_frames(g, study.d_p, images, px)
    depth = [r.camera.numpy()[:, :1] if r.depth_uv is None else r.depth_uv.numpy() for r in readings]
    depth_uv = np.concatenate(depth)
    if depth_uv.shape[1] == 1:
        depth_uv = depth_uv * pose[..., 2] / 1000
    return pose, np.concatenate([joints_uv, depth_uv[..., None]], -1)


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def _tell(log: Log, title: str, result: Report) -> None:
    errors = ", ".join(f"{test} {error:.1f}" for test, error in result["errors"]["decoded"].items())
    log.say(f"{title}: PA-MPJPE {errors} mm, {result['seconds']:.0f} s")


def _about(settings: Settings) -> Report:
    return {"settings": to_dict(settings), "machine": machine(), "commit": commit()}

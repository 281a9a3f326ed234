"""The labelled source of a run: generated while it is used, generated once, or a folder of the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from sa3dhp_edge.config import Settings
from sa3dhp_edge.datasets.shards import ShardClips, Shards
from sa3dhp_edge.errors import ConfigError, DataError, InputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.pool import Maker, Plan, Pool, pool_workers, refuse_too_large
from sa3dhp_edge.synth.backgrounds import Backgrounds
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips
from sa3dhp_edge.synth.stream import ClipMaker
from sa3dhp_edge.training.distributed import ALONE, Team
from sa3dhp_edge.training.log import Log

CLIPS_PER_PROCESS = 64
"""Rendering starts another process for so many clips: each takes seconds to start."""
SYNTH = "synth"
"""The word that stands for the generated source."""
HELD_OUT_SEED = 10_000_019


def check_source(settings: Settings, source: str) -> None:
    """Stop where the labelled source cannot be used.

    Raises:
        ConfigError: the domain is not known, or pictures to be held in memory do not fit into it.
        InputError, DataError: the folder is of no use as a source.
    """
    if source == SYNTH and settings.source.domain not in DOMAINS:
        raise ConfigError(
            f"there is no domain {settings.source.domain!r}", f"source.domain is one of: {', '.join(DOMAINS)}"
        )
    if source == SYNTH:
        _backgrounds(settings)
    shards = source != SYNTH and Shards.are_at(Path(source))
    if shards:
        _own_shards(source, settings.image.crop_px)
    elif source != SYNTH:
        _own_frames(source, settings.image.crop_px)
    if shards or (source == SYNTH and settings.source.streaming):
        refuse_too_large(_plan(settings, tuple(range(settings.source.parts))), settings.image.crop_px)


def check_beside(settings: Settings, folders: tuple[str, ...]) -> None:
    """Stop where a folder that is to be replayed beside the source cannot be.

    Raises:
        InputError, DataError: the folder is of no use.
    """
    for folder in folders:
        if Shards.are_at(Path(folder)):
            _own_shards(folder, settings.image.crop_px)
        else:
            _own_frames(folder, settings.image.crop_px, least_clips=1)


@contextmanager
def pictures_beside(settings: Settings, folders: tuple[str, ...]) -> Iterator[tuple[FrameSet | Pool, ...]]:
    """Labelled frame sets and shards that are replayed beside the source, all of them but for shards' last clip."""
    cfg, px = settings.source, settings.image.crop_px
    with ExitStack() as open_:
        found: list[FrameSet | Pool] = []
        for folder in folders:
            if Shards.are_at(Path(folder)):
                stretches = ShardClips(_own_shards(folder, px), 0, cfg.frames_per_clip, cfg.parts, settings.seed)
                found.append(open_.enter_context(_pool(stretches, settings, ALONE)))
            else:
                found.append(_own_frames(folder, px, least_clips=1))
        yield tuple(found)


@contextmanager
def training_pictures(
    folder: Path, settings: Settings, source: str, motion: MotionSet, log: Log, team: Team = ALONE
) -> Iterator[FrameSet | Pool]:
    """What G learns from; a stream's processes end with the block.

    Args:
        folder: of the run, where a source is kept that is generated once.
        motion: what the generated people do.
    """
    cfg = settings.source
    if source == SYNTH and cfg.streaming:
        px = settings.image.crop_px
        make = ClipMaker(
            DOMAINS[cfg.domain], motion, cfg.frames_per_clip, cfg.fps, px, settings.seed, _backgrounds(settings)
        )
        log.say(f"pictures of the {cfg.domain} domain are generated while the network learns")
        with _pool(make, settings, team) as pool:
            yield pool
    elif source == SYNTH:
        if team.leads:
            _generated(folder / "source", settings, motion, cfg.clips, settings.seed, log)
        team.wait()
        yield FrameSet.load(folder / "source")
    elif Shards.are_at(Path(source)):
        shards = _own_shards(source, settings.image.crop_px)
        stretches = ShardClips(shards, cfg.held_out_clips, cfg.frames_per_clip, cfg.parts, settings.seed)
        with _pool(stretches, settings, team) as pool:
            yield pool
    else:
        frames = _own_frames(source, settings.image.crop_px)
        yield frames.take(np.arange(_held_out_from(frames, cfg.held_out_clips)))


def held_out_pictures(folder: Path, settings: Settings, source: str, motion: MotionSet, log: Log) -> FrameSet:
    """Labelled frames to measure on, none of which G learns from.

    Args:
        motion: held out as well.
    """
    cfg = settings.source
    if source == SYNTH:
        seed = settings.seed + HELD_OUT_SEED
        return _generated(folder / "source_held_out", settings, motion, cfg.held_out_clips, seed, log)
    if Shards.are_at(Path(source)):
        return _own_shards(source, settings.image.crop_px).held_out(cfg.held_out_clips)
    frames = _own_frames(source, settings.image.crop_px)
    return frames.take(np.arange(_held_out_from(frames, cfg.held_out_clips), len(frames)))


def replay_settings(settings: Settings, clips: int, sources: int = 1) -> Settings:
    """The settings under which adaptation draws its source batches: at most so many clips at a time, a step a cycle.

    Args:
        sources: that share a batch.
    """
    cfg, adapt = settings.source, settings.adapt
    per_cycle = adapt.replay_batch * len(adapt.losses) if adapt.replay or "replay" in adapt.losses else 0
    small = replace(
        cfg, clips=min(cfg.clips, clips), pool_clips=min(cfg.pool_clips, clips), batch=-(-per_cycle // sources),
        steps=adapt.cycles, parts=1,
    )  # fmt: skip
    return replace(settings, source=small)


def _backgrounds(settings: Settings) -> Backgrounds | None:
    folder = settings.source.backgrounds
    return Backgrounds.of_folder(Path(folder)) if folder else None


def _plan(settings: Settings, own: tuple[int, ...]) -> Plan:
    cfg = settings.source
    return Plan.for_training(
        clips=cfg.pool_clips, frames=cfg.frames_per_clip, reuse=cfg.reuse, batch=cfg.batch, steps=cfg.steps,
        parts=cfg.parts, own=own,
    )  # fmt: skip


def _pool(make: Maker, settings: Settings, team: Team) -> Pool:
    cfg = settings.source
    plan = _plan(settings, team.parts(cfg.parts))
    workers = pool_workers(cfg.workers, team.local_size)
    return Pool(make, plan, settings.image.crop_px, workers, sharers=team.local_size)


def _generated(folder: Path, settings: Settings, motion: MotionSet, clips: int, seed: int, log: Log) -> FrameSet:
    """A generated set, rendered unless it is there."""
    cfg, name = settings.source, folder.name
    if not (folder / "set.json").exists():
        log.say(f"rendering {clips * cfg.frames_per_clip} labelled pictures of the {cfg.domain} domain: {name}")
        render_clips(
            DOMAINS[cfg.domain], motion, clips=clips, frames_per_clip=cfg.frames_per_clip, fps=cfg.fps,
            crop_px=settings.image.crop_px, seed=seed, backgrounds=_backgrounds(settings),
            workers=render_workers(clips),
            progress=log.bar(f"rendering {name}"[:22]),
        ).save(folder)  # fmt: skip
    return FrameSet.load(folder)


def render_workers(clips: int) -> int:
    """Processes that render a set of so many clips."""
    return min(len(os.sched_getaffinity(0)), -(-clips // CLIPS_PER_PROCESS))


def _own_shards(source: str, crop_px: int) -> Shards:
    """The user's shards, checked for what stage 4 asks of them."""
    shards = Shards.open(Path(source))
    _refuse_other_size(source, shards.crop_px, crop_px, f"write the shards with --px {crop_px}")
    if shards.unknown:
        raise DataError(
            f"{source} lacks joints: {', '.join(shards.unknown)}", "training asks for all 17; take another data set"
        )
    shards.last_clips(1)
    return shards


def _own_frames(source: str, crop_px: int, least_clips: int = 2) -> FrameSet:
    """The user's labelled frames, checked for what stage 4 asks of them."""
    frames = FrameSet.load(Path(source))
    _refuse_other_size(source, frames.crop_px, crop_px, f"make the frame set with {crop_px} px")
    if frames.joints_mm is None or frames.joints_uv is None:
        raise DataError(f"{source} has no labels", "give --source a labelled frame set, or `synth`")
    if len(frames.clips()) < least_clips:
        raise DataError(f"{source} has fewer than two clips: one is held out to measure on", "divide it into clips")
    return frames


def _refuse_other_size(source: str, found_px: int, crop_px: int, remedy: str) -> None:
    if found_px != crop_px:
        raise InputError(
            f"{source} has crops of {found_px} px, the network takes {crop_px} px",
            f"{remedy}, or train a model from the start with --set image.crop_px={found_px}",
        )


def _held_out_from(frames: FrameSet, clips: int) -> int:
    """The first frame of the clips that are held out: the last ones, at most a fifth."""
    starts = [int(clip[0]) for clip in frames.clips()]
    return starts[-max(1, min(clips, len(starts) // 5))]

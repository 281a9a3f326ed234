"""Generated labelled clips, written into shards."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import numpy as np

from sa3dhp_edge.config import preset as preset_settings
from sa3dhp_edge.datasets.motion import unpaired_motion
from sa3dhp_edge.datasets.shard_writer import ShardWriter, encode, picture_kind
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.shards_report import ShardsReport, bar, cores, report_on
from sa3dhp_edge.pool import Plan, Pool
from sa3dhp_edge.synth.backgrounds import Backgrounds
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.stream import ClipMaker

AT_A_TIME = 16
PICTURES_AT_A_TIME = 1024
"""Generated clips, and their pictures, that are taken from the workers at once."""


def synth(
    *, out: Path, clips: int, seconds: float | None, preset: str, domain: str | None, px: int | None,
    fps: float | None, seed: int, poses: Path | None,
    backgrounds: Path | None, workers: int, lossless: bool, resume: bool,
) -> ShardsReport:  # fmt: skip
    """Generate labelled clips into shards; what is not given is as in the preset.

    Raises:
        ConfigError: an unknown domain or preset, or numbers that make no clip.
    """
    begun, settings = monotonic(), preset_settings(preset)
    cfg, name = settings.source, domain or settings.source.domain
    if name not in DOMAINS:
        raise ConfigError(f"there is no domain {name!r}", f"--domain is one of: {', '.join(DOMAINS)}")
    rate, side = fps or cfg.fps, px or settings.image.crop_px
    frames = cfg.frames_per_clip if seconds is None else max(round(seconds * rate), 1)
    about = {
        "generated": name, "seed": seed, "clips": clips, "frames_per_clip": frames, "fps": rate,
        "motion_seconds": settings.motion.procedural_seconds, "poses": None if poses is None else str(poses.resolve()), 
        "backgrounds": None if backgrounds is None else str(backgrounds.resolve()),
    }  # fmt: skip
    motion = unpaired_motion(poses, settings.motion.procedural_seconds, seed)
    photos = None if backgrounds is None else Backgrounds.of_folder(backgrounds)
    make = ClipMaker(DOMAINS[name], motion, frames, rate, side, seed, photos)
    each, kind = max(min(AT_A_TIME, PICTURES_AT_A_TIME // frames), 1), picture_kind(lossless)
    plan = Plan(each, frames, each, each, -(-clips // each))
    with (
        ShardWriter(out, about, side, lossless=lossless, resume=resume) as writer,
        Pool(make, plan, side, workers or cores()) as pool,
        bar("generating", clips) as show,
    ):
        for number in range((writer.after or (0,))[0], clips):
            pool.at(number // each)
            drawn = pool.clip(number)._asdict()
            time_s, origin = np.arange(frames) / rate, (f"synthetic {name}, seed {seed}, clip {number} of a stream",)
            clip = FrameSet(crop_px=side, clip=np.zeros(frames, np.int32), time_s=time_s, origin=origin, **drawn)
            writer.add(encode(clip, kind), (number + 1,))
            show(number + 1)
        return report_on(writer.finish(), {}, begun)

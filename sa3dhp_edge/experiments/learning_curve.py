"""Error against the number of pictures a source model has learned from: its milestones, tested one by one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.source import milestone_path, milestones, picture_size_px, read_frames
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import load_weights, write_json
from sa3dhp_edge.config import Settings, to_dict
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.scored_clips import ScoredClip, scored_clips
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.run_folder import Report, begun_settings
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.report.growth import growth_lines
from sa3dhp_edge.report.tables import Column, markdown_table
from sa3dhp_edge.training.device import use_threads

CLIP_FRAMES = 100
"""So many frames of each real clip are scored."""
OWN = "generated, held out"


@dataclass(frozen=True)
class Milestone:
    """A source model in the middle of its training.

    Attributes:
        steps: taken so far.
        pictures: seen so far, each time anew that one is used.
        crop_px: of the pictures it was learning from.
        pa_mpjpe: test -> mm; the generated pictures first, then each real clip.
    """

    steps: int
    pictures: int
    crop_px: int
    pa_mpjpe: dict[str, float]


def learning_curve(*, run: Path, clips: Path | None, out: Path) -> Report:
    """Test every milestone of a run on generated pictures it has not seen, and on real clips.

    Args:
        run: trained with `source.milestones` above 0.
        clips: prepared clips with 3D truth; None leaves real video out.
        out: gets images.json, images.md, images.png.

    Raises:
        InputError: no run, or one without milestones.
        DataError: clips that cannot be read.
    """
    settings = begun_settings(run)
    if settings is None:
        raise InputError(f"{run} holds no run", "name a folder that `pretrain` wrote")
    use_threads(settings.threads)
    steps = milestones(run / "training")
    if not steps:
        raise InputError(f"{run} kept no milestones", "train it with --set source.milestones=10")
    held_out = FrameSet.load(run / "source_held_out")
    real = () if clips is None else scored_clips(clips, settings.image.crop_px, CLIP_FRAMES)
    d_p = PoseDecoder()
    load_weights(run / "weights" / "d_p.safetensors", d_p)
    freeze(d_p)
    found = [_tested(settings, milestone_path(run / "training", s), s, d_p, held_out, real) for s in steps]
    _publish(out, found, settings, run, clips)
    return {"out": str(out), "pictures": found[-1].pictures, "pa_mpjpe": found[-1].pa_mpjpe}


def _tested(
    settings: Settings, weights: Path, step: int, d_p: PoseDecoder, held_out: FrameSet, real: tuple[ScoredClip, ...]
) -> Milestone:
    """One milestone, on pictures of the size it was learning from."""
    g = image_network(settings.image)
    load_weights(weights, g)
    px = picture_size_px(settings.image, settings.source, step - 1)
    assert held_out.joints_mm is not None
    pose, _, _ = read_frames(g, d_p, held_out.images, px)
    error = {OWN: float(metrics.pa_mpjpe(pose, held_out.joints_mm).mean())}
    for clip in real:
        error[clip.name] = clip.pa_mpjpe(read_frames(g, d_p, clip.images, px)[0])
    return Milestone(step, step * settings.source.batch, px, error)


def _publish(out: Path, found: list[Milestone], settings: Settings, run: Path, clips: Path | None) -> None:
    tests = list(found[0].pa_mpjpe)
    real = tests[1:]
    rows = []
    for m in found:
        mean = float(np.mean([m.pa_mpjpe[t] for t in real])) if real else None
        rows.append((float(m.pictures), float(m.crop_px), m.pa_mpjpe[OWN], mean, *(m.pa_mpjpe[t] for t in real)))
    columns = [Column("pictures", digits=0), Column("crop", "px", digits=0)]
    columns += [Column(title, "mm", digits=1, best="low") for title in (OWN, "real, mean", *real)]
    write_text(out / "images.md", markdown_table(columns, rows))
    write_bytes(
        out / "images.png",
        growth_lines([m.pictures for m in found], {t: [m.pa_mpjpe[t] for m in found] for t in tests}, OWN),
    )
    write_json(
        out / "images.json",
        {
            "what": "PA-MPJPE in mm against pictures learned from; real clips: 13 joints, crops around the true joints",
            "command": f"sa3dhp-edge experiment images --run RUN{'' if clips is None else ' --clips CLIPS'}",
            "seed": settings.seed, "commit": commit(), "machine": machine(), "settings": to_dict(settings),
            "milestones": [asdict(m) for m in found],
        },
    )  # fmt: skip

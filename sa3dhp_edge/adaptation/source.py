"""Stage 4: G learns from labelled source pictures, through the frozen decoder; and how G is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.labelled import LabelledFrames as LabelledFrames
from sa3dhp_edge.adaptation.labelled import LabelledSource
from sa3dhp_edge.adaptation.losses import Labels, presence_term, source_terms
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.views import normalised, plain_views
from sa3dhp_edge.checkpoint import save_weights
from sa3dhp_edge.config import ImageConfig, SourceConfig
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, Reading, image_network, project
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.trainable import step_back
from sa3dhp_edge.training.device import on_device, quick_bf16, training_device
from sa3dhp_edge.training.distributed import ALONE, Team, noticing, shared_statistics
from sa3dhp_edge.training.log import Log
from sa3dhp_edge.training.optimizer import source_optimizers
from sa3dhp_edge.training.resume import Keeper
from sa3dhp_edge.training.schedule import cosine_lr

LOG_EVERY = 25
NOBODY_SHARE = 8
"""One crop without a person for so many with one."""


def fit_image_to_latent(
    source: LabelledSource, held_out: LabelledFrames, e_p: PoseEncoder, d_p: PoseDecoder,
    image: ImageConfig, cfg: SourceConfig, seed: int, log: Log, keep: Path, team: Team = ALONE,
    begin: nn.Module | None = None,
) -> tuple[EdgeG | PaperG, dict[str, float]]:  # fmt: skip
    """Stage 4: G on the labelled source, D_p frozen (section 5.4); and what it and its supply of pictures did.

    Args:
        begin: a trained G of the same form to go on from, and to stay near (`source.given_share`).
    """
    g, told = learn_images(source, e_p, d_p, image, cfg, seed, log, keep, team, begin)
    return g, measure(g, d_p, held_out.frames, held_out.crop_px) | told


def learn_images(
    source: LabelledSource, e_p: PoseEncoder, d_p: PoseDecoder, image: ImageConfig, cfg: SourceConfig, seed: int,
    log: Log, keep: Path, team: Team = ALONE, begin: nn.Module | None = None,
) -> tuple[EdgeG | PaperG, dict[str, float]]:  # fmt: skip
    """The steps of stage 4, in every process of a team; figures about the supply of pictures beside G."""
    torch.manual_seed(seed)
    g, device, parts = _first(image, e_p, begin), training_device(), team.parts(cfg.parts)
    g.bf16 = quick_bf16(device)
    local = replace(cfg, batch=cfg.batch // team.size)
    with on_device(device, g, d_p), shared_statistics(g, team), noticing():
        optimizers = source_optimizers(g, cfg)
        keeper = Keeper(keep, {"g": g}, optimizers)
        start = team.same_state(keeper.start() if team.leads else 0, g, optimizers.values())
        if start < cfg.steps:
            source.at(start)
        team.wait()
        net = team.parallel(g)
        for step in log.steps("G on the source", start, cfg.steps):
            source.at(step)
            for own in optimizers.values():
                cosine_lr(own, cfg.lr, step, cfg.steps, warm_up=100)
                own.zero_grad()
            images, truth = _batch(source, cfg, parts, seed, step, device, picture_size_px(image, cfg, step))
            both = net(images.contiguous(memory_format=torch.channels_last))
            reading = both.first(local.batch)
            terms = source_terms(reading, d_p(reading.z), truth, local) | presence_term(both, local)
            torch.stack(list(terms.values())).sum().backward()
            _refuse_non_finite(nn.utils.clip_grad_norm_(g.parameters(), 5.0), step, terms)
            for own in optimizers.values():
                own.step()
            if step % LOG_EVERY == 0:
                figures = team.mean(torch.stack([v.detach() for v in terms.values()]))
                log.scalars("source", step, dict(zip(terms, figures.tolist(), strict=True)))
            if team.leads:
                keeper.step(step)
                if is_milestone(cfg, step + 1):
                    save_weights(milestone_path(keep.parent, step + 1), g)
        if begin is not None:
            step_back(g, begin.state_dict(), cfg.given_share)
    g.bf16 = False
    g.eval()
    return g, say_waiting(source, log)


def picture_size_px(image: ImageConfig, cfg: SourceConfig, step: int) -> int:
    """Side of the crops at a step: half, then three quarters, then all of the network's own, in multiples of 32.

    Source: progressive learning of Tan & Le 2021, EfficientNetV2, sec. 4.
    """
    if image.backbone != "edge":
        return image.crop_px
    done = step / cfg.steps
    scale = 0.5 if done < cfg.half_size else 0.75 if done < cfg.half_size + cfg.three_quarter_size else 1.0
    return max(32 * round(image.crop_px * scale / 32), 32)


def is_milestone(cfg: SourceConfig, steps: int) -> bool:
    """Whether G is kept after so many steps."""
    return cfg.milestones * steps // cfg.steps > cfg.milestones * (steps - 1) // cfg.steps


def milestone_path(folder: Path, steps: int) -> Path:
    """Where G is kept as it was after so many steps."""
    return folder / f"source-{steps:07d}.safetensors"


def milestones(folder: Path) -> list[int]:
    """After how many steps G was kept, in order."""
    return sorted(int(path.stem.removeprefix("source-")) for path in folder.glob("source-*.safetensors"))


def _first(image: ImageConfig, e_p: PoseEncoder, begin: nn.Module | None) -> EdgeG | PaperG:
    """G before its first step."""
    g = image_network(image)
    if begin is not None:
        g.load_state_dict(begin.state_dict())
    elif isinstance(g, EdgeG):
        g.start_from(e_p)
    elif image.imagenet_weights:
        g.backbone.load_imagenet(Path(image.imagenet_weights))
    g.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return g


def _batch(
    source: LabelledSource, cfg: SourceConfig, parts: tuple[int, ...], seed: int, step: int, device: torch.device,
    px: int,
) -> tuple[Tensor, Labels]:  # fmt: skip
    """The pictures of some parts of a step's batch, all with a person first, and the truth of these."""
    share = cfg.batch // cfg.parts
    images, without, truths = [], [], []
    for part in parts:
        rng = generator(seed, 5, step, part)
        with_person, truth = source.batch(rng, share, device, part, px)
        images.append(with_person)
        truths.append(truth)
        without.append(source.nobody(rng, max(share // NOBODY_SHARE, 1), device, part, px))
    return torch.cat(images + without), Labels(*(torch.cat(column) for column in zip(*truths, strict=True)))


def say_waiting(source: LabelledSource, log: Log) -> dict[str, float]:
    """Say how far the supply of pictures held training up; the figures."""
    told = source.told()
    if told:
        log.say(
            f"rendering kept training waiting {100 * told['waiting_share']:.1f} % of the time, "
            f"after {told['first_fill_s']:.0f} s for the first pictures"
        )
    return told


def _refuse_non_finite(norm: Tensor, step: int, terms: dict[str, Tensor]) -> None:
    """Raise when a gradient's norm says that training has come apart."""
    if not norm.isfinite():
        said = ", ".join(f"{k} {float(v.detach()):.3g}" for k, v in terms.items())
        raise TrainingError(
            f"G on the source: the loss or its gradient is not finite at step {step} ({said})",
            "lower source.lr, or look for labels that are not finite in the source",
        )


def read_frames(
    g: nn.Module, d_p: nn.Module, images: NDArray[np.uint8], crop_px: int, batch: int = 128
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Reading]]:
    """Poses (N, 17, 3) mm, joints (N, 17, 2) uv and the readings, batch by batch, of stored pictures seen plainly.

    Worked out on the training device; all results lie on the CPU.
    """
    device = training_device()
    poses, joints = [], []
    readings: list[Reading] = []
    g.eval()
    with on_device(device, g, d_p), torch.no_grad():
        for start in range(0, len(images), batch):
            part = np.asarray(images[start : start + batch])
            reading = g(normalised(plain_views(len(part)).crops(part, crop_px, device)))
            pose = d_p(reading.z)
            uv = project(pose, reading.camera) if reading.joints_uv is None else reading.joints_uv
            poses.append(pose.cpu().numpy())
            joints.append(uv.cpu().numpy())
            readings.append(reading.cpu())
    return np.concatenate(poses), np.concatenate(joints), readings


def measure(g: nn.Module, d_p: nn.Module, frames: FrameSet, crop_px: int) -> dict[str, float]:
    """3D errors in mm and the 2D error in uv over a labelled set.

    The template is brought to each subject's size (its clip's mean bone lengths), never to the frame's.
    """
    if frames.joints_mm is None or frames.joints_uv is None:
        raise TrainingError("only a labelled set can be measured on")
    pose, uv, _ = read_frames(g, d_p, frames.images, crop_px)
    pose = metrics.at_subject_size(pose, frames.joints_mm, frames.clips())
    error = metrics.summary(pose, frames.joints_mm)
    return error | {"uv": float(np.linalg.norm(uv - frames.joints_uv, axis=-1).mean())}

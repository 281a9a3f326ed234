"""Stage 4: G learns from labelled source pictures, through the frozen decoder; and how G is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.device import CPU, on_device, quick_bf16, training_device
from sa3dhp_edge.adaptation.image_to_latent import EdgeG, PaperG, Reading, image_network, project
from sa3dhp_edge.adaptation.log import Log
from sa3dhp_edge.adaptation.losses import Labels, presence_term, source_terms
from sa3dhp_edge.adaptation.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.resume import Keeper
from sa3dhp_edge.adaptation.schedule import cosine_lr
from sa3dhp_edge.adaptation.views import Views, change_light, cover, nobody_views, normalised, plain_views, random_views
from sa3dhp_edge.config import ImageConfig, SourceConfig
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.geometry import fit_weak_perspective
from sa3dhp_edge.skeleton import to_template

LOG_EVERY = 25
SOURCE_TILT_DEG = 15.0
NOBODY_SHARE = 4
"""One crop without a person for so many with one."""


class LabelledFrames:
    """A labelled frame set as training batches: template poses, and labels that follow the view."""

    def __init__(self, frames: FrameSet, crop_px: int, e_p: PoseEncoder) -> None:
        if frames.joints_mm is None or frames.joints_uv is None or not len(frames):
            raise TrainingError("the source has no labels", "give --source a labelled frame set, or `synth`")
        self.frames, self.crop_px = frames, crop_px
        self._uv, self._e_p = frames.joints_uv, e_p
        self._template = to_template(frames.joints_mm)

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, rng: np.random.Generator, count: int, device: torch.device = CPU) -> tuple[Tensor, Labels]:
        """Random frames from random views in changed light: (b, 3, S, S) normalised, and their truth, on the device."""
        index = np.sort(rng.integers(0, len(self), count))
        views = random_views(rng, count, tilt_deg=SOURCE_TILT_DEG)
        crops = cover(rng, change_light(rng, views.crops(self.frames.images[index], self.crop_px, device)))
        return normalised(crops), Labels(*(t.to(device, non_blocking=True) for t in self.labels(index, views)))

    def nobody(self, rng: np.random.Generator, count: int, device: torch.device = CPU) -> Tensor:
        """Crops of the same pictures that hold no whole person: (b, 3, S, S) normalised."""
        index = np.sort(rng.integers(0, len(self), count))
        crops = nobody_views(rng, count).crops(self.frames.images[index], self.crop_px, device)
        return normalised(change_light(rng, crops))

    def labels(self, index: NDArray[np.intp], views: Views) -> Labels:
        """The truth of frames as the views show them, on the CPU."""
        pose, uv = views.poses(self._template[index]), views.joints_uv(self._uv[index])
        camera = fit_weak_perspective(pose, uv).astype(np.float32)
        pose_t = torch.from_numpy(pose)
        with torch.no_grad():
            z = self._e_p(pose_t)
        return Labels(pose_t, torch.from_numpy(uv), torch.from_numpy(camera), z)


def fit_image_to_latent(
    source: LabelledFrames, held_out: LabelledFrames, e_p: PoseEncoder, d_p: PoseDecoder,
    image: ImageConfig, cfg: SourceConfig, seed: int, log: Log, keep: Path,
) -> tuple[EdgeG | PaperG, dict[str, float]]:  # fmt: skip
    """Stage 4: G on the labelled source, D_p frozen (section 5.4)."""
    torch.manual_seed(seed)
    g = image_network(image)
    if isinstance(g, EdgeG):
        g.start_from(e_p)
    elif image.imagenet_weights:
        g.backbone.load_imagenet(Path(image.imagenet_weights))
    g.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = training_device()
    g.bf16 = quick_bf16(device)
    with on_device(device, g, d_p):
        own = torch.optim.AdamW(g.parameters(), cfg.lr, weight_decay=1e-4)
        keeper = Keeper(keep, {"g": g}, {"own": own})
        for step in log.steps("G on the source", keeper.start(), cfg.steps):
            rng = generator(seed, 5, step)
            cosine_lr(own, cfg.lr, step, cfg.steps, warm_up=100)
            images, truth = source.batch(rng, cfg.batch, device)
            without = source.nobody(rng, cfg.batch // NOBODY_SHARE, device)
            both = g(torch.cat([images, without]).contiguous(memory_format=torch.channels_last))
            reading = both.first(cfg.batch)
            terms = source_terms(reading, d_p(reading.z), truth, cfg) | presence_term(both, cfg)
            own.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            _refuse_non_finite(nn.utils.clip_grad_norm_(g.parameters(), 5.0), step, terms)
            own.step()
            if step % LOG_EVERY == 0:
                log.scalars("source", step, {k: float(v.detach()) for k, v in terms.items()})
            keeper.step(step)
    g.bf16 = False
    g.eval()
    return g, measure(g, d_p, held_out.frames, held_out.crop_px)


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

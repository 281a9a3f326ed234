"""G: crop -> pose latent and weak-perspective camera, in two sizes (method, sections 4 and 9.3).

`EdgeG` reads joints from maps (soft-argmax) and the latent from the joints; `PaperG` is the paper's network.
Both answer with a `Reading`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from sa3dhp_edge.config import ImageConfig
from sa3dhp_edge.networks.pose_autoencoder import LATENT, Kinematics, PoseEncoder
from sa3dhp_edge.networks.resnet import BasicBlock, ResNet50ToRes4
from sa3dhp_edge.skeleton import J

MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
"""Normalisation of every picture; the contract carries it to the device."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation per channel of the pictures, 0..1, that public ImageNet weights were trained on."""
LEAST_CHANNELS = 8
"""Of a strided 1x1 convolution with fewer, oneDNN's way back on AVX2 writes beyond its memory (oneDNN issue 6035)."""


class Reading(NamedTuple):
    """What G says of a batch of crops.

    Attributes:
        z: (b, 32) in (-1, 1).
        camera: (b, 3) weak perspective: scale in uv per metre, tx, ty.
        feature: (b, f) for the contrastive heads.
        joints_uv: (b, 17, 2) in crop coordinates, or None where only the camera can tell.
        depth_uv: (b, 17) depth relative to the pelvis in uv units, or None.
        score: (b, 17) share of a joint's map within its best 3x3 cells times the chance of a person, or None.
        presence: (b,) logit of a whole person being in the crop, or None.
        places: (b, 17, h, w) logits of where in the crop each joint is, or None; a loss reads them, nothing else does.
    """

    z: Tensor
    camera: Tensor
    feature: Tensor
    joints_uv: Tensor | None
    depth_uv: Tensor | None
    score: Tensor | None
    presence: Tensor | None = None
    places: Tensor | None = None

    def first(self, count: int) -> Reading:
        """The first rows."""
        return Reading._make(None if x is None else x[:count] for x in self)

    def cpu(self) -> Reading:
        """What is kept of many pictures, on the CPU: all but presence and places."""
        return Reading._make(None if x is None else x.cpu() for x in (*self[:6], None, None))


class Backbone(nn.Module):
    """Stem and four residual stages at 1/4, 1/8, 1/16, 1/32; layer2 is the paper's Res-3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        thin = max(width // 2, LEAST_CHANNELS)
        self.stem = nn.Sequential(nn.Conv2d(3, thin, 3, 2, 1, bias=False), nn.BatchNorm2d(thin), nn.ReLU(inplace=True))
        self.layer1 = nn.Sequential(BasicBlock(thin, width, 2), BasicBlock(width, width))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width))
        self.layer3 = nn.Sequential(BasicBlock(2 * width, 4 * width, 2), BasicBlock(4 * width, 4 * width))
        self.layer4 = nn.Sequential(BasicBlock(4 * width, 8 * width, 2), BasicBlock(8 * width, 8 * width))

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [self.layer1(self.stem(image))]
        for layer in (self.layer2, self.layer3, self.layer4):
            maps.append(layer(maps[-1]))
        return maps


class JointMaps(nn.Module):
    """Coarse maps are brought up and joined to finer ones; per joint a place map and a depth map, integrated."""

    centres: Tensor

    def __init__(self, width: int, crop_px: int) -> None:
        super().__init__()
        self.finest = 1 if crop_px >= 96 else 0
        channels = [width, 2 * width, 4 * width, 8 * width]
        self.lateral = nn.ModuleList(nn.Conv2d(c, 2 * width, 1) for c in channels[self.finest :])
        self.mix = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.maps = nn.Conv2d(2 * width, 2 * J, 1)
        side = crop_px // (8 if self.finest else 4)
        self.register_buffer("centres", _cell_centres(side), persistent=False)

    def forward(self, pyramid: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """joints_uv (b, 17, 2), depth_uv (b, 17), score (b, 17), places (b, 17, h, w)."""
        levels = pyramid[self.finest :]
        top = self.lateral[-1](levels[-1])
        for lateral, level in zip(list(self.lateral)[-2::-1], levels[-2::-1], strict=True):
            top = lateral(level) + interpolate(top, scale_factor=2.0, mode="nearest")
        place, depth = self.maps(self.mix(top)).float().chunk(2, 1)
        probability = place.flatten(2).softmax(-1).view_as(place)
        centres = self.centres
        if (side := place.shape[-1]) != len(centres):  # early in training pictures are smaller
            centres = _cell_centres(side).to(place.device)
        u = (probability.sum(2) * centres).sum(-1)
        v = (probability.sum(3) * centres).sum(-1)
        deep = (probability * depth).sum((2, 3))
        score = avg_pool2d(probability, 3, 1, 1).amax((2, 3)) * 9
        return torch.stack([u, v], -1), deep - deep[:, :1], score, place


def _cell_centres(side: int) -> Tensor:
    """(side,) crop coordinates of a map's cells."""
    return (torch.arange(side) + 0.5) * 2 / side - 1


class EdgeG(nn.Module):
    """Small residual network whose latent is E_p of the joints it sees, plus a learned correction.

    `bf16` runs the convolutions, and only them, in bfloat16.
    """

    bf16 = False

    def __init__(self, cfg: ImageConfig) -> None:
        super().__init__()
        self.backbone = Backbone(cfg.width)
        self.joints = JointMaps(cfg.width, cfg.crop_px)
        self.kinematics = Kinematics()
        self.encoder = PoseEncoder()
        joined = 8 * cfg.width + 4 * J
        self.features = joined
        self.correction = nn.Sequential(nn.Linear(joined, 256), nn.ReLU(), _silent(256, LATENT))
        self.camera = nn.Sequential(nn.Linear(joined, 64), nn.ReLU(), _silent(64, 3))
        self.presence = nn.Sequential(nn.Linear(joined, 64), nn.ReLU(), nn.Linear(64, 1))

    def start_from(self, encoder: PoseEncoder) -> None:
        """Give the latent head the frozen E_p's weights to begin with."""
        self.encoder.load_state_dict(encoder.state_dict())

    def forward(self, image: Tensor) -> Reading:
        """(b, 3, S, S) normalised -> Reading."""
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.bf16):
            pyramid = self.backbone(image)
            uv, depth, score, places = self.joints(pyramid)
        seen = torch.cat([uv, depth[..., None]], -1)
        pooled = pyramid[-1].mean((2, 3)).float()
        feature = torch.cat([pooled, seen.flatten(1), score], -1)
        z = torch.tanh(self.encoder.before_tanh(seen) + self.correction(feature))
        log_scale, shift = self.camera(feature).split([1, 2], -1)
        spread = (uv - uv.mean(1, keepdim=True)).square().sum((1, 2)).add(1e-6).sqrt()[:, None]
        camera = torch.cat([0.4 * spread * log_scale.exp(), uv[:, 0] + shift], -1)
        presence = self.presence(feature)[:, 0]
        return Reading(z, camera, feature, uv, depth, score * presence.sigmoid()[:, None], presence, places)


class PaperG(nn.Module):
    """ResNet-50 to res4f, a convolutional head and fully connected layers (method, section 4).

    Pictures arrive normalised as everywhere; the backbone gets them as ImageNet weights know them.
    """

    bf16 = False
    gain: Tensor
    offset: Tensor

    def __init__(self, cfg: ImageConfig) -> None:
        super().__init__()
        mean, std, own_mean, own_std = (torch.tensor(v).view(3, 1, 1) for v in (*IMAGENET, MEAN, STD))
        self.register_buffer("gain", own_std / std, persistent=False)
        self.register_buffer("offset", (own_mean - mean) / std, persistent=False)
        self.backbone = ResNet50ToRes4()
        sizes = [1024, 512, 256, 128, 64]
        self.head = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(a, b, 3, 2 if i == 0 else 1, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)
                )
                for i, (a, b) in enumerate(pairwise(sizes))
            )
        )
        self.features = 1024
        side = -(-cfg.crop_px // 32)
        self.feature = nn.Linear(64 * side * side, 1024)
        self.latent = nn.Sequential(
            nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()
        )
        self.z = nn.Linear(128, LATENT)
        self.camera = nn.Linear(128, 3)

    def forward(self, image: Tensor) -> Reading:
        """(b, 3, S, S) normalised -> Reading without 2D: joints follow from pose and camera."""
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.bf16):
            maps = self.head(self.backbone(image * self.gain + self.offset))
        feature = self.feature(maps.float().flatten(1))
        latent = self.latent(feature)
        log_scale, shift = self.camera(latent).split([1, 2], -1)
        return Reading(torch.tanh(self.z(latent)), torch.cat([log_scale.exp(), shift], -1), feature, None, None, None)


def _silent(c_in: int, c_out: int) -> nn.Linear:
    """A linear layer that says nothing until it is trained."""
    layer = nn.Linear(c_in, c_out)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def image_network(cfg: ImageConfig) -> EdgeG | PaperG:
    """G of the configured size."""
    return PaperG(cfg) if cfg.backbone == "resnet50" else EdgeG(cfg)


def project(pose_mm: Tensor, camera: Tensor) -> Tensor:
    """Weak perspective: (b, 17, 3) mm and (b, 3) to (b, 17, 2) uv."""
    return pose_mm[..., :2] / 1000 * camera[:, None, :1] + camera[:, None, 1:]

"""The terms of the paper and of the source, one function each; every one returns a scalar."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, normalize

from sa3dhp_edge.config import SourceConfig
from sa3dhp_edge.networks.image_to_latent import Reading

POSE_UNIT_MM = 100.0
"""Pose errors enter losses in decimetres, so that they are of order one."""


class Labels(NamedTuple):
    """Source truth of a batch: template pose (b, 17, 3) mm, joints (b, 17, 2) uv, camera (b, 3), latent (b, 32)."""

    pose_mm: Tensor
    joints_uv: Tensor
    camera: Tensor
    z: Tensor


class ContrastHead(nn.Module):
    """FC 512-256-128 on a feature, unit length (method, section 4)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 128)
        )

    def forward(self, feature: Tensor) -> Tensor:
        return normalize(self.layers(feature), dim=-1)


def pose_l1(predicted_mm: Tensor, true_mm: Tensor) -> Tensor:
    """Mean absolute difference of poses, in decimetres."""
    return (predicted_mm - true_mm).abs().mean() / POSE_UNIT_MM


def source_terms(reading: Reading, pose_mm: Tensor, truth: Labels, cfg: SourceConfig) -> dict[str, Tensor]:
    """L_sup: pose through the frozen decoder, latent, camera, and 2D and depth where G has them.

    Differs: the paper has the pose term alone (method, sections 5.4 and 9.3).
    """
    terms = {
        "pose": pose_l1(pose_mm, truth.pose_mm),
        "latent": cfg.weight_latent * (reading.z - truth.z).abs().mean(),
        "camera": cfg.weight_camera
        * (
            (reading.camera[:, :1] / truth.camera[:, :1] - 1).abs().mean()
            + (reading.camera[:, 1:] - truth.camera[:, 1:]).abs().mean()
        ),
    }
    if reading.joints_uv is not None and reading.depth_uv is not None:
        depth = truth.pose_mm[..., 2] / 1000 * truth.camera[:, :1]
        inside = truth.joints_uv.clamp(-1, 1)  # maps end at the crop's border: a joint beyond it is held to be there
        terms["uv"] = cfg.weight_uv * 10 * (reading.joints_uv - inside).abs().mean()
        terms["depth"] = cfg.weight_depth * 10 * (reading.depth_uv - depth).abs().mean()
    if reading.places is not None and cfg.weight_place:
        terms["place"] = cfg.weight_place * place_loss(reading.places, truth.joints_uv)
    return terms


def place_loss(places: Tensor, joints_uv: Tensor) -> Tensor:
    """Cross-entropy of place maps against the four cells around each joint, whose shares have the joint as their mean.

    A map that is sure of a wrong place hardly moves under the error of its mean, since the right cell has no part in
    that yet; this term moves it. Joints outside the crop have no cell and no part.
    Source: the sum of both forms in Sun et al. 2018, Integral Human Pose Regression, sec. 2; not in the paper.

    Args:
        places: (b, 17, h, w) logits.
        joints_uv: (b, 17, 2) crop coordinates.
    """
    height, width = places.shape[-2:]
    cells = joints_uv.new_tensor([width, height])
    at = ((joints_uv + 1) / 2 * cells - 0.5).clamp(min=0).minimum(cells - 1)
    low = at.nan_to_num().floor().minimum(cells - 2)  # a joint that is not a number has a loss that is none
    share = at - low
    column, row = low.long().unbind(-1)
    said = log_softmax(places.flatten(2), -1)
    loss = joints_uv.new_zeros(places.shape[:2])
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = (1 - (share - share.new_tensor((right, down))).abs()).prod(-1)
        cell = (row + down) * width + column + right
        loss = loss - part * said.gather(-1, cell[..., None])[..., 0]
    inside = (joints_uv.abs() <= 1).all(-1)
    return (loss * inside).sum() / inside.sum().clamp(min=1)


def presence_term(reading: Reading, cfg: SourceConfig) -> dict[str, Tensor]:
    """Is a whole person in the crop: cross-entropy, where the first `cfg.batch` rows hold one. Not in the paper."""
    if reading.presence is None:
        return {}
    truth = (torch.arange(len(reading.presence), device=reading.presence.device) < cfg.batch).float()
    return {"presence": cfg.weight_presence * binary_cross_entropy_with_logits(reading.presence, truth)}


def info_nce(anchor: Tensor, positive: Tensor, group: Tensor, temperature: float) -> Tensor:
    """L_LCR, L_HCR: (b, d) unit vectors against each other; a group's other members are no negatives.

    Args:
        group: (b,) the clip each row comes from.
    """
    group = group.to(anchor.device)
    logits = anchor @ positive.T / temperature
    same = group[:, None] == group[None, :]
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, float("-inf"))
    return cross_entropy(logits, torch.arange(len(anchor), device=anchor.device))


def relation_residual(moved: Tensor, positive: Tensor) -> Tensor:
    """L_1^z, L_1^v, L_2^v: mean absolute difference of T(latent) and the latent of the transformed sample."""
    return (moved - positive).abs().mean()

"""One pose <-> pose latent: E_p, D_p and the critic (method, section 4).

All three see unit bone vectors in camera axes; decoding is unit vectors times the template's lengths.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize

from sa3dhp_edge.skeleton import ANCESTORS, BONES, DIFFERENCES, TEMPLATE_BONE_MM

LATENT = 32

_TRUNK = ("neck", "head_top", "right_hip")  # the hips share one line: the right one stands for both
_LIMBS = (
    ("right_shoulder", "right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow", "left_wrist"),
    ("right_knee", "right_ankle", "right_foot"),
    ("left_knee", "left_ankle", "left_foot"),
)
_FREE = _TRUNK + tuple(bone for limb in _LIMBS for bone in limb)


class Kinematics(nn.Module):
    """Template poses <-> unit bone vectors, as two constant matrices; differentiable."""

    ancestors: Tensor
    differences: Tensor
    lengths: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ancestors", torch.tensor(ANCESTORS), persistent=False)
        self.register_buffer("differences", torch.tensor(DIFFERENCES), persistent=False)
        self.register_buffer("lengths", torch.tensor(TEMPLATE_BONE_MM)[:, None], persistent=False)

    def directions(self, pose: Tensor) -> Tensor:
        """(..., 17, 3) of any unit to (..., 16, 3) unit vectors."""
        return normalize(torch.matmul(self.differences, pose), dim=-1, eps=1e-6)

    def pose_mm(self, directions: Tensor) -> Tensor:
        """(..., 16, 3) unit vectors to (..., 17, 3) mm."""
        return torch.matmul(self.ancestors, directions * self.lengths)


class PoseEncoder(nn.Module):
    """E_p: (b, 17, 3) pose, any unit -> (b, 32) in (-1, 1); limbs, halves, then the whole body."""

    def __init__(self) -> None:
        super().__init__()
        self.kinematics = Kinematics()
        self.trunk = nn.Linear(3 * len(_TRUNK), 32)
        self.limbs = nn.ModuleList(nn.Linear(3 * len(limb), 32) for limb in _LIMBS)
        self.joined = nn.ModuleList(nn.Linear(64, 64) for _ in _LIMBS)
        self.upper = nn.Linear(128, 128)
        self.lower = nn.Linear(128, 128)
        self.body = nn.Linear(256, 512)
        self.latent = nn.Linear(512, LATENT)

    def before_tanh(self, pose: Tensor) -> Tensor:
        """(b, 32) unbounded."""
        bones = self.kinematics.directions(pose)
        trunk = _lrelu(self.trunk(_flat(bones, _TRUNK)))
        limbs = [_lrelu(f(_flat(bones, names))) for f, names in zip(self.limbs, _LIMBS, strict=True)]
        joined = [_lrelu(f(torch.cat([trunk, limb], -1))) for f, limb in zip(self.joined, limbs, strict=True)]
        upper = _lrelu(self.upper(torch.cat(joined[:2], -1)))
        lower = _lrelu(self.lower(torch.cat(joined[2:], -1)))
        return self.latent(_lrelu(self.body(torch.cat([upper, lower], -1))))  # type: ignore[no-any-return]

    def forward(self, pose: Tensor) -> Tensor:
        return torch.tanh(self.before_tanh(pose))


class PoseDecoder(nn.Module):
    """D_p: (..., 32) -> (..., 17, 3) mm with the template's bone lengths; every latent is a pose."""

    def __init__(self) -> None:
        super().__init__()
        self.kinematics = Kinematics()
        self.body = nn.Sequential(nn.Linear(LATENT, 512), nn.LeakyReLU(0.2), nn.Linear(512, 512), nn.LeakyReLU(0.2))
        self.upper = nn.Linear(512, 128)
        self.lower = nn.Linear(512, 128)
        self.trunk = nn.Sequential(nn.Linear(512, 64), nn.LeakyReLU(0.2), nn.Linear(64, 3 * len(_TRUNK)))
        self.limbs = nn.ModuleList(
            nn.Sequential(nn.Linear(128, 64), nn.LeakyReLU(0.2), nn.Linear(64, 3 * len(limb))) for limb in _LIMBS
        )

    def forward(self, z: Tensor) -> Tensor:
        body = self.body(z)
        halves = [_lrelu(self.upper(body))] * 2 + [_lrelu(self.lower(body))] * 2
        parts = [self.trunk(body)] + [f(half) for f, half in zip(self.limbs, halves, strict=True)]
        free = torch.cat(parts, -1)
        free = normalize(free.reshape(*z.shape[:-1], len(_FREE), 3), dim=-1, eps=1e-6)
        columns = [
            -free[..., _FREE.index("right_hip"), :] if b == "left_hip" else free[..., _FREE.index(b), :] for b in BONES
        ]
        return self.kinematics.pose_mm(torch.stack(columns, -2))


class PoseCritic(nn.Module):
    """Real or decoded: a logit per joint, per limb group and for the whole pose; (b, 17, 3) -> (b, 22)."""

    def __init__(self) -> None:
        super().__init__()
        self.kinematics = Kinematics()
        self.joint = nn.Sequential(nn.Linear(3, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2))
        self.joint_logit = nn.Parameter(torch.randn(len(BONES), 32) * 0.1)
        self.groups = nn.ModuleList(
            nn.Sequential(nn.Linear(32 * len(g), 200), nn.LeakyReLU(0.2), nn.Linear(200, 1)) for g in (_TRUNK, *_LIMBS)
        )
        self.whole = nn.Sequential(
            nn.Linear(32 * len(BONES), 1024),
            nn.LeakyReLU(0.2),
            nn.Linear(1024, 1024),
            nn.LeakyReLU(0.2),
            nn.Linear(1024, 1),
        )

    def forward(self, pose: Tensor) -> Tensor:
        features = self.joint(self.kinematics.directions(pose))
        joints = (features * self.joint_logit).sum(-1)
        groups = [f(_flat(features, names)) for f, names in zip(self.groups, (_TRUNK, *_LIMBS), strict=True)]
        return torch.cat([joints, *groups, self.whole(features.flatten(-2))], -1)


def _flat(bones: Tensor, names: tuple[str, ...]) -> Tensor:
    return torch.cat([bones[..., BONES.index(name), :] for name in names], -1)


def _lrelu(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.2)

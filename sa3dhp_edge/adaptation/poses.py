"""Unpaired 3D motion as a network sees it: template poses and windows, from every side, seeded by the step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa3dhp_edge.adaptation.relations import TICK_HZ
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.networks.motion_autoencoder import WINDOW
from sa3dhp_edge.skeleton import MIRROR
from sa3dhp_edge.training.device import CPU

SPAN_TICKS = 4 * WINDOW
"""Longest stretch a rule looks at (60 frames at 30 Hz), in ticks of 1/60 s."""
ALL_TICKS = np.arange(SPAN_TICKS)


def generator(*keys: int) -> np.random.Generator:
    """A generator that depends on nothing but its keys: seed, stage, step. So a resumed run is the same run."""
    return np.random.default_rng(keys)


def random_views(rng: np.random.Generator, count: int, tilt_deg: float) -> NDArray[np.float32]:
    """(count, 3, 3): azimuth anywhere, camera pitch, in-plane tilt (half of them small), mirror for one in two."""
    azimuth = rng.uniform(0, 360, count)
    pitch = np.clip(rng.normal(8, 14, count), -35, 60)
    tilt = np.where(rng.random(count) < 0.5, rng.normal(0, 8, count), rng.uniform(-tilt_deg, tilt_deg, count))
    views = _turn(tilt, 0, 1) @ _turn(pitch, 1, 2) @ _turn(azimuth, 2, 0)
    views[rng.random(count) < 0.5, 0] *= -1
    return views.astype(np.float32)


def _turn(angle_deg: NDArray[np.float64], a: int, b: int) -> NDArray[np.float64]:
    """(n, 3, 3): turns axis a towards axis b."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.tile(np.eye(3), (len(angle_deg), 1, 1))
    turn[:, a, a], turn[:, a, b], turn[:, b, a], turn[:, b, b] = c, -s, s, c
    return turn


class PoseSampler:
    """Draws template poses and windows of them from a motion set, each seen from a random side.

    Poses lie, and are turned, on `device`; the stages that learn from them run there.
    """

    def __init__(self, motion: MotionSet, device: torch.device = CPU) -> None:
        if not len(motion):
            raise TrainingError("there is no 3D motion to learn from", "give --poses a folder with BVH files")
        if motion.hz != TICK_HZ:
            raise TrainingError(
                f"the 3D motion has {motion.hz:g} frames a second, rules count in ticks of 1/{TICK_HZ} s",
                f"resample it to {TICK_HZ} Hz",
            )
        self.device = device
        self._poses = torch.from_numpy(motion.poses_mm()).to(device)
        self._starts = motion.windows(SPAN_TICKS)

    def poses(self, rng: np.random.Generator, count: int, tilt_deg: float) -> Tensor:
        """(count, 17, 3) mm."""
        index = torch.from_numpy(rng.integers(0, len(self._poses), count)).to(self.device)
        return _seen(self._poses[index], random_views(rng, count, tilt_deg))

    def stretches(
        self, rng: np.random.Generator, count: int, tilt_deg: float, ticks: NDArray[np.int64] = ALL_TICKS
    ) -> Tensor:
        """(count, len(ticks), 17, 3) mm: moments of stretches long enough for every rule, one view a stretch.

        Args:
            ticks: the wanted moments, in 1/60 s from a stretch's start, each below 120.
        """
        if not len(self._starts):
            raise TrainingError("no motion is as long as 2 s", "give --poses a folder with longer BVH files")
        first = rng.choice(self._starts, count)
        index = torch.from_numpy(first[:, None] + ticks).to(self.device)
        return _seen(self._poses[index], random_views(rng, count, tilt_deg))


def _seen(poses: Tensor, views: NDArray[np.float32]) -> Tensor:
    """Poses (b, ..., 17, 3) through views (b, 3, 3); a mirroring view also exchanges left and right."""
    shape = (len(views),) + (1,) * (poses.ndim - 3)
    turned = poses @ torch.from_numpy(views).to(poses.device).mT.reshape(*shape, 3, 3)
    mirrored = torch.from_numpy(np.linalg.det(views) < 0).to(poses.device).reshape(*shape, 1, 1)
    return torch.where(mirrored, turned[..., list(MIRROR), :], turned)

"""Watches an adaptation without labels: has the target's pose spread collapsed, has the source been forgotten?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sa3dhp_edge.adaptation.source import measure, read_frames
from sa3dhp_edge.config import AdaptConfig
from sa3dhp_edge.frameset import FrameSet


@dataclass(frozen=True)
class Health:
    """What the guard sees at one moment: target pose spread and held-out source error, both mm."""

    spread_mm: float
    source_mpjpe_mm: float

    def fault(self, start: Health, cfg: AdaptConfig) -> str | None:
        """Why this is no longer acceptable, or None; what is not finite is a fault."""
        if not np.isfinite([self.spread_mm, self.source_mpjpe_mm]).all():
            return "the network gives numbers that are not finite"
        if self.spread_mm < cfg.collapse_floor * start.spread_mm:
            return f"collapse: pose spread on the target fell from {start.spread_mm:.0f} to {self.spread_mm:.0f} mm"
        if self.source_mpjpe_mm > cfg.forgetting_ceiling * start.source_mpjpe_mm:
            return f"forgetting: source error rose from {start.source_mpjpe_mm:.0f} to {self.source_mpjpe_mm:.0f} mm"
        return None


def pose_spread_mm(pose_mm: NDArray[np.float32]) -> float:
    """How much poses (n, 17, 3) differ in shape: mean deviation of all joint-to-joint distances, mm.

    Distances do not see any rotation, so a mean pose that merely turns with the picture has no spread.
    """
    distances = np.linalg.norm(pose_mm[:, :, None] - pose_mm[:, None], axis=-1)
    i, j = np.triu_indices(pose_mm.shape[1], 2)
    return float(distances[:, i, j].std(0).mean())


def examine(g: nn.Module, d_p: nn.Module, target: NDArray[np.uint8], source: FrameSet, crop_px: int) -> Health:
    """Health of G on held-out target pictures and held-out labelled source frames."""
    pose, _, _ = read_frames(g, d_p, target, crop_px)
    return Health(pose_spread_mm(pose), measure(g, d_p, source, crop_px)["mpjpe"])

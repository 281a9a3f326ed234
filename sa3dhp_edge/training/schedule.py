"""Learning rate over a stage: a half cosine, a function of the step alone."""

from __future__ import annotations

import math

import torch


def cosine_lr(optimizer: torch.optim.Optimizer, lr: float, step: int, steps: int, warm_up: int = 0) -> None:
    """Set the rate for a step: a linear rise over `warm_up` steps, then down to a fiftieth of `lr`."""
    rise = min(1.0, (step + 1) / (warm_up + 1))
    share = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
    for group in optimizer.param_groups:
        group["lr"] = lr * rise * (0.02 + 0.98 * share)

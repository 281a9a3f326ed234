"""Batch-normalisation statistics of source and target: taken from the target, and each domain read through its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.views import normalised, random_views
from sa3dhp_edge.training.device import on_device, training_device

Statistics = list[tuple[Tensor, Tensor]]
"""Running mean and variance of each normalisation."""


def reestimate_statistics(g: nn.Module, clips: TargetClips, crop_px: int, seed: int, batches: int = 20) -> None:
    """The free baseline: batch-normalisation statistics from the target, nothing else (section 9.6)."""
    layers = _normalisations(g)
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over the batches
        layer.train()
    index = clips.indices()
    device = training_device()
    with on_device(device, g), torch.no_grad():
        for step in range(batches):
            rng = generator(seed, 7, step)
            pictures = np.asarray(clips.frames.images[np.sort(rng.choice(index, 64))])
            g(normalised(random_views(rng, 64, tilt_deg=10).crops(pictures, crop_px, device)))
    for layer in layers:
        layer.momentum = 0.1
        layer.eval()


def statistics(g: nn.Module) -> Statistics:
    """A copy of the running statistics, in the order of the layers."""
    return [(m.running_mean.clone(), m.running_var.clone()) for m in _normalisations(g)]  # type: ignore[union-attr]


@contextmanager
def reading_with(g: nn.Module, there: Statistics | None) -> Iterator[None]:
    """G with other running statistics for a while; None leaves its own.

    The tensors change places, since a way back may still need those of the way forward.
    """
    layers = _normalisations(g)
    own = [(m.running_mean, m.running_var) for m in layers]
    try:
        _put(layers, own if there is None else there)
        yield
    finally:
        _put(layers, own)


def _put(layers: list[nn.BatchNorm2d], values: Sequence[tuple[Tensor | None, Tensor | None]]) -> None:
    for layer, (mean, variance) in zip(layers, values, strict=True):
        layer.running_mean, layer.running_var = mean, variance


def _normalisations(g: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in g.modules() if isinstance(m, nn.BatchNorm2d)]

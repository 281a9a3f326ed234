"""Which parameters move, and how to undo it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sa3dhp_edge.errors import ConfigError


def unfreeze_only(net: nn.Module, patterns: Iterable[str]) -> dict[str, nn.Parameter]:
    """Freeze a network except the parameters whose names fit a pattern; returns those by name.

    Raises:
        ConfigError: a pattern fits nothing.
    """
    chosen: dict[str, nn.Parameter] = {}
    named = dict(net.named_parameters())
    for pattern in patterns:
        fits = {k: p for k, p in named.items() if fnmatch.fnmatchcase(k, pattern)}
        if not fits:
            tops = ", ".join(sorted({".".join(k.split(".")[:2]) + ".*" for k in named}))
            raise ConfigError(f"adapt.trainable pattern {pattern!r} fits no parameter", f"there are: {tops}")
        chosen |= fits
    for name, parameter in named.items():
        parameter.requires_grad_(name in chosen)
    return chosen


def freeze(*nets: nn.Module) -> None:
    """Fix networks for good: no gradients of their own, no moving statistics."""
    for net in nets:
        net.eval()
        net.requires_grad_(False)


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter and persistent buffer of a network: what `restore` puts back."""
    return {k: v.detach().clone() for k, v in net.state_dict().items()}


def step_back(net: nn.Module, state: dict[str, Tensor], share: float) -> None:
    """Go a share of the way back to a snapshot, in parameters and statistics; 1 is `restore`.

    Source: the mean of weights before and after fine-tuning, Wortsman et al. 2022, Robust fine-tuning of zero-shot
    models, sec. 3.
    """
    with torch.no_grad():
        for name, now in net.state_dict().items():
            if now.is_floating_point():
                now.lerp_(state[name].to(now), share)


def restore(net: nn.Module, state: dict[str, Tensor]) -> None:
    """Put a snapshot back, bit for bit."""
    net.load_state_dict(state)

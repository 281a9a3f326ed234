"""What moves of a large weight: a product of two small matrices added to it, folded in when adaptation is done.

Low-rank changes (Hu et al. 2022, LoRA), of convolutions too: a filter bank is the matrix of its flattened filters. The
network that comes out is of the shape that went in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations


class LowRank(nn.Module):
    """A weight (c_out, ...) and its change; the change is nothing at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        inputs = weight[0].numel()
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view(weight.shape)


@contextmanager
def low_rank(net: nn.Module, moving: Mapping[str, nn.Parameter], rank: int) -> Iterator[dict[str, nn.Parameter]]:
    """Let low-rank changes move in the place of whole matrices and filter banks, and fold them in on leaving.

    Args:
        moving: by name in `net`; vectors among them move themselves.
        rank: 0 changes nothing.

    Yields:
        what moves, by name.
    """
    moved, layers = dict(moving), []
    for name, weight in moving.items():
        path, _, leaf = name.rpartition(".")
        if rank and weight.ndim > 1:
            layer, change = net.get_submodule(path), LowRank(weight.detach(), rank).to(weight.device)
            register_parametrization(layer, leaf, change)
            weight.requires_grad_(False)
            layers.append((layer, leaf))
            del moved[name]
            moved |= {f"{name}.down": change.down, f"{name}.up": change.up}
    try:
        yield moved
    finally:
        for layer, leaf in layers:
            remove_parametrizations(layer, leaf, leave_parametrized=True)

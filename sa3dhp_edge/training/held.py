"""How much memory a step holds between its way forward and its way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Held:
    """The most that any watched step held.

    Attributes:
        most_mb: 10^6 bytes of what autograd keeps, each storage counted once, the networks' own weights left out.
    """

    def __init__(self, *nets: nn.Module) -> None:
        self.most_mb = 0.0
        self._nets = nets

    @contextmanager
    def watching(self, wanted: bool) -> Iterator[None]:
        """Measure a way forward, where wanted."""
        if not wanted:
            yield
            return
        own = {t.untyped_storage().data_ptr() for net in self._nets for t in net.state_dict().values()}
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            yield
        self.most_mb = max(self.most_mb, sum(kept.values()) / 1e6)

"""T: a latent to the latent of the transformed sample, one network per rule (method, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RelationTransformer(nn.Module):
    """(b, d) -> (b, d) in (-1, 1): FC 1024 - 512 - d, d = 32 for poses, 128 for motions."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, latent)
        )

    def forward(self, latent: Tensor) -> Tensor:
        return torch.tanh(self.layers(latent))

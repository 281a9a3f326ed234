"""Both forms of the motion auto-encoder have one shape and can learn a handful of windows by heart."""

from __future__ import annotations

import pytest
import torch

from sa3dhp_edge.networks.motion_autoencoder import MOTION_LATENT, WINDOW, motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import LATENT


@pytest.mark.parametrize("arch", ["conv", "lstm"])
def test_a_few_windows_are_learned_by_heart(arch: str) -> None:
    torch.manual_seed(0)
    e_m, d_m = motion_autoencoder(arch)
    time = torch.linspace(0, 1, WINDOW)[None, :, None]
    windows = 0.6 * torch.sin(6 * time * torch.rand(6, 1, LATENT) + 6 * torch.rand(6, 1, LATENT))
    own = torch.optim.Adam([*e_m.parameters(), *d_m.parameters()], 3e-3)
    losses = []
    for _ in range(150):
        v = e_m(windows)
        loss = (d_m(v) - windows).square().mean()
        own.zero_grad()
        loss.backward()
        own.step()
        losses.append(float(loss.detach()))
    assert v.shape == (6, MOTION_LATENT)
    assert float(v.detach().abs().max()) <= 1
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("arch", ["conv", "lstm"])
def test_time_reversal_is_seen(arch: str) -> None:
    torch.manual_seed(0)
    e_m, _ = motion_autoencoder(arch)
    windows = torch.rand(2, WINDOW, LATENT).cumsum(1) / WINDOW
    assert float((e_m(windows) - e_m(windows.flip(1))).abs().mean().detach()) > 1e-3

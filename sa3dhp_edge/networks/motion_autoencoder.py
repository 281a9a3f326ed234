"""A window of pose latents <-> motion latent: E_m and D_m (method, section 4), in two forms.

`conv` exports to plain convolutions; `lstm` is the authors' form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sa3dhp_edge.networks.pose_autoencoder import LATENT

WINDOW = 30
"""Frames in a motion window."""
WINDOW_FPS = 30.0
MOTION_LATENT = 128


class ConvMotionEncoder(nn.Module):
    """E_m: (b, 30, 32) -> (b, 128) in (-1, 1). Differs: strided convolutions in place of the LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(LATENT, 128, 5, padding=2), nn.LeakyReLU(0.2),
            nn.Conv1d(128, 128, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv1d(128, 192, 3, 2, 1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.latent = nn.Linear(192 * 8, MOTION_LATENT)

    def forward(self, z_window: Tensor) -> Tensor:
        return torch.tanh(self.latent(self.layers(z_window.transpose(1, 2)).flatten(1)))


class ConvMotionDecoder(nn.Module):
    """D_m: (b, 128) -> (b, 30, 32) in (-1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(MOTION_LATENT, 192 * 8)
        self.layers = nn.Sequential(
            nn.ConvTranspose1d(192, 128, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.ConvTranspose1d(128, 128, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv1d(128, LATENT, 5, padding=2),
        )  # fmt: skip

    def forward(self, v: Tensor) -> Tensor:
        start = torch.nn.functional.leaky_relu(self.start(v), 0.2).reshape(-1, 192, 8)
        return torch.tanh(self.layers(start)).transpose(1, 2)


class LstmMotionEncoder(nn.Module):
    """E_m: two-layer bidirectional LSTM, last states, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(LATENT, 128, 2, batch_first=True, bidirectional=True)
        self.latent = nn.Linear(256, MOTION_LATENT)

    def forward(self, z_window: Tensor) -> Tensor:
        _, (last, _) = self.lstm(z_window)
        return torch.tanh(self.latent(torch.cat([last[-2], last[-1]], -1)))


class LstmMotionDecoder(nn.Module):
    """D_m: the latent at every frame through a two-layer bidirectional LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MOTION_LATENT, 128, 2, batch_first=True, bidirectional=True)
        self.frame = nn.Linear(256, LATENT)

    def forward(self, v: Tensor) -> Tensor:
        states, _ = self.lstm(v[:, None].expand(-1, WINDOW, -1))
        return torch.tanh(self.frame(states))


def motion_autoencoder(arch: str) -> tuple[nn.Module, nn.Module]:
    """(E_m, D_m) of the named form."""
    if arch == "lstm":
        return LstmMotionEncoder(), LstmMotionDecoder()
    return ConvMotionEncoder(), ConvMotionDecoder()

"""Saves a stage's training state now and then, and finds it again after an interrupt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from sa3dhp_edge.checkpoint import load_training, save_training


class Keeper:
    """One file that holds the newest state of a stage in training; gone once the stage is done."""

    def __init__(
        self, path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer],
        every_s: float = 20.0,
    ) -> None:  # fmt: skip
        self._path, self._modules, self._optimizers, self._every_s = path, modules, optimizers, every_s
        self._saved = time.monotonic()

    def start(self) -> int:
        """Restore what is saved; the step to go on from."""
        return load_training(self._path, self._modules, self._optimizers)

    def step(self, step: int) -> None:
        """Call after each step; saves when the time has come."""
        if time.monotonic() - self._saved > self._every_s:
            save_training(self._path, step + 1, self._modules, self._optimizers)
            self._saved = time.monotonic()

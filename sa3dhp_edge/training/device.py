"""Where the training runs: GPU if there is one, and bfloat16 where it is quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

CPU = torch.device("cpu")


def training_device() -> torch.device:
    """The GPU if torch sees one, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else CPU


def place(net: nn.Module) -> torch.device:
    """Where a network's parameters lie."""
    return next(net.parameters()).device


@contextmanager
def on_device(device: torch.device, *nets: nn.Module) -> Iterator[None]:
    """Networks on a device for a while; afterwards each is back where it was, whatever happened."""
    home = [place(net) for net in nets]
    try:
        for net in nets:
            net.to(device)
        yield
    finally:
        for net, there in zip(nets, home, strict=True):
            net.to(there)


def quick_bf16(device: torch.device) -> bool:
    """True where convolutions in bfloat16 are faster than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


@contextmanager
def in_bf16(g: nn.Module, wanted: bool) -> Iterator[None]:
    """G's convolutions in bfloat16 for a while; afterwards as they were."""
    before = g.bf16
    g.bf16 = wanted  # type: ignore[assignment]
    try:
        yield
    finally:
        g.bf16 = before


def use_threads(threads: int) -> None:
    """CPU threads for training; 0 takes all the process may use."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))

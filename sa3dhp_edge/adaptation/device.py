"""Where the training runs: GPU if there is one, and bfloat16 where it is quick."""

from __future__ import annotations

import os

import torch


def training_device() -> torch.device:
    """The GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def quick_bf16(device: torch.device) -> bool:
    """True where convolutions in bfloat16 are faster than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


def use_threads(threads: int) -> None:
    """CPU threads for training; 0 takes all the process may use."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))

"""How fast is G by itself, and how much memory does a loss over many of its readings take?"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from sa3dhp_edge.config import ImageConfig, Settings, preset
from sa3dhp_edge.experiments.stopwatch import counted, least_seconds, now_s
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, Reading, image_network
from sa3dhp_edge.networks.motion_autoencoder import WINDOW, motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import LATENT
from sa3dhp_edge.networks.trainable import freeze, unfreeze_only
from sa3dhp_edge.networks.two_pass import two_pass
from sa3dhp_edge.training.device import quick_bf16, training_device

PICTURES, PAPER_PICTURES = 24, 2
"""Pictures of a batch when G is timed alone; of the paper's G."""
CHUNK, PAPER_CHUNK = 15, 5
"""Pictures at a time in the two-pass reading; of the paper's G."""
COMPILING_S, MEMORY_S = 90.0, 120.0
"""A process apart that takes longer than this is given up."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

T = TypeVar("T")


def dtype_name(bf16: bool) -> str:
    return "bf16" if bf16 else "fp32"


def g_alone(image: ImageConfig, sizes: tuple[int, ...], count: int) -> list[Report]:
    """G by itself: a pass forward, and a step forward and back, in each size, number format and memory layout."""
    rows: list[Report] = []
    for px in sizes:
        for dtype in DTYPES:
            for layout in (torch.contiguous_format, torch.channels_last):
                g, images = _network(image, dtype == "bf16"), _images(count, px, layout)
                g.to(memory_format=layout)  # type: ignore[call-overload]
                rows.append(
                    {"px": px, "dtype": dtype, "channels_last": layout is torch.channels_last} | _passes(g, g, images)
                )
    return rows


def _passes(g: EdgeG | PaperG, called: Callable[[Tensor], Reading], images: Tensor) -> Report:
    """Seconds and 10^9 operations of a pass without gradient, and of a step of training."""

    def forward() -> None:
        g.eval()
        with torch.no_grad():
            called(images)

    def step() -> None:
        g.train().zero_grad()
        _scalar(called(images)).backward()  # type: ignore[no-untyped-call]

    with counted() as one:
        g.eval()(images[:1].detach())
    with counted() as whole:
        _scalar(g.train()(images[:2]))
    found = {
        "pictures": len(images),
        "forward_gflop": 2e-9 * one.forward * len(images),
        "step_gflop": whole.gflop / 2 * len(images),
    }
    found["forward_s"] = least_seconds(forward, 2)
    return found | {"step_s": least_seconds(step, 2)}


def _network(image: ImageConfig, bf16: bool) -> EdgeG | PaperG:
    g = image_network(image).to(training_device())
    g.bf16 = bf16
    return g


def _images(count: int, px: int, layout: torch.memory_format = torch.channels_last) -> Tensor:
    drawn = torch.randn(count, 3, px, px, generator=torch.Generator().manual_seed(0))
    return drawn.to(training_device()).contiguous(memory_format=layout)


def _scalar(reading: Reading) -> Tensor:
    """Something that all of a reading has a part in."""
    return torch.stack([part.square().mean() for part in reading if part is not None]).sum()


def _compiled(image: ImageConfig, threads: int) -> Report:
    """G alone as `torch.compile` makes it, in the format that training takes."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    torch.set_num_threads(threads)
    g = _network(image, quick_bf16(training_device())).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = _images(PICTURES, image.crop_px)
    began = now_s()
    made = torch.compile(g)
    _scalar(made(images)).backward()  # type: ignore[no-untyped-call]
    return {"compile_s": now_s() - began} | _passes(g, made, images)


def memory_cases(settings: Settings) -> list[Report]:
    """What E_m is asked over at once: windows of 30 frames, read whole and in two passes, the paper's G among them."""
    paper = preset("paper")
    sizes = [(settings, n, CHUNK) for n in (4, 8)] + [(paper, 1, PAPER_CHUNK)]
    return [
        {"image": asdict(own.image), "trainable": own.adapt.trainable, "arch": own.motion_autoencoder.arch,
         "clips": clips, "chunk": chunk}
        for own, clips, few in sizes for chunk in (None, few)
    ]  # fmt: skip


def memory_of(case: Report, threads: int) -> Report:
    bf16 = case["image"]["backbone"] == "edge" and quick_bf16(training_device())
    return case | {"dtype": dtype_name(bf16), "measured": _apart(windows_step, (case, bf16, threads), MEMORY_S)}


def windows_step(case: Report, bf16: bool, threads: int) -> Report:
    """Peak memory and time of one loss on E_m's latents, and of its way back to G; to be run in a fresh process.

    The peak is the rise of the process's largest resident set over what it was after a step on two pictures; on a GPU
    that of the memory PyTorch allocated.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    image = ImageConfig(**case["image"])
    g, (e_m, _) = _network(image, bf16).eval(), motion_autoencoder(case["arch"])
    g.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(e_m.to(training_device()))
    moving = unfreeze_only(g, case["trainable"])
    images = _images(WINDOW * case["clips"], image.crop_px)

    def step(given: Tensor, chunk: int | None) -> None:
        reading = g(given) if chunk is None else two_pass(g, given, chunk)
        windows = reading.z.repeat(-(-WINDOW // len(given)), 1)[: max(len(given), WINDOW)].view(-1, WINDOW, LATENT)
        e_m(windows).square().mean().backward()

    step(images[:2], None if case["chunk"] is None else 1)
    for parameter in moving.values():
        parameter.grad = None
    before_mb, begun = _memory_mb(peak=False), now_s()
    step(images, case["chunk"])
    return {"seconds": now_s() - begun, "peak_mb": _memory_mb(peak=True) - before_mb}


def _memory_mb(peak: bool) -> float:
    """What this process holds now, or has held at most."""
    if training_device().type == "cuda":
        return (torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()) / 2**20
    name = "VmHWM" if peak else "VmRSS"  # of this program alone, where getrusage counts the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def compiled_g(image: ImageConfig, threads: int) -> Report | str:
    """Figures of a compiled G, or why there are none."""
    return _apart(_compiled, (image, threads), COMPILING_S)


def _apart(function: Callable[..., T], arguments: tuple[Any, ...], limit_s: float) -> T | str:
    """What a function says in a process of its own, or why it says nothing: its memory and its faults stay there."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(function, arguments).get(limit_s)
        except multiprocessing.TimeoutError:
            return f"not done within {limit_s:.0f} s"
        except Exception as e:  # noqa: BLE001 - compilers fail in many ways
            return f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"

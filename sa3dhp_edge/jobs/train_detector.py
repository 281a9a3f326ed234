"""The person detector that comes with the program, from generated people alone. In one step:

    python -m sa3dhp_edge.jobs.train_detector runs/detector --poses CMU_BVH

draws frames with people into `runs/detector/crowds` (those already there are taken), trains on one thread, and writes
`runtime/person_net.onnx`. An interrupted run goes on where it was. `sa3dhp-edge experiment detector` measures it.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from export.folding import fold_scales, folded
from export.half import in_half
from export.model_folder import read_weights
from export.to_onnx import exported
from runtime.detector import FILE
from sa3dhp_edge import atomic, shipped
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.jobs.crowd_set import CrowdSet, crowd_set
from sa3dhp_edge.jobs.person_answers import batch_of
from sa3dhp_edge.networks.image_to_latent import EdgeG
from sa3dhp_edge.networks.person_net import PersonNet
from sa3dhp_edge.training.resume import Keeper
from sa3dhp_edge.training.schedule import cosine_lr

_TELL_EVERY = 50


@dataclass(frozen=True)
class PersonNetConfig:
    """How the detector is trained."""

    scenes: int = 1500
    steps: int = 2000
    batch: int = 16
    lr: float = 1e-3
    warm_up: int = 100
    weight_square: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.scenes, self.steps, self.batch) < 1:
            raise ConfigError("scenes, steps and batch must be at least 1")


def train_detector(run: Path, poses: Path | None, cfg: PersonNetConfig, workers: int, out: Path = FILE) -> Path:
    """Draw, train, export; the network's file.

    Args:
        run: folder for frames and the state of training.
        poses: motion capture, a folder of BVH files; None takes made-up motion.
        workers: processes that draw.
        out: the network.
    """
    torch.manual_seed(cfg.seed)
    frames = crowd_set(run / "crowds", cfg.scenes, cfg.seed, poses, workers)
    net, g = PersonNet(), read_weights(shipped.FOLDER).g
    assert isinstance(g, EdgeG)
    net.start_from(g)
    train_person_net(net, frames, cfg, run / "training.safetensors", _telling(cfg.steps))
    atomic.write_bytes(out, as_onnx(net).SerializeToString())
    return out


def train_person_net(
    net: PersonNet, frames: CrowdSet, cfg: PersonNetConfig, state: Path, report: Callable[[int, dict[str, float]], None]
) -> None:
    """Train in place; goes on from `state` where an interrupted run left one. A step's pictures depend on it alone."""
    optimizer = torch.optim.AdamW(net.parameters(), cfg.lr, weight_decay=1e-4)
    keeper = Keeper(state, {"net": net}, {"own": optimizer})
    net.train()
    for step in range(keeper.start(), cfg.steps):
        images, heat, square, weight, ignored = batch_of(frames, cfg.batch, cfg.seed, step)
        cosine_lr(optimizer, cfg.lr, step, cfg.steps, cfg.warm_up)
        maps = net(images)
        found = heat_loss(maps[:, 0], heat, ignored)
        off = (maps[:, 1:] - square).abs()
        placed = ((off[:, :2].sum(1) * (-square[:, 2]).exp() + off[:, 2]) * weight).sum() / weight.sum().clamp(min=1.0)
        loss = found + cfg.weight_square * placed
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        keeper.step(step)
        report(step, {"found": found.item(), "placed": placed.item()})
    net.eval()
    state.unlink(missing_ok=True)


def heat_loss(logit: Tensor, heat: Tensor, ignored: Tensor) -> Tensor:
    """The focal loss of maps (b, h, w), per person. Source: Law and Deng 2018, CornerNet, eq. 1."""
    p = logit.sigmoid()
    at = heat >= 1
    hit = -((1 - p) ** 2) * logsigmoid(logit) * at
    miss = -((1 - heat) ** 4) * p**2 * logsigmoid(-logit) * (~at & ~ignored)
    return (hit.sum() + miss.sum()) / at.sum().clamp(min=1)


def as_onnx(net: PersonNet) -> onnx.ModelProto:
    """The graph for pictures of any size, matrices in half precision; the network's own are rounded alike."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() >= 2:
                parameter.copy_(parameter.half().float())
    graph = exported(folded(net), {"image": torch.zeros(2, 3, 64, 96)}, ("maps",))
    del graph.graph.value_info[:]
    for value, (h, w) in ((graph.graph.input[0], ("h", "w")), (graph.graph.output[0], ("h/8", "w/8"))):
        value.type.tensor_type.shape.dim[2].dim_param = h
        value.type.tensor_type.shape.dim[3].dim_param = w
    weights = {name: p.detach() for name, p in net.named_parameters()}
    made = in_half(graph, weights, fold_scales(net))
    onnx.checker.check_model(made, full_check=True)
    return made


def _telling(steps: int) -> Callable[[int, dict[str, float]], None]:
    """A report that prints the mean of the last losses now and then."""
    lately: deque[dict[str, float]] = deque(maxlen=_TELL_EVERY)

    def report(step: int, losses: dict[str, float]) -> None:
        lately.append(losses)
        if (step + 1) % _TELL_EVERY == 0 or step + 1 == steps:
            means = {name: np.mean([each[name] for each in lately]) for name in losses}
            print(f"step {step + 1} of {steps}:", *(f"{k} {v:.3f}" for k, v in means.items()), flush=True)  # noqa: T201

    return report


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the person detector that comes with the program.")
    parser.add_argument("run", type=Path, help="folder for frames and training state")
    parser.add_argument("--poses", type=Path, help="folder of BVH files")
    parser.add_argument("--steps", type=int, default=PersonNetConfig.steps)
    parser.add_argument("--scenes", type=int, default=PersonNetConfig.scenes)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    cfg = PersonNetConfig(scenes=given.scenes, steps=given.steps)
    train_detector(given.run, given.poses, cfg, given.workers, given.out)


if __name__ == "__main__":
    main()

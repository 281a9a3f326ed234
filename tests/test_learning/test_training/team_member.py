"""One process of a team that trains G on a frame set; run by test_distributed.py as `torchrun` would run it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from sa3dhp_edge.adaptation import source as source_stage
from sa3dhp_edge.adaptation.labelled import LabelledFrames
from sa3dhp_edge.config import ImageConfig, SourceConfig
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.training.distributed import open_team
from sa3dhp_edge.training.log import Quiet
from sa3dhp_edge.training.resume import Keeper

STEPS = 6


class Curve(Quiet):
    """Keeps the figures of each step; may end the process before a step as a power cut does."""

    def __init__(self, die_at: int) -> None:
        super().__init__()
        self.figures: dict[int, dict[str, float]] = {}
        self._die_at = die_at

    def scalars(self, stage: str, step: int, values: dict[str, float]) -> None:
        self.figures[step] = values

    def steps(self, title: str, start: int, stop: int) -> Iterator[int]:
        for step in range(start, stop):
            if step == self._die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            yield step


def train(folder: Path, keep: Path, die_at: int = -1) -> dict[str, object]:
    """Stage 4 in a team: its curve, a sum over the weights, and the batch statistics' means."""
    source_stage.LOG_EVERY = 1
    source_stage.quick_bf16 = lambda _: False
    Keeper.__init__.__defaults__ = (-1.0,)
    torch.set_num_threads(1)
    torch.manual_seed(11)
    e_p, d_p = PoseEncoder(), PoseDecoder()
    freeze(e_p, d_p)
    frames = FrameSet.load(folder)
    image = ImageConfig(width=8, crop_px=frames.crop_px)
    cfg = SourceConfig(steps=STEPS, batch=8, parts=2)
    log = Curve(die_at)
    with open_team() as team:
        source = LabelledFrames(frames, frames.crop_px, e_p)
        g, _ = source_stage.learn_images(source, e_p, d_p, image, cfg, 1, log, keep, team)
    sums = {k: float(v.double().abs().sum()) for k, v in g.state_dict().items()}
    return {"curve": {str(k): v for k, v in log.figures.items()}, "sums": sums}


if __name__ == "__main__":
    out = Path(sys.argv[3])
    try:
        out.write_text(json.dumps(train(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[4]))))
    except TrainingError as e:
        sys.stderr.write(str(e))
        sys.exit(1)

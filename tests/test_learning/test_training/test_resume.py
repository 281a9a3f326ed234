"""A stage that was broken off and taken up again ends bit for bit where the uninterrupted one ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation import source as source_stage
from sa3dhp_edge.adaptation.poses import PoseSampler
from sa3dhp_edge.adaptation.prelearning import fit_motion_autoencoder, fit_pose_autoencoder, fit_relation
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.source import LabelledFrames, fit_image_to_latent
from sa3dhp_edge.config import (
    ImageConfig,
    MotionAutoencoderConfig,
    PoseAutoencoderConfig,
    RelationsConfig,
    SourceConfig,
)
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.training.log import Log
from sa3dhp_edge.training.resume import Keeper
from sa3dhp_edge.training.schedule import cosine_lr

STEPS = 6
Stage = Callable[[Log, Path], tuple[Any, ...]]


@pytest.fixture
def stages(
    sampler: PoseSampler,
    frozen: dict[str, nn.Module],
    source: LabelledFrames,
    image_config: ImageConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Stage]:
    monkeypatch.setattr(Keeper.__init__, "__defaults__", (-1.0,))
    monkeypatch.setattr(source_stage, "quick_bf16", lambda _: False)
    e_p, d_p = frozen["e_p"], frozen["d_p"]
    poses = PoseAutoencoderConfig(steps=STEPS, batch=16)
    relations = RelationsConfig(steps=STEPS, batch=32)

    def motions(arch: Any) -> Stage:
        cfg = MotionAutoencoderConfig(arch=arch, steps=STEPS, batch=4)
        return lambda log, keep: fit_motion_autoencoder(sampler, sampler, e_p, d_p, cfg, 70.0, 1, log, keep)

    def relation(latent: str, name: str) -> Stage:
        rule = Rule.parse(name)
        return lambda log, keep: fit_relation(rule, latent, sampler, sampler, frozen, relations, 1, log, keep)

    return {
        "poses": lambda log, keep: fit_pose_autoencoder(sampler, sampler, poses, 1, log, keep),
        "motions conv": motions("conv"),
        "motions lstm": motions("lstm"),
        "relation z": relation("z", "flip_tilt50"),
        "relation v": relation("v", "slow_backward"),
        "images": lambda log, keep: fit_image_to_latent(
            source, source, e_p, d_p, image_config, SourceConfig(steps=STEPS, batch=8), 1, log, keep
        ),
    }


@pytest.mark.parametrize("name", ["poses", "motions conv", "motions lstm", "relation z", "relation v", "images"])
def test_an_interrupt_changes_nothing(
    name: str,
    stages: dict[str, Stage],
    silent_log: Callable[..., Any],
    same_weights: Callable[[nn.Module, nn.Module], bool],
    tmp_path: Path,
) -> None:
    """Broken off twice: before the critic has joined, and after."""
    fit, keep = stages[name], tmp_path / "broken"
    *whole, report = fit(silent_log(), tmp_path / "whole")
    for stop in (2, 4):
        with pytest.raises(KeyboardInterrupt):
            fit(silent_log(break_at=stop), keep)
    log = silent_log()
    *resumed, again = fit(log, keep)
    assert log.seen == [4, 5]
    assert all(same_weights(a, b) for a, b in zip(whole, resumed, strict=True))
    assert again == report
    assert all(np.isfinite(v) for v in report.values())


def test_broken_labels_stop_the_source_stage_with_a_word(
    image_config: ImageConfig, stick_figures: Callable[..., FrameSet], frozen: dict[str, nn.Module],
    silent_log: Callable[..., Any], tmp_path: Path,
) -> None:  # fmt: skip
    frames = stick_figures(clips=2, frames=4, fps=2, seed=6)
    assert frames.joints_uv is not None
    frames.joints_uv[5] = np.nan
    broken = LabelledFrames(frames, image_config.crop_px, frozen["e_p"])
    cfg = SourceConfig(steps=STEPS, batch=16)
    with pytest.raises(TrainingError, match=r"not finite at step 0 \(pose .*\n.*source\.lr"):
        fit_image_to_latent(
            broken, broken, frozen["e_p"], frozen["d_p"], image_config, cfg, 1, silent_log(), tmp_path / "k"
        )


def test_a_keeper_saves_only_when_its_time_has_come(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    own = torch.optim.Adam(net.parameters())
    assert Keeper(tmp_path / "a", {"net": net}, {"own": own}).start() == 0
    Keeper(tmp_path / "a", {"net": net}, {"own": own}, every_s=60).step(3)
    assert not (tmp_path / "a").exists()
    Keeper(tmp_path / "a", {"net": net}, {"own": own}, every_s=-1).step(3)
    assert Keeper(tmp_path / "a", {"net": net}, {"own": own}).start() == 4


def test_the_rate_rises_over_the_warm_up_and_ends_at_a_fiftieth() -> None:
    own = torch.optim.SGD(nn.Linear(1, 1).parameters(), 1.0)

    def rate(step: int) -> float:
        cosine_lr(own, 2.0, step, 1000, warm_up=9)
        return float(own.param_groups[0]["lr"])

    assert rate(0) == pytest.approx(0.2)
    assert rate(9) == pytest.approx(2.0, rel=1e-3)
    assert rate(500) == pytest.approx(1.02)
    assert rate(1000) == pytest.approx(0.04)

"""Error against pictures: which states are kept, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sa3dhp_edge.adaptation.source import is_milestone, milestone_path, picture_size_px
from sa3dhp_edge.atomic import write_json
from sa3dhp_edge.checkpoint import save_weights
from sa3dhp_edge.config import ImageConfig, SourceConfig, preset, to_dict
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.experiments.learning_curve import OWN, learning_curve
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder

PX = 64


def test_milestones_are_evenly_spread_and_end_with_training() -> None:
    kept = [s for s in range(1, 101) if is_milestone(SourceConfig(steps=100, milestones=4), s)]
    assert kept == [25, 50, 75, 100]
    assert not any(is_milestone(SourceConfig(steps=100), s) for s in range(1, 101))
    few = [s for s in range(1, 8) if is_milestone(SourceConfig(steps=7, milestones=3), s)]
    assert len(few) == 3
    assert few[-1] == 7


def test_pictures_grow_while_a_network_learns() -> None:
    cfg, image = SourceConfig(steps=100, half_size=0.4, three_quarter_size=0.3), ImageConfig(crop_px=128)
    assert [picture_size_px(image, cfg, s) for s in (0, 39, 40, 69, 70, 99)] == [64, 64, 96, 96, 128, 128]
    assert picture_size_px(replace(image, backbone="resnet50"), cfg, 0) == 128


@pytest.fixture
def run(tmp_path: Path) -> Path:
    settings = preset("demo")
    source = replace(settings.source, steps=100, batch=8, milestones=2)
    settings = replace(settings, image=ImageConfig(width=8, crop_px=PX), source=source, threads=1)
    folder = tmp_path / "run"
    write_json(folder / "settings.json", to_dict(settings))
    for step in (50, 100):
        torch.manual_seed(step)
        save_weights(milestone_path(folder / "training", step), image_network(settings.image))
    save_weights(folder / "weights" / "d_p.safetensors", PoseDecoder())
    rng, side = np.random.default_rng(0), picture_px(PX)
    FrameSet(
        images=rng.integers(0, 256, (6, side, side, 3), np.uint8), crop_px=PX, clip=np.zeros(6, np.int32),
        time_s=np.arange(6.0), joints_mm=rng.normal(0, 300, (6, 17, 3)).astype(np.float32),
        joints_uv=rng.uniform(-1, 1, (6, 17, 2)).astype(np.float32),
    ).save(folder / "source_held_out")  # fmt: skip
    return folder


def test_every_milestone_is_tested_and_drawn(run: Path, tmp_path: Path) -> None:
    learning_curve(run=run, clips=None, out=tmp_path / "out")
    said = json.loads((tmp_path / "out" / "images.json").read_text())
    assert [m["pictures"] for m in said["milestones"]] == [400, 800]
    errors = [m["pa_mpjpe"][OWN] for m in said["milestones"]]
    assert errors[0] != errors[1]
    assert (tmp_path / "out" / "images.png").read_bytes().startswith(b"\x89PNG")
    assert "| 800 |" in (tmp_path / "out" / "images.md").read_text()


def test_a_run_without_milestones_is_refused(run: Path, tmp_path: Path) -> None:
    for path in (run / "training").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="kept no milestones") as refused:
        learning_curve(run=run, clips=None, out=tmp_path / "out")
    assert "source.milestones" in refused.value.hint
    with pytest.raises(InputError, match="holds no run"):
        learning_curve(run=tmp_path / "nothing", clips=None, out=tmp_path / "out")

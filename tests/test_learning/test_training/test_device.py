"""Stages run where they are told to, come back to the CPU, and say the same there and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation import adapt as adapt_stage
from sa3dhp_edge.adaptation import source as source_stage
from sa3dhp_edge.adaptation import statistics as statistics_stage
from sa3dhp_edge.adaptation.adapt import adapt
from sa3dhp_edge.adaptation.poses import PoseSampler, generator
from sa3dhp_edge.adaptation.prelearning import (
    fit_motion_autoencoder,
    fit_pose_autoencoder,
    fit_relation,
    non_localness,
)
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.source import LabelledFrames, fit_image_to_latent, measure, read_frames
from sa3dhp_edge.adaptation.statistics import reestimate_statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.adaptation.views import change_light, plain_views
from sa3dhp_edge.config import (
    AdaptConfig,
    ImageConfig,
    MotionAutoencoderConfig,
    PoseAutoencoderConfig,
    RelationsConfig,
    SourceConfig,
)
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.training.device import on_device, place, training_device

META = torch.device("meta")
without_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


def all_on_cpu(*nets: nn.Module) -> bool:
    return all(v.device.type == "cpu" for net in nets for v in net.state_dict().values())


def test_without_a_gpu_the_cpu_trains() -> None:
    assert training_device().type == "cpu"


def test_networks_are_back_where_they_were_whatever_happened() -> None:
    here, there = nn.Linear(2, 2), nn.Linear(2, 2, device="meta")
    with pytest.raises(KeyboardInterrupt), on_device(META, there):
        raise KeyboardInterrupt
    assert place(there) == META
    weights = here.weight.detach().clone()
    with on_device(torch.device("cpu"), here):
        assert here.weight is next(here.parameters())
    assert torch.equal(here.weight, weights)


def test_every_stage_asks_for_the_training_device(
    monkeypatch: pytest.MonkeyPatch,
    fresh_networks: Callable[..., Networks],
    source: LabelledFrames,
    target: TargetClips,
    image_config: ImageConfig,
    tiny: AdaptConfig,
    frozen: dict[str, nn.Module],
    silent_log: Callable[..., Any],
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    def told(stage: str) -> Callable[[], torch.device]:
        return lambda: asked.append(stage) or torch.device("cpu")

    monkeypatch.setattr(source_stage, "training_device", told("source"))
    monkeypatch.setattr(adapt_stage, "training_device", told("adapt"))
    monkeypatch.setattr(statistics_stage, "training_device", told("statistics"))
    e_p, d_p, nets = frozen["e_p"], frozen["d_p"], fresh_networks()
    for stage, do in {
        "source": lambda: fit_image_to_latent(
            source, source, e_p, d_p, image_config, SourceConfig(steps=1, batch=4), 1, silent_log(), tmp_path / "g"
        ),
        "adapt": lambda: adapt(
            nets, target, source, source, replace(tiny, cycles=1, losses=("l1z",)), SourceConfig(), 3, silent_log(),
            tmp_path / "a",
        ),
    }.items():  # fmt: skip
        asked.clear()
        do()
        assert asked[0] == stage
    for do in (
        lambda: read_frames(nets.g, d_p, target.frames.images[:2], 32),
        lambda: measure(nets.g, d_p, source.frames, 32),
        lambda: reestimate_statistics(nets.g, target, 32, 0, 1),
    ):
        asked.clear()
        do()
        assert len(asked) == 1


@pytest.fixture
def gpu_sampler(motion: MotionSet) -> PoseSampler:
    return PoseSampler(motion, torch.device("cuda"))


@pytest.mark.gpu
@without_a_gpu
def test_prelearning_on_a_gpu(
    gpu_sampler: PoseSampler, sampler: PoseSampler, frozen: dict[str, nn.Module], silent_log: Callable[..., Any],
    tmp_path: Path,
) -> None:  # fmt: skip
    log, cuda = silent_log(), gpu_sampler
    assert cuda.poses(generator(0), 4, 30).is_cuda
    torch.testing.assert_close(cuda.poses(generator(0), 4, 30).cpu(), sampler.poses(generator(0), 4, 30))
    poses = PoseAutoencoderConfig(steps=6, batch=16)
    *made, report = fit_pose_autoencoder(cuda, cuda, poses, 1, log, tmp_path / "p")
    *plain, expected = fit_pose_autoencoder(sampler, sampler, poses, 1, log, tmp_path / "q")
    assert all_on_cpu(*made, *plain)
    assert report == pytest.approx(expected, rel=0.05)
    for arch in ("conv", "lstm"):
        *pair, motions = fit_motion_autoencoder(
            cuda, cuda, frozen["e_p"], frozen["d_p"], MotionAutoencoderConfig(arch=arch, steps=3, batch=4), 70.0, 1,
            log, tmp_path / arch,
        )  # fmt: skip
        assert all_on_cpu(*pair, *frozen.values())
        assert np.isfinite(list(motions.values())).all()
    for latent, name in (("z", "flip_tilt50"), ("v", "slow_backward")):
        rule, cfg = Rule.parse(name), RelationsConfig(steps=3, batch=32)
        t, errors = fit_relation(rule, latent, cuda, cuda, frozen, cfg, 1, log, tmp_path / latent)
        assert all_on_cpu(t, *frozen.values())
        assert np.isfinite(list(errors.values())).all()
        far, near = (non_localness(rule, latent, s, frozen, 50, 0) for s in (cuda, sampler))
        assert far == pytest.approx(near, rel=0.01)
        assert all_on_cpu(*frozen.values())


@pytest.mark.gpu
@without_a_gpu
def test_pictures_and_measures_are_the_cpus_on_a_gpu(
    fresh_networks: Callable[..., Networks], target: TargetClips, source: LabelledFrames
) -> None:
    nets, images = fresh_networks(), target.frames.images[:8]
    cpu, cuda = (plain_views(8).crops(images, 32, torch.device(d)) for d in ("cpu", "cuda"))
    torch.testing.assert_close(cuda.cpu(), cpu, atol=1e-4, rtol=0)
    assert change_light(generator(0), cuda, group=np.arange(8) // 2).is_cuda
    labels = source.batch(generator(0), 4, torch.device("cuda"))
    assert labels[0].is_cuda
    assert all(t.is_cuda for t in labels[1])
    pose, joints, readings = read_frames(nets.g, nets.d_p, images, 32)
    assert all_on_cpu(nets.g, nets.d_p)
    assert all(t is None or not t.is_cuda for r in readings for t in r)
    with torch.no_grad():
        plain = nets.g((cpu - 0.5) / 0.25)
    np.testing.assert_allclose(joints, plain.joints_uv, atol=0.02)
    assert np.isfinite(pose).all()


@pytest.mark.gpu
@without_a_gpu
def test_source_stage_and_adaptation_on_a_gpu(
    source: LabelledFrames, target: TargetClips, frozen: dict[str, nn.Module], fresh_networks: Callable[..., Networks],
    tiny: AdaptConfig, silent_log: Callable[..., Any], tmp_path: Path,
) -> None:  # fmt: skip
    log, image = silent_log(), ImageConfig(width=8, crop_px=32)
    e_p, d_p = frozen["e_p"], frozen["d_p"]
    cfg = SourceConfig(steps=4, batch=8)
    g, errors = fit_image_to_latent(source, source, e_p, d_p, image, cfg, 1, log, tmp_path / "g")
    assert all_on_cpu(g, e_p, d_p)
    assert type(g) is type(image_network(image))
    assert np.isfinite(list(errors.values())).all()
    nets = fresh_networks()
    losses = (*tiny.losses, "replay")
    report = adapt(nets, target, source, source, replace(tiny, losses=losses), cfg, 3, log, tmp_path / "a")
    assert all_on_cpu(*nets.all())
    assert report["skipped_steps"] == 0
    assert report["cycles"] == tiny.cycles
    reestimate_statistics(nets.g, target, 32, 0, 2)
    assert all_on_cpu(nets.g)

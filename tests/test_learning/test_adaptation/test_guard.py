"""The guard sees collapse, forgetting and broken numbers, and what moved can be put back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation.guard import Health, examine, pose_spread_mm
from sa3dhp_edge.adaptation.poses import PoseSampler, generator
from sa3dhp_edge.adaptation.source import LabelledFrames
from sa3dhp_edge.adaptation.statistics import reestimate_statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.config import AdaptConfig
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.networks.trainable import freeze, restore, snapshot, unfreeze_only


def turned(poses: np.ndarray, seed: int) -> np.ndarray:
    """Each pose by a rotation of its own."""
    turns = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(poses), 3, 3)))[0]
    turns *= np.linalg.det(turns)[:, None, None]
    return (poses @ turns).astype(np.float32)


def test_spread_sees_shape_and_no_rotation(sampler: PoseSampler) -> None:
    poses = sampler.poses(generator(0), 60, 30).numpy()
    spread = pose_spread_mm(poses)
    assert spread > 20
    assert pose_spread_mm(turned(poses, 1)) == pytest.approx(spread, rel=1e-3)


def test_one_pose_that_only_turns_has_no_spread(sampler: PoseSampler) -> None:
    """The collapse that obeys every rule: the mean pose, leaning as the picture leans."""
    pose = sampler.poses(generator(0), 1, 30).numpy()
    assert pose_spread_mm(turned(np.repeat(pose, 40, 0), 2)) < 0.01


@pytest.mark.parametrize(
    ("spread", "error", "said"),
    [
        (61.0, 119.0, None),
        (59.0, 100.0, "collapse"),
        (100.0, 121.0, "forgetting"),
        (float("nan"), 100.0, "not finite"),
        (100.0, float("inf"), "not finite"),
    ],
)
def test_faults_are_told_apart(spread: float, error: float, said: str | None) -> None:
    fault = Health(spread, error).fault(Health(100, 100), AdaptConfig())
    assert (fault is None) if said is None else (fault is not None and said in fault)


def test_a_network_of_nans_is_a_fault_and_not_a_crash(
    fresh_networks: Callable[..., Networks], source: LabelledFrames, target: TargetClips
) -> None:
    nets = fresh_networks()
    well = examine(nets.g, nets.d_p, target.frames.images[:8], source.frames, 32)
    assert well.fault(well, AdaptConfig()) is None
    with torch.no_grad():
        next(nets.g.parameters()).fill_(float("nan"))
    ill = examine(nets.g, nets.d_p, target.frames.images[:8], source.frames, 32)
    assert "not finite" in str(ill.fault(well, AdaptConfig()))


def test_patterns_choose_what_moves(fresh_networks: Callable[..., Networks]) -> None:
    g = fresh_networks().g
    moving = unfreeze_only(g, ("backbone.layer2.*", "camera.0.bias"))
    assert {k for k, p in g.named_parameters() if p.requires_grad} == set(moving)
    assert {".".join(k.split(".")[:2]) for k in moving} == {"backbone.layer2", "camera.0"}
    assert set(unfreeze_only(g, ("*",))) == {k for k, _ in g.named_parameters()}


def test_a_pattern_that_fits_nothing_is_refused_with_a_list(fresh_networks: Callable[..., Networks]) -> None:
    with pytest.raises(ConfigError, match=r"'backbone\.layer9\.\*' fits no parameter(.|\n)*backbone\.layer2\.\*"):
        unfreeze_only(fresh_networks().g, ("backbone.layer2.*", "backbone.layer9.*"))


def test_restore_is_bit_for_bit(
    fresh_networks: Callable[..., Networks], same_weights: Callable[[nn.Module, nn.Module], bool]
) -> None:
    g = fresh_networks().g
    state = snapshot(g)
    with torch.no_grad():
        for tensor in g.state_dict().values():
            tensor.add_(1)
    assert not same_weights(g, fresh_networks().g)
    restore(g, state)
    assert same_weights(g, fresh_networks().g)


def test_a_frozen_network_neither_learns_nor_counts(fresh_networks: Callable[..., Networks]) -> None:
    g = fresh_networks().g
    g.train()
    freeze(g)
    before = snapshot(g)
    g(torch.rand(4, 3, 32, 32))
    assert not any(p.requires_grad for p in g.parameters())
    assert all(torch.equal(v, before[k]) for k, v in g.state_dict().items())


def test_reestimated_statistics_are_all_that_changes(
    fresh_networks: Callable[..., Networks], target: TargetClips
) -> None:
    g = fresh_networks().g
    before = snapshot(g)
    reestimate_statistics(g, target, 32, seed=0, batches=2)
    changed = {k for k, v in g.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(k.rsplit(".", 1)[1] in ("running_mean", "running_var", "num_batches_tracked") for k in changed)
    assert not any(m.training for m in g.modules() if isinstance(m, nn.BatchNorm2d))

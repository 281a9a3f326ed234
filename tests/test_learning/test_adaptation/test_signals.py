"""Label-free figures: each falls to nothing where its subject is right, and rises where it is spoiled by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation.acceptance import LEAST_CHANGE
from sa3dhp_edge.adaptation.poses import PoseSampler, generator
from sa3dhp_edge.adaptation.signals import (
    MOST_FRAMES,
    RULES,
    Evidence,
    _alike,
    _disagreement,
    _evenly,
    _in_time,
    _statistics_gap,
    _undone,
    _upright_spread_mm,
    look,
    moved_mm,
)
from sa3dhp_edge.adaptation.source import LabelledFrames, measure
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.config import ImageConfig, preset
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.geometry import rotation_about_x, rotation_about_y
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.skeleton import MIRROR


@pytest.fixture
def model(fresh_networks: Callable[..., Networks], frozen: dict[str, nn.Module], image_config: ImageConfig) -> ModelSet:
    nets = fresh_networks()
    settings = replace(preset("demo"), image=image_config)
    rest = {"relations": nets.relations, "relation_errors": {}, "confidence": None, "lineage": ()}
    return ModelSet(settings=settings, g=nets.g, **frozen, **rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def evidence(target: TargetClips, source: LabelledFrames) -> Evidence:
    return Evidence.chosen(target.frames, target.clips[:2], source.frames)


def still(frames: FrameSet) -> FrameSet:
    first = np.concatenate([np.repeat(clip[:1], len(clip)) for clip in frames.clips()])
    return replace(frames, images=frames.images[first])


def test_evidence_is_runs_of_whole_clips_and_never_too_much(target: TargetClips, source: LabelledFrames) -> None:
    chosen = Evidence.chosen(target.frames, target.clips, source.frames)
    assert len(chosen.target) <= MOST_FRAMES
    assert not chosen.target.labelled
    for clip in chosen.target.clips():
        assert np.allclose(np.diff(chosen.target.time_s[clip]), 1 / 30, atol=1e-6)
        assert len(clip) >= 30
    assert chosen.dressed.labelled


def test_evidence_without_labels_or_clips_is_refused(target: TargetClips, source: LabelledFrames) -> None:
    with pytest.raises(TrainingError, match="labelled source frames"):
        Evidence.chosen(target.frames, target.clips, source.frames.without_labels())
    with pytest.raises(TrainingError, match="one of them is missing"):
        Evidence.chosen(target.frames, [], source.frames)


def test_a_look_is_repeatable_finite_and_changes_nothing(model: ModelSet, evidence: Evidence) -> None:
    before = {k: v.clone() for k, v in model.g.state_dict().items()}
    seen = look(model, evidence)
    assert all(np.isfinite(v) for v in asdict(seen.signals).values())
    assert look(model, evidence).signals == seen.signals
    assert all(torch.equal(v, before[k]) for k, v in model.g.state_dict().items())
    assert not any(m._forward_hooks for m in model.g.modules())
    assert seen.signals.frames == len(evidence.target)
    assert seen.signals.source_mpjpe_mm == pytest.approx(measure(model.g, model.d_p, evidence.source, 32)["mpjpe"])


def test_another_model_is_far_away_and_the_same_is_not(model: ModelSet, evidence: Evidence) -> None:
    first = look(model, evidence)
    assert moved_mm(first, look(model, evidence)) == 0
    with torch.no_grad():
        for p in model.g.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) * p.abs().mean())
    assert moved_mm(first, look(model, evidence)) > 1


def test_rules_are_undone(sampler: PoseSampler) -> None:
    poses = sampler.poses(generator(0), 8, 30)
    for rule in RULES:
        assert torch.allclose(_undone(rule, rule.apply(poses)), poses, atol=1e-2)
        flat = rule.apply(poses)[..., :2]
        assert torch.allclose(_undone(rule, flat), poses[..., :2], atol=1e-2)
    assert _disagreement([poses, *(_undone(r, r.apply(poses)) for r in RULES)]) < 0.01
    assert _disagreement([poses, poses + torch.tensor([30.0, 0, 0])]) == pytest.approx(15, rel=1e-3)


def test_spread_upright_sees_limbs_and_neither_facing_nor_lean(sampler: PoseSampler) -> None:
    pose = sampler.poses(generator(0), 1, 0).numpy()[0]
    turns = [rotation_about_y(40 * i) @ rotation_about_x(5 * i) for i in range(8)]
    assert _upright_spread_mm(np.stack([pose @ t.T for t in turns]).astype(np.float32)) < 0.5
    assert _upright_spread_mm(sampler.poses(generator(1), 40, 0).numpy()) > 30


def test_time_tells_motion_jitter_and_exchanged_sides(evidence: Evidence, sampler: PoseSampler) -> None:
    target = evidence.target
    pose = sampler.poses(generator(2), 1, 0).numpy()[0]
    place = np.concatenate([np.arange(len(c)) for c in target.clips()])[:, None, None].astype(np.float32)
    steady = pose + place * np.array([3, 0, 4], np.float32)
    figures = _in_time(target, steady)
    assert figures["motion_mm"] == pytest.approx(5, rel=1e-3)
    assert figures["jitter"] < 1e-3
    assert figures["swaps"] == 0
    zigzag = pose + place % 2 * np.array([5, 0, 0], np.float32)
    assert _in_time(target, zigzag)["jitter"] == pytest.approx(2, rel=1e-3)
    swapping = np.where(place % 2 == 1, pose[list(MIRROR)], pose).astype(np.float32)
    assert _in_time(target, swapping)["swaps"] == 1


def test_noise_is_unlike_itself_and_a_still_does_not_change(evidence: Evidence) -> None:
    target, rng = evidence.target, np.random.default_rng(0)
    noise = replace(target, images=rng.integers(0, 256, target.images.shape, np.uint8))
    grained = still(target).images + rng.normal(0, 1, target.images.shape)
    repeated = replace(target, images=grained.clip(0, 255).astype(np.uint8))
    video, nothing, same = (_alike(frames) for frames in (target, noise, repeated))
    assert nothing["likeness"] < 0.1 < 0.5 < video["likeness"]
    assert video["change"] > 5 * LEAST_CHANGE
    assert same["change"] < 0.1 * video["change"], "grain counts as change"
    assert _alike(still(target))["change"] < 1e-6
    black = replace(target, images=np.zeros_like(target.images))
    assert _alike(black)["likeness"] == 0


def test_statistics_are_far_from_pictures_of_another_kind() -> None:
    layer = nn.Sequential(nn.BatchNorm2d(3)).eval()
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for shift, scale, least, most in ((0, 1, 0, 0.05), (2, 1, 1.9, 2.1), (0, 3, 1.0, 1.2)):
            with _statistics_gap(layer) as gaps:
                layer(torch.randn((64, 3, 16, 16), generator=chance) * scale + shift)
            assert least <= gaps[0] <= most


def test_positions_are_even_and_at_most_as_many() -> None:
    assert _evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert _evenly(3, 8).tolist() == [0, 1, 2]
    assert len(_evenly(0, 8)) == 0

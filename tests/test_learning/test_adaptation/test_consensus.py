"""All views speak of one pose: a G that obeys the rules agrees with itself, and labels are the views' mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge.adaptation import consensus as subject
from sa3dhp_edge.adaptation.adapt import adapt
from sa3dhp_edge.adaptation.consensus import AgreedFrames, Consensus, agreed, seen_through, shares, smoothed
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.source import LabelledFrames
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.adaptation.views import Views, plain_views
from sa3dhp_edge.config import AdaptConfig, SourceConfig
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.metrics import mpjpe
from sa3dhp_edge.training.log import Log

CROP = 32
SEEN = seen_through(AdaptConfig())


class Said(NamedTuple):
    z: Tensor
    joints_uv: Tensor
    camera: Tensor
    score: Tensor | None = None


class Obedient(nn.Module):
    """Knows each frame's truth, and moves it as the rules do; told which view comes next by the order of calls."""

    def __init__(self, frames: FrameSet, noise_mm: float = 0.0) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))
        self.frames, self.noise_mm, self.turn = frames, noise_mm, 0
        self.rng = np.random.default_rng(4)

    def forward(self, image: Tensor) -> Said:
        rule, size = SEEN[self.turn % len(SEEN)]
        self.turn += 1
        turned = plain_views(len(image)).then(rule)
        views = Views(turned.matrix * np.float32(size), turned.tilt_flip)
        assert self.frames.joints_mm is not None
        assert self.frames.joints_uv is not None
        pose = views.poses(self.frames.joints_mm[: len(image)])
        pose = pose + self.rng.normal(0, self.noise_mm, pose.shape).astype(np.float32) if self.noise_mm else pose
        uv = views.joints_uv(self.frames.joints_uv[: len(image)])
        return Said(torch.from_numpy(pose), torch.from_numpy(uv), torch.zeros(len(image), 3))


@pytest.fixture
def frames(stick_figures: Callable[..., FrameSet]) -> FrameSet:
    return stick_figures(clips=1, frames=12, fps=30, seed=7)


def test_twelve_views_differ_and_one_of_them_mirrors_and_tilts() -> None:
    assert len(SEEN) == len(set(SEEN)) == 12
    assert (Rule(True, 15.0), 0.92) in SEEN
    assert len(seen_through(AdaptConfig(consensus_tilt_deg=0, consensus_size=0))) == 2


def test_who_obeys_every_rule_agrees_with_himself(frames: FrameSet) -> None:
    pose, uv, spread = agreed(Obedient(frames), nn.Identity(), frames.images, SEEN, CROP, AdaptConfig())
    assert frames.joints_mm is not None
    assert frames.joints_uv is not None
    assert np.abs(pose - frames.joints_mm).max() < 1e-2
    assert np.abs(uv - frames.joints_uv).max() < 1e-5
    assert spread.max() < 0.01


def test_the_mean_of_the_views_errs_less_than_one_view(frames: FrameSet) -> None:
    assert frames.joints_mm is not None
    pose, _, spread = agreed(Obedient(frames, noise_mm=50), nn.Identity(), frames.images, SEEN, CROP, AdaptConfig())
    one, _, _ = agreed(Obedient(frames, noise_mm=50), nn.Identity(), frames.images, SEEN[:1], CROP, AdaptConfig())
    assert mpjpe(pose, frames.joints_mm).mean() < 0.45 * mpjpe(one, frames.joints_mm).mean()
    assert spread.mean() == pytest.approx(80, rel=0.15)


def test_a_minority_and_the_unsure_have_next_to_no_part(frames: FrameSet) -> None:
    """Seven views near one pose and five near another 300 mm away: the seven have it; or the five, where surer."""
    assert frames.joints_mm is not None
    rng, truth = np.random.default_rng(5), frames.joints_mm
    away = np.where(np.arange(12)[:, None, None, None] < 7, 0, 300 / 3**0.5)
    views = (truth + away + rng.normal(0, 10, (12, *truth.shape))).astype(np.float32)
    equal = np.ones(views.shape[:2], np.float32)
    part = shares(views, equal, 60.0)
    np.testing.assert_allclose(part.sum(0), 1, rtol=1e-5)
    assert part[7:].max() < 1e-4
    np.testing.assert_allclose(part[:7], 1 / 7, atol=0.02)
    surer = np.where(np.arange(12)[:, None] < 7, 0.2, 1.0) * equal
    assert shares(views, surer.astype(np.float32), 60.0)[:7].max() < 1e-4
    np.testing.assert_allclose(shares(views, surer.astype(np.float32), 0.0)[0], 0.2 / 6.4, rtol=1e-5)


def test_a_score_of_nothing_leaves_every_view_its_vote(frames: FrameSet) -> None:
    class Unsure(Obedient):
        def forward(self, image: Tensor) -> Said:
            return super().forward(image)._replace(score=torch.zeros(len(image), 17))

    pose, _, _ = agreed(Unsure(frames), nn.Identity(), frames.images, SEEN, CROP, AdaptConfig())
    assert frames.joints_mm is not None
    assert np.abs(pose - frames.joints_mm).max() < 1e-2


def test_smoothing_keeps_a_steady_movement_and_calms_noise() -> None:
    time_s = np.sort(np.random.default_rng(0).uniform(0, 3, 200))
    steady = (time_s[:, None, None] * np.ones((1, 17, 3))).astype(np.float32)
    inner = (time_s > 0.4) & (time_s < 2.6)
    np.testing.assert_allclose(smoothed(steady, time_s, 0.06)[inner], steady[inner], atol=0.03)
    noise = np.random.default_rng(1).normal(size=(200, 17, 3)).astype(np.float32)
    assert smoothed(noise, time_s, 0.06).std() < 0.6 * noise.std()
    assert smoothed(noise, time_s, 0.0) is noise


def test_frames_whose_views_disagree_are_left_out(
    target: TargetClips, frozen: dict[str, nn.Module], tiny: AdaptConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(_g: object, _d: object, pictures: NDArray[np.uint8], *_: object) -> tuple[NDArray[np.float32], ...]:
        n = len(pictures)
        return np.ones((n, 17, 3), np.float32), np.zeros((n, 17, 2), np.float32), np.arange(n, dtype=np.float32)

    monkeypatch.setattr(subject, "agreed", said)
    consensus = Consensus(target, CROP, replace(tiny, keep_share=0.5))
    consensus.refresh(nn.Identity(), nn.Identity())
    kept = consensus.kept()
    assert 0.45 < len(kept) / len(target.indices()) < 0.55
    assert (kept % subject.BATCH).max() < 0.6 * subject.BATCH
    source = AgreedFrames(consensus, CROP, frozen["e_p"])  # type: ignore[arg-type]
    drawn = source.stored(np.random.default_rng(0), 50, 0)
    assert drawn.images.shape[0] == drawn.joints_mm.shape[0] == 50


def test_g_moves_towards_the_consensus_and_a_teacher_and_an_anchor_have_their_say(
    fresh_networks: Callable[..., Networks], target: TargetClips, source: LabelledFrames, tiny: AdaptConfig,
    silent_log: type[Log], tmp_path: object,
) -> None:  # fmt: skip
    cfg = replace(tiny, losses=("consensus",), cycles=30, refresh_every=30, replay=0.0, lr_consensus=3e-3)
    moved = {}
    for name, more in {
        "plain": cfg, "teacher": replace(cfg, teacher=0.9, refresh_every=10), "anchor": replace(cfg, anchor=1e3)
    }.items():  # fmt: skip
        log, nets, begun = silent_log(), fresh_networks(), fresh_networks()  # type: ignore[call-arg]
        adapt(nets, target, source, source, more, SourceConfig(), 3, log, tmp_path / f"{name}.safetensors")  # type: ignore[operator]
        moved[name] = sum(
            float((a - b).detach().square().sum())
            for a, b in zip(nets.g.parameters(), begun.g.parameters(), strict=True)
        )
        if name == "plain":
            lost = [v["consensus"] for stage, _, v in log.figures if stage == "adapt"]  # type: ignore[attr-defined]
            assert np.mean(lost[-5:]) < np.mean(lost[:5])
    assert moved["anchor"] < 0.5 * moved["plain"]
    assert moved["teacher"] != moved["plain"]

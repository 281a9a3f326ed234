"""Adaptation moves what it may, stops when the guard objects, and goes on after an interrupt as if there was none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation import adapt as stage
from sa3dhp_edge.adaptation.adapt import adapt
from sa3dhp_edge.adaptation.guard import Health
from sa3dhp_edge.adaptation.source import LabelledFrames
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks, Terms
from sa3dhp_edge.config import AdaptConfig, SourceConfig
from sa3dhp_edge.errors import ConfigError, TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.trainable import snapshot
from sa3dhp_edge.training.log import Log
from sa3dhp_edge.training.resume import Keeper

Adapt = Callable[..., dict[str, Any]]
Same = Callable[[nn.Module, nn.Module], bool]
WELL, COLLAPSED = Health(100, 100), Health(1, 100)


@pytest.fixture
def run(
    target: TargetClips, source: LabelledFrames, silent_log: type[Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Adapt:
    """Adaptation on the stick figures, its state kept after every cycle."""
    monkeypatch.setattr(Keeper.__init__, "__defaults__", (-1.0,))
    monkeypatch.setattr(stage, "quick_bf16", lambda _: False)

    def go(
        nets: Networks, cfg: AdaptConfig, keep: str = "state", log: Log | None = None, clips: TargetClips = target
    ) -> dict[str, Any]:
        log = log or silent_log()  # type: ignore[call-arg]
        report = adapt(nets, clips, source, source, cfg, SourceConfig(), 3, log, tmp_path / f"{keep}.safetensors")
        report.pop("cost")  # the time it took, which is never the same
        return report

    return go


def healths(monkeypatch: pytest.MonkeyPatch, *said: Health) -> None:
    """What the guard sees: at the start, and at each check; it never looks more often."""
    left = iter(said)
    monkeypatch.setattr(stage, "examine", lambda *_: next(left))


def test_only_the_chosen_parameters_move_and_statistics_stay(
    run: Adapt, fresh_networks: Callable[..., Networks], tiny: AdaptConfig
) -> None:
    nets = fresh_networks()
    before = snapshot(nets.g)
    others = nn.ModuleList([nets.d_p, nets.e_m, nets.d_m, *nets.relations.values()])
    frozen = snapshot(others)
    report = run(nets, replace(tiny, losses=(*tiny.losses, "replay"), cycles=2))
    changed = {k for k, v in nets.g.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == set(report["moved"]) == {k for k, _ in nets.g.named_parameters() if "backbone.layer2." in k}
    assert all(torch.equal(v, frozen[k]) for k, v in others.state_dict().items())
    assert report["cycles"] == 2
    assert report["fault"] is None
    assert report["losses"] == [*tiny.losses, "replay"]


@pytest.mark.parametrize("rate", [30.0, 1e30])
def test_an_absurd_rate_is_stopped_and_undone(
    rate: float, run: Adapt, fresh_networks: Callable[..., Networks], tiny: AdaptConfig, same_weights: Same
) -> None:
    cfg = replace(
        tiny, losses=("lcr", "l1z"), lr_contrast=rate, lr_relation=rate, collapse_floor=0.9, forgetting_ceiling=1.0
    )
    nets = fresh_networks()
    report = run(nets, cfg)
    assert report["fault"]
    assert report["cycles"] == cfg.check_every
    assert same_weights(nets.g, fresh_networks().g)
    assert report["end"] == report["start"]


def test_the_guard_goes_back_to_the_last_good_check(
    run: Adapt,
    fresh_networks: Callable[..., Networks],
    tiny: AdaptConfig,
    silent_log: Callable[..., Any],
    same_weights: Same,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cfg, good, bad = replace(tiny, losses=("l1z",), collapse_floor=0.5), fresh_networks(), fresh_networks()
    with pytest.raises(KeyboardInterrupt):
        run(good, cfg, "good", silent_log(break_at=2))
    healths(monkeypatch, WELL, WELL, COLLAPSED)
    report = run(bad, cfg, "bad")
    assert "collapse" in report["fault"]
    assert report["cycles"] == 4
    assert same_weights(bad.g, good.g)
    assert not same_weights(bad.g, fresh_networks().g)


SWITCHED: dict[str, dict[str, Any]] = {
    "plain": {},
    "low rank": {"rank": 2},
    "the target's statistics": {"target_statistics": True},
    "dressed": {"dress": 1.0},
    "a teacher and an anchor": {"teacher": 0.9, "anchor": 10.0, "losses": ("consensus", "l1z")},
}


@pytest.mark.parametrize("switched", SWITCHED.values(), ids=SWITCHED)
def test_an_interrupted_adaptation_ends_as_the_uninterrupted_one(
    switched: dict[str, Any],
    run: Adapt,
    fresh_networks: Callable[..., Networks],
    tiny: AdaptConfig,
    silent_log: Callable[..., Any],
    same_weights: Same,
) -> None:
    cfg = replace(tiny, **switched)
    whole, broken, resumed = fresh_networks(), fresh_networks(), fresh_networks()
    wanted = run(whole, cfg, "whole")
    with pytest.raises(KeyboardInterrupt):
        run(broken, cfg, log=silent_log(break_at=3))
    log = silent_log()
    assert run(resumed, cfg, log=log) == wanted
    assert log.seen == [3]
    assert same_weights(resumed.g, whole.g)


@pytest.mark.parametrize("switch", [name for name in SWITCHED if name != "plain"])
def test_every_switch_changes_what_is_learned(
    switch: str, run: Adapt, fresh_networks: Callable[..., Networks], tiny: AdaptConfig, same_weights: Same
) -> None:
    cfg = replace(tiny, losses=SWITCHED[switch].get("losses", ("l1z",)), cycles=3)
    plain, switched = fresh_networks(), fresh_networks()
    run(plain, cfg, "plain")
    run(switched, replace(cfg, **SWITCHED[switch]), "switched")
    assert not same_weights(plain.g, switched.g)


def test_with_the_targets_statistics_the_source_is_read_with_its_own(
    run: Adapt, fresh_networks: Callable[..., Networks], tiny: AdaptConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets, read = fresh_networks(), []
    own = [m.running_mean.clone() for m in nets.g.modules() if isinstance(m, nn.BatchNorm2d)]
    supervised = Terms.supervised

    def watched(self: Terms, *args: Any) -> torch.Tensor:
        read.append([m.running_mean.clone() for m in self.nets.g.modules() if isinstance(m, nn.BatchNorm2d)])
        return supervised(self, *args)

    monkeypatch.setattr(Terms, "supervised", watched)
    run(nets, replace(tiny, losses=("replay",), cycles=1, target_statistics=True))
    assert all(torch.equal(a, b) for a, b in zip(read[0], own, strict=True))
    ended = [m.running_mean for m in nets.g.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(torch.equal(a, b) for a, b in zip(ended, own, strict=True))


def test_after_an_interrupt_the_guard_still_knows_the_last_good_state(
    run: Adapt,
    fresh_networks: Callable[..., Networks],
    tiny: AdaptConfig,
    silent_log: Callable[..., Any],
    same_weights: Same,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Broken off between two checks: what was saved last was never found good."""
    cfg, good = replace(tiny, losses=("l1z",), collapse_floor=0.5), fresh_networks()
    with pytest.raises(KeyboardInterrupt):
        run(good, cfg, "good", silent_log(break_at=2))
    with pytest.raises(KeyboardInterrupt):
        run(fresh_networks(), cfg, log=silent_log(break_at=3))
    healths(monkeypatch, WELL, COLLAPSED, WELL)
    resumed = fresh_networks()
    assert run(resumed, cfg)["fault"]
    assert same_weights(resumed.g, good.g)


def test_a_check_that_was_broken_off_is_made_up_for(
    run: Adapt, fresh_networks: Callable[..., Networks], tiny: AdaptConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No state counts as done before the guard has seen it, least of all the last one."""
    cfg = replace(tiny, losses=("l1z",), cycles=2, collapse_floor=0.5)

    def killed(*_: object) -> Health:
        if next(left) == "kill":
            raise KeyboardInterrupt
        return WELL

    left = iter(["start", "kill"])
    monkeypatch.setattr(stage, "examine", killed)
    with pytest.raises(KeyboardInterrupt):
        run(fresh_networks(), cfg)
    healths(monkeypatch, WELL, COLLAPSED, WELL)
    assert run(fresh_networks(), cfg)["fault"]


def test_a_loss_that_is_not_finite_is_skipped_and_counted(
    run: Adapt,
    fresh_networks: Callable[..., Networks],
    tiny: AdaptConfig,
    silent_log: Callable[..., Any],
    same_weights: Same,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither weights nor moments take harm, and the count outlives an interrupt."""
    cfg, nets = replace(tiny, losses=("l1z", "l1v"), replay=0.0), fresh_networks()
    assert run(nets, cfg, "well")["skipped_steps"] == 0
    assert not same_weights(nets.g, fresh_networks().g)
    for bad in (float("nan"), float("inf")):
        nets, keep = fresh_networks(), f"ill {bad}"
        bias = nets.g.backbone.layer2[0].bn1.bias
        monkeypatch.setattr(Terms, "take", lambda *_, bad=bad, bias=bias: bad * bias.sum())
        with pytest.raises(KeyboardInterrupt):
            run(nets, cfg, keep, log=silent_log(break_at=3))
        report = run(nets, cfg, keep)
        assert report["skipped_steps"] == cfg.cycles * 2
        assert report["fault"] is None
        assert same_weights(nets.g, fresh_networks().g)


@pytest.mark.parametrize("loss", ["l1z", "exact"])
def test_a_spatial_loss_without_a_spatial_rule_is_refused_at_the_start(
    loss: str, run: Adapt, fresh_networks: Callable[..., Networks], tiny: AdaptConfig, silent_log: Callable[..., Any]
) -> None:
    log = silent_log()
    with pytest.raises(ConfigError, match=rf"adapt\.losses has {loss}(.|\n)*rules_z"):
        run(fresh_networks(rules_z=()), replace(tiny, losses=("lcr", loss)), log=log)
    assert not log.seen


def test_contrast_on_a_single_clip_is_left_out_and_said(
    run: Adapt, fresh_networks: Callable[..., Networks], stick_figures: Callable[..., FrameSet], tiny: AdaptConfig
) -> None:
    """Of two clips the guard takes one, so that one is left to learn from."""
    for clips in (1, 2):
        frames = TargetClips(stick_figures(clips=clips, frames=62, fps=30, seed=2))
        report = run(fresh_networks(), replace(tiny, cycles=1), f"{clips}", clips=frames)
        assert report["losses"] == ["l1z", "l1v", "l2v", "exact"]
        assert [line.split(",")[0] for line in report["left_out"]] == [
            "lcr: needs two clips or more",
            "hcr: needs two clips of 0.97 s or more",
        ]
    with pytest.raises(TrainingError, match="the target has one"):
        run(fresh_networks(), replace(tiny, losses=("lcr",)), "none", clips=frames)


def test_a_finished_adaptation_taken_up_again_does_nothing_more(
    run: Adapt,
    fresh_networks: Callable[..., Networks],
    tiny: AdaptConfig,
    silent_log: Callable[..., Any],
    same_weights: Same,
) -> None:
    cfg, first, again, log = replace(tiny, losses=("l1z",)), fresh_networks(), fresh_networks(), silent_log()
    report = run(first, cfg)
    assert run(again, cfg, log=log) == report
    assert not log.seen
    assert same_weights(first.g, again.g)


def test_a_rule_that_no_clip_can_serve_is_said(
    run: Adapt, fresh_networks: Callable[..., Networks], stick_figures: Callable[..., FrameSet], tiny: AdaptConfig
) -> None:
    """One rule of a loss at 25 FPS; all rules of another on clips that are too short."""
    slow = TargetClips(stick_figures(clips=4, frames=52, fps=25, seed=2))
    short = TargetClips(stick_figures(clips=4, frames=40, fps=30, seed=2))
    cfg = replace(tiny, losses=("l1z", "l2v"), cycles=1)
    at_25 = run(fresh_networks(rules_v=("slow_backward", "slow_backward@60")), cfg, "slow", clips=slow)
    assert at_25["losses"] == ["l1z", "l2v"]
    assert [line.split(":")[0] for line in at_25["left_out"]] == ["slow_backward@60"]
    at_once = run(fresh_networks(rules_v=("slow_backward",)), cfg, "short", clips=short)
    assert at_once["losses"] == ["l1z"]
    assert [line.split(":")[0] for line in at_once["left_out"]] == ["slow_backward"]
    with pytest.raises(TrainingError, match=r"too short, too slow or too few(.|\n)*slow_backward: 3 of 3"):
        run(fresh_networks(rules_v=("slow_backward",)), replace(cfg, losses=("l2v",)), "none", clips=short)

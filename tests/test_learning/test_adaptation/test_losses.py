"""Each term is zero where it should be, and pulls at nothing but G's moving parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation import terms as stage
from sa3dhp_edge.adaptation.losses import Labels, info_nce, place_loss, presence_term, relation_residual, source_terms
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.source import LabelledFrames
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import STILL, Networks, Terms, plane_residual
from sa3dhp_edge.adaptation.views import Views, random_views
from sa3dhp_edge.config import AdaptConfig, SourceConfig
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.geometry import fit_weak_perspective
from sa3dhp_edge.networks.image_to_latent import Reading, project
from sa3dhp_edge.networks.trainable import unfreeze_only

ALL = ("lcr", "hcr", "l1z", "l1v", "l2v", "exact", "denoised")


def unit(count: int, seed: int) -> torch.Tensor:
    vectors = torch.randn(count, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return nn.functional.normalize(vectors, dim=-1)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_info_nce_is_its_definition_without_negatives_of_the_same_clip(temperature: float) -> None:
    anchor, positive, group = unit(7, 0), unit(7, 1), [0, 0, 1, 2, 2, 2, 3]
    rows = []
    for i in range(7):
        own = torch.exp(anchor[i] @ positive[i] / temperature)
        others = [torch.exp(anchor[i] @ positive[j] / temperature) for j in range(7) if group[j] != group[i]]
        rows.append(-torch.log(own / (own + sum(others))))
    found = info_nce(anchor, positive, torch.tensor(group), temperature)
    torch.testing.assert_close(found, torch.stack(rows).mean())


def test_info_nce_falls_when_positives_match() -> None:
    anchor, group = unit(8, 0), torch.arange(8)
    assert info_nce(anchor, anchor, group, 0.07) < 0.1 * info_nce(anchor, unit(8, 1), group, 0.07)


def test_a_batch_of_one_clip_has_no_negatives_and_no_broken_gradient() -> None:
    anchor = unit(5, 0).requires_grad_()
    loss = info_nce(anchor, unit(5, 1), torch.zeros(5, dtype=torch.long), 0.07)
    loss.backward()
    assert loss.item() == 0
    assert anchor.grad is not None
    assert not anchor.grad.any()


def test_relation_residual_is_a_mean_absolute_difference() -> None:
    a, b = torch.zeros(2, 4), torch.tensor([[1.0, -1, 3, -3], [0, 0, 0, 0]])
    assert relation_residual(a, b).item() == pytest.approx(1.0)
    assert relation_residual(b, b).item() == 0


def spoken_truth(truth: Labels) -> Reading:
    depth = truth.pose_mm[..., 2] / 1000 * truth.camera[:, :1]
    return Reading(truth.z, truth.camera, torch.zeros(len(depth), 1), truth.joints_uv, depth, None)


def test_source_terms_are_zero_at_the_truth_and_only_the_wronged_one_rises(source: LabelledFrames) -> None:
    index = np.arange(6)
    truth = source.labels(index, random_views(generator(0), 6, tilt_deg=15))
    right, cfg = spoken_truth(truth), SourceConfig()
    terms = source_terms(right, truth.pose_mm, truth, cfg)
    assert set(terms) == {"pose", "latent", "camera", "uv", "depth"}
    assert max(float(t) for t in terms.values()) < 1e-6
    assert right.joints_uv is not None
    assert right.depth_uv is not None
    for name, wrong in {
        "latent": right._replace(z=right.z + 0.1),
        "camera": right._replace(camera=right.camera * 1.1),
        "uv": right._replace(joints_uv=right.joints_uv + 0.1),
        "depth": right._replace(depth_uv=right.depth_uv + 0.1),
    }.items():
        risen = {k for k, v in source_terms(wrong, truth.pose_mm, truth, cfg).items() if v > 1e-6}
        assert risen == {name}
    assert source_terms(right, truth.pose_mm + 100, truth, cfg)["pose"].item() == pytest.approx(1)
    assert "uv" not in source_terms(right._replace(joints_uv=None), truth.pose_mm, truth, cfg)


def test_labels_follow_the_view(source: LabelledFrames) -> None:
    """Weak-perspective figures: the template pose under the fitted camera lies on the moved joints."""
    truth = source.labels(np.arange(20), random_views(generator(1), 20, tilt_deg=15))
    torch.testing.assert_close(project(truth.pose_mm, truth.camera), truth.joints_uv, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["tilt50", "flip", "flip_tilt50"])
def test_the_plane_residual_vanishes_for_a_reading_that_obeys_the_rule(name: str, source: LabelledFrames) -> None:
    rule, index = Rule.parse(name), np.arange(8)
    views = random_views(generator(2), 8, tilt_deg=10)
    before, after = (spoken_truth(source.labels(index, v)) for v in (views, views.then(rule)))
    assert float(plane_residual(rule, before, after)) < 1e-4
    assert float(plane_residual(Rule.parse("tilt-20"), before, after)) > 0.05
    assert float(plane_residual(rule, before._replace(joints_uv=None), after)) == 0


@pytest.fixture
def terms(fresh_networks: Callable[..., Networks], target: TargetClips, tiny: AdaptConfig) -> Terms:
    nets = fresh_networks()
    unfreeze_only(nets.g, tiny.trainable)
    torch.manual_seed(1)
    return Terms(nets, target, 32, tiny, SourceConfig())


@pytest.mark.parametrize("name", ALL)
def test_a_loss_reaches_the_moving_parameters_and_only_those(name: str, terms: Terms) -> None:
    nets = terms.nets
    buffers = {k: v.clone() for k, v in nets.g.named_buffers()}
    loss = terms.take(name, generator(0, 1))
    loss.backward()
    assert np.isfinite(float(loss.detach()))
    for key, parameter in nets.g.named_parameters():
        if key.startswith("backbone.layer2."):
            assert parameter.grad is not None, key
        else:
            assert parameter.grad is None, key
    assert sum(float(p.grad.abs().sum()) for p in nets.g.backbone.layer2.parameters() if p.grad is not None) > 0
    for net in (nets.d_p, nets.e_m, nets.d_m, *nets.relations.values()):
        assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(v, buffers[k]) for k, v in nets.g.named_buffers())


def test_what_the_prior_wants_is_a_fixed_goal(terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []

    def watched(pose: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        found.extend((pose.requires_grad, wanted.requires_grad))
        return (pose - wanted).abs().mean()

    monkeypatch.setattr(stage, "pose_l1", watched)
    terms.take("denoised", generator(0, 1))
    assert found == [True, False]


@pytest.mark.parametrize(("name", "sides"), [("l1v", [True, False]), ("l2v", [True, False]), ("hcr", [True, True])])
def test_the_positive_of_a_motion_relation_is_a_fixed_goal(
    name: str, sides: list[bool], terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    motion = terms._motion

    def watched(*args: object, **kwargs: object) -> torch.Tensor:
        v = motion(*args, **kwargs)  # type: ignore[arg-type]
        found.append(v.requires_grad)
        return v

    monkeypatch.setattr(terms, "_motion", watched)
    terms.take(name, generator(0, 1))
    assert found == sides


def test_contrast_needs_two_clips_that_serve_it(
    fresh_networks: Callable[..., Networks], stick_figures: Callable[..., FrameSet], tiny: AdaptConfig
) -> None:
    """Two clips, one of them too short for a window: frames can be told apart, motions cannot."""
    frames = stick_figures(clips=2, frames=62, fps=30, seed=1)
    shortened = TargetClips(frames, [np.arange(62), np.arange(62, 72)])
    assert Terms(fresh_networks(), TargetClips(frames), 32, tiny, SourceConfig()).usable() == list(tiny.losses)
    terms = Terms(fresh_networks(), shortened, 32, tiny, SourceConfig())
    assert terms.usable() == [n for n in tiny.losses if n != "hcr"]
    assert [line for line in terms.left_out() if line.startswith("hcr: needs two clips")]


def test_a_motion_loss_without_a_rule_of_its_kind_is_said(
    fresh_networks: Callable[..., Networks], target: TargetClips, tiny: AdaptConfig
) -> None:
    terms = Terms(fresh_networks(rules_v=("slow_backward",)), target, 32, tiny, SourceConfig())
    assert "l1v" not in terms.usable()
    assert terms.left_out() == ["l1v: the model has learned no rule for it"]


@pytest.mark.parametrize("name", ["lcr", "hcr"])
def test_contrast_sees_every_row_plainly_and_every_window_in_one_light(
    name: str, terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No turn, shift, mirror or light of its own tells a row, or the frames of a window, from the others."""
    seen: list[np.ndarray] = []
    groups: list[np.ndarray | None] = []
    crops, light = Views.crops, stage.change_light

    def watched(self: Views, *args: object) -> torch.Tensor:
        seen.append(self.matrix)
        return crops(self, *args)  # type: ignore[arg-type]

    def lit(rng: object, pictures: object, strength: float = 1.0, group: np.ndarray | None = None) -> torch.Tensor:
        groups.append(group)
        return light(rng, pictures, strength, group)  # type: ignore[arg-type]

    monkeypatch.setattr(Views, "crops", watched)
    monkeypatch.setattr(stage, "change_light", lit)
    terms.take(name, generator(0, 1))
    assert all((matrix == np.eye(2, 3)).all() for matrix in seen)
    assert len(groups) == 2
    for matrix, group in zip(seen, groups, strict=False):
        assert (group is None) if name == "lcr" else (group is not None and len(group) == len(matrix))
        assert group is None or set(group) == set(range(4))


def test_the_windows_of_one_clip_are_no_negatives_of_each_other(terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    """More windows than clips: the group of each is the clip its frames lie in."""
    found: list[torch.Tensor] = []
    monkeypatch.setattr(terms, "cfg", replace(terms.cfg, clips_per_step=8))
    monkeypatch.setattr(stage, "info_nce", lambda a, _b, group, _t: found.append(group) or a.sum())
    windows = terms.target.windows(generator(0, 1), STILL, 16)
    terms.hcr(generator(0, 1))
    serving = terms.target.serving(STILL)
    assert found[0].tolist() == [int(terms.target.frames.clip[serving[c][0]]) for c in windows[2]]


def test_losses_are_decided_by_their_generator(terms: Terms) -> None:
    for name in ALL:
        assert float(terms.take(name, generator(3)).detach()) == float(terms.take(name, generator(3)).detach())
    assert float(terms.take("l1z", generator(3)).detach()) != float(terms.take("l1z", generator(4)).detach())


def test_losses_that_no_clip_can_serve_are_not_usable(
    fresh_networks: Callable[..., Networks], stick_figures: Callable[..., object], tiny: AdaptConfig
) -> None:
    short = TargetClips(stick_figures(clips=3, frames=40, fps=30, seed=1))  # type: ignore[arg-type]
    assert Terms(fresh_networks(), short, 32, tiny, SourceConfig()).usable() == ["lcr", "hcr", "l1z", "l1v", "exact"]
    alone = replace(tiny, losses=("l2v", "lcr"))
    assert Terms(fresh_networks(), short, 32, alone, SourceConfig()).usable() == ["lcr"]


def test_the_fitted_camera_of_a_label_is_the_drawn_one(source: LabelledFrames) -> None:
    frames = source.frames
    assert frames.joints_mm is not None
    assert frames.joints_uv is not None
    camera = fit_weak_perspective(frames.joints_mm, frames.joints_uv)
    np.testing.assert_allclose(camera, np.tile([0.9, 0, 0], (len(frames), 1)), atol=1e-4)


def test_the_place_loss_is_least_where_the_mean_of_the_map_is_the_joint() -> None:
    """Descent on free maps leads each joint's mean to the truth, from a map that is sure of another corner."""
    joints = torch.tensor([[[-0.8, -0.4], [0.31, 0.77], [0.0, 0.0]]])
    places = torch.zeros(1, 3, 6, 8)
    places[:, :, -1, 0] = 12.0
    places.requires_grad_()
    optimizer, values = torch.optim.Adam([places], lr=0.3), []
    for _ in range(400):
        optimizer.zero_grad()
        loss = place_loss(places, joints)
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    share = places.detach().flatten(2).softmax(-1).view_as(places)
    column, row = (torch.arange(n) + 0.5 for n in (8, 6))
    u, v = (share.sum(2) * column).sum(-1) * 2 / 8 - 1, (share.sum(3) * row).sum(-1) * 2 / 6 - 1
    torch.testing.assert_close(torch.stack([u, v], -1), joints, atol=0.02, rtol=0)
    assert values[0] > 11
    assert values[-1] < math.log(4)


def test_the_place_loss_leaves_joints_outside_the_crop_alone() -> None:
    places = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    joints = torch.tensor([[[0.1, 0.2], [1.2, 0.0], [0.0, -1.01]], [[2.0, 0.0], [0.0, 3.0], [5.0, 5.0]]])
    place_loss(places, joints).backward()
    assert places.grad is not None
    assert places.grad[0, 0].abs().max() > 0
    assert places.grad[0, 1:].abs().max() == places.grad[1].abs().max() == 0
    assert float(place_loss(places, joints[1:].expand(2, -1, -1)).detach()) == 0


def test_presence_tells_the_first_rows_from_the_rest() -> None:
    """Sure and right costs nothing, sure and wrong costs much, a network without the output costs nothing."""
    rows = torch.zeros(6, 1)
    cfg = SourceConfig(batch=4, weight_presence=1.0)
    right = Reading(rows, rows, rows, None, None, None, torch.tensor([20.0] * 4 + [-20.0] * 2))
    wrong = Reading(rows, rows, rows, None, None, None, torch.tensor([-20.0] * 4 + [20.0] * 2))
    assert float(presence_term(right, cfg)["presence"]) < 1e-6
    assert float(presence_term(wrong, cfg)["presence"]) > 10
    assert presence_term(Reading(rows, rows, rows, None, None, None), cfg) == {}

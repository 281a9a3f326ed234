"""A rule means the same on a pose, on its projection and on the pixels, and names are one to one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation.poses import PoseSampler, generator
from sa3dhp_edge.adaptation.prelearning import non_localness
from sa3dhp_edge.adaptation.relations import CANDIDATES_V, CANDIDATES_Z, Rule
from sa3dhp_edge.adaptation.views import change_light, plain_views, random_views
from sa3dhp_edge.config import PRESETS, RelationsConfig
from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.frameset import picture_px
from sa3dhp_edge.geometry import fit_weak_perspective
from sa3dhp_edge.networks.image_to_latent import project
from sa3dhp_edge.skeleton import JOINTS, MIRROR, mirror

SPATIAL = ("tilt50", "tilt-30", "flip", "flip_tilt50", "flip_tilt-30", "flip_backward_tilt50")
NAMES = {*CANDIDATES_Z, *CANDIDATES_V, *RelationsConfig().rules_z, *RelationsConfig().rules_v}


@pytest.fixture(scope="module")
def poses(sampler: PoseSampler) -> torch.Tensor:
    return sampler.poses(generator(9), 40, 30)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_and_its_rule_are_one_to_one_in_any_order_of_parts(name: str) -> None:
    rule = Rule.parse(name)
    assert Rule.parse(rule.name) == rule
    body, at, rate = name.partition("@")
    for order in itertools.permutations(body.split("_")):
        assert Rule.parse("_".join(order) + at + rate) == rule


def test_different_candidates_are_different_rules() -> None:
    assert len({Rule.parse(n) for n in CANDIDATES_Z}) == len(CANDIDATES_Z)
    assert len({Rule.parse(n) for n in CANDIDATES_V}) == len(CANDIDATES_V)


@pytest.mark.parametrize("name", ["flop", "", "flip_tilt", "tilt5x", "flip_@60", "slow_backward@50", "flip@60"])
def test_an_unknown_part_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Rule.parse(name)


@pytest.mark.parametrize(
    "name", ["tilt50_tilt30", "slow_fast", "slow_backward_fast@60", "forward_backward", "backward_flip_forward"]
)
def test_a_contradiction_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="says both"):
        Rule.parse(name)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_presets_rules_parse_and_none_of_the_spatial_ones_is_temporal(preset: str) -> None:
    relations = PRESETS[preset].relations
    assert not any(Rule.parse(n).temporal for n in relations.rules_z)
    assert all(Rule.parse(n).temporal for n in relations.rules_v)


def test_flip_then_rotate_is_rotate_back_then_flip(poses: torch.Tensor) -> None:
    """The rule's own order is rotate, then flip."""
    flip, tilt, back = Rule(flip=True), Rule(tilt_deg=50), Rule(tilt_deg=-50)
    torch.testing.assert_close(tilt.apply(flip.apply(poses)), flip.apply(back.apply(poses)))
    torch.testing.assert_close(Rule(flip=True, tilt_deg=50).apply(poses), flip.apply(tilt.apply(poses)))


def test_a_flip_is_the_skeletons_mirror_and_a_positive_tilt_is_clockwise(poses: torch.Tensor) -> None:
    np.testing.assert_allclose(Rule(flip=True).apply(poses).numpy(), mirror(poses.numpy()), atol=1e-3)
    up = torch.tensor([[0.0, -1.0, 0.0]]).expand(17, 3)
    assert float(Rule(tilt_deg=90).apply(up)[0, 0]) == pytest.approx(1)


@pytest.mark.parametrize("name", SPATIAL)
def test_rule_on_the_picture_is_rule_on_the_pose(name: str, poses: torch.Tensor, rng: np.random.Generator) -> None:
    """Points of a stick figure, moved as pixels are, against the projection of the moved pose; sides included."""
    rule, n = Rule.parse(name), len(poses)
    camera = torch.tensor([[0.8, 0.1, -0.05]]).repeat(n, 1)
    uv = project(poses, camera).numpy()
    plain = plain_views(n).then(rule)
    shift = camera[:, 1:] @ torch.from_numpy(rule.linear()[:2, :2]).T
    expected = project(rule.apply(poses), torch.cat([camera[:, :1], shift], 1))
    np.testing.assert_allclose(plain.joints_uv(uv), expected.numpy(), atol=1e-5)

    views = random_views(rng, n, tilt_deg=15)
    turned = rule.apply(torch.from_numpy(views.poses(poses.numpy()))).numpy()
    moved = views.then(rule)
    np.testing.assert_allclose(moved.poses(poses.numpy()), turned, atol=0.01)
    fitted = torch.from_numpy(fit_weak_perspective(turned, moved.joints_uv(uv)).astype(np.float32))
    np.testing.assert_allclose(project(torch.from_numpy(turned), fitted).numpy(), moved.joints_uv(uv), atol=1e-5)
    assert float(fitted[:, 0].min()) > 0


@pytest.mark.parametrize("name", ["forward", *SPATIAL])
def test_a_drawn_dot_lands_where_the_label_says(name: str, rng: np.random.Generator) -> None:
    """A red dot on the right wrist, a blue one on the left: after a mirror the red one is a left wrist."""
    n, crop, rule = 30, 64, Rule.parse(name)
    right, left = JOINTS.index("right_wrist"), JOINTS.index("left_wrist")
    uv = np.zeros((n, 17, 2), np.float32)
    uv[:, [right, left]] = rng.uniform(-0.5, 0.5, (n, 2, 2))
    side = picture_px(crop)
    centres = ((np.arange(side) + 0.5) * 2 / side - 1) * FIELD
    pictures = np.zeros((n, side, side, 3), np.uint8)
    for i, (joint, channel) in itertools.product(range(n), ((right, 0), (left, 2))):
        du, dv = centres - uv[i, joint, 0], centres - uv[i, joint, 1]
        pictures[i, :, :, channel] = 255 * np.exp(-(du[None] ** 2 + dv[:, None] ** 2) / 0.01)
    views = random_views(rng, n, tilt_deg=15).then(rule)
    crops, said = views.crops(pictures, crop).numpy(), views.joints_uv(uv)
    place = (np.arange(crop) + 0.5) * 2 / crop - 1
    for i in range(n):
        mirrored = np.linalg.det(views.tilt_flip[i]) < 0
        for joint, channel in ((right, 0), (left, 2)):
            light = crops[i, channel] / crops[i, channel].sum()
            seen = (light.sum(0) @ place, light.sum(1) @ place)
            np.testing.assert_allclose(seen, said[i, MIRROR[joint] if mirrored else joint], atol=0.01)


def test_plain_views_are_the_nominal_crop(rng: np.random.Generator) -> None:
    uv = rng.normal(size=(2, 17, 2)).astype(np.float32)
    np.testing.assert_array_equal(plain_views(2).joints_uv(uv), uv)
    pictures = rng.integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    crops = plain_views(2).crops(pictures, 64).numpy()
    np.testing.assert_allclose(crops, np.moveaxis(pictures[:, 16:80, 16:80], -1, 1) / 255, atol=1e-4)


def test_views_compose(rng: np.random.Generator) -> None:
    views, rule = random_views(rng, 3, tilt_deg=15), Rule.parse("tilt30")
    there_and_back = views.then(rule).then(Rule.parse("tilt-30"))
    np.testing.assert_allclose(there_and_back.matrix, views.matrix, atol=1e-6)


def test_light_changes_nothing_at_strength_0_and_stays_in_range_at_1() -> None:
    crops = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.98 + 0.01
    torch.testing.assert_close(change_light(generator(1), crops.clone(), 0.0), crops)
    changed = change_light(generator(1), crops)
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert float((changed - crops).abs().mean()) > 0.05


def test_a_group_shares_one_light_and_each_picture_has_its_own_noise() -> None:
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    crops, group = picture.repeat(40, 1, 1, 1), np.arange(40) // 4
    changed = change_light(generator(1), crops, group=group).unflatten(0, (10, 4))
    between, within = changed[:, 0].std(0).mean(), changed.std(1).mean()
    assert 0 < float(within) < 0.3 * float(between)
    brightness = changed.mean((2, 3, 4))
    assert float(brightness.std(1).max()) < 0.01 < float(brightness.std(0).min())


def test_a_group_is_lit_about_its_common_brightness() -> None:
    """What is the same place in two frames of a window is changed alike, though one frame is brighter on the whole."""
    crops = torch.full((2, 3, 16, 16), 0.5)
    crops[1, :, :, 8:] = 0.9
    for seed in range(20):
        changed = change_light(generator(seed), crops, group=np.array([0, 0]))[:, :, :, :4].mean((1, 2, 3))
        assert float((changed[0] - changed[1]).abs()) < 0.02


K = np.arange(30)
QUICK, CALM = np.arange(0, 59, 2), np.arange(15, 45)  # frames of a window of 60


@pytest.mark.parametrize(
    ("name", "frame_ticks", "anchor", "positive", "span_s"),
    [
        ("flip", 2, K, K, 29 / 30),
        ("backward", 2, K, K[::-1], 29 / 30),
        ("slow_forward", 2, QUICK, CALM, 58 / 30),
        ("slow_backward", 2, QUICK, CALM[::-1], 58 / 30),
        ("fast_backward", 2, CALM, QUICK[::-1], 58 / 30),
        ("slow_backward@60", 1, QUICK, CALM[::-1], 58 / 60),
        ("fast_forward@60", 1, CALM, QUICK, 58 / 60),
    ],
)
def test_moments_are_the_papers_frames(
    name: str, frame_ticks: int, anchor: np.ndarray, positive: np.ndarray, span_s: float
) -> None:
    """Ticks are 1/60 s, so a frame is two of them at 30 FPS and one at 60."""
    rule = Rule.parse(name)
    found = rule.ticks()
    np.testing.assert_array_equal(found[0], frame_ticks * anchor)
    np.testing.assert_array_equal(found[1], frame_ticks * positive)
    assert rule.span_s() == pytest.approx(span_s)


def test_distance_grows_with_the_angle_and_no_rule_has_none(sampler: PoseSampler, frozen: dict[str, nn.Module]) -> None:
    def distance(name: str, latent: str) -> float:
        return non_localness(Rule.parse(name), latent, sampler, frozen, 100, seed=0)["distance"]

    for latent in ("z", "v"):
        found = [distance(name, latent) for name in ("forward", "tilt5", "tilt15", "tilt30", "tilt50", "tilt90")]
        assert found[0] == 0
        assert found == sorted(set(found))


def upright_symmetric() -> torch.Tensor:
    pose = torch.zeros(17, 3)
    for joint, name in enumerate(JOINTS):
        twin = min(joint, MIRROR[joint])
        sign = -1.0 if name.startswith("right") else 1.0 if name.startswith("left") else 0.0
        pose[joint] = torch.tensor([150.0 * sign, -60.0 * twin, 20.0 * twin])
    return pose


def test_the_papers_rule_has_a_constant_answer_and_the_default_rules_have_none() -> None:
    """A symmetric pose leaning by 25 degrees obeys flip_tilt50 for ever; plain flip and other angles refuse it."""
    leaning = Rule(tilt_deg=-25).apply(upright_symmetric())

    def residual(name: str) -> float:
        return float((Rule.parse(name).apply(leaning) - leaning).norm(dim=-1).mean())

    assert residual("flip_tilt50") < 0.01
    assert residual("flip_backward_tilt50") < 0.01
    assert min(residual(name) for name in ("flip", "tilt30", "tilt-30")) > 50
    for settings in PRESETS.values():
        assert "flip_tilt50" in settings.relations.rules_z
        assert max(residual(name) for name in settings.relations.rules_z) > 50

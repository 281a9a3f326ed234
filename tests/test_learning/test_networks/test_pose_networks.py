"""Every latent is a pose of the template, and the encoder sees directions only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sa3dhp_edge.adaptation.poses import PoseSampler, generator, random_views
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.networks.pose_autoencoder import LATENT, Kinematics, PoseCritic, PoseDecoder, PoseEncoder
from sa3dhp_edge.skeleton import JOINTS, TEMPLATE_BONE_MM, J, bone_directions, bone_lengths_mm, pose_from_directions

RIGHT, LEFT = JOINTS.index("right_hip"), JOINTS.index("left_hip")


def parameters(net: torch.nn.Module) -> float:
    return sum(p.numel() for p in net.parameters()) / 1e6


def test_sizes_are_the_papers() -> None:
    torch.manual_seed(0)
    e_p, d_p, critic = PoseEncoder(), PoseDecoder(), PoseCritic()
    pose = d_p(torch.rand(5, LATENT))
    assert pose.shape == (5, J, 3)
    assert e_p(pose).shape == (5, LATENT)
    assert critic(pose).shape == (5, 16 + 5 + 1)
    assert 0.1 < parameters(e_p) < 0.3
    assert 0.4 < parameters(d_p) < 0.7


def test_every_latent_decodes_to_the_templates_bones_with_opposite_hips() -> None:
    """Inside the prior, at its corners and far outside."""
    torch.manual_seed(0)
    z = torch.cat([torch.rand(200, LATENT) * 2 - 1, torch.randn(50, LATENT).sign(), 1e3 * torch.randn(50, LATENT)])
    with torch.no_grad():
        pose = PoseDecoder()(z).numpy()
    np.testing.assert_allclose(bone_lengths_mm(pose), np.broadcast_to(TEMPLATE_BONE_MM, (300, 16)), rtol=1e-4)
    np.testing.assert_allclose(pose[:, RIGHT], -pose[:, LEFT], atol=1e-3)
    assert not pose[:, 0].any()


def test_the_decoder_takes_windows_as_it_takes_single_latents() -> None:
    torch.manual_seed(0)
    d_p, z = PoseDecoder(), torch.rand(3, 30, LATENT)
    torch.testing.assert_close(d_p(z)[1, 7], d_p(z[1, 7][None])[0], atol=1e-2, rtol=0)


def test_torch_kinematics_is_the_skeletons(rng: np.random.Generator) -> None:
    pose = rng.normal(0, 300, (20, J, 3)).astype(np.float32)
    ours = Kinematics()
    directions = ours.directions(torch.from_numpy(pose))
    np.testing.assert_allclose(directions.numpy(), bone_directions(pose), atol=1e-6)
    np.testing.assert_allclose(ours.pose_mm(directions).numpy(), pose_from_directions(directions.numpy()), atol=1e-3)


def test_a_networks_constants_are_its_own() -> None:
    """What is done to a network's buffers is not done to the skeleton."""
    for buffer in Kinematics().buffers():
        buffer.zero_()
    assert TEMPLATE_BONE_MM.all()
    assert float(Kinematics().lengths.min()) > 0


def test_the_encoder_sees_neither_unit_nor_root(sampler: PoseSampler) -> None:
    torch.manual_seed(0)
    e_p, pose = PoseEncoder(), sampler.poses(generator(0), 50, 30)
    z = e_p(pose)
    torch.testing.assert_close(e_p(pose / 1000), z, atol=1e-5, rtol=0)
    torch.testing.assert_close(e_p(pose + torch.tensor([300.0, -200, 4000])), z, atol=2e-3, rtol=0)


def test_sampled_poses_are_the_templates_and_seeded(sampler: PoseSampler) -> None:
    pose = sampler.poses(generator(1, 2), 100, 70)
    np.testing.assert_allclose(bone_lengths_mm(pose.numpy()), np.broadcast_to(TEMPLATE_BONE_MM, (100, 16)), rtol=1e-4)
    assert torch.equal(pose, sampler.poses(generator(1, 2), 100, 70))
    assert not torch.equal(pose, sampler.poses(generator(1, 3), 100, 70))


def test_motion_of_another_rate_is_refused(motion: MotionSet) -> None:
    """Ticks would mean other times."""
    with pytest.raises(TrainingError, match=r"120 frames a second(.|\n)*resample it to 60 Hz"):
        PoseSampler(replace(motion, hz=120.0))


def test_moments_of_a_stretch_are_those_of_the_whole_one(sampler: PoseSampler) -> None:
    ticks = np.array([58, 0, 119])
    whole = sampler.stretches(generator(4), 5, 70)
    torch.testing.assert_close(sampler.stretches(generator(4), 5, 70, ticks), whole[:, ticks])


def test_a_stretch_has_one_view(sampler: PoseSampler) -> None:
    """Steps from frame to frame are as small as in the motion itself."""
    stretch = sampler.stretches(generator(4), 20, 70)
    assert stretch.shape == (20, 120, J, 3)
    assert float((stretch[:, 1:] - stretch[:, :-1]).norm(dim=-1).mean()) < 40


def test_half_of_all_views_mirror_and_a_mirrored_person_keeps_its_sides(sampler: PoseSampler) -> None:
    """Facing the same way, the right hand stays on the anatomical right: the triple product keeps its sign."""
    views = random_views(generator(5), 400, 70)
    np.testing.assert_allclose(views @ views.swapaxes(1, 2), np.tile(np.eye(3), (400, 1, 1)), atol=1e-5)
    assert 0.4 < (np.linalg.det(views) < 0).mean() < 0.6
    pose = sampler.poses(generator(6), 400, 70).numpy()
    across = pose[:, RIGHT] - pose[:, LEFT]
    up = pose[:, JOINTS.index("neck")]
    toes = sum(pose[:, JOINTS.index(f"{s}_foot")] - pose[:, JOINTS.index(f"{s}_ankle")] for s in ("right", "left"))
    assert (np.einsum("ni,ni->n", np.cross(across, up), toes) < 0).mean() > 0.95

"""The error figures forgive what their names say and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge import metrics
from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.skeleton import TEMPLATE_BONE_MM, B, bone_directions, mirror, pose_from_directions


def rotation(rng: np.random.Generator) -> np.ndarray:
    q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return np.asarray(q * np.linalg.det(q))


@pytest.fixture
def poses(rng: np.random.Generator) -> np.ndarray:
    """(20, 17, 3) mm with the template's bones."""
    directions = rng.normal(size=(20, B, 3))
    return pose_from_directions((directions / np.linalg.norm(directions, axis=-1, keepdims=True)).astype(np.float32))


def naive_pa_mpjpe(predicted: np.ndarray, true: np.ndarray) -> float:
    """Kabsch with a scale, one pose, float64, straight from the definition."""
    p, t = predicted - predicted.mean(0), true - true.mean(0)
    u, s, vt = np.linalg.svd(t.T @ p)
    fix = np.diag([1, 1, np.linalg.det(u) * np.linalg.det(vt)])
    turn = u @ fix @ vt
    scale = np.trace(np.diag(s) @ fix) / (p**2).sum()
    return float(np.mean([np.linalg.norm(scale * turn @ a - b) for a, b in zip(p, t, strict=True)]))


def test_mpjpe_forgives_the_root_only(poses: np.ndarray, rng: np.random.Generator) -> None:
    assert metrics.mpjpe(poses + np.float32([300, -20, 5000]), poses).max() < 0.01
    assert metrics.mpjpe(poses @ rotation(rng), poses).min() > 20
    moved = poses.copy()
    moved[:, 5] += (0, 17, 0)
    np.testing.assert_allclose(metrics.mpjpe(moved, poses), 1.0, atol=1e-3)


def test_pa_mpjpe_forgives_a_similarity_but_no_mirror(poses: np.ndarray, rng: np.random.Generator) -> None:
    similar = 1.7 * poses @ rotation(rng) + rng.normal(0, 500, (20, 1, 3))
    assert metrics.pa_mpjpe(similar, poses).max() < 0.01
    assert metrics.pa_mpjpe(mirror(poses), poses).min() > 20
    assert metrics.pa_mpjpe(poses * np.float32([1, 1, -1]), poses).min() > 20


def test_procrustes_is_its_definition(poses: np.ndarray, rng: np.random.Generator) -> None:
    other = poses + rng.normal(0, 200, poses.shape)
    expected = [naive_pa_mpjpe(a.astype(float), b.astype(float)) for a, b in zip(other, poses, strict=True)]
    np.testing.assert_allclose(metrics.pa_mpjpe(other, poses), expected, rtol=1e-6)
    flipped = mirror(poses)
    expected = [naive_pa_mpjpe(a.astype(float), b.astype(float)) for a, b in zip(flipped, poses, strict=True)]
    np.testing.assert_allclose(metrics.pa_mpjpe(flipped, poses), expected, rtol=1e-5)


def test_procrustes_is_no_worse_than_the_root(poses: np.ndarray, rng: np.random.Generator) -> None:
    """In the squares that it minimises."""
    other = poses + rng.normal(0, 100, poses.shape)
    fitted = ((metrics.procrustes(other, poses) - poses) ** 2).sum((1, 2))
    assert (fitted <= (metrics.joint_errors(other, poses) ** 2).sum(1) + 1e-6).all()


def test_a_batch_is_its_singles(poses: np.ndarray, rng: np.random.Generator) -> None:
    other = poses + rng.normal(0, 100, poses.shape)
    for figure in (metrics.mpjpe, metrics.pa_mpjpe, metrics.pa_mpjpe_true_bones):
        singles = [float(figure(a, b)) for a, b in zip(other, poses, strict=True)]
        np.testing.assert_allclose(figure(other, poses), singles, rtol=1e-5)
        np.testing.assert_allclose(figure(other.reshape(4, 5, 17, 3), poses.reshape(4, 5, 17, 3)).ravel(), singles)


def test_the_papers_figure_forgives_wrong_bone_lengths(poses: np.ndarray, rng: np.random.Generator) -> None:
    lengths = TEMPLATE_BONE_MM * rng.uniform(0.6, 1.5, (20, B)).astype(np.float32)
    other = pose_from_directions(bone_directions(poses), lengths)
    assert metrics.pa_mpjpe(other, poses).min() > 10
    assert metrics.pa_mpjpe_true_bones(other, poses).max() < 0.01


def test_pck_and_auc_at_their_limits(poses: np.ndarray) -> None:
    """The threshold of 0 mm is one of auc's 31, and nothing lies under it."""
    far = poses.copy()
    far[:, 1:] += (0, 0, 151)
    assert (metrics.pck(poses, poses), metrics.auc(poses, poses)) == (1.0, pytest.approx(30 / 31))
    assert (metrics.pck(far, poses), metrics.auc(far, poses)) == (0.0, 0.0)
    half = poses.copy()
    half[:, 1:9] += (0, 0, 200)
    assert metrics.pck(half, poses) == 0.5
    half[:, 1:] = poses[:, 1:] + np.float32([0, 0, 74.9])
    assert metrics.auc(half, poses) == pytest.approx(16 / 31)


def test_a_pose_that_is_not_finite_has_no_error_figure_and_spoils_no_other(poses: np.ndarray) -> None:
    broken = poses.copy()
    broken[3] = np.nan
    figures = metrics.pa_mpjpe(broken, poses)
    assert np.isnan(figures[3])
    assert np.delete(figures, 3).max() < 0.01
    assert np.isnan(metrics.summary(broken, poses)["pa_mpjpe"])


def test_a_pose_without_size_is_measured_not_refused(poses: np.ndarray) -> None:
    spread = np.linalg.norm(poses - poses.mean(1, keepdims=True), axis=-1).mean(1)
    np.testing.assert_allclose(metrics.pa_mpjpe(np.zeros_like(poses), poses), spread, rtol=1e-5)


def test_poses_of_different_shapes_are_refused(poses: np.ndarray) -> None:
    for other in (poses[:5], poses[:, :14], poses[..., :2]):
        with pytest.raises(ShapeError):
            metrics.mpjpe(other, poses)
    with pytest.raises(ShapeError):
        metrics.pa_mpjpe(poses[..., :2], poses[..., :2])


def test_mpjpe_rigid_forgives_one_rotation_for_the_clip_and_nothing_else(
    poses: np.ndarray, rng: np.random.Generator
) -> None:
    assert metrics.mpjpe_rigid(poses @ rotation(rng), poses) < 0.01
    assert metrics.mpjpe_rigid(1.1 * poses, poses) == pytest.approx(metrics.mpjpe(1.1 * poses, poses).mean(), rel=0.02)
    each = np.stack([p @ rotation(rng) for p in poses])
    assert metrics.mpjpe_rigid(each, poses) > 50


def test_jitter_is_the_second_difference_over_whole_triples(rng: np.random.Generator) -> None:
    steady = np.arange(8.0)[:, None, None] * rng.normal(size=(1, 17, 3)) + rng.normal(size=(1, 17, 3))
    good = np.ones(8, bool)
    assert metrics.jitter(steady, good) < 1e-9
    steady[3, 5, 0] += 17
    assert metrics.jitter(steady, good) == pytest.approx((1 + 2 + 1) / 6)
    assert metrics.jitter(steady, np.arange(8) != 3) < 1e-9
    assert np.isnan(metrics.jitter(steady, np.arange(8) % 3 > 0))


def test_pck_torso_counts_within_a_fifth_of_each_torso() -> None:
    true = np.zeros((2, 4, 2))
    guess = true + np.array([[[9.0, 0], [11, 0], [0, 0], [np.nan, 0]], [[19.0, 0], [21, 0], [0, 0], [0, 0]]])
    assert metrics.pck_torso(guess, true, np.array([50.0, 100.0])) == pytest.approx(5 / 7)

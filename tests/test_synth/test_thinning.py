"""Thinning keeps one sheet, its border and its shape; the body's file is made by rules that a small case can check."""

from __future__ import annotations

import numpy as np

from sa3dhp_edge.synth.mesh_rig import RIG_BONES
from sa3dhp_edge.synth.sample_anny import compress, draw_sliders, our_bone, strongest
from sa3dhp_edge.synth.thinning import boundary_loops, close_loop, thin


def sheet(side: int, height: float) -> tuple[np.ndarray, np.ndarray]:
    """A square grid with a ridge of a height along its middle."""
    x, y = np.meshgrid(np.arange(side, dtype=float), np.arange(side, dtype=float))
    z = height * (x == side // 2)
    number = np.arange(side * side).reshape(side, side)
    a, b, c, d = (number[i : side - 1 + i, j : side - 1 + j].ravel() for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    return np.stack([x, y, z], -1).reshape(-1, 3), np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])


def test_a_thinned_sheet_keeps_its_ridge_and_stays_one_sheet() -> None:
    points, faces = sheet(13, 4.0)
    border = np.isin(np.arange(len(points)), boundary_loops(faces)[0])
    kept, small = thin(points, faces, border, np.full(len(points), 50.0), 60)
    assert len(kept) == 60
    assert small.max() == 59
    assert len(boundary_loops(small)) == 1
    edges = np.sort(np.concatenate([small[:, [0, 1]], small[:, [1, 2]], small[:, [2, 0]]]), axis=1)
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2
    assert (points[kept][small][:, :, 2].max(1) == 4).sum() > 12  # faces on the ridge
    across = points[kept][small]
    beside = (across[:, :, 2] == 0).any(1) & (across[:, :, 2] == 4).any(1)
    assert np.ptp(across[beside][:, :, 0], axis=1).max() < 3  # which has stayed steep


def test_a_hole_is_closed_by_faces_that_wind_as_the_others() -> None:
    points, faces = sheet(7, 0.0)
    inside = (np.abs(points[faces].mean(1)[:, :2] - 3) < 1).all(1)
    holed = faces[~inside]
    loops = sorted(boundary_loops(holed), key=len)
    assert len(loops) == 2
    closed = np.concatenate([holed, close_loop(points, loops[0])])
    assert len(boundary_loops(closed)) == 1
    a, b, c = (points[closed[:, k]] for k in range(3))
    up = np.cross(b - a, c - a)[:, 2]
    assert (up > 0).all() or (up < 0).all()


def test_components_give_back_what_they_were_made_from() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 30)) + rng.normal(size=30)
    points = points.reshape(20, 10, 3)
    mean, components, coefficients = compress(points, 3)
    np.testing.assert_allclose(mean + np.tensordot(coefficients, components, 1), points, atol=1e-9)
    np.testing.assert_allclose(coefficients.std(0), 1, atol=1e-6)


def test_the_strongest_shares_come_first_and_sum_to_one() -> None:
    weights = np.array([[0.05, 0.5, 0.1, 0.3, 0.05], [0, 0, 1.0, 0, 0]])
    columns, shares = strongest(weights)
    assert columns[0, :3].tolist() == [1, 3, 2]
    assert shares[0, 0] == round(255 * 0.5 / 0.95)
    assert shares[1].tolist() == [255, 0, 0, 0]


def test_every_kind_of_bone_drives_ours_on_its_own_side() -> None:
    for name, ours in {"spine04": "loin", "finger3-2.L": "left_hand", "metacarpal1.R": "right_hand", "eye.L": "head",
                       "toe2-3.R": "right_foot", "lowerarm02.L": "left_fore_low"}.items():  # fmt: skip
        assert RIG_BONES[our_bone(name)] == ours


def test_both_sexes_and_all_ages_are_asked_for() -> None:
    sliders, origins = draw_sliders(np.random.default_rng(0))
    assert sliders.min() >= 0
    assert sliders.max() <= 1
    assert 0.45 < (sliders[:, 0] > 0.5).mean() < 0.55
    assert (sliders[:, 1] > 0.85).sum() >= 40
    assert (sliders[:, 1] < 0.36).sum() >= 10
    np.testing.assert_allclose(origins.sum(1), 1)

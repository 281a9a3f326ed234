"""Solids: closed, wound outward, with unit normals, whatever their size and turn; furniture stands on the floor."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.synth.furniture import IN_FRONT, INDOORS, ON_WALLS, OUTDOORS
from sa3dhp_edge.synth.paints import LOOKS, PALETTES, draw_look
from sa3dhp_edge.synth.shade import MATERIAL
from sa3dhp_edge.synth.smear import ENDS, smear_limbs
from sa3dhp_edge.synth.solids import Solid, build, templates

LOOK = np.zeros((1, MATERIAL), np.float32)


@pytest.mark.parametrize("kind", ["box", "rod", "rod_x", "rod_z", "ball", "bush"])
def test_a_solid_is_wound_outward_and_fills_its_box(kind: str) -> None:
    turn = 0.7
    place = np.array([[100, 200, np.sin(turn), np.cos(turn)]], np.float32)
    things = build([Solid(kind, 0, 0, -50, 0, 40, 50, 60)], place, LOOK)
    corners = things.points[things.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = corners.mean(1) - np.array([100, -50, 200])
    assert ((cross * outward).sum(1) > -10).all()  # slivers at the poles have no side
    np.testing.assert_allclose(np.linalg.norm(things.normals, axis=1), 1, atol=1e-3)
    volume = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum(1).sum() / 6
    share = {"box": 1.0, "ball": 0.45, "bush": 0.45}.get(kind, 0.73)
    assert volume == pytest.approx(share * 80 * 100 * 120, rel=0.2)


def test_turned_pieces_keep_their_solids_together() -> None:
    pair = [Solid("box", 0, 300, -10, 0, 10, 10, 10), Solid("ball", 0, -300, -10, 0, 10, 10, 10)]
    place = np.tile(np.array([[0, 0, 1, 0]], np.float32), (2, 1))  # a quarter turn
    points = build(pair, place, LOOK).points
    boxes, balls = points[:24], points[24:]
    np.testing.assert_allclose(boxes.mean(0), [0, -10, -300], atol=1e-3)
    np.testing.assert_allclose((balls.min(0) + balls.max(0)) / 2, [0, -10, 300], atol=1.5)
    assert set(templates()) == {"box", "rod", "rod_x", "rod_z", "ball", "bush"}


@pytest.mark.parametrize("maker", sorted({*INDOORS, *OUTDOORS, *ON_WALLS, *IN_FRONT}, key=lambda m: m.__name__))
def test_furniture_stands_on_the_floor_in_known_looks(maker: object) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        piece = maker(rng)  # type: ignore[operator]
        assert set(piece.looks) <= set(LOOKS)
        assert all(0 <= solid.look < len(piece.looks) for solid in piece.solids)
        assert all(min(solid[5:]) > 0 for solid in piece.solids)
        assert max(solid.y for solid in piece.solids) < 500
        assert min(solid.y - solid.half_y for solid in piece.solids) < -10


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_is_paint(look: str) -> None:
    row = draw_look(np.random.default_rng(1), look)
    assert row.shape == (MATERIAL,)
    assert np.isfinite(row).all()
    assert (row[7:] >= 0).all()
    assert LOOKS[look][0] in PALETTES


def test_everyday_colours_are_mostly_pale() -> None:
    cloth = PALETTES["cloth"]
    strength = cloth.colours.max(1) - cloth.colours.min(1)
    assert cloth.odds[strength < 0.25].sum() > 0.7
    assert cloth.odds.sum() == pytest.approx(1)


def test_only_what_moves_is_smeared() -> None:
    light = np.random.default_rng(0).uniform(0, 1, (64, 64, 3)).astype(np.float32)
    joints = np.full((17, 2), 20, np.float32)
    joints[16] = 50  # the last joint, whose limb moves along x
    way = np.zeros((17, 2), np.float32)
    np.testing.assert_array_equal(smear_limbs(light, joints, way, ENDS, 4.0), light)
    way[16] = 8, 0
    moved = smear_limbs(light, joints, way, ENDS, 4.0)
    assert np.abs(np.diff(moved[50, 47:54], axis=0)).mean() < 0.6 * np.abs(np.diff(light[50, 47:54], axis=0)).mean()
    np.testing.assert_array_equal(moved[:8], light[:8])

"""Figures: a body of lofts keeps the protocol, people stand where they are put, company stays out of the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.company import draw_company
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.figure import draw_loft_figure
from sa3dhp_edge.synth.footage import Facing, draw_stretch, to_face_camera
from sa3dhp_edge.synth.scene import draw_camera
from sa3dhp_edge.synth.shade import MATERIAL, ZONES
from sa3dhp_edge.synth.staging import draw_stage

NOWHERE = np.zeros(3, np.float32)


def test_a_figure_has_the_shapes_that_the_protocol_names(motion: MotionSet) -> None:
    rng = np.random.default_rng(1)
    stretch = draw_stretch(rng, motion, 5, 10, Facing(70, 1))
    figure = draw_loft_figure(rng, DOMAINS["wide"], stretch, NOWHERE)
    points, normals = figure.place(3)
    vertices = len(figure.local)
    assert points.shape == normals.shape == (vertices, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    assert figure.joints_mm.shape == (5, 17, 3)
    assert figure.faces.max() < vertices
    assert figure.face_part.max() < len(PARTS)
    assert figure.zones.shape == (len(PARTS), ZONES)
    assert figure.edges.shape == figure.tilts.shape == (len(PARTS), ZONES - 1)
    assert figure.materials.shape == (figure.zones.max() + 1, MATERIAL) or figure.zones.max() < len(figure.materials)
    low, high = points.min(0), points.max(0)
    assert ((figure.joints_mm[3] > low - 30) & (figure.joints_mm[3] < high + 30)).all()


def test_a_shift_moves_joints_and_skin_alike(motion: MotionSet) -> None:
    shift = np.array([700, 0, -300], np.float32)
    stretch = draw_stretch(np.random.default_rng(1), motion, 2, 10, Facing(70, 1))
    here, there = (
        draw_loft_figure(np.random.default_rng(2), DOMAINS["wide"], stretch, s) for s in (NOWHERE, shift)
    )  # fmt: skip
    np.testing.assert_allclose(there.joints_mm - here.joints_mm, np.broadcast_to(shift, (2, 17, 3)), atol=0.1)
    moved = there.place(1)[0] - here.place(1)[0]
    np.testing.assert_allclose(moved, np.broadcast_to(shift, moved.shape), atol=0.5)


def test_most_people_face_the_camera_and_some_do_not(motion: MotionSet) -> None:
    rng = np.random.default_rng(0)
    azimuth = [draw_stretch(rng, motion, 3, 10, Facing(30, 0.7)) for _ in range(200)]
    off = np.array([s.azimuth_deg - to_face_camera(s.directions[1]) for s in azimuth])
    assert 0.68 < (np.abs(off) <= 30).mean() < 0.85
    assert np.abs(off).max() > 120


def test_company_stands_apart_from_the_person_and_from_the_camera(motion: MotionSet) -> None:
    crowd = replace(DOMAINS["wide"], others=1.0)
    rng = np.random.default_rng(4)
    for _ in range(10):
        stretch = draw_stretch(rng, motion, 3, 10, Facing(70, 1))
        joints = draw_loft_figure(rng, crowd, stretch, NOWHERE).joints_mm
        camera = draw_camera(rng, crowd, joints, (640, 480), whole=False)
        people = draw_company(rng, crowd, motion, 3, 10, camera, joints)
        assert 1 <= len(people) <= 3
        for other in people:
            apart = np.linalg.norm(other.joints_mm[:, 0] - joints[:, 0], axis=-1)
            assert apart.min() > 250
            assert (camera.to_camera(other.joints_mm)[..., 2] > 300).all()


def test_velocity_is_the_way_that_joints_go(motion: MotionSet) -> None:
    """Between neighbouring frames of a fine stretch the labelled joints move as the stage says they do."""
    stage = draw_stage(np.random.default_rng(3), DOMAINS["studio"], motion, 9, 60, (320, 240), whole=False)
    moved = (stage.joints_mm[2:] - stage.joints_mm[:-2]) * 30
    speed = np.linalg.norm(moved, axis=-1)
    off = np.linalg.norm(stage.velocity_mm_s[1:-1] - moved, axis=-1)
    assert np.median(off[speed > 100] / speed[speed > 100]) < 0.25

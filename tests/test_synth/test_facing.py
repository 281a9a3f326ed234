"""Which way a person stands to the camera."""

from __future__ import annotations

import numpy as np

from sa3dhp_edge.geometry import rotation_about_y
from sa3dhp_edge.skeleton import BONES
from sa3dhp_edge.synth.footage import to_face_camera


def test_the_turn_to_the_camera_puts_the_right_side_on_the_viewers_left() -> None:
    """Whatever the heading, after the turn left minus right points along +x: the person looks towards -z."""
    rng = np.random.default_rng(0)
    for heading_deg in rng.uniform(0, 360, 20):
        directions = np.tile(np.array([0, 1, 0], np.float32), (16, 1))
        turn = rotation_about_y(float(heading_deg))
        for name, x in (("right_hip", -1), ("left_hip", 1), ("right_shoulder", -0.9), ("left_shoulder", 0.9)):
            directions[BONES.index(name)] = turn @ np.array([x, 0, 0])
        turned = directions @ rotation_about_y(to_face_camera(directions)).T
        across = turned[BONES.index("left_hip")] - turned[BONES.index("right_hip")]
        np.testing.assert_allclose(across, [2, 0, 0], atol=1e-5)

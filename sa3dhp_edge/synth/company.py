"""Other people near the labelled one: passing behind, standing beside, now and then half in front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.figure import Figure, draw_figure
from sa3dhp_edge.synth.footage import Facing, Stretch, draw_stretch
from sa3dhp_edge.synth.scene import Camera

Array = NDArray[np.float32]
ANY_WAY = Facing(180, 1)
SHOULDER_MM = 450.0
"""Room that a person takes up to either side of the root."""


def draw_company(
    rng: np.random.Generator, d: Domain, motion: MotionSet, frames: int, fps: float, camera: Camera, joints_mm: Array
) -> tuple[Figure, ...]:
    """Nobody or up to `d.others_count` people, each with a body, clothes and a stretch of motion of its own."""
    if rng.random() >= d.others:
        return ()
    people = []
    for _ in range(int(rng.integers(d.others_count[0], d.others_count[1] + 1))):
        stretch = draw_stretch(rng, motion, frames, fps, ANY_WAY)
        people.append(draw_figure(rng, d, stretch, _stand(rng, d, camera, joints_mm, stretch)))
    return tuple(people)


def _stand(rng: np.random.Generator, d: Domain, camera: Camera, joints_mm: Array, stretch: Stretch) -> Array:
    """(3,) mm where somebody is who neither stands in the labelled person nor in the camera."""
    low, high, eye = joints_mm.min((0, 1)), joints_mm.max((0, 1)), float(camera.position[2])
    room = SHOULDER_MM + float(np.linalg.norm(np.ptp(stretch.root_mm[:, [0, 2]], axis=0))) / 2
    sign, where = 1 if rng.random() < 0.5 else -1, rng.random()
    if where < d.others_in_front:
        z = float(low[2]) - room - rng.uniform(0, 800)
        if z > eye + room + 1200:
            return np.array([sign * rng.uniform(150, 700) * (z - eye) / -eye, 0, z], np.float32)
    if where < d.others_in_front + 0.3:
        side = room + rng.uniform(-150, 700) + float(high[0] if sign > 0 else -low[0])
        return np.array([sign * side, 0, rng.uniform(low[2] - 200, high[2] + 600)], np.float32)
    z = float(high[2]) + room + rng.uniform(100, 4000)
    return np.array([sign * rng.uniform(0, 1500) * (z - eye) / -eye, 0, z], np.float32)

"""Whole frames with any number of people, and where each of them is: what a person detector learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.geometry import project, rotation_about_x, rotation_about_y
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.domain import DOMAINS, Domain
from sa3dhp_edge.synth.picture import SAMPLES_PER_PX
from sa3dhp_edge.synth.raster import NOTHING, Samples, View
from sa3dhp_edge.synth.scene import Camera
from sa3dhp_edge.synth.sensor import develop, exposure_gain
from sa3dhp_edge.synth.staging import Stage, draw_frame, draw_stage

MOST_PEOPLE = 8
NEAREST_MM = 500.0
"""Who has a joint nearer to the camera than this is in no label: a projection says nothing there."""
_POSES_PER_S = 0.4
"""Frames of one scene are so far apart that people have moved on."""
_OWN_SAMPLES = 3
"""A joint is seen where its person's surface is within so many samples of its place."""
CROWDS: tuple[Domain, ...] = tuple(
    replace(
        DOMAINS[name], others=0.75, others_count=(1, MOST_PEOPLE - 1), distance_mm=(2200, 12000), truncation=0, photo=0
    )
    for name in ("wide", "wide", "wide", "wide", "park", "site")
)


@dataclass(frozen=True)
class CrowdFrame:
    """A generated frame.

    Attributes:
        image_bgr: (H, W, 3) uint8.
        joints_px: (P, 17, 2) float32, people in front of the camera, in the frame or not.
        seen: (P, 17) whether the person's own surface is at the joint's place in the frame.
    """

    image_bgr: NDArray[np.uint8]
    joints_px: NDArray[np.float32]
    seen: NDArray[np.bool_]


def crowd_frames(
    motion: MotionSet, seed: int, number: int, frames: int, size_wh: tuple[int, int]
) -> Iterator[CrowdFrame]:
    """Frames of scene `number`, each from a view turned a little; a scene in eight is shown without its people.

    Equal arguments give equal frames.
    """
    rng = np.random.default_rng((seed, number))
    domain = CROWDS[int(rng.integers(len(CROWDS)))]
    stage = draw_stage(rng, domain, motion, frames, _POSES_PER_S, size_wh, whole=False)
    empty, noise = rng.random() < 0.125, int(rng.integers(2**31))
    if empty:
        stage = _without_people(stage)
    for t in range(frames):
        yield _frame(rng, stage, t, empty, noise + t)


def _frame(rng: np.random.Generator, stage: Stage, t: int, empty: bool, noise: int) -> CrowdFrame:
    camera = _turned(rng, stage.camera)
    w, h = camera.size_wh
    lens = camera.intrinsics
    drawn = draw_frame(stage, t, View(camera.rotation, camera.position, lens.focal_px[0], *lens.center_px), h, w)
    image = develop(drawn.light, stage.sensor, exposure_gain(drawn.light), max(w, h) / 640, noise)[..., ::-1]
    joints, seen = [], []
    for number, figure in enumerate(() if empty else stage.figures):
        inside = camera.to_camera(figure.joints_mm[t])
        if inside[:, 2].min() >= NEAREST_MM:
            px = project(inside, lens.matrix()).astype(np.float32)
            joints.append(px)
            seen.append(_seen(px, drawn.samples, drawn.face_part // len(PARTS) == number))
    return CrowdFrame(
        np.ascontiguousarray(image),
        np.array(joints, np.float32).reshape(-1, 17, 2),
        np.array(seen, np.bool_).reshape(-1, 17),
    )


def _turned(rng: np.random.Generator, camera: Camera) -> Camera:
    """The camera looking a little aside, up or down."""
    half = np.degrees(np.arctan(np.array(camera.size_wh) / 2 / camera.intrinsics.focal_px[0]))
    yaw, pitch = (float(rng.uniform(-0.35, 0.35) * angle) for angle in half)
    turn = rotation_about_x(pitch) @ rotation_about_y(yaw)
    return camera._replace(rotation=(turn @ camera.rotation).astype(np.float32))


def _without_people(stage: Stage) -> Stage:
    """The same scene with none of the people's faces."""
    things = len(stage.things.faces)
    first = len(stage.mesh.faces) - things
    return stage._replace(mesh=stage.mesh._replace(faces=stage.mesh.faces[first:], part=stage.mesh.part[first:]))


def _seen(joints_px: NDArray[np.float32], samples: Samples, own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(17,) whether a face of `own` (F,) is drawn near each joint."""
    height, width = samples.face.shape
    places = np.round(joints_px * SAMPLES_PER_PX).astype(int)
    found = np.zeros(len(places), np.bool_)
    for j, (x, y) in enumerate(places):
        near = samples.face[
            max(y - _OWN_SAMPLES, 0) : min(max(y + _OWN_SAMPLES + 1, 0), height),
            max(x - _OWN_SAMPLES, 0) : min(max(x + _OWN_SAMPLES + 1, 0), width),
        ]
        found[j] = own[near[near != NOTHING]].any()
    return found

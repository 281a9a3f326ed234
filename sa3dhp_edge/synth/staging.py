"""One clip made ready to be drawn from any view: subject, motion, scene; and the drawing of a frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.body import PARTS, TOPOLOGY, VERTICES, outward_normals, place_vertices
from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.footage import act, draw_stretch, to_face_camera
from sa3dhp_edge.synth.paints import draw_patterned
from sa3dhp_edge.synth.patterns import bank
from sa3dhp_edge.synth.posing import Habits, ring_frames
from sa3dhp_edge.synth.raster import NOTHING, Samples, View, empty_samples, project_view, rasterise
from sa3dhp_edge.synth.scene import SHADOW_SIDE, Camera, Things, draw_camera, draw_light, draw_room, draw_things
from sa3dhp_edge.synth.sensor import Sensor, draw_sensor
from sa3dhp_edge.synth.shade import SAMPLES_PER_PX, ZONES, Light, Mesh, Paint, Room, shade_picture
from sa3dhp_edge.synth.subject import Subject, draw_subject

Array = NDArray[np.float32]
FEET = [JOINTS.index(f"{side}_{name}") for side in ("right", "left") for name in ("ankle", "foot")]


class Stage(NamedTuple):
    """Everything of a clip: joints (T, 17, 3) world mm, ring frames of the body, and what surrounds it."""

    joints_mm: Array
    frames: Array
    subject: Subject
    things: Things
    mesh: Mesh
    paint: Paint
    light: Light
    room: Room
    camera: Camera
    sensor: Sensor
    sequence: int


class Drawn(NamedTuple):
    """A frame as drawn: linear RGB (H, W, 3), the z-buffer, and the part of every face (F,)."""

    light: Array
    samples: Samples
    face_part: NDArray[np.int32]


def draw_stage(
    rng: np.random.Generator,
    domain: Domain,
    motion: MotionSet,
    frames: int,
    fps: float,
    size_wh: tuple[int, int],
    whole: bool,
) -> Stage:
    """A new subject plays a stretch of motion in a new scene; `whole` keeps the person in the frame all the time."""
    subject = draw_subject(rng, domain)
    directions, root_mm, sequence = draw_stretch(rng, motion, frames, fps)
    azimuth_deg = to_face_camera(directions[frames // 2]) + float(rng.uniform(-domain.facing_deg, domain.facing_deg))
    joints = act(directions, root_mm, subject.bone_mm, subject.size, azimuth_deg)
    camera = draw_camera(rng, domain, joints, size_wh, whole)
    light = draw_light(rng, domain)
    room, sides = draw_room(rng, domain, camera, joints, len(subject.materials))
    things = draw_things(rng, domain, camera, room, joints)
    looks = [
        draw_patterned(rng, domain.wall_patterns, domain.wall_brightness, domain.wall_saturation, (200, 1500), 0, 0.1)
        for _ in range(things.count)
    ]
    materials = np.concatenate([subject.materials, sides, *(look[None] for look in looks)])
    paint = _paint(subject, materials, len(subject.materials) + len(sides), things.count)
    rings = ring_frames(joints, _draw_habits(rng, domain, subject, frames, fps), subject.size)
    return Stage(
        joints,
        rings,
        subject,
        things,
        _mesh(subject, things),
        paint,
        light,
        room,
        camera,
        draw_sensor(rng, domain),
        sequence,
    )


def _draw_habits(rng: np.random.Generator, domain: Domain, subject: Subject, frames: int, fps: float) -> Habits:
    time = np.arange(frames) / fps
    swing = np.sin(time * rng.uniform(0.3, 2) + rng.uniform(0, 6)) + rng.uniform(-1, 1)
    yaw = np.radians(domain.head_yaw_deg) * swing / 2
    hand = (95.0 if subject.fist else 182.0) * subject.size
    palm, wrist = rng.uniform(-1.2, 1.9, 2).astype(np.float32), rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return Habits(yaw.astype(np.float32), palm, wrist, hand, subject.hair_mm, subject.skirt)


def _mesh(subject: Subject, things: Things) -> Mesh:
    """The person's vertices first, still unplaced, then the things."""
    still = np.zeros((VERTICES, 3), np.float32)
    local = np.concatenate([np.stack([TOPOLOGY.angle, TOPOLOGY.length], 1), things.local])
    faces = np.concatenate([TOPOLOGY.faces[subject.faces], things.faces + VERTICES])
    part = np.concatenate([TOPOLOGY.face_part[subject.faces], things.thing + len(PARTS)])
    points, normals = np.concatenate([still, things.points]), np.concatenate([still, things.normals])
    return Mesh(points, normals, local, faces.astype(np.int32), part.astype(np.int32))


def _paint(subject: Subject, materials: Array, first: int, things: int) -> Paint:
    edges = np.concatenate([subject.edges, np.full((things, ZONES - 1), np.inf, np.float32)])
    tilts = np.concatenate([subject.tilts, np.zeros((things, ZONES - 1), np.float32)])
    own = np.repeat(np.arange(first, first + things, dtype=np.int32)[:, None], ZONES, 1)
    size_mm = np.concatenate([subject.size_mm, np.ones((things, 2), np.float32)])
    zones = np.concatenate([subject.zones, own])
    return Paint(edges, tilts, zones, size_mm, PARTS.index("head"), materials.astype(np.float32))


def _shadow_map(light: Light, points_mm: Array, faces: NDArray[np.int32], centre_mm: Array) -> Light:
    """The light with its first direction's map of what is nearest to it."""
    if light.shadow <= 0:
        return light
    seen = np.asarray((points_mm - centre_mm) @ light.shadow_axes.T, np.float32)
    seen += np.array([SHADOW_SIDE / 2 - 0.5, SHADOW_SIDE / 2 - 0.5, 10000], np.float32)
    samples = empty_samples(SHADOW_SIDE, SHADOW_SIDE)
    rasterise(seen, faces, samples)
    return light._replace(shadow_centre=centre_mm, shadow_map=samples.nearness)


def draw_frame(stage: Stage, t: int, view: View, height: int, width: int) -> Drawn:
    """Frame t of a clip from a view, in linear light."""
    frames, topology, mesh = stage.frames[t], TOPOLOGY, stage.mesh
    body = place_vertices(frames, stage.subject.offset_mm, topology.ring)
    mesh.points[:VERTICES] = body
    mesh.normals[:VERTICES] = outward_normals(body, frames, topology.ring, topology.columns, topology.part)
    light = _shadow_map(stage.light, body, mesh.faces[: len(stage.subject.faces)], stage.joints_mm[t, 0])
    room = stage.room._replace(feet=stage.joints_mm[t, FEET])
    projected = project_view(mesh.points, view, SAMPLES_PER_PX)
    samples = empty_samples(SAMPLES_PER_PX * height, SAMPLES_PER_PX * width)
    rasterise(projected, mesh.faces, samples)
    picture = np.empty((height, width, 3), np.float32)
    shade_picture(samples, mesh, projected, stage.paint, light, room, view, bank(), picture)
    return Drawn(picture, samples, mesh.part)


@compiled
def seen_joints(
    uvz: Array, depth_mm: Array, own: NDArray[np.bool_], samples: Samples, part: NDArray[np.int32], reach: int
) -> NDArray[np.bool_]:
    """(17,) whether a joint's own skin is what is seen at its place.

    Args:
        uvz: (17, 3): x, y in samples and depth mm.
        depth_mm: (17,) how far a joint may lie beneath its skin.
        own: (17, parts) whose skin that may be.
        samples: the z-buffer of 1 / depth; `part` (F,) of each face.
        reach: samples around the joint's place that are looked at, for joints on the outline.
    """
    height, width = samples.face.shape
    seen = np.zeros(len(uvz), np.bool_)
    for j in range(len(uvz)):
        cx, cy = int(np.round(uvz[j, 0])), int(np.round(uvz[j, 1]))
        for y in range(max(cy - reach, 0), min(cy + reach + 1, height)):
            for x in range(max(cx - reach, 0), min(cx + reach + 1, width)):
                face = samples.face[y, x]
                if face != NOTHING and part[face] < own.shape[1] and own[j, part[face]]:
                    beneath = uvz[j, 2] - 1 / samples.nearness[y, x]
                    seen[j] |= beneath < depth_mm[j]
    return seen

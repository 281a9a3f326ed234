"""A realistic person in a scene: a skinned body, dressed; hair, skirt and rucksack are lofts carried along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import BONES, TEMPLATE_HEIGHT_MM, bone_lengths_mm
from sa3dhp_edge.synth.body import PARTS, TOPOLOGY, offsets, outward_normals, place_vertices, rings_of_profile
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.dressing import COLLAR, dress, paint_body, wearable
from sa3dhp_edge.synth.footage import UNDER_MM, Stretch, act
from sa3dhp_edge.synth.mesh_body import (
    Shape,
    curl_fingers,
    draw_shape,
    family,
    hand_axes,
    mirrored_axes,
    pose_skin,
    skin_normals,
    spread_charts,
)
from sa3dhp_edge.synth.mesh_rig import Turns, rig_transforms
from sa3dhp_edge.synth.posing import Habits, ring_frames
from sa3dhp_edge.synth.subject import RING_PART, RING_STATION, hidden_parts, part_sizes_mm
from sa3dhp_edge.synth.wardrobe import Wear, draw_materials, draw_wear, is_part

Array = NDArray[np.float32]
CARRIED = ("hair", "skirt", "pack")


class Extras(NamedTuple):
    """Lofts that a person carries: rings' frames (T, rings, 4, 3) and, of their vertices only, the loft's tables."""

    frames: Array
    offset_mm: Array
    ring: NDArray[np.int32]
    columns: NDArray[np.int32]
    part: NDArray[np.int32]

    def place(self, t: int) -> tuple[Array, Array]:
        """Points mm and normals, both (E, 3), in frame t."""
        points = place_vertices(self.frames[t], self.offset_mm, self.ring)
        return points, outward_normals(points, self.frames[t], self.ring, self.columns, self.part)


@dataclass(frozen=True)
class MeshFigure:
    """A `figure.Figure` of one skinned body.

    Attributes:
        joints_mm: (T, 17, 3) mm in the world.
        transforms: (T, B, 3, 4) of the rig's bones.
        points_mm: (V, 3) mm, the dressed rest pose.
        extras: what it carries, if anything.
        faces, face_part, local, edges, tilts, zones, size_mm, materials: as in `figure.Figure`.
    """

    joints_mm: Array
    transforms: Array
    points_mm: Array
    extras: Extras | None
    faces: NDArray[np.int32]
    face_part: NDArray[np.int32]
    local: Array
    edges: Array
    tilts: Array
    zones: NDArray[np.int32]
    size_mm: Array
    materials: Array

    def place(self, t: int) -> tuple[Array, Array]:
        """Points (V, 3) mm in the world and unit normals (V, 3) in frame t."""
        f = family()
        skin = pose_skin(self.points_mm, f.bones, f.weights, self.transforms[t])
        out = np.empty((2, len(self.local), 3), np.float32)
        spread_charts(skin, skin_normals(skin, f.skin), f.source, out)
        if self.extras is not None:
            out[0, len(f.source) :], out[1, len(f.source) :] = self.extras.place(t)
        return out[0], out[1]


def draw_mesh_figure(rng: np.random.Generator, domain: Domain, stretch: Stretch, shift_mm: Array) -> MeshFigure:
    """A new realistic person plays the stretch.

    Args:
        rng: decides everything.
        domain: levers of body and clothes.
        stretch: bone directions, path and where the person faces.
        shift_mm: (3,) or (T, 1, 3) mm added to the joints.
    """
    wear = wearable(draw_wear(rng, domain))
    height, build, muscle = (float(rng.uniform(*span)) for span in (domain.height_mm, domain.build, domain.muscle))
    variety = min(domain.proportion_jitter / 0.08, 1.0)
    shape = draw_shape(rng, wear.female, height, 0.5 + 0.45 * build, 0.1 + 0.8 * muscle, variety)
    size, fist, relief = (
        height / TEMPLATE_HEIGHT_MM,
        bool(rng.random() < domain.fist),
        float(rng.uniform(*domain.creases)),
    )
    bare = curl_fingers(shape, float(rng.uniform(1.1, 1.4) if fist else rng.uniform(0, 0.5)))
    collar, shave = float(rng.uniform(*COLLAR)), float(rng.random())
    points = dress(rng, family(), bare, wear, size, relief, collar)
    bones = bone_lengths_mm(shape.joints_mm)
    directions = level_shoulders(stretch.directions)
    joints = act(directions, stretch.root_mm, bones, size, stretch.azimuth_deg)
    habits = draw_habits(rng, domain, stretch, size, fist, wear)
    transforms = rig_transforms(shape.joints_mm, palm_axes(shape), joints, turns_of(habits))
    rise = _sink(points, joints, transforms, size)
    joints, transforms = joints + shift_mm, transforms.copy()
    joints[..., 1] += rise
    transforms[..., 3] += shift_mm + np.array([0, rise, 0], np.float32)
    materials, use = draw_materials(rng, domain, wear)
    edges, tilts, zones = paint_body(wear, use, collar, shave)
    profile = rings_of_profile(_girth(shape, size))
    sizes = part_sizes_mm(profile, bones)
    f, worn = family(), [name for name in CARRIED if name not in hidden_parts(wear)]
    if not worn:
        return MeshFigure(
            joints, transforms, points, None, f.faces, f.part, f.local, edges, tilts, zones, sizes, materials
        )
    extras, more, part, local = _carry(worn, _fitted(profile, points, shape, wear, size), joints, habits, size)
    faces = np.concatenate([f.faces, more + len(f.source)]).astype(np.int32)
    part, local = np.concatenate([f.part, part]), np.concatenate([f.local, local])
    return MeshFigure(joints, transforms, points, extras, faces, part, local, edges, tilts, zones, sizes, materials)


def level_shoulders(directions: Array) -> Array:
    """Bone directions (T, 16, 3) with the shoulders near the height at which the body's rest pose has them.

    Sources of motion put the neck joint at different heights between the collar bones; its shoulders' rise says where.
    """
    out = directions.copy()
    spine = directions[:, BONES.index("neck")]
    for side in ("right", "left"):
        bone = BONES.index(f"{side}_shoulder")
        rise = (out[:, bone] * spine).sum(-1, keepdims=True)
        level = out[:, bone] - rise * spine
        level /= np.maximum(np.linalg.norm(level, axis=-1, keepdims=True), 1e-6)
        kept = np.clip(0.55 * (rise - 0.15) - 0.1, -0.6, 0.6)
        out[:, bone] = np.sqrt(1 - kept**2) * level + kept * spine
    return out


def draw_habits(
    rng: np.random.Generator, domain: Domain, stretch: Stretch, size: float, fist: bool, wear: Wear
) -> Habits:
    """How head and hands are held, and what the lofts need to know."""
    time = np.arange(len(stretch.directions)) / stretch.fps
    swing = np.sin(time * rng.uniform(0.3, 2) + rng.uniform(0, 6)) + rng.uniform(-1, 1)
    yaw = (np.radians(domain.head_yaw_deg) * swing / 2).astype(np.float32)
    palm, wrist = rng.uniform(-1.2, 1.9, 2).astype(np.float32), rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return Habits(yaw, palm, wrist, (95.0 if fist else 182.0) * size, wear.hair_mm, wear.skirt)


def turns_of(habits: Habits) -> Turns:
    """The rig's open turns; the rest pose's palms face inward, half way between forward and backward."""
    return Turns(habits.head_yaw, 0.55 * (habits.palm - 0.35), habits.wrist)


def palm_axes(shape: Shape) -> Array:
    """(2, 3): about these the right and the left hand of the rest pose bend towards the palm."""
    along, palm = hand_axes(shape)
    return np.cross(mirrored_axes(along), mirrored_axes(palm)).astype(np.float32)


def _sink(points_mm: Array, joints_mm: Array, transforms: Array, size: float) -> float:
    """mm to lower the person so that the lowest skin of the frame with the lowest joint touches the floor."""
    t = int((joints_mm[..., 1] + UNDER_MM * size).max(1).argmax())
    f = family()
    return -float(pose_skin(points_mm, f.bones, f.weights, transforms[t])[:, 1].max())


def _girth(shape: Shape, size: float) -> Array:
    """(rings,) factor on the lofts' profile: stout people carry wider things."""
    girth = np.full(len(RING_PART), size * (0.9 + 0.25 * float(shape.traits[3])), np.float32)
    girth[is_part("head", "hair")[RING_PART]] = size**0.65
    return girth


def _fitted(profile: Array, points_mm: Array, shape: Shape, wear: Wear, size: float) -> Array:
    """The ring profile (rings, 4) with a skirt that lies round the dressed waist and hips."""
    f = family()
    trunk = np.unique(f.skin[is_part("trunk", "leg")[f.part]])
    levels = np.array([190.0, 60.0, -60.0]) * size
    reach = []
    for level in levels:
        near = points_mm[trunk][np.abs(points_mm[trunk, 1] + level) < 35 * size]
        reach.append([-near[:, 2].min(), near[:, 2].max(), np.abs(near[:, 0]).max()])
    skirt = is_part("skirt")[RING_PART]
    up = np.clip(0.3 - RING_STATION[skirt], 0, 0.3) / 0.3 * 190 * size
    out = profile.copy()
    for column in range(3):
        fit = np.interp(up, levels[::-1], [r[column] for r in reach][::-1])
        out[skirt, column] = np.maximum(fit, 90 * size if column < 2 else 120 * size) + 10 + 0.5 * wear.top_mm
    ends = np.flatnonzero(skirt)[[0, -1]]
    out[ends, :3] *= 0.03
    return out


def _carry(
    worn: list[str], profile: Array, joints_mm: Array, habits: Habits, size: float
) -> tuple[Extras, NDArray[np.int32], NDArray[np.int32], Array]:
    """Extras of the parts worn, their faces, the faces' parts, and the vertices' local coordinates."""
    shown = np.array([name in worn for name in PARTS])
    own = shown[TOPOLOGY.part]
    number = np.cumsum(own) - 1
    rows = shown[TOPOLOGY.face_part]
    frames = ring_frames(joints_mm, habits, size)
    t = TOPOLOGY
    extras = Extras(frames, offsets(profile)[own], t.ring[own], t.columns[own], t.part[own])
    local = np.stack([t.angle, t.length], 1)[own]
    return extras, number[t.faces[rows]].astype(np.int32), t.face_part[rows], local

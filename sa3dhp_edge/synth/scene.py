"""Where the person is: camera, lights, room and things, all by chance within a domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.geometry import Intrinsics, project, rotation_about_x, rotation_about_y, rotation_about_z
from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.paints import draw_colour, draw_patterned
from sa3dhp_edge.synth.shade import Light, Room

Array = NDArray[np.float32]
SHADOW_SIDE = 112
SHADOW_MM = 2700.0


class Camera(NamedTuple):
    """The (virtual) full-frame camera: world to camera rotation (3, 3), position (3,) mm, intrinsics, frame size."""

    rotation: Array
    position: Array
    intrinsics: Intrinsics
    size_wh: tuple[int, int]

    def to_camera(self, points_mm: NDArray[np.floating]) -> Array:
        """(..., 3) mm from the world to the camera frame."""
        return np.asarray((points_mm - self.position) @ self.rotation.T, np.float32)


@dataclass(frozen=True)
class Things:
    """Boxes: points, normals (V, 3) world, local (V, 2) mm, faces (F, 3), the box of each face (F,), how many."""

    points: Array
    normals: Array
    local: Array
    faces: NDArray[np.int32]
    thing: NDArray[np.int32]
    count: int


def draw_camera(rng: np.random.Generator, d: Domain, joints_mm: Array, size_wh: tuple[int, int], whole: bool) -> Camera:
    """A camera that has the person (T, 17, 3) before it; `whole`: in view from head to foot all the time."""
    w, h = size_wh
    focal = float(rng.uniform(*d.focal)) * w
    height, distance = -float(rng.uniform(*d.camera_height_mm)), float(rng.uniform(*d.distance_mm))
    reach = float(np.abs(joints_mm[..., [0, 2]]).max())
    distance = max(distance, reach + 1700)
    roll = rotation_about_z(float(rng.uniform(-d.roll_deg, d.roll_deg)))
    aside = np.arctan(d.off_centre * rng.uniform(-0.5, 0.5) * w / focal)
    below = np.arctan(d.off_centre * rng.uniform(-0.25, 0.25) * h / focal)
    intrinsics = Intrinsics((focal, focal), ((w - 1) / 2, (h - 1) / 2))
    while True:
        pitch = np.arctan2(-850 - height, distance) - below
        rotation = roll @ rotation_about_x(float(np.degrees(pitch))) @ rotation_about_y(float(np.degrees(aside)))
        camera = Camera(rotation.astype(np.float32), np.array([0, height, -distance], np.float32), intrinsics, size_wh)
        inside = camera.to_camera(joints_mm)
        px = project(inside, intrinsics.matrix())
        margin = 0.06 * np.array([w, h])
        if not whole or (inside[..., 2].min() > 600 and (px > margin).all() and (px < np.array([w, h]) - margin).all()):
            return camera
        distance, aside, below = distance * 1.12, aside * 0.7, below * 0.7


def draw_light(rng: np.random.Generator, d: Domain) -> Light:
    """Directional lights of any colour near white and light from above and below; the shadow map is still empty."""
    count = int(rng.integers(d.lights[0], d.lights[1] + 1))
    directions, colours = np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32)
    for k in range(count):
        azimuth = rng.uniform(*d.key_azimuth_deg) if k == 0 else rng.uniform(-180, 180)
        a, e = np.radians(azimuth), np.radians(rng.uniform(*d.key_elevation_deg))
        directions[k] = np.sin(a) * np.cos(e), -np.sin(e), -np.cos(a) * np.cos(e)
        colours[k] = rng.uniform(*d.key_strength) * (1 if k == 0 else rng.uniform(0.1, 0.5)) * _tint(rng, d.light_tint)
    above = rng.uniform(*d.ambient) * _tint(rng, d.light_tint)
    below = above * rng.uniform(0.35, 0.9) * _tint(rng, d.light_tint)
    key = directions[0]
    right = np.cross(key, (0, 1, 0.1))
    right /= np.linalg.norm(right)
    scale = SHADOW_SIDE / SHADOW_MM
    axes = np.stack([right * scale, np.cross(key, right) * scale, key]).astype(np.float32)
    empty = np.zeros((SHADOW_SIDE, SHADOW_SIDE), np.float32)
    centre = np.zeros(3, np.float32)
    return Light(directions, colours, above, below, float(rng.uniform(*d.shadow)), centre, axes, empty)


def _tint(rng: np.random.Generator, strength: float) -> Array:
    """(3,) factors about 1, mostly along warm to cool."""
    warm = rng.uniform(-1, 1) * strength
    return np.asarray(np.array([1 + warm, 1, 1 - warm]) * (1 + 0.3 * strength * rng.uniform(-1, 1, 3)), np.float32)


def draw_room(rng: np.random.Generator, d: Domain, camera: Camera, joints_mm: Array, first: int) -> tuple[Room, Array]:
    """A room, a yard or a backdrop around person and camera, and its three materials, numbered from `first`."""
    kind = rng.random()
    backdrop, outdoor = bool(kind < d.backdrop), bool(d.backdrop <= kind < d.backdrop + d.outdoor)
    behind = float(joints_mm[..., 2].max()) + float(rng.uniform(*d.room_depth_mm)) * (4 if outdoor else 1)
    reach = float(np.abs(joints_mm[..., 0]).max()) + rng.uniform(600, 4000, 2) * (4 if outdoor else 1)
    top = -float(rng.uniform(800, 9000)) if outdoor else min(-float(rng.uniform(2400, 4500)), camera.position[1] - 200)
    low = np.array([-reach[0], top, camera.position[2] - 800], np.float32)
    high = np.array([reach[1], 0, behind], np.float32)
    tile = (2500, 9000) if outdoor else (500, 4000)
    brightness, saturation = d.wall_brightness, d.wall_saturation
    kinds = [("plain",) if rng.random() < d.plain_wall else d.wall_patterns for _ in range(3)]
    wall, other, floor = (draw_patterned(rng, kind, brightness, saturation, tile) for kind in kinds)
    if backdrop:
        floor = draw_patterned(rng, ("plain",), brightness, saturation, (3000, 9000))
    sides = np.array([1, 1, 1, 2, 0, 0]) if rng.random() < 0.5 else np.array([0, 0, 1, 2, 0, 0])
    sky = np.stack([draw_colour(rng, (0.6, 1), (0, 0.25)), draw_colour(rng, (0.5, 1), (0, 0.6))]) * 1.2
    feet = np.zeros((0, 3), np.float32)
    room = Room(low, high, (first + sides).astype(np.int32), outdoor, backdrop, sky.astype(np.float32), feet)
    return room, np.stack([wall, other, floor])


_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)


def _box(centre: Array, half: Array, turn_deg: float) -> tuple[Array, Array, Array]:
    """24 points, normals (24, 3) and local mm (24, 2) of a box turned about the vertical."""
    turn = rotation_about_y(turn_deg).astype(np.float32).T
    points, normals, local = [], [], []
    for axis in range(3):
        others = [c for c in range(3) if c != axis]
        for sign in (-1, 1):
            corners = _CORNERS[_CORNERS[:, axis] == sign] * half
            points.append(corners @ turn + centre)
            normals.append(np.tile(np.eye(3, dtype=np.float32)[axis] * sign, (4, 1)) @ turn)
            local.append(corners[:, others])
    return np.concatenate(points), np.concatenate(normals), np.concatenate(local)


def _seat(rng: np.random.Generator, joints_mm: Array) -> tuple[Array, Array, Array] | None:
    """A box under the pelvis, when that stays at the height of a seat below an upright back, the feet before it."""
    pelvis = joints_mm[:, JOINTS.index("pelvis")]
    feet = (joints_mm[:, JOINTS.index("right_ankle")] + joints_mm[:, JOINTS.index("left_ankle")]) / 2
    ahead = (feet - pelvis).mean(0)[[0, 2]]
    height = -float(pelvis[:, 1].mean())
    upright = float((pelvis - joints_mm[:, JOINTS.index("neck")])[:, 1].min()) > 250
    if not upright or not 330 < height < 680 or np.linalg.norm(ahead) < 260 or np.ptp(pelvis, axis=0).max() > 150:
        return None
    half = np.array([rng.uniform(180, 420), (height - 120) / 2, rng.uniform(150, 230)], np.float32)
    back = 60 * ahead / np.linalg.norm(ahead)
    centre = np.array([pelvis[:, 0].mean() - back[0], -half[1], pelvis[:, 2].mean() - back[1]], np.float32)
    return _box(centre, half, float(np.degrees(np.arctan2(ahead[0], ahead[1]))))


def draw_things(rng: np.random.Generator, d: Domain, camera: Camera, room: Room, joints_mm: Array) -> Things:
    """A seat, clutter beside and behind the person, and now and then something between it and the camera."""
    seat = _seat(rng, joints_mm) if rng.random() < d.seat else None
    boxes = [] if seat is None else [seat]
    low, high = joints_mm.min((0, 1)), joints_mm.max((0, 1))
    for _ in range(int(rng.integers(d.clutter[0], d.clutter[1] + 1))):
        half = np.array(
            [rng.uniform(40, 500), rng.uniform(40, 900) if rng.random() < 0.8 else 1300, rng.uniform(40, 400)]
        )
        z = rng.uniform(low[2] - 500, max(room.high[2] - half[2], high[2] + 800))
        x = rng.uniform(-2200, 2200)
        if z < high[2] + 350 + half[2]:  # not where the person walks: aside
            x = rng.choice(
                [low[0] - 400 - half[0] - rng.uniform(0, 1000), high[0] + 400 + half[0] + rng.uniform(0, 1000)]
            )
        y = -half[1] if rng.random() < 0.6 else -rng.uniform(half[1], 2600)
        boxes.append(_box(np.array([x, y, z], np.float32), half.astype(np.float32), rng.uniform(-40, 40)))
    if rng.random() < d.occluder:
        share = rng.uniform(0.45, 0.8)
        gap = share * (joints_mm[..., 2].min() - camera.position[2])
        x = camera.position[0] + rng.normal(0, 350) * share
        half = np.array([rng.uniform(60, 350), rng.uniform(150, 450), rng.uniform(30, 200)])
        y = -half[1] if rng.random() < 0.7 else -rng.uniform(half[1], 1500)
        centre = np.array([x, y, camera.position[2] + gap], np.float32)
        boxes.append(_box(centre, half.astype(np.float32), rng.uniform(-40, 40)))
    if not boxes:
        nothing = np.zeros((0, 3), np.float32)
        empty = np.zeros((0, 3), np.int32)
        return Things(nothing, nothing, nothing[:, :2], empty, empty[:, 0], 0)
    points, normals, local = (np.concatenate([box[k] for box in boxes]).astype(np.float32) for k in range(3))
    quads = 4 * np.arange(6 * len(boxes))[:, None, None]
    faces = (quads + np.array([[0, 1, 2], [1, 3, 2]])).reshape(-1, 3).astype(np.int32)
    return Things(points, normals, local, faces, np.repeat(np.arange(len(boxes)), 12).astype(np.int32), len(boxes))

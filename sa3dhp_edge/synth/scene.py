"""Where the person is: camera, lights, room and things, all by chance within a domain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.geometry import Intrinsics, project, rotation_about_x, rotation_about_y, rotation_about_z
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.paints import PALETTES, draw_colour, draw_patterned, linear
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


def draw_camera(rng: np.random.Generator, d: Domain, joints_mm: Array, size_wh: tuple[int, int], whole: bool) -> Camera:
    """A camera that has the person (T, 17, 3) before it; `whole`: in view from head to foot all the time."""
    w, h = size_wh
    focal = float(rng.uniform(*d.focal)) * max(w, h)
    at_eye_level = rng.random() < d.eye_level
    height = -float(rng.uniform(*(d.eye_level_mm if at_eye_level else d.camera_height_mm)))
    distance = float(rng.uniform(*d.distance_mm))
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
    natural = bool(rng.random() < d.natural)
    far = (rng.uniform(2, 8) if natural else 4) if outdoor else 1
    behind = float(joints_mm[..., 2].max()) + float(rng.uniform(*d.room_depth_mm)) * far
    reach = float(np.abs(joints_mm[..., 0]).max()) + rng.uniform(600, 4000, 2) * far
    top = -float(rng.uniform(800, 9000)) if outdoor else min(-float(rng.uniform(2400, 4500)), camera.position[1] - 200)
    low = np.array([-reach[0], top, camera.position[2] - 800], np.float32)
    high = np.array([reach[1], 0, behind], np.float32)
    paints = _everyday_sides(rng, outdoor, backdrop) if natural else _any_sides(rng, d, outdoor, backdrop)
    sides = np.array([1, 1, 0, 2, 0, 0]) if natural or rng.random() < 0.5 else np.array([0, 0, 1, 2, 0, 0])
    if natural:
        sky = np.stack([draw_colour(rng, (0.85, 1), (0, 0.08)), _sky_blue(rng)]) * rng.uniform(0.9, 1.6)
    else:
        sky = np.stack([draw_colour(rng, (0.6, 1), (0, 0.25)), draw_colour(rng, (0.5, 1), (0, 0.6))]) * 1.2
    feet = np.zeros((0, 3), np.float32)
    mirror = float(max(rng.uniform(-0.3, 0.35), 0)) if natural and not outdoor else 0.0
    clouds, uneven = (float(rng.random()), float(rng.uniform(0.05, 0.9))) if natural else (0.0, 0.0)
    rows, sky = (first + sides).astype(np.int32), sky.astype(np.float32)
    return Room(low, high, rows, outdoor, backdrop, sky, feet, mirror, clouds, uneven), paints


def _any_sides(rng: np.random.Generator, d: Domain, outdoor: bool, backdrop: bool) -> Array:
    """(3, MATERIAL) wall, other wall and floor in any colours and patterns of the domain."""
    tile = (2500, 9000) if outdoor else (500, 4000)
    brightness, saturation = d.wall_brightness, d.wall_saturation
    kinds = [("plain",) if rng.random() < d.plain_wall else d.wall_patterns for _ in range(3)]
    wall, other, floor = (draw_patterned(rng, kind, brightness, saturation, tile) for kind in kinds)
    if backdrop:
        floor = draw_patterned(rng, ("plain",), brightness, saturation, (3000, 9000))
    return np.stack([wall, other, floor])


INSIDE = ("plain",) * 12 + ("noise", "bricks", "tiles", "grain", "collage", "speckle")
FLOORS = ("wood", "wood", "grain", "tiles", "tiles", "speckle", "speckle", "plain", "plain", "plain")
GROUNDS = ("grass", "grass", "speckle", "speckle", "tiles", "bricks", "noise")
FAR = ("leaves", "leaves", "foliage", "facade", "facade", "bricks", "noise", "plain", "wood", "collage")
GREEN = ("leaves", "foliage")


def _everyday_sides(rng: np.random.Generator, outdoor: bool, backdrop: bool) -> Array:
    """(3, MATERIAL) wall, other wall and floor as they are found."""

    def side(families: tuple[str, ...], palette: str, tile_mm: tuple[float, float]) -> Array:
        family = families[int(rng.integers(len(families)))]
        colours = {"grass": "foliage", "bricks": "brick"}.get(family, "foliage" if family in GREEN else palette)
        return draw_patterned(rng, (family,), (0, 1), (0, 0), tile_mm, 0, 0, PALETTES[colours], kindred=True)

    if outdoor:
        wall = side(FAR, "wall", (3000, 12000))
        return np.stack([wall, wall if rng.random() < 0.5 else side(FAR, "wall", (3000, 12000)), side(
            GROUNDS, "ground", (800, 4000))])  # fmt: skip
    wall = side(("plain",) if rng.random() < 0.5 else INSIDE, "wall", (800, 4000))
    other = wall if rng.random() < 0.6 else side(INSIDE, "wall", (800, 4000))
    floor = side(("plain",), "wall", (3000, 9000)) if backdrop else side(FLOORS, "floor", (600, 3500))
    return np.stack([wall, other, floor])


def _sky_blue(rng: np.random.Generator) -> Array:
    """(3,) linear colour of the sky overhead, grey to deep blue."""
    grey, blue = np.array([0.8, 0.83, 0.86]), np.array([0.3, 0.5, 0.8])
    share = rng.random()
    return linear(grey * (1 - share) + blue * share)

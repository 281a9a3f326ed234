"""The colour of what is behind everything: sides of the room, sky, the floor's sheen, a photo's shadows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.compiled import inner_loop
from sa3dhp_edge.synth.patterns import first_of
from sa3dhp_edge.synth.raster import View
from sa3dhp_edge.synth.shade import Light, Paint, Room, Vector, lighten, lit_share, paint_at, pattern_value

Array = NDArray[np.float32]
CLOUDS = first_of("noise") + 2
FLOOR, SKY = 3, 6
"""Sides of a room: -x, +x, top, floor, -z, +z, and the sky above an open one."""
SMOOTH = 100.0
"""Texels per pixel at which a pattern is at its softest."""
PHOTO_SHADOW = 0.5
"""Share of a photo's light that is taken to come from the first lamp."""


@inner_loop
def shade_room(x_px: float, y_px: float, room: Room, paint: Paint, light: Light, view: View, bank: Array) -> Vector:
    """Colour of the room's side or of the sky along a pixel's ray."""
    eye, ray = view.position, ray_through(x_px, y_px, view)
    side, reach = side_along((eye[0], eye[1], eye[2]), ray, room)
    p = (eye[0] + reach * ray[0], eye[1] + reach * ray[1], eye[2] + reach * ray[2])
    colour = shade_side(side, p, ray, reach / view.focal_px, room, paint, light, bank)
    if side == FLOOR and room.mirror > 0 and not room.backdrop:
        flat = -ray[1] / math.sqrt(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2])  # more of it at a low angle
        share = room.mirror * (1 + flat) * (1 + flat)
        back = (ray[0], -ray[1], ray[2])
        side, further = side_along(p, back, room)
        q = (p[0] + further * back[0], p[1] + further * back[1], p[2] + further * back[2])
        seen = shade_side(side, q, back, 4 * (reach + further) / view.focal_px, room, paint, light, bank)
        colour = (
            colour[0] * (1 - share) + share * seen[0],
            colour[1] * (1 - share) + share * seen[1],
            colour[2] * (1 - share) + share * seen[2],
        )
    return colour


@inner_loop
def ray_through(x_px: float, y_px: float, view: View) -> Vector:
    """World direction of a pixel, of length 1 along the view's axis."""
    r = view.rotation
    u, v = (x_px - view.centre_x_px) / view.focal_px, (y_px - view.centre_y_px) / view.focal_px
    return (
        r[0, 0] * u + r[1, 0] * v + r[2, 0],
        r[0, 1] * u + r[1, 1] * v + r[2, 1],
        r[0, 2] * u + r[1, 2] * v + r[2, 2],
    )


@inner_loop
def ground_share(x_px: float, y_px: float, room: Room, light: Light, view: View) -> float:
    """What the shadows of feet and body leave of a photo's light, where the pixel would show the floor."""
    eye, ray = view.position, ray_through(x_px, y_px, view)
    if ray[1] < 0.02:
        return 1.0
    reach = -eye[1] / ray[1]
    p = (eye[0] + reach * ray[0], 0.0, eye[2] + reach * ray[2])
    return feet_shade(room.feet, p) * (1 - PHOTO_SHADOW * (1 - lit_share(light, p)))


@inner_loop
def side_along(eye: Vector, ray: Vector, room: Room) -> tuple[int, float]:
    """Which side of the room a ray meets, SKY above an open one, and how many ray lengths away."""
    low, high = room.low, room.high
    rx, ry, rz = ray
    tx = ((high[0] if rx > 0 else low[0]) - eye[0]) / (rx if abs(rx) > 1e-6 else 1e-6)
    ty = ((high[1] if ry > 0 else low[1]) - eye[1]) / (ry if abs(ry) > 1e-6 else 1e-6)
    tz = ((high[2] if rz > 0 else low[2]) - eye[2]) / (rz if abs(rz) > 1e-6 else 1e-6)
    tx, tz = abs(tx), abs(tz)
    ty = np.float32(1e9) if room.open_top and ry < 0 else abs(ty)
    reach = min(tx, min(ty, tz))
    if room.open_top and eye[1] + reach * ry < low[1]:
        return SKY, reach
    if reach == ty:
        return (FLOOR if ry > 0 else 2), reach
    if reach == tx:
        return (1 if rx > 0 else 0), reach
    return (5 if rz > 0 else 4), reach


@inner_loop
def shade_side(
    side: int, p: Vector, ray: Vector, mm_per_px: float, room: Room, paint: Paint, light: Light, bank: Array
) -> Vector:
    """Colour of a side of the room at p, or of the sky, seen along a ray."""
    if side == SKY:
        return shade_sky(ray, room, bank)
    if side in (2, FLOOR):
        u_mm, v_mm, n = p[0], p[2], (0.0, -1.0 if side == FLOOR else 1.0, 0.0)
    elif side < 2:
        u_mm, v_mm, n = p[2], p[1], (-1.0 if side == 1 else 1.0, 0.0, 0.0)
    else:
        u_mm, v_mm, n = p[0], p[1], (0.0, 0.0, -1.0 if side == 5 else 1.0)
    if room.backdrop:
        n = (-0.5 * ray[0], -0.5, -0.7)
    row = room.materials[FLOOR if room.backdrop else side]
    colour = paint_at(paint.materials, row, bank, u_mm, v_mm, mm_per_px)
    dark = feet_shade(room.feet, p) if side == FLOOR else 1.0
    if room.uneven > 0:
        dark *= 1 + room.uneven * (pattern_value(bank, CLOUDS, u_mm / 9000, v_mm / 9000, SMOOTH) - 0.5)
        if not room.backdrop:
            dark *= corner_share(side, p, room)
    colour = (colour[0] * dark, colour[1] * dark, colour[2] * dark)
    return lighten(light, colour, p, n, n, 0.0, 1.0)


@inner_loop
def corner_share(side: int, p: Vector, room: Room) -> float:
    """What a room's edges leave of the light at p: less where another side is near."""
    low, high = room.low, room.high
    near = np.float32(1e9)
    if side not in (2, FLOOR):
        near = high[1] - p[1] if room.open_top else min(high[1] - p[1], p[1] - low[1])
    if side > 1:
        near = min(near, min(p[0] - low[0], high[0] - p[0]))
    if side < 4:
        near = min(near, min(p[2] - low[2], high[2] - p[2]))
    return 1 - 0.35 * math.exp(-abs(near) / 300) if near < 1000 else 1.0


@inner_loop
def shade_sky(ray: Vector, room: Room, bank: Array) -> Vector:
    """The sky along a ray: from the horizon's colour to that overhead, with clouds."""
    flat = math.sqrt(ray[0] * ray[0] + ray[2] * ray[2] + 1e-9)
    h = min(max(-ray[1] / flat, 0.0), 1.0)
    if room.clouds > 0:
        high = 1 / (h + 0.25)
        soft = pattern_value(bank, CLOUDS, 0.3 * ray[0] / flat * high, 0.2 * high, 0.0)
        h *= 1 - room.clouds * soft
    sky = room.sky
    return (
        sky[0, 0] * (1 - h) + sky[1, 0] * h,
        sky[0, 1] * (1 - h) + sky[1, 1] * h,
        sky[0, 2] * (1 - h) + sky[1, 2] * h,
    )


@inner_loop
def feet_shade(feet: Array, p: Vector) -> float:
    """Share of the sky's light that reaches the floor at p near the feet (K, 3) mm."""
    share = 1.0
    for k in range(len(feet)):
        dx, dz = p[0] - feet[k, 0], p[2] - feet[k, 2]
        d = dx * dx + dz * dz + feet[k, 1] * feet[k, 1]
        if d < 80000:
            share *= 1 - 0.45 * math.exp(-d / 20000)
    return share

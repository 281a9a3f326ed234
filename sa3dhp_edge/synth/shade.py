"""The colour of a place on a surface: materials, zones of cloth and skin, lights and one shadow."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.compiled import inner_loop
from sa3dhp_edge.synth.patterns import LEVELS, SIDE, first_of
from sa3dhp_edge.synth.raster import View, weights_at

Array = NDArray[np.float32]
Vector = tuple[float, float, float]
CREASES = first_of("noise")
MATERIAL = 19
"""Columns of a material: pattern, mm per tile, its turn's cos and sin, relief, gloss, shininess, 4 linear RGBs."""

ZONES = 4
"""A part has at most this many zones along its length, each of its own material."""


class Mesh(NamedTuple):
    """Triangles in the world: points, normals (V, 3), `local` (V, 2) angle and length, faces (F, 3), part (F,)."""

    points: Array
    normals: Array
    local: Array
    faces: NDArray[np.int32]
    part: NDArray[np.int32]


class Paint(NamedTuple):
    """Which material a part shows where.

    Attributes:
        edges: (P, ZONES - 1) length coordinates at which zones end, rising.
        tilts: (P, ZONES - 1) added to an edge times the cosine of the angle: lower or higher in front.
        zones: (P, ZONES) int32 material of each zone.
        size_mm: (P, 2) mm per unit of the two local coordinates.
        has_face: (P,) parts that get eyes, brows and a mouth where their second zone shows.
        materials: (M, MATERIAL).
    """

    edges: Array
    tilts: Array
    zones: NDArray[np.int32]
    size_mm: Array
    has_face: NDArray[np.bool_]
    materials: Array


class Light(NamedTuple):
    """Directions to the lights (L, 3) and colours (L, 3), light from above and below (3,), and the first one's shadow.

    `shadow_axes` (3, 3) turns world mm minus `shadow_centre` into map pixels and nearness; `shadow` 0..1 is its depth.
    """

    directions: Array
    colours: Array
    above: Array
    below: Array
    shadow: float
    shadow_centre: Array
    shadow_axes: Array
    shadow_map: Array


class Room(NamedTuple):
    """A box around everything: corners `low`, `high` (3,) mm, one material per side (6,), open to a sky or not.

    Sides are -x, +x, top, floor, -z, +z. A `backdrop` has no visible edges: the colour of the floor everywhere.
    The floor shows the walls in itself by the share `mirror`, `clouds` hide that share of the sky, and light that is
    `uneven` differs by that share from place to place and is weaker in corners. `feet` (K, 3) mm darken the floor.
    """

    low: Array
    high: Array
    materials: NDArray[np.int32]
    open_top: bool
    backdrop: bool
    sky: Array
    feet: Array
    mirror: float
    clouds: float
    uneven: float


@inner_loop
def pattern_value(bank: Array, pattern: int, u: float, v: float, texels_per_px: float) -> float:
    """Bilinear look-up of a tile at u, v (1 is one tile), blurred for its size on the screen."""
    level = 0
    while texels_per_px > 1.4 and level < LEVELS - 1:
        texels_per_px *= 0.5
        level += 1
    x, y = u * SIDE, v * SIDE
    xf, yf = math.floor(x), math.floor(y)
    x0, y0 = int(xf) & (SIDE - 1), int(yf) & (SIDE - 1)
    x1, y1 = (x0 + 1) & (SIDE - 1), (y0 + 1) & (SIDE - 1)
    ax, ay = x - xf, y - yf
    k = pattern  # no slices here: each would count references, which costs more than the look-up
    top = bank[level, k, y0, x0] * (1 - ax) + bank[level, k, y0, x1] * ax
    low = bank[level, k, y1, x0] * (1 - ax) + bank[level, k, y1, x1] * ax
    return float(top * (1 - ay) + low * ay)


@inner_loop
def paint_at(materials: Array, row: int, bank: Array, u_mm: float, v_mm: float, mm_per_px: float) -> Vector:
    """Linear RGB of a material at surface coordinates in mm."""
    m, tiles = materials, np.float32(1) / materials[row, 1]
    cos, sin = m[row, 2] * tiles, m[row, 3] * tiles
    u, v = u_mm * cos - v_mm * sin, u_mm * sin + v_mm * cos
    s = pattern_value(bank, int(m[row, 0]), u, v, mm_per_px * tiles * SIDE) * np.float32(2.999)
    k = int(s)
    b = s - k
    a, i = 1 - b, 7 + 3 * k
    return (
        m[row, i] * a + m[row, i + 3] * b,
        m[row, i + 1] * a + m[row, i + 4] * b,
        m[row, i + 2] * a + m[row, i + 5] * b,
    )


@inner_loop
def lit_share(light: Light, p: Vector) -> float:
    """How much of the first light reaches a point mm: 1 in the open, less in the shadow, soft at its border."""
    a, c = light.shadow_axes, light.shadow_centre
    dx, dy, dz = p[0] - c[0], p[1] - c[1], p[2] - c[2]
    side = light.shadow_map.shape[0]
    x = a[0, 0] * dx + a[0, 1] * dy + a[0, 2] * dz + side / 2 - 0.5
    y = a[1, 0] * dx + a[1, 1] * dy + a[1, 2] * dz + side / 2 - 0.5
    if light.shadow <= 0 or x < 1 or y < 1 or x >= side - 2 or y >= side - 2:
        return 1.0
    near = 10000 + a[2, 0] * dx + a[2, 1] * dy + a[2, 2] * dz + 30
    x0, y0 = int(x), int(y)
    ax, ay = x - x0, y - y0
    hidden = 0.0
    for j in range(2):
        for i in range(2):
            if light.shadow_map[y0 + j, x0 + i] > near:
                hidden += (ax if i else 1 - ax) * (ay if j else 1 - ay)
    return 1.0 - light.shadow * hidden


@inner_loop
def lighten(
    light: Light, paint: Vector, p: Vector, n: Vector, to_eye: Vector, gloss: float, shininess: float
) -> Vector:
    """The light that leaves a painted point p with unit normal n towards the eye."""
    up = 0.5 - 0.5 * n[1]
    red = light.above[0] * up + light.below[0] * (1 - up)
    green = light.above[1] * up + light.below[1] * (1 - up)
    blue = light.above[2] * up + light.below[2] * (1 - up)
    shine = 0.0
    for k in range(len(light.directions)):
        dx, dy, dz = light.directions[k, 0], light.directions[k, 1], light.directions[k, 2]
        facing = dx * n[0] + dy * n[1] + dz * n[2]
        if facing <= 0:
            continue
        if k == 0:
            share = lit_share(light, p)
            facing *= share
            if gloss > 0:
                hx, hy, hz = dx + to_eye[0], dy + to_eye[1], dz + to_eye[2]
                across = (hx * n[0] + hy * n[1] + hz * n[2]) / math.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
                shine = gloss * share * max(across, 0.0) ** shininess
        red += light.colours[k, 0] * facing
        green += light.colours[k, 1] * facing
        blue += light.colours[k, 2] * facing
    return (
        paint[0] * red + shine * light.colours[0, 0],
        paint[1] * green + shine * light.colours[0, 1],
        paint[2] * blue + shine * light.colours[0, 2],
    )


@inner_loop
def zone_at(paint: Paint, part: int, angle: float, length: float) -> int:
    """Number of the zone of a part at an angle and a length coordinate."""
    front, zone = math.cos(angle), 0
    for k in range(ZONES - 1):
        if length > paint.edges[part, k] + paint.tilts[part, k] * front:
            zone = k + 1
    return zone


@inner_loop
def face_features(angle: float, length: float) -> float:
    """How dark the face is at a place of the head: eyes, brows, nostrils, mouth."""
    side = abs(angle)
    eye = ((side - 0.38) / 0.15) ** 2 + ((length - 0.53) / 0.028) ** 2
    brow = ((side - 0.38) / 0.22) ** 2 + ((length - 0.6) / 0.016) ** 2
    mouth = (side / 0.3) ** 2 + ((length - 0.2) / 0.022) ** 2
    nostril = (side / 0.16) ** 2 + ((length - 0.33) / 0.02) ** 2
    if eye < 1:
        return 0.15
    if brow < 1:
        return 0.35
    return 0.5 if mouth < 1 else (0.6 if nostril < 1 else 1.0)


@inner_loop
def shade_surface(
    x: int, y: int, f: int, mesh: Mesh, projected: Array, paint: Paint, light: Light, view: View, bank: Array
) -> Vector:
    """Colour of face f at a sample."""
    a, b, c = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
    wa, wb, wc = weights_at(x, y, projected, a, b, c)
    p, n = blend(mesh.points, a, b, c, wa, wb, wc), blend(mesh.normals, a, b, c, wa, wb, wc)
    angle = wa * mesh.local[a, 0] + wb * mesh.local[b, 0] + wc * mesh.local[c, 0]
    length = wa * mesh.local[a, 1] + wb * mesh.local[b, 1] + wc * mesh.local[c, 1]
    part = mesh.part[f]
    zone = zone_at(paint, part, angle, length)
    row = paint.zones[part, zone]
    u_mm, v_mm = angle * paint.size_mm[part, 0], length * paint.size_mm[part, 1]
    ex, ey, ez = view.position[0] - p[0], view.position[1] - p[1], view.position[2] - p[2]
    far = math.sqrt(ex * ex + ey * ey + ez * ez)
    to_eye = (ex / far, ey / far, ez / far)
    mm_per_px = far / view.focal_px
    colour = paint_at(paint.materials, row, bank, u_mm, v_mm, mm_per_px)
    if paint.has_face[part] and zone == 1 and abs(angle) < 1.0:
        dark = face_features(angle, length)
        colour = (colour[0] * dark, colour[1] * dark, colour[2] * dark)
    relief, lean_x, lean_y = paint.materials[row, 4], 0.0, 0.0
    if relief > 0:  # creases: the normal leans by two patterns of noise
        lean_x = relief * (pattern_value(bank, CREASES, u_mm / 420, v_mm / 420, mm_per_px / 420 * SIDE) - 0.5)
        lean_y = relief * (pattern_value(bank, CREASES + 1, v_mm / 360, u_mm / 360, mm_per_px / 360 * SIDE) - 0.5)
    n = toward((n[0] + lean_x, n[1] + lean_y, n[2]), to_eye)
    return lighten(light, colour, p, n, to_eye, paint.materials[row, 5], paint.materials[row, 6])


@inner_loop
def blend(table: Array, a: int, b: int, c: int, wa: float, wb: float, wc: float) -> Vector:
    """Weighted sum of three rows of (V, 3)."""
    return (
        wa * table[a, 0] + wb * table[b, 0] + wc * table[c, 0],
        wa * table[a, 1] + wb * table[b, 1] + wc * table[c, 1],
        wa * table[a, 2] + wb * table[b, 2] + wc * table[c, 2],
    )


@inner_loop
def toward(n: Vector, to_eye: Vector) -> Vector:
    """The vector made a unit normal that does not point away from the eye: what is seen faces it."""
    size = 1 / math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2] + 1e-9)
    x, y, z = n[0] * size, n[1] * size, n[2] * size
    away = min(x * to_eye[0] + y * to_eye[1] + z * to_eye[2], 0.0)
    return x - away * to_eye[0], y - away * to_eye[1], z - away * to_eye[2]

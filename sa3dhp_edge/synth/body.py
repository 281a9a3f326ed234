"""The surface of a person as lofts: rings of vertices carried along the bones, posed frame by frame.

A subject's shape is one offset per vertex in its ring's own axes (front, side), so posing is: place the
rings, add the offsets. Angles run round a ring with 0 in front and +-pi at the back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.compiled import compiled

Array = NDArray[np.float32]


class Loft(NamedTuple):
    """Rings along a polyline: `stations` (segment number + fraction), ring profile in mm and vertices per ring.

    The profile's columns are the reach to the front, to the back and to the side, and the shift to the front.
    """

    name: str
    sides: int
    stations: Array
    profile: Array


def _loft(name: str, sides: int, rows: Sequence[tuple[float, ...]]) -> Loft:
    """Rows: station, front, back, side, shift; the ends are closed to a point."""
    table = np.array([(*row, 0.0)[:5] for row in rows], np.float32)
    closed = np.concatenate([table[:1], table, table[-1:]])
    closed[[0, -1], 1:4] *= 0.03
    return Loft(name, sides, closed[:, 0], closed[:, 1:])


TRUNK = [
    (0.12, 45, 45, 80), (0.35, 82, 92, 140), (0.65, 100, 118, 166), (0.95, 106, 124, 170), (1.35, 104, 108, 161),
    (1.75, 101, 88, 146), (2.15, 100, 82, 138), (2.5, 104, 88, 145), (2.85, 110, 96, 156), (3.2, 116, 104, 166),
    (3.5, 110, 106, 174), (3.75, 90, 96, 172), (3.92, 72, 82, 154), (4.06, 60, 70, 112), (4.2, 54, 62, 70),
    (4.45, 52, 56, 56), (4.75, 52, 54, 54), (5.0, 52, 54, 54),
]  # fmt: skip
ARM = [
    (0.0, 40, 40, 34), (0.5, 46, 46, 42), (0.85, 52, 52, 46), (1.1, 55, 55, 52), (1.25, 52, 52, 51), (1.42, 49, 49, 48),
    (1.6, 47, 47, 45), (1.8, 42, 43, 42), (1.95, 40, 41, 42), (2.07, 42, 42, 44), (2.2, 44, 42, 46), (2.4, 40, 39, 43),
    (2.65, 33, 33, 37), (2.85, 27, 27, 32), (3.03, 24, 24, 30),
]  # fmt: skip
LEG = [
    (0.0, 70, 80, 70), (0.5, 86, 98, 84), (1.0, 90, 102, 88), (1.12, 90, 98, 88), (1.28, 86, 88, 83), (1.45, 79, 79,
    76),
    (1.62, 69, 70, 67), (1.8, 60, 62, 59), (1.94, 57, 54, 55), (2.04, 56, 52, 54), (2.16, 50, 60, 53),
    (2.3, 46, 68, 56), (2.45, 43, 65, 53), (2.62, 39, 52, 45), (2.8, 35, 42, 37), (2.94, 34, 38, 34), (3.04, 34, 36,
    34),
]  # fmt: skip
HEAD = [
    (0.0, 14, 14, 14, 50), (0.05, 36, 36, 32, 44), (0.14, 60, 60, 50, 26), (0.24, 76, 68, 60, 14), (0.34, 86, 74,
    66, 8),
    (0.44, 90, 84, 70, 5), (0.53, 90, 92, 73, 3), (0.62, 92, 98, 76, 0), (0.72, 90, 100, 77, 0), (0.81, 80, 93, 73, 0),
    (0.89, 62, 76, 61, 0), (0.95, 42, 52, 43, 0), (0.99, 18, 22, 18, 0),
]  # fmt: skip
HAND = [
    (-0.05, 22, 22, 27),
    (0.1, 20, 22, 34),
    (0.3, 18, 20, 42),
    (0.5, 16, 17, 42),
    (0.7, 12, 13, 38),
    (0.88, 10, 10, 33),
    (0.97, 7, 7, 22),
]
THUMB = [(0.0, 13, 13, 15), (0.4, 13, 13, 14), (0.8, 10, 10, 11), (1.0, 6, 6, 7)]
FOOT = [
    (-0.42, 20, 14, 15, -48), (-0.38, 33, 26, 28, -46), (-0.2, 44, 38, 34, -36), (0.05, 46, 40, 37, -34), (0.32, 38,
    34, 41, -39),
    (0.6, 28, 27, 45, -46), (0.86, 21, 20, 47, -53), (1.1, 17, 16, 43, -57), (1.28, 13, 12, 32, -60), (1.34, 8, 8,
    20, -62),
]  # fmt: skip
HAIR = [
    (0.0, 36, 50, 50),
    (0.2, 40, 50, 74),
    (0.6, 34, 44, 80),
    (1.0, 28, 38, 80),
    (1.5, 24, 30, 78),
    (2.0, 12, 14, 60),
]
SKIRT = [
    (0.0, 96, 112, 150),
    (0.12, 104, 122, 166),
    (0.3, 106, 120, 172),
    (0.5, 106, 112, 172),
    (0.7, 106, 108, 172),
    (0.85, 106, 108, 172),
    (1.0, 106, 108, 172),
]
PACK = [(0.0, 30, 60, 120), (0.1, 42, 80, 140), (0.5, 45, 100, 150), (0.85, 45, 85, 145), (1.0, 30, 60, 120)]

LOFTS: tuple[Loft, ...] = (
    _loft("trunk", 20, TRUNK),
    _loft("head", 24, HEAD),
    *(_loft(f"{side}_arm", 12, ARM) for side in ("right", "left")),
    *(_loft(f"{side}_hand", 10, HAND) for side in ("right", "left")),
    *(_loft(f"{side}_thumb", 6, THUMB) for side in ("right", "left")),
    *(_loft(f"{side}_leg", 14, LEG) for side in ("right", "left")),
    *(_loft(f"{side}_foot", 12, FOOT) for side in ("right", "left")),
    _loft("hair", 12, HAIR),
    _loft("skirt", 22, SKIRT),
    _loft("pack", 12, PACK),
)
PARTS: tuple[str, ...] = tuple(loft.name for loft in LOFTS)
RINGS: tuple[int, ...] = tuple(len(loft.stations) for loft in LOFTS)
FIRST_RING: dict[str, int] = dict(zip(PARTS, np.cumsum((0, *RINGS[:-1])).tolist(), strict=True))


class Topology(NamedTuple):
    """What all bodies share: per vertex its part, ring, angle and length coordinate 0..1; faces and their part."""

    part: NDArray[np.int32]
    ring: NDArray[np.int32]
    angle: Array
    length: Array
    faces: NDArray[np.int32]
    face_part: NDArray[np.int32]
    columns: NDArray[np.int32]


def _topology() -> Topology:
    part, ring, angle, length, faces, face_part, columns = [], [], [], [], [], [], []
    vertex = ring_number = 0
    for number, loft in enumerate(LOFTS):
        rings, width = len(loft.stations), loft.sides + 1  # the seam's column is there twice
        grid = vertex + np.arange(rings * width).reshape(rings, width)
        corners = grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]
        a, b, c, d = (corner.ravel() for corner in corners)
        faces.append(np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]))
        part.append(np.full(grid.size, number))
        face_part.append(np.full(len(faces[-1]), number))
        columns.append(np.full(grid.size, width))
        ring.append(np.repeat(ring_number + np.arange(rings), width))
        angle.append(np.tile(np.linspace(-np.pi, np.pi, width), rings))
        span = (loft.stations - loft.stations[0]) / (loft.stations[-1] - loft.stations[0])
        length.append(np.repeat(span, width))
        vertex, ring_number = vertex + grid.size, ring_number + rings
    ints = [np.concatenate(x).astype(np.int32) for x in (part, ring, faces, face_part, columns)]
    floats = [np.concatenate(x).astype(np.float32) for x in (angle, length)]
    return Topology(ints[0], ints[1], floats[0], floats[1], ints[2], ints[3], ints[4])


TOPOLOGY = _topology()
VERTICES = len(TOPOLOGY.part)


def rings_of_profile(girth: Array) -> Array:
    """(rings, 4) mm: every loft's profile times a girth (rings,) for the three reaches."""
    table = np.concatenate([loft.profile for loft in LOFTS]).copy()
    table[:, :3] *= girth[:, None]
    return table


def offsets(profile: Array) -> Array:
    """(V, 2) mm front and side offsets of the vertices from a ring profile (rings, 4)."""
    front, back, side, shift = profile[TOPOLOGY.ring].T
    c, s = np.cos(TOPOLOGY.angle), np.sin(TOPOLOGY.angle)
    return np.stack([shift + np.where(c > 0, front, back) * c, side * s], 1).astype(np.float32)


@compiled
def place_vertices(frames: Array, offset_mm: Array, ring: NDArray[np.int32]) -> Array:
    """(V, 3) points from ring frames (rings, 4, 3): centre mm, along, front, side."""
    points = np.empty((len(ring), 3), np.float32)
    for i in range(len(ring)):
        f = frames[ring[i]]
        for c in range(3):
            points[i, c] = f[0, c] + offset_mm[i, 0] * f[2, c] + offset_mm[i, 1] * f[3, c]
    return points


@compiled
def outward_normals(
    points: Array, frames: Array, ring: NDArray[np.int32], columns: NDArray[np.int32], part: NDArray[np.int32]
) -> Array:
    """(V, 3) unit normals of the loft grid, from its neighbours round and along, away from the ring's centre."""
    normals = np.empty_like(points)
    first = 0
    for i in range(len(points)):
        width = columns[i]
        if i == 0 or part[i] != part[i - 1]:
            first = i
        column = (i - first) % width
        east = i + 1 if column < width - 1 else i - width + 2
        west = i - 1 if column > 0 else i + width - 2
        south = i - width if i - width >= first else i
        north = i + width if i + width < len(points) and part[i + width] == part[i] else i
        ex, ey, ez = (
            points[east, 0] - points[west, 0], points[east, 1] - points[west, 1], points[east, 2] - points[west, 2],
        )  # fmt: skip
        nx, ny, nz = (
            points[north, 0] - points[south, 0], points[north, 1] - points[south, 1], points[north,
            2] - points[south, 2],
        )  # fmt: skip
        x, y, z = ey * nz - ez * ny, ez * nx - ex * nz, ex * ny - ey * nx
        centre = frames[ring[i], 0]
        outward = x * (points[i, 0] - centre[0]) + y * (points[i, 1] - centre[1]) + z * (points[i, 2] - centre[2])
        size = np.sqrt(x * x + y * y + z * z) + 1e-9
        sign = (1 if outward >= 0 else -1) / size
        normals[i, 0], normals[i, 1], normals[i, 2] = sign * x, sign * y, sign * z
    return normals


_NEAR: dict[str, tuple[float, tuple[str, ...]]] = {
    "pelvis": (250, ("trunk", "right_leg", "left_leg", "skirt", "pack")),
    "neck": (160, ("trunk", "head", "right_arm", "left_arm", "hair", "pack")),
    "head_top": (130, ("head", "hair")),
    "shoulder": (135, ("trunk", "arm", "hair", "pack")),
    "elbow": (95, ("arm",)),
    "wrist": (65, ("arm", "hand", "thumb")),
    "hip": (220, ("trunk", "right_leg", "left_leg", "skirt")),
    "knee": (105, ("leg", "skirt")),
    "ankle": (90, ("leg", "foot")),
    "foot": (80, ("foot",)),
}


def covering_parts() -> tuple[Array, NDArray[np.bool_]]:
    """Per joint (17,) the mm it may lie beneath its own skin and clothes, and (17, parts) whose skin that is."""
    depth, own = np.zeros(len(JOINTS), np.float32), np.zeros((len(JOINTS), len(PARTS)), bool)
    for j, name in enumerate(JOINTS):
        side, _, kind = name.partition("_")
        sided = side in ("right", "left")
        depth[j], near = _NEAR[kind if sided else name]
        for part in near:
            own[j, PARTS.index(f"{side}_{part}" if sided and part not in PARTS else part)] = True
    return depth, own

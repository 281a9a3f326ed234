"""Boxes, rods, balls and bushes of any size: the bricks of everything that is not a person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Solid(NamedTuple):
    """One brick: its kind, which of its piece's looks it has, centre and half sizes in mm in the piece's axes."""

    kind: str
    look: int
    x: float
    y: float
    z: float
    half_x: float
    half_y: float
    half_z: float


class _Template(NamedTuple):
    """A solid of half size 1: points, normals (n, 3), faces (m, 3), and local = `across`, `along` (n, 3) times half."""

    points: Array
    normals: Array
    across: Array
    along: Array
    faces: NDArray[np.int32]


@dataclass(frozen=True)
class Things:
    """All things of a scene as one mesh.

    Attributes:
        points, normals: (V, 3) in the world, mm.
        local: (V, 2) mm on the surface.
        faces: (F, 3) vertices, wound so that the cross product of a face's edges points outward.
        thing: (F,) row of `materials` of each face.
        materials: (M, MATERIAL).
    """

    points: Array
    normals: Array
    local: Array
    faces: NDArray[np.int32]
    thing: NDArray[np.int32]
    materials: Array

    @property
    def count(self) -> int:
        """How many looks there are."""
        return len(self.materials)


def _box() -> _Template:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    points, normals, across, along, eye = [], [], [], [], np.eye(3, dtype=np.float32)
    for axis in range(3):
        u, v = (c for c in range(3) if c != axis)
        for sign in (-1, 1):
            side = corners[corners[:, axis] == sign]
            points.append(side)
            normals.append(np.tile(eye[axis] * sign, (4, 1)))
            if axis == 0:  # the second coordinate runs along the height wherever there is one
                u, v = v, u
            across.append(side[:, u, None] * eye[u])
            along.append(side[:, v, None] * eye[v])
            if axis == 0:
                u, v = v, u
    quads = 4 * np.arange(6)[:, None, None]
    faces = (quads + np.array([[0, 1, 2], [1, 3, 2]])).reshape(-1, 3).astype(np.int32)
    tables = [np.concatenate(x) for x in (points, normals, across, along)]
    return _Template(tables[0], tables[1], tables[2], tables[3], faces)


def _rod(axis: int, sides: int = 10) -> _Template:
    """A cylinder along an axis, its ends closed."""
    a = np.linspace(-np.pi, np.pi, sides + 1)
    ring = np.stack([np.sin(a), np.zeros_like(a), np.cos(a)], 1)
    up, zero = np.array([0, 1, 0]), np.zeros_like(ring)
    round_, height = zero.copy(), zero.copy()
    round_[:, 0], height[:, 1] = a, 1
    points = [ring - up, ring + up, ring - up, ring + up]
    normals = [ring, ring, zero - up, zero + up]
    flat_x, flat_z = ring * np.array([1, 0, 0]), ring * np.array([0, 0, 1])
    across, along = [round_, round_, flat_x, flat_x], [-height, height, flat_z, flat_z]
    i, n = np.arange(sides), sides + 1
    faces = [np.stack([i, i + 1, i + n], 1), np.stack([i + 1, i + n + 1, i + n], 1)]
    for first in (2 * n, 3 * n):
        faces.append(np.stack([np.full(sides - 2, first), first + i[1:-1], first + i[2:]], 1))
    order = {0: [1, 0, 2], 1: [0, 1, 2], 2: [0, 2, 1]}[axis]
    tables = [np.concatenate(x)[:, order].astype(np.float32) for x in (points, normals, across, along)]
    return _Template(tables[0], tables[1], tables[2], tables[3], np.concatenate(faces).astype(np.int32))


def _ball(roughness: float, sides: int = 10, rings: int = 6) -> _Template:
    a, b = np.linspace(-np.pi, np.pi, sides + 1), np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    normals = np.stack(
        [np.outer(np.cos(b), np.sin(a)), np.outer(np.sin(b), np.ones_like(a)), np.outer(np.cos(b), np.cos(a))], -1
    )
    bump = 1 + roughness * np.random.default_rng(2).normal(size=(rings + 1, sides + 1, 1))
    bump[:, -1] = bump[:, 0]
    across, along = np.zeros_like(normals), np.zeros_like(normals)
    across[..., 0], along[..., 1] = a, b[:, None]
    grid = np.arange(normals[..., 0].size).reshape(rings + 1, sides + 1)
    corners = (grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:])
    p, q, r, s = (corner.ravel() for corner in corners)
    faces = np.concatenate([np.stack([p, q, r], 1), np.stack([q, s, r], 1)]).astype(np.int32)
    tables = [x.reshape(-1, 3).astype(np.float32) for x in (normals * bump, normals, across, along)]
    return _Template(tables[0], tables[1], tables[2], tables[3], faces)


def _wound(t: _Template) -> _Template:
    """The template with the cross product of every face's edges pointing outward."""
    a, b, c = (t.points[t.faces[:, k]] for k in range(3))
    outward = (np.cross(b - a, c - a) * t.normals[t.faces].sum(1)).sum(-1) >= 0
    return t._replace(faces=np.where(outward[:, None], t.faces, t.faces[:, ::-1]).astype(np.int32))


@lru_cache(maxsize=1)
def templates() -> dict[str, _Template]:
    """By the names that a `Solid` may have."""
    rods = {name: _rod(axis) for axis, name in enumerate(("rod_x", "rod", "rod_z"))}
    found = {"box": _box(), **rods, "ball": _ball(0.0), "bush": _ball(0.14)}
    return {name: _wound(template) for name, template in found.items()}


def build(solids: list[Solid], place: Array, materials: Array) -> Things:
    """One mesh of all solids.

    Args:
        solids: bricks, their `look` already a row of `materials`.
        place: (S, 4) of each brick's piece: x, z mm on the floor, sin and cos of its turn about the vertical.
        materials: (M, MATERIAL).
    """
    table = np.array([s[2:] for s in solids], np.float32).reshape(-1, 6)
    kinds, looks = [s.kind for s in solids], np.array([s.look for s in solids], np.int32)
    out: list[list[NDArray[np.generic]]] = [[] for _ in range(5)]
    first = 0
    for kind, t in templates().items():
        rows = np.array([i for i, k in enumerate(kinds) if k == kind], np.intp)
        if not len(rows):
            continue
        centre, half = table[rows, None, :3], table[rows, None, 3:]
        points = _turned(centre + t.points * half, place[rows], moved=True)
        leaning = t.normals / half
        leaning /= np.linalg.norm(leaning, axis=-1, keepdims=True)
        local = np.stack([(t.across * half).sum(-1), (t.along * half).sum(-1)], -1)
        starts = first + len(t.points) * np.arange(len(rows))[:, None, None]
        parts = (points, _turned(leaning, place[rows], moved=False), local, t.faces + starts)
        for column, part in zip(out, parts, strict=False):
            column.append(part.reshape(-1, part.shape[-1]))
        out[4].append(np.repeat(looks[rows], len(t.faces)))
        first += len(rows) * len(t.points)
    if not solids:
        return Things(table[:, :3], table[:, :3], table[:, :2], np.zeros((0, 3), np.int32), looks, materials)
    floats = [np.concatenate(column).astype(np.float32) for column in out[:3]]
    ints = [np.concatenate(column).astype(np.int32) for column in out[3:]]
    return Things(floats[0], floats[1], floats[2], ints[0], ints[1], materials)


def _turned(vectors: Array, place: Array, *, moved: bool) -> Array:
    """(S, n, 3) from the pieces' axes to the world."""
    x, z, sin, cos = place.T[..., None]
    out = np.empty_like(vectors)
    out[..., 0] = cos * vectors[..., 0] + sin * vectors[..., 2] + (x if moved else 0)
    out[..., 1] = vectors[..., 1]
    out[..., 2] = cos * vectors[..., 2] - sin * vectors[..., 0] + (z if moved else 0)
    return out

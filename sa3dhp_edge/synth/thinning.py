"""Which vertices of a fine mesh are enough for a picture: edges are drawn together where that bends the surface least.

Vertices are only taken away, never moved, so every shape of a family that shares the fine mesh is thinned alike.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Faces = NDArray[np.int64]
LEAST_TURN = 0.25
"""A face whose normal would turn further than this cosine stays as it is."""


def boundary_loops(faces: Faces) -> list[list[int]]:
    """Vertex loops round the holes of a surface, each in the order that closes it with the winding of the faces."""
    following: dict[int, int] = {}
    inner = {(int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)}
    for a, b in inner:
        if (b, a) not in inner:
            following[b] = a
    loops = []
    while following:
        start, nxt = following.popitem()
        loop = [start]
        while nxt != start:
            loop.append(nxt)
            nxt = following.pop(nxt)
        loops.append(loop)
    return loops


def close_loop(points_mm: Array, loop: list[int]) -> Faces:
    """(n - 2, 3) faces that close a loop, always cutting the corner with the shortest new edge."""
    loop, made = list(loop), []
    while len(loop) > 3:
        p = points_mm[loop]
        shortest = int(np.linalg.norm(np.roll(p, 1, 0) - np.roll(p, -1, 0), axis=1).argmin())
        made.append((loop[shortest - 1], loop[shortest], loop[(shortest + 1) % len(loop)]))
        loop.pop(shortest)
    return np.array([*made, tuple(loop)], np.int64)


class _Surface:
    """A mesh whose edges are being drawn together: faces round every vertex and summed plane distances."""

    def __init__(self, points_mm: Array, faces: Faces, held: NDArray[np.bool_], edge_mm: Array) -> None:
        self.points, self.held, self.edge_mm = points_mm, held, edge_mm
        self.faces: dict[int, tuple[int, int, int]] = {
            i: (int(f[0]), int(f[1]), int(f[2])) for i, f in enumerate(faces)
        }
        self.around: dict[int, set[int]] = {int(v): set() for v in np.unique(faces)}
        self.planes = np.zeros((len(points_mm), 4, 4))
        self.areas = np.zeros(len(points_mm))
        a, b, c = (points_mm[faces[:, k]] for k in range(3))
        cross = np.cross(b - a, c - a)
        area = np.linalg.norm(cross, axis=1) / 2
        normal = cross / np.maximum(2 * area, 1e-9)[:, None]
        plane = np.concatenate([normal, -(normal * a).sum(1, keepdims=True)], 1)
        for i, f in self.faces.items():
            for v in f:
                self.around[v].add(i)
                self.planes[v] += area[i] * np.outer(plane[i], plane[i])
                self.areas[v] += area[i]

    def neighbours(self, v: int) -> set[int]:
        return {w for i in self.around[v] for w in self.faces[i]} - {v}

    def cost(self, gone: int, stays: int) -> float:
        """Mean squared mm by which the surface would move, plus a price on long edges."""
        p = np.append(self.points[stays], 1.0)
        planes, area = self.planes[gone] + self.planes[stays], self.areas[gone] + self.areas[stays]
        length = float(np.linalg.norm(self.points[gone] - self.points[stays]))
        scale = (self.edge_mm[gone] + self.edge_mm[stays]) / 2
        return float(p @ planes @ p / area + (length / scale) ** 2)

    def _normal(self, face: tuple[int, ...]) -> Array:
        a, b, c = self.points[list(face)]
        n = np.cross(b - a, c - a)
        return np.asarray(n / (np.linalg.norm(n) + 1e-9))

    def allowed(self, gone: int, stays: int) -> bool:
        """Whether the surface stays one sheet without folds, and its border where it is."""
        shared = self.around[gone] & self.around[stays]
        if self.held[gone] and not (self.held[stays] and len(shared) == 1):
            return False
        if not shared or len(self.neighbours(gone) & self.neighbours(stays)) != len(shared):
            return False
        for i in self.around[gone] - shared:
            new = tuple(stays if v == gone else v for v in self.faces[i])
            if self._normal(new) @ self._normal(self.faces[i]) < LEAST_TURN:
                return False
        return True

    def collapse(self, gone: int, stays: int) -> set[int]:
        """Draw one vertex into another; returns the vertices whose edges have changed."""
        for i in list(self.around[gone]):
            face = self.faces[i]
            if stays in face:
                for v in face:
                    self.around[v].discard(i)
                del self.faces[i]
            else:
                a, b, c = (stays if v == gone else v for v in face)
                self.faces[i] = (a, b, c)
                self.around[stays].add(i)
        self.planes[stays] += self.planes[gone]
        self.areas[stays] += self.areas[gone]
        del self.around[gone]
        return self.neighbours(stays) | {stays}


def thin(
    points_mm: Array, faces: Faces, held: NDArray[np.bool_], edge_mm: Array, count: int
) -> tuple[NDArray[np.int64], Faces]:
    """Take vertices away until `count` are left.

    Args:
        points_mm: (V, 3) mm.
        faces: (F, 3) of one winding.
        held: (V,) vertices on a border that has to stay in its plane; they are drawn together only along it.
        edge_mm: (V,) how long edges may be: an edge of this length costs as much as a surface 1 mm off.
        count: vertices to keep.

    Returns:
        Indices of the kept vertices (K,), rising, and the faces (G, 3) between them, numbered 0..K-1.
        After: Garland and Heckbert, "Surface simplification using quadric error metrics", 1997.
    """
    surface = _Surface(points_mm, faces, held, edge_mm)
    version = np.zeros(len(points_mm), np.int64)
    heap: list[tuple[float, int, int, int, int]] = []

    def offer(gone: int, stays: int) -> None:
        heapq.heappush(heap, (surface.cost(gone, stays), gone, stays, int(version[gone]), int(version[stays])))

    for v in surface.around:
        for w in surface.neighbours(v):
            offer(v, w)
    while len(surface.around) > count and heap:
        _, gone, stays, *seen = heapq.heappop(heap)
        if gone not in surface.around or stays not in surface.around or seen != [version[gone], version[stays]]:
            continue
        if surface.allowed(gone, stays):
            surface.collapse(gone, stays)
            version[stays] += 1
            for w in surface.neighbours(stays):
                offer(stays, w)
                offer(w, stays)
    kept = np.array(sorted(surface.around), np.int64)
    number = np.full(len(points_mm), -1, np.int64)
    number[kept] = np.arange(len(kept))
    return kept, number[np.array([surface.faces[i] for i in sorted(surface.faces)], np.int64)]

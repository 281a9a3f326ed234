"""One person in a scene: what anything that draws a body has to give, and the body of lofts as one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.body import TOPOLOGY, outward_normals, place_vertices
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.footage import Stretch, act
from sa3dhp_edge.synth.posing import Habits, ring_frames
from sa3dhp_edge.synth.subject import Subject, draw_subject

Array = NDArray[np.float32]
MESH_BODY = "sa3dhp_edge.synth.mesh_figure"
"""The module of the realistic body; its `draw_mesh_figure` is an `Artist`."""


class Figure(Protocol):
    """A person of T frames: V vertices that move, F faces that stay, and how they are painted.

    P is the number of `body.PARTS`; every face belongs to one of them, and a part's zones end at the length
    coordinates `edges` (+ `tilts` times the cosine of the angle, which is 0 in front).
    """

    @property
    def joints_mm(self) -> Array:
        """(T, 17, 3) mm in the world; `place` puts the skin round them."""

    @property
    def faces(self) -> NDArray[np.int32]:
        """(F, 3) vertices, either winding."""

    @property
    def face_part(self) -> NDArray[np.int32]:
        """(F,) index into `body.PARTS`."""

    @property
    def local(self) -> Array:
        """(V, 2) float32: angle round the part in radians, length along it 0..1."""

    @property
    def edges(self) -> Array:
        """(P, ZONES - 1) lengths at which zones end, rising."""

    @property
    def tilts(self) -> Array:
        """(P, ZONES - 1) added to the edges in front, taken from them at the back."""

    @property
    def zones(self) -> NDArray[np.int32]:
        """(P, ZONES) row of `materials` of each zone."""

    @property
    def size_mm(self) -> Array:
        """(P, 2) mm per radian and per unit of length, the scale of the cloth."""

    @property
    def materials(self) -> Array:
        """(M, MATERIAL) rows as `paints.material` makes them."""

    def place(self, t: int) -> tuple[Array, Array]:
        """Points (V, 3) mm in the world and unit normals (V, 3) in frame t."""


Artist = Callable[[np.random.Generator, Domain, Stretch, Array], Figure]
"""Draws a figure by chance: generator, domain, what it plays, where it stands ((3,) or (T, 1, 3) mm added to it)."""


@dataclass(frozen=True)
class LoftFigure:
    """A body of lofts: its constants, joints (T, 17, 3) mm and ring frames (T, rings, 4, 3)."""

    subject: Subject
    joints_mm: Array
    frames: Array
    faces: NDArray[np.int32]
    face_part: NDArray[np.int32]
    local: Array

    @property
    def edges(self) -> Array:
        return self.subject.edges

    @property
    def tilts(self) -> Array:
        return self.subject.tilts

    @property
    def zones(self) -> NDArray[np.int32]:
        return self.subject.zones

    @property
    def size_mm(self) -> Array:
        return self.subject.size_mm

    @property
    def materials(self) -> Array:
        return self.subject.materials

    def place(self, t: int) -> tuple[Array, Array]:
        frames = self.frames[t]
        points = place_vertices(frames, self.subject.offset_mm, TOPOLOGY.ring)
        return points, outward_normals(points, frames, TOPOLOGY.ring, TOPOLOGY.columns, TOPOLOGY.part)


LOCAL = np.stack([TOPOLOGY.angle, TOPOLOGY.length], 1)


def draw_loft_figure(rng: np.random.Generator, domain: Domain, stretch: Stretch, shift_mm: Array) -> Figure:
    """A new person made of lofts plays the stretch."""
    subject = draw_subject(rng, domain)
    joints = act(stretch.directions, stretch.root_mm, subject.bone_mm, subject.size, stretch.azimuth_deg) + shift_mm
    rings = ring_frames(joints, _draw_habits(rng, domain, subject, stretch), subject.size)
    faces, part = TOPOLOGY.faces[subject.faces], TOPOLOGY.face_part[subject.faces]
    return LoftFigure(subject, joints, rings, faces, part, LOCAL)


def _draw_habits(rng: np.random.Generator, domain: Domain, subject: Subject, stretch: Stretch) -> Habits:
    time = np.arange(len(stretch.directions)) / stretch.fps
    swing = np.sin(time * rng.uniform(0.3, 2) + rng.uniform(0, 6)) + rng.uniform(-1, 1)
    yaw = np.radians(domain.head_yaw_deg) * swing / 2
    hand = (95.0 if subject.fist else 182.0) * subject.size
    palm, wrist = rng.uniform(-1.2, 1.9, 2).astype(np.float32), rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return Habits(yaw.astype(np.float32), palm, wrist, hand, subject.hair_mm, subject.skirt)


def draw_figure(rng: np.random.Generator, domain: Domain, stretch: Stretch, shift_mm: Array) -> Figure:
    """A new person of either kind, the realistic body with probability `domain.mesh_body`."""
    mesh = rng.random() < domain.mesh_body
    return (mesh_artist() if mesh else draw_loft_figure)(rng, domain, stretch, shift_mm)


def mesh_artist() -> Artist:
    """What draws the realistic body; imported when first asked for, as few machines carry its data."""
    if find_spec(MESH_BODY) is None:
        return draw_loft_figure
    from importlib import import_module

    artist: Artist = import_module(MESH_BODY).draw_mesh_figure
    return artist

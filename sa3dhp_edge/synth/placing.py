"""Where things stand: a seat, furniture or boxes around and behind the person, something in front of it.

The camera stands at x = 0 before a person who moves about the origin, so the line of sight is the z axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.furniture import IN_FRONT, INDOORS, ON_WALLS, OUTDOORS, Piece
from sa3dhp_edge.synth.paints import draw_look, draw_patterned
from sa3dhp_edge.synth.scene import Camera
from sa3dhp_edge.synth.shade import MATERIAL, Room
from sa3dhp_edge.synth.solids import Solid, Things, build

Array = NDArray[np.float32]
ANY = ("",)
"""The look of things that are painted by the domain's own wall patterns."""


class _Yard:
    """Pieces put down so far."""

    def __init__(self) -> None:
        self.solids: list[Solid] = []
        self.places: list[tuple[float, float, float, float]] = []
        self.looks: list[str] = []

    def put(self, piece: Piece, x: float, z: float, turn: float) -> None:
        """A piece at x, z mm on the floor, turned by an angle in radians."""
        first = len(self.looks)
        self.looks += piece.looks
        self.solids += [solid._replace(look=first + solid.look) for solid in piece.solids]
        self.places += [(x, z, float(np.sin(turn)), float(np.cos(turn)))] * len(piece.solids)


def draw_things(rng: np.random.Generator, d: Domain, camera: Camera, room: Room, joints_mm: Array) -> Things:
    """All things of a scene: a seat, clutter beside and behind the person, pieces on the walls, an occluder."""
    yard = _Yard()
    furnished = bool(rng.random() < d.furnished)
    if rng.random() < d.seat:
        _put_seat(rng, yard, joints_mm, furnished)
    count = int(rng.integers(d.clutter[0], d.clutter[1] + 1))
    if furnished:
        _put_furniture(rng, yard, count, camera, room, joints_mm)
    else:
        _put_boxes(rng, yard, count, room, joints_mm)
    if rng.random() < d.occluder:
        _put_in_front(rng, yard, camera, joints_mm, furnished)
    walls = (d.wall_patterns, d.wall_brightness, d.wall_saturation, (200, 1500), 0, 0.1)
    rows = [draw_look(rng, name) if name else draw_patterned(rng, *walls) for name in yard.looks]
    materials = np.stack(rows) if rows else np.zeros((0, MATERIAL), np.float32)
    return build(yard.solids, np.array(yard.places, np.float32).reshape(-1, 4), materials)


def _put_seat(rng: np.random.Generator, yard: _Yard, joints_mm: Array, furnished: bool) -> None:
    """Something under the pelvis, when that stays at the height of a seat below an upright back, the feet before it."""
    pelvis = joints_mm[:, JOINTS.index("pelvis")]
    feet = (joints_mm[:, JOINTS.index("right_ankle")] + joints_mm[:, JOINTS.index("left_ankle")]) / 2
    ahead = (feet - pelvis).mean(0)[[0, 2]]
    height, size = -float(pelvis[:, 1].mean()), float(np.linalg.norm(ahead))
    upright = float((pelvis - joints_mm[:, JOINTS.index("neck")])[:, 1].min()) > 250
    if not upright or not 330 < height < 680 or size < 260 or np.ptp(pelvis, axis=0).max() > 150:
        return
    ahead /= size
    w, h, depth = rng.uniform(360, 840), height - 120, rng.uniform(300, 460)
    if furnished and rng.random() < 0.7:
        w, thick = min(w, 560), rng.uniform(30, 90)
        solids = [Solid("box", 0, 0, thick / 2 - h, 0, w / 2, thick / 2, depth / 2)]
        legs = rng.choice([-1, 1], 2) if rng.random() < 0.1 else (-1, 1)
        for sx in legs:
            solids += [
                Solid("rod", 1, sx * (w / 2 - 25), -h / 2, sz * (depth / 2 - 25), 15, h / 2, 15) for sz in (-1, 1)
            ]
        if rng.random() < 0.6:
            solids.append(Solid("box", 0, 0, -h - rng.uniform(200, 380), depth / 2 + 60, w / 2, 180, 20))
        piece = Piece(solids, (str(rng.choice(["fabric", "wood", "plastic"])), "metal"))
    else:
        piece = Piece([Solid("box", 0, 0, -h / 2, 0, w / 2, h / 2, depth / 2)], ("thing",) if furnished else ANY)
    centre = pelvis[:, [0, 2]].mean(0) - 60 * ahead
    yard.put(piece, float(centre[0]), float(centre[1]), float(np.arctan2(-ahead[0], -ahead[1])))


def _put_furniture(
    rng: np.random.Generator, yard: _Yard, count: int, camera: Camera, room: Room, joints_mm: Array
) -> None:
    """Pieces within what a crop round the person may show; inside also on the walls."""
    low, high, eye = joints_mm.min((0, 1)), joints_mm.max((0, 1)), float(camera.position[2])
    makers = OUTDOORS if room.open_top else INDOORS
    for _ in range(count):
        piece = makers[int(rng.integers(len(makers)))](rng)
        reach = max((abs(s.x) + s.half_x for s in piece.solids), default=0.0)
        near = high[2] + 500 + reach * (1.0 if room.open_top else 0.7)
        z = rng.uniform(near, max(float(room.high[2]) - 400, near + 400))
        x = rng.uniform(-1.4, 1.4) * 1500 * (z - eye) / -eye
        if rng.random() < 0.3 and reach < 1500:  # beside the person
            z = rng.uniform(low[2] - 300, high[2] + 500)
            aside = 450 + reach + rng.uniform(0, 900)
            x = low[0] - aside if rng.random() < 0.5 else high[0] + aside
        turn = rng.choice([0, 0.5 * np.pi, np.pi, -0.5 * np.pi]) + rng.normal(0, 0.3)
        yard.put(piece, float(x), float(z), float(turn))
    if room.open_top or room.backdrop:
        return
    for _ in range(int(rng.integers(0, count + 1))):
        piece = ON_WALLS[int(rng.integers(len(ON_WALLS)))](rng)
        if rng.random() < 0.7:
            far = float(room.high[2])
            yard.put(piece, float(rng.uniform(-1.5, 1.5) * 1400 * (far - eye) / -eye), far - 2, 0.0)
        else:
            side = int(rng.integers(2))
            wall = float((room.low, room.high)[side][0])
            turn = (-0.5 if side == 0 else 0.5) * np.pi
            yard.put(piece, wall + (2 if side == 0 else -2), float(rng.uniform(low[2], room.high[2])), float(turn))


def _put_boxes(rng: np.random.Generator, yard: _Yard, count: int, room: Room, joints_mm: Array) -> None:
    """Boxes of any size, some in the air."""
    low, high = joints_mm.min((0, 1)), joints_mm.max((0, 1))
    for _ in range(count):
        tall = rng.uniform(40, 900) if rng.random() < 0.8 else 1300
        half = np.array([rng.uniform(40, 500), tall, rng.uniform(40, 400)])
        z = rng.uniform(low[2] - 500, max(room.high[2] - half[2], high[2] + 800))
        x = rng.uniform(-2200, 2200)
        if z < high[2] + 350 + half[2]:  # not where the person walks: aside
            aside = 400 + half[0] + rng.uniform(0, 1000)
            x = low[0] - aside if rng.random() < 0.5 else high[0] + aside
        y = -half[1] if rng.random() < 0.6 else -rng.uniform(half[1], 2600)
        _put_box(yard, half, y, float(x), float(z), float(np.radians(rng.uniform(-40, 40))))


def _put_box(yard: _Yard, half: NDArray[np.float64], y: float, x: float, z: float, turn: float) -> None:
    solid = Solid("box", 0, 0, float(y), 0, float(half[0]), float(half[1]), float(half[2]))
    yard.put(Piece([solid], ANY), x, z, turn)


def _put_in_front(rng: np.random.Generator, yard: _Yard, camera: Camera, joints_mm: Array, furnished: bool) -> None:
    """Something between camera and person that hides a part of it."""
    share = rng.uniform(0.45, 0.85)
    z = float(camera.position[2] + share * (joints_mm[..., 2].min() - camera.position[2]))
    turn = float(np.radians(rng.uniform(-40, 40)))
    if not furnished or rng.random() < 0.2:
        half = np.array([rng.uniform(60, 350), rng.uniform(150, 450), rng.uniform(30, 200)])
        y = -half[1] if rng.random() < 0.7 else -rng.uniform(half[1], 1500)
        _put_box(yard, half, y, float(rng.normal(0, 350) * share), z, turn)
        return
    piece = IN_FRONT[int(rng.integers(len(IN_FRONT)))](rng)
    wide = max(abs(s.x) + max(s.half_x, s.half_z) for s in piece.solids)
    tall = max(s.half_y - s.y for s in piece.solids)
    x = rng.normal(0, 400) * share
    if tall > 1000 and wide > 150:  # to one side, or nothing of the person would be seen
        x = (wide + rng.uniform(-150, 400) * share) * (1 if rng.random() < 0.5 else -1)
    z = min(z, float(joints_mm[..., 2].min()) - wide - 150)
    if z > camera.position[2] + wide + 300:
        yard.put(piece, float(x), z, turn)

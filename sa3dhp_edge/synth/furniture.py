"""What stands in rooms and yards: pieces made of a few solids, each with looks by name.

A piece stands on the floor at its own origin, y down, its front towards -z; pieces for walls have their back at z = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from sa3dhp_edge.synth.solids import Solid

Rng = np.random.Generator
T = TypeVar("T")


class Piece(NamedTuple):
    """Solids whose `look` counts within `looks`; names of looks as in `paints.LOOKS`."""

    solids: list[Solid]
    looks: tuple[str, ...]


def _one_of(rng: Rng, *options: T) -> T:
    return options[int(rng.integers(len(options)))]


def _on(kind: str, look: int, x: float, bottom: float, z: float, w: float, h: float, d: float) -> Solid:
    """A solid of full size w, h, d whose underside is `bottom` above the floor."""
    return Solid(kind, look, x, -bottom - h / 2, z, w / 2, h / 2, d / 2)


def _legs(kind: str, look: int, w: float, d: float, h: float, thick: float) -> list[Solid]:
    return [_on(kind, look, sx * w / 2, 0, sz * d / 2, thick, h, thick) for sx in (-1, 1) for sz in (-1, 1)]


def table(rng: Rng) -> Piece:
    """With four legs, or round on a pole."""
    h, top = rng.uniform(680, 1100), _one_of(rng, "wood", "white", "plastic")
    if rng.random() < 0.3:
        r = rng.uniform(500, 900)
        foot = [_on("box", 1, 0, 0, 0, 0.7 * r, 30, 70), _on("box", 1, 0, 0, 0, 70, 30, 0.7 * r)]
        return Piece([_on("rod", 0, 0, h, 0, r, 30, r), _on("rod", 1, 0, 0, 0, 70, h, 70), *foot], (top, "metal"))
    w, d = rng.uniform(800, 2000), rng.uniform(500, 900)
    solids = [_on("box", 0, 0, h, 0, w, 35, d), *_legs("box", 1, w - 80, d - 80, h, rng.uniform(30, 70))]
    if rng.random() < 0.5:  # somebody's desk
        for _ in range(int(rng.integers(1, 4))):
            x = rng.uniform(-0.4, 0.4) * w
            solids.append(_on("box", 2, x, h + 35, 0, rng.uniform(80, 450), rng.uniform(40, 350), rng.uniform(40, 250)))
    if rng.random() < 0.4:
        solids += [_on("box", 3, 0, h + 130, 0, 520, 320, 30), _on("rod", 1, 0, h + 35, 20, 50, 120, 50)]
    return Piece(solids, (top, "metal", "thing", "screen"))


def chair(rng: Rng) -> Piece:
    """Four legs or a pole on a star."""
    seat, w = rng.uniform(420, 480), rng.uniform(400, 480)
    solids = [_on("box", 0, 0, seat, 0, w, rng.uniform(25, 80), w)]
    solids.append(_on("box", 0, 0, seat + rng.uniform(80, 220), w / 2 - 20, w, rng.uniform(200, 400), 40))
    if rng.random() < 0.4:
        star = [_on("box", 1, 0, 30, 0, 560, 40, 50), _on("box", 1, 0, 30, 0, 50, 40, 560)]
        solids += [_on("rod", 1, 0, 60, 0, 60, seat - 60, 60), *star]
    else:
        solids += _legs("rod", 1, w - 40, w - 40, seat, 28)
    solids += [_on("box", 1, s * (w / 2 - 20), seat, w / 2 - 20, 30, 300, 25) for s in (-1, 1)]
    return Piece(solids, (_one_of(rng, "fabric", "wood", "plastic"), "metal"))


def shelf(rng: Rng) -> Piece:
    """Boards with rows of books or boxes."""
    w, h, d = rng.uniform(700, 1800), rng.uniform(900, 2200), rng.uniform(250, 450)
    boards = int(rng.integers(3, 6))
    solids = [_on("box", 0, s * w / 2, 0, 0, 30, h, d) for s in (-1, 1)] + [_on("box", 0, 0, 0, d / 2, w, h, 15)]
    for k in range(boards + 1):
        y = k * (h - 25) / boards
        solids.append(_on("box", 0, 0, y, 0, w, 25, d))
        if k < boards and rng.random() < 0.8:
            share, room = rng.uniform(0.4, 0.95), (h - 25) / boards - 25
            high = room * rng.uniform(0.4, 0.95)
            solids.append(_on("box", 1, (share - 1) * w / 2, y + 25, 0, share * w - 60, high, 0.8 * d))
    return Piece(solids, (_one_of(rng, "wood", "white", "metal"), _one_of(rng, "books", "thing", "card")))


def cupboard(rng: Rng) -> Piece:
    """A closed box with doors and handles."""
    w, h, d = rng.uniform(600, 1800), rng.uniform(700, 2100), rng.uniform(350, 600)
    doors = int(rng.integers(1, 5))
    solids = [_on("box", 0, 0, 0, 0, w, h, d)]
    for k in range(doors):
        x = (k + 0.5) * w / doors - w / 2
        solids.append(_on("box", 1, x, 60, -d / 2 - 6, w / doors - 12, h - 90, 12))
        solids.append(_on("box", 2, x + 0.35 * w / doors, 0.55 * h, -d / 2 - 20, 15, 120, 20))
    one = _one_of(rng, "wood", "white", "plastic")
    return Piece(solids, (one, one if rng.random() < 0.7 else "white", "metal"))


def sofa(rng: Rng) -> Piece:
    """A seat, a back, arms and cushions."""
    w = rng.uniform(900, 2200)
    solids = [_on("box", 0, 0, 60, 0, w, 360, 800), _on("box", 0, 0, 60, 350, w, 760, 180)]
    solids += [_on("box", 0, s * w / 2, 60, 0, 160, 540, 800) for s in (-1, 1)]
    solids += [_on("box", 1, rng.uniform(-0.3, 0.3) * w, 430, 180, 420, 360, 130) for _ in range(int(rng.integers(3)))]
    return Piece(solids, ("fabric", "fabric"))


def cartons(rng: Rng) -> Piece:
    """Boxes on boxes."""
    solids, bottom = [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        w, h, d = rng.uniform(200, 700), rng.uniform(120, 500), rng.uniform(200, 600)
        solids.append(_on("box", int(rng.integers(2)), rng.uniform(-60, 60), bottom, rng.uniform(-60, 60), w, h, d))
        bottom += h
    return Piece(solids, (_one_of(rng, "card", "thing"), _one_of(rng, "card", "thing", "white")))


def pole(rng: Rng) -> Piece:
    """A pole, a column or a lamp."""
    r, h = _one_of(rng, 30, 50, 50, 80, 250, 450), _one_of(rng, 1300, 1800, 3600)
    kind = "rod" if rng.random() < 0.7 else "box"
    solids = [_on(kind, 0, 0, 0, 0, r, h, r)]
    if h < 3000 and r < 100:
        solids += [_on("rod", 0, 0, 0, 0, 320, 25, 320), _on("rod", 1, 0, h, 0, 340, 220, 340)]
    return Piece(solids, (_one_of(rng, "metal", "white", "wood", "wall"), _one_of(rng, "white", "fabric")))


def plant(rng: Rng) -> Piece:
    """A pot with leaves."""
    r, h = rng.uniform(220, 450), rng.uniform(500, 1500)
    solids = [_on("rod", 0, 0, 0, 0, r, 0.9 * r, r), _on("rod", 1, 0, 0.8 * r, 0, 40, h / 2, 40)]
    for _ in range(int(rng.integers(2, 5))):
        s, x, z = h * rng.uniform(0.35, 0.7), *rng.uniform(-0.25, 0.25, 2) * h
        solids.append(_on("bush", 2, x, 0.8 * r + h / 4 + rng.uniform(0, 0.4) * h, z, s, s, s))
    return Piece(solids, ("thing", "wood", "foliage"))


def gym(rng: Rng) -> Piece:
    """A ball, a mat, a bench with a barbell, or a rack."""
    which, bars = rng.random(), []
    if which < 0.25:
        s = _one_of(rng, 220, 350, 650)
        return Piece([_on("ball", 0, 0, 0, 0, s, s, s)], ("bright",))
    if which < 0.5:
        w = rng.uniform(600, 1500)
        return Piece([_on("box", 0, 0, 0, 0, 1800, _one_of(rng, 12, 60, 250), w)], ("bright",))
    h = rng.uniform(900, 2300)
    if which < 0.75:
        bars = [_on("box", 1, s * 550, 0, 0, 70, h, 70) for s in (-1, 1)] + [_on("box", 0, 0, 420, 500, 300, 90, 1200)]
    else:
        bars = _legs("box", 1, 1150, 1100, h, 70) + [_on("box", 1, 0, h - 70, s * 550, 1200, 70, 70) for s in (-1, 1)]
    bars.append(_on("rod_x", 2, 0, 0.6 * h, -60, 2000, 30, 30))
    bars += [_on("rod_x", 0, s * 850, 0.6 * h - 160, -60, 60, 400, 400) for s in (-1, 1)]
    return Piece(bars, ("dark", "bright", "metal"))


def tripod(rng: Rng) -> Piece:
    """Equipment on a stand, or a panel on two feet."""
    h = rng.uniform(900, 1900)
    if rng.random() < 0.5:
        w = rng.uniform(600, 1900)
        solids = [_on("box", 1, 0, rng.uniform(100, 700), 0, w, h, 40)]
        return Piece([*solids, *(_on("box", 0, s * w / 2, 0, 0, 40, h + 200, 60) for s in (-1, 1))], ("metal", "panel"))
    solids = [
        _on("rod", 0, 0, 0, 0, 35, h, 35),
        _on("box", 0, 0, 0, 0, 700, 25, 40),
        _on("box", 0, 0, 0, 0, 40, 25, 700),
    ]
    return Piece([*solids, _on("box", 1, 0, h, 0, 160, 120, 220)], ("dark", "dark"))


def tree(rng: Rng) -> Piece:
    """A trunk and a crown of bushes."""
    h, r = rng.uniform(2500, 8000), rng.uniform(120, 500)
    solids, crown = [_on("rod", 0, 0, 0, 0, r, 0.7 * h, r)], rng.uniform(0.3, 0.8) * h
    for _ in range(int(rng.integers(3, 7))):
        s, x, z = crown * rng.uniform(0.5, 0.9), *rng.uniform(-0.35, 0.35, 2) * crown
        solids.append(_on("bush", 1, x, rng.uniform(0.4, 0.8) * h, z, s, 0.8 * s, s))
    return Piece(solids, ("bark", "foliage"))


def bush(rng: Rng) -> Piece:
    """One to four bushes or a hedge."""
    if rng.random() < 0.3:
        return Piece([_on("box", 0, 0, 0, 0, rng.uniform(2000, 9000), rng.uniform(600, 2200), 800)], ("foliage",))
    sizes = rng.uniform(500, 1800, int(rng.integers(1, 5)))
    return Piece(
        [_on("bush", 0, rng.normal(0, 800), -0.2 * s, rng.normal(0, 300), s, s, s) for s in sizes], ("foliage",)
    )


def car(rng: Rng) -> Piece:
    """Two boxes on four wheels."""
    length, body = rng.uniform(3600, 4800), rng.uniform(600, 900)
    solids = [_on("box", 0, 0, 250, 0, length, body, 1700), _on("box", 1, 200, 250 + body, 0, 0.55 * length, 500, 1500)]
    solids += [_on("box", 0, 200, 750 + body, 0, 0.5 * length, 60, 1450)]
    solids += [_on("rod_z", 2, s * 0.3 * length, 0, t * 780, 640, 640, 220) for s in (-1, 1) for t in (-1, 1)]
    return Piece(solids, ("paint", "screen", "dark"))


def fence(rng: Rng) -> Piece:
    """Posts and rails, or a closed fence."""
    w, h = rng.uniform(3000, 9000), rng.uniform(700, 2000)
    if rng.random() < 0.4:
        return Piece([_on("box", 0, 0, 0, 0, w, h, 60)], (_one_of(rng, "wood", "brick", "wall"),))
    posts = np.linspace(-w / 2, w / 2, int(rng.integers(4, 12)))
    rails = [_on("box", 0, 0, y * h, 0, w, 50, 40) for y in (0.3, 0.6, 0.9)]
    return Piece([_on("box", 0, float(x), 0, 0, 60, h, 60) for x in posts] + rails, (_one_of(rng, "wood", "metal"),))


def building(rng: Rng) -> Piece:
    """A house front with rows of windows."""
    w, h = rng.uniform(5000, 15000), rng.uniform(3500, 12000)
    return Piece([_on("box", 0, 0, 0, 3000, w, h, 6000)], (_one_of(rng, "facade", "facade", "brick"),))


def door(rng: Rng) -> Piece:
    """A leaf in a frame, on a wall."""
    w, h = rng.uniform(750, 1000), rng.uniform(1950, 2150)
    solids = [_on("box", 1, 0, 0, -20, w + 140, h + 70, 40), _on("box", 0, 0, 0, -30, w, h, 40)]
    solids.append(_on("box", 2, 0.4 * w, 1000, -60, 120, 25, 40))
    if rng.random() < 0.3:
        solids.append(_on("box", 3, 0, 1200, -35, 0.5 * w, 600, 40))
    return Piece(solids, (_one_of(rng, "wood", "white", "thing"), _one_of(rng, "wood", "white"), "metal", "glass"))


def window(rng: Rng) -> Piece:
    """Bright panes in a frame, sometimes behind blinds or beside a curtain."""
    w, h, sill = rng.uniform(700, 2600), rng.uniform(900, 1700), rng.uniform(300, 1000)
    solids = [_on("box", 0, 0, sill, -15, w, h, 30)]
    for k in range(int(rng.integers(2, 5)) + 1):
        solids.append(_on("box", 1, (k / 2 - 0.5) * w if k < 3 else 0, sill, -30, 60, h, 40))
    solids += [_on("box", 1, 0, y, -30, w + 60, 60, 60) for y in (sill - 30, sill + h - 30)]
    if rng.random() < 0.35:
        solids += [_on("box", 2, s * w / 2, sill - 250, -80, 0.4 * w, h + 450, 60) for s in (-1, 1)]
    return Piece(solids, (_one_of(rng, "glass", "glass", "blinds"), "white", "curtain"))


def panel(rng: Rng) -> Piece:
    """A picture, a whiteboard, a screen or a notice board."""
    w, h = rng.uniform(250, 1900), rng.uniform(250, 1200)
    y = max(1500 + rng.normal(0, 250) - h / 2, 100)
    solids = [_on("box", 1, 0, y - 30, -10, w + 60, h + 60, 20), _on("box", 0, 0, y, -18, w, h, 20)]
    return Piece(solids, (_one_of(rng, "poster", "poster", "white", "screen"), _one_of(rng, "dark", "wood", "metal")))


def curtain(rng: Rng) -> Piece:
    """From the ceiling down."""
    return Piece([_on("box", 0, 0, rng.uniform(0, 200), -60, rng.uniform(700, 3500), 2500, 60)], ("curtain",))


def skirting(rng: Rng) -> Piece:
    """The strip along the foot of a wall, or a dado of another colour."""
    high = _one_of(rng, 60, 60, 90, 90, 120, 120, 1000)
    return Piece([_on("box", 0, 0, 0, -8, 12000, high, 16)], (_one_of(rng, "white", "wood", "dark", "wall"),))


Maker = Callable[[Rng], Piece]
INDOORS: tuple[Maker, ...] = (
    table, table, chair, chair, chair, shelf, shelf, cupboard, cupboard, sofa, cartons, pole, plant, gym, gym, tripod,
)  # fmt: skip
OUTDOORS: tuple[Maker, ...] = (tree, tree, tree, bush, bush, car, fence, building, building, pole, cartons, gym)
ON_WALLS: tuple[Maker, ...] = (door, door, window, window, panel, panel, panel, curtain, skirting, skirting)
IN_FRONT: tuple[Maker, ...] = (table, chair, cartons, pole, pole, plant, sofa, tripod, cupboard, gym)

"""Materials by chance: colours, skin, hair and cloth as rows of the material table."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.domain import Patterns, Range
from sa3dhp_edge.synth.patterns import draw_pattern
from sa3dhp_edge.synth.shade import MATERIAL

Array = NDArray[np.float32]

SKIN = np.array([(0.95, 0.78, 0.69), (0.87, 0.66, 0.53), (0.70, 0.48, 0.36), (0.45, 0.29, 0.20), (0.25, 0.16, 0.12)])
HAIR = np.array([(0.05, 0.04, 0.04), (0.18, 0.11, 0.07), (0.36, 0.22, 0.12), (0.72, 0.55, 0.30), (0.62, 0.60, 0.58)])


class Palette(NamedTuple):
    """Everyday colours (K, 3) as displayed, how likely each is (K,), and the share of all colours they are."""

    colours: NDArray[np.float64]
    odds: NDArray[np.float64]
    share: float = 1.0


def _palette(*rows: tuple[float, float, float, float]) -> Palette:
    """Rows: odds, red, green, blue in percent."""
    table = np.array(rows, float)
    return Palette(table[:, 1:] / 100, table[:, 0] / table[:, 0].sum())


PALETTES: dict[str, Palette] = {
    "cloth": _palette(
        (18, 6, 6, 7), (9, 18, 18, 20), (9, 44, 44, 46), (6, 68, 69, 71), (14, 93, 93, 92), (10, 10, 13, 25),
        (9, 25, 33, 47), (3, 50, 60, 70), (4, 12, 27, 58), (4, 80, 72, 60), (3, 60, 55, 42), (4, 35, 24, 17),
        (3, 33, 35, 22), (3, 40, 10, 14), (4, 74, 11, 13), (2, 85, 60, 66), (2, 12, 40, 26), (2, 12, 46, 52),
        (1.5, 90, 75, 22), (1.5, 90, 45, 13), (1.5, 35, 20, 46),
    ),
    "wall": _palette(
        (25, 93, 93, 91), (15, 88, 85, 78), (15, 76, 77, 78), (8, 56, 57, 58), (4, 26, 27, 29), (8, 78, 70, 58),
        (3, 50, 35, 22), (5, 68, 76, 82), (2, 74, 80, 72), (3, 90, 85, 66), (2, 60, 36, 26), (1.5, 12, 30, 58),
        (1.5, 74, 9, 16), (1, 16, 42, 28),
    ),
    "floor": _palette(
        (14, 44, 28, 17), (10, 62, 45, 29), (8, 30, 20, 14), (14, 60, 60, 60), (12, 38, 38, 40), (8, 20, 20, 22),
        (10, 78, 74, 67), (6, 85, 84, 82), (4, 14, 26, 50), (3, 25, 42, 34), (2, 52, 18, 16),
    ),
    "ground": _palette(
        (16, 40, 40, 41), (12, 64, 63, 61), (16, 34, 39, 23), (12, 44, 47, 29), (6, 72, 63, 48), (6, 42, 34, 26),
        (3, 58, 26, 21), (4, 15, 38, 20), (6, 52, 50, 46),
    ),
    "thing": _palette(
        (16, 10, 10, 11), (12, 30, 30, 32), (12, 60, 60, 62), (14, 90, 90, 89), (10, 62, 44, 28), (8, 42, 28, 18),
        (6, 80, 72, 58), (5, 15, 30, 58), (4, 74, 14, 14), (3, 16, 44, 28), (3, 12, 48, 52), (2, 88, 72, 20),
        (2, 86, 44, 14),
    ),
    "bright": _palette(
        (6, 8, 8, 9), (5, 70, 10, 16), (5, 14, 32, 66), (3, 20, 48, 30), (3, 14, 50, 56), (2, 88, 74, 20),
        (3, 92, 92, 91), (2, 50, 50, 52), (2, 84, 40, 16), (1, 46, 26, 54),
    ),
    "dark": _palette((5, 6, 6, 7), (3, 14, 14, 16), (2, 24, 24, 26)),
    "metal": _palette((4, 70, 71, 72), (3, 46, 47, 48), (4, 12, 12, 13), (2, 86, 86, 86)),
    "white": _palette((6, 94, 94, 93), (3, 86, 86, 85), (2, 88, 84, 76)),
    "wood": _palette((4, 62, 44, 28), (3, 44, 29, 18), (2, 76, 62, 44), (2, 28, 19, 13), (1, 55, 30, 18)),
    "foliage": _palette((4, 30, 35, 20), (3, 40, 44, 28), (2, 22, 27, 17), (2, 50, 50, 32), (1, 52, 44, 30)),
    "brick": _palette((3, 56, 32, 25), (2, 66, 48, 38), (2, 74, 70, 64), (1, 44, 34, 30)),
    "glass": _palette((4, 97, 98, 100), (2, 80, 88, 96), (1, 55, 65, 75), (1, 16, 20, 26)),
    "screen": _palette((5, 5, 5, 6), (2, 18, 22, 30), (1, 60, 70, 82)),
    "card": _palette((4, 68, 53, 37), (2, 78, 66, 50), (1, 56, 42, 28)),
}  # fmt: skip

LOOKS: dict[str, tuple[str, Patterns, Range, float]] = {
    "wall": ("wall", ("plain", "plain", "noise", "bricks"), (500, 3000), 0.0),
    "wood": ("wood", ("grain", "wood", "plain"), (300, 1500), 0.15),
    "white": ("white", ("plain",), (500, 2000), 0.1),
    "plastic": ("thing", ("plain",), (300, 1500), 0.25),
    "metal": ("metal", ("plain",), (300, 1500), 0.4),
    "thing": ("thing", ("plain", "plain", "print", "noise", "collage", "stripes"), (150, 900), 0.1),
    "fabric": ("thing", ("plain", "noise", "checks", "stripes", "knit"), (100, 700), 0.0),
    "books": ("thing", ("books",), (300, 900), 0.05),
    "card": ("card", ("plain", "plain", "print"), (300, 900), 0.0),
    "screen": ("screen", ("plain", "collage", "print"), (400, 1200), 0.4),
    "dark": ("dark", ("plain",), (300, 1500), 0.2),
    "bright": ("bright", ("plain", "plain", "print", "stripes"), (400, 1500), 0.1),
    "panel": ("bright", ("plain", "plain", "poster"), (900, 2500), 0.0),
    "poster": ("thing", ("poster", "collage", "print"), (400, 1600), 0.05),
    "curtain": ("wall", ("folds",), (600, 2500), 0.0),
    "blinds": ("white", ("blinds",), (400, 900), 0.0),
    "glass": ("glass", ("plain", "plain", "foliage", "facade"), (1200, 4000), 0.0),
    "foliage": ("foliage", ("leaves", "foliage"), (500, 2500), 0.0),
    "bark": ("wood", ("noise", "grain"), (500, 1500), 0.0),
    "brick": ("brick", ("bricks",), (900, 2500), 0.0),
    "facade": ("wall", ("facade",), (4000, 12000), 0.0),
    "paint": ("bright", ("plain",), (1000, 3000), 0.5),
}
"""Name of a thing's look: palette, families of patterns, mm per tile, gloss."""

UPRIGHT = ("facade", "curtain", "blinds", "books", "poster", "brick")
"""Looks with an up and a down."""

MIXES = (0.0,) * 6 + (0.5,) * 5 + (1.0,) * 9
"""How alike a pattern's colours are: of many colours, kindred ones, shades of one."""


def linear(colour: NDArray[np.floating]) -> Array:
    """Display colour 0..1 to linear light."""
    return np.asarray(np.clip(colour, 0, 1) ** 2.2, np.float32)


def draw_colours(
    rng: np.random.Generator, count: int, brightness: Range, saturation: Range, palette: Palette | None = None
) -> Array:
    """(count, 3) linear RGB of the palette or, where that does not apply, of any hue; pale ones are more likely."""
    dice = rng.random((count, 4))
    strength = saturation[0] + (saturation[1] - saturation[0]) * dice[:, 1] ** 1.8
    value = brightness[0] + (brightness[1] - brightness[0]) * dice[:, 2]
    if palette is None:
        return linear(np.array([colorsys.hsv_to_rgb(*row) for row in zip(dice[:, 0], strength, value, strict=True)]))
    place = np.minimum(np.searchsorted(palette.odds.cumsum(), dice[:, 0]), len(palette.odds) - 1)
    colours = palette.colours[place] * (0.8 + 0.32 * dice[:, 1, None]) + rng.normal(0, 0.02, (count, 3))
    for k in np.flatnonzero(dice[:, 3] >= palette.share):
        colours[k] = colorsys.hsv_to_rgb(dice[k, 0], strength[k], value[k])
    return linear(colours)


def draw_colour(
    rng: np.random.Generator, brightness: Range, saturation: Range, palette: Palette | None = None
) -> Array:
    """(3,) one of `draw_colours`."""
    return np.asarray(draw_colours(rng, 1, brightness, saturation, palette)[0])


def material(
    pattern: int,
    tile_mm: float,
    turn: float,
    ramp: NDArray[np.floating],
    relief: float = 0.0,
    gloss: float = 0.0,
    shininess: float = 8.0,
) -> Array:
    """(MATERIAL,) row; `ramp` (4, 3) linear RGB, `turn` in radians."""
    row = np.empty(MATERIAL, np.float32)
    row[:7] = pattern, tile_mm, np.cos(turn), np.sin(turn), relief, gloss, shininess
    row[7:] = np.asarray(ramp, np.float32).ravel()
    return row


def plain(
    colour: Array, rng: np.random.Generator, tile_mm: float = 500, relief: float = 0.0, gloss: float = 0.0
) -> Array:
    """A material of one colour with faint unevenness."""
    return material(
        draw_pattern(rng, ("plain",)), tile_mm, 0, colour * np.linspace(0.8, 1.2, 4)[:, None], relief, gloss, 12
    )


def draw_patterned(
    rng: np.random.Generator, patterns: Patterns, brightness: Range, saturation: Range, tile_mm: Range,
    relief: float = 0.0, gloss: float = 0.0, palette: Palette | None = None,
    *, kindred: bool = False,
) -> Array:  # fmt: skip
    """A material of two to four colours; stripes and checks lie along or across, other patterns at any angle.

    `kindred`: shades of one colour that lie along or across, as floors and walls do.
    """
    ramp = draw_colours(rng, 4, brightness, saturation, palette)
    shades = ramp[0] * np.array([0.45, 0.75, 1.0, 1.3])[:, None]
    mix = 0.85 if kindred else MIXES[int(rng.integers(len(MIXES)))]
    ramp = mix * shades + (1 - mix) * ramp
    turn = np.pi / 2 * rng.integers(2) if kindred or rng.random() < 0.7 else rng.uniform(0, np.pi)
    return material(draw_pattern(rng, patterns), rng.uniform(*tile_mm), turn, ramp, relief, gloss, rng.uniform(4, 40))


def everyday(name: str, share: float) -> Palette | None:
    """A palette by name, in use for a share of all colours."""
    return PALETTES[name]._replace(share=share) if share > 0 else None


def draw_look(rng: np.random.Generator, name: str) -> Array:
    """A material for a look of `LOOKS`."""
    palette, patterns, tile_mm, gloss = LOOKS[name]
    if name == "glass":  # bright by itself: the day is behind it
        row = draw_patterned(rng, patterns, (0, 1), (0, 0), tile_mm, 0, gloss, PALETTES[palette], kindred=True)
        row[7:] *= rng.uniform(0.8, 3.5)
        return row
    kindred = name in ("facade", "curtain", "blinds", "wood", "foliage", "bark", "brick")
    row = draw_patterned(rng, patterns, (0, 1), (0, 0), tile_mm, 0, gloss, PALETTES[palette], kindred=kindred)
    if name in UPRIGHT:
        row[2:4] = 1, 0
    return row


def draw_skin(rng: np.random.Generator, tone: Range) -> Array:
    """Skin, light to dark."""
    place = rng.uniform(*tone) * (len(SKIN) - 1)
    k = min(int(place), len(SKIN) - 2)
    colour = SKIN[k] + (place - k) * (SKIN[k + 1] - SKIN[k]) + rng.normal(0, 0.02, 3)
    return plain(linear(colour), rng, 300, 0.0, float(rng.uniform(0, 0.12)))


def draw_hair(rng: np.random.Generator) -> Array:
    """Hair, mostly dark, now and then grey or of any colour."""
    if rng.random() < 0.06:
        colour = draw_colour(rng, (0.3, 0.9), (0.4, 0.9))
    else:
        colour = linear(HAIR[int(rng.choice(5, p=(0.36, 0.26, 0.16, 0.12, 0.1)))] + rng.normal(0, 0.015, 3))
    ramp = colour * np.array([0.5, 0.8, 1.1, 1.5])[:, None]
    return material(draw_pattern(rng, ("noise",)), rng.uniform(60, 200), 0, ramp, 0.6, float(rng.uniform(0, 0.25)), 10)

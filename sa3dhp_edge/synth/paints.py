"""Materials by chance: colours, skin, hair and cloth as rows of the material table."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.domain import Patterns, Range
from sa3dhp_edge.synth.patterns import draw_pattern
from sa3dhp_edge.synth.shade import MATERIAL

Array = NDArray[np.float32]

SKIN = np.array([(0.95, 0.78, 0.69), (0.87, 0.66, 0.53), (0.70, 0.48, 0.36), (0.45, 0.29, 0.20), (0.25, 0.16, 0.12)])
HAIR = np.array([(0.05, 0.04, 0.04), (0.18, 0.11, 0.07), (0.36, 0.22, 0.12), (0.72, 0.55, 0.30), (0.62, 0.60, 0.58)])


def linear(colour: NDArray[np.floating]) -> Array:
    """Display colour 0..1 to linear light."""
    return np.asarray(np.clip(colour, 0, 1) ** 2.2, np.float32)


def draw_colour(rng: np.random.Generator, brightness: Range, saturation: Range) -> Array:
    """(3,) linear RGB of any hue; pale colours are more likely than strong ones."""
    strength = saturation[0] + (saturation[1] - saturation[0]) * rng.random() ** 1.8
    return linear(np.array(colorsys.hsv_to_rgb(rng.random(), strength, rng.uniform(*brightness))))


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
    relief: float = 0.0, gloss: float = 0.0,
) -> Array:  # fmt: skip
    """A material of two to four colours; stripes and checks lie along or across, other patterns at any angle."""
    ramp = np.stack([draw_colour(rng, brightness, saturation) for _ in range(4)])
    shades = ramp[0] * np.array([0.45, 0.75, 1.0, 1.3])[:, None]
    mix = rng.choice([0.0, 0.5, 1.0], p=(0.3, 0.25, 0.45))  # of many colours, kindred ones, one colour
    ramp = mix * shades + (1 - mix) * ramp
    turn = rng.choice([0, np.pi / 2]) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    return material(draw_pattern(rng, patterns), rng.uniform(*tile_mm), turn, ramp, relief, gloss, rng.uniform(4, 40))


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

"""A bank of procedural surface patterns: tileable values in 0..1 that a material's colour ramp turns into paint."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SIDE = 128
LEVELS = 5
"""Level k holds the patterns blurred to a resolution of SIDE / 2**k, for surfaces seen from afar."""


def _fbm(rng: np.random.Generator, power: float, stretch: float = 1.0) -> Array:
    """Tileable noise with amplitude 1 / frequency**power, spread to 0..1."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None] * SIDE, np.fft.fftfreq(SIDE)[None] * SIDE
    radius = np.sqrt((fy * stretch) ** 2 + fx**2)
    radius[0, 0] = np.inf
    spectrum = rng.normal(size=(SIDE, SIDE)) + 1j * rng.normal(size=(SIDE, SIDE))
    noise = np.fft.ifft2(spectrum / radius**power).real
    low, high = np.percentile(noise, (3, 97))
    return np.asarray(np.clip((noise - low) / (high - low), 0, 1), np.float32)


def _plain(rng: np.random.Generator) -> Array:
    return np.asarray(0.5 + 0.12 * (_fbm(rng, 1.3) - 0.5), np.float32)


def _stripes(rng: np.random.Generator) -> Array:
    count, width = rng.integers(4, 14), rng.uniform(0.25, 0.6)
    wave = (np.arange(SIDE) * count / SIDE) % 1
    second = ((np.arange(SIDE) * count / SIDE / 2) % 1 < 0.5) * 0.33
    return np.repeat(np.where(wave < width, 0.9, second)[:, None], SIDE, 1).astype(np.float32)


def _checks(rng: np.random.Generator) -> Array:
    count = 2 * rng.integers(2, 7)
    i = np.arange(SIDE) * count // SIDE % 2
    soft = rng.random() < 0.5
    return np.asarray((i[:, None] + i[None]) / 2 if soft else i[:, None] ^ i[None], np.float32)


def _dots(rng: np.random.Generator) -> Array:
    count, size = rng.integers(3, 9), rng.uniform(0.1, 0.3)
    x = (np.arange(SIDE) * count / SIDE) % 1 - 0.5
    return np.asarray(np.where(x[:, None] ** 2 + x[None] ** 2 < size**2, 0.95, 0.1), np.float32)


def _camouflage(rng: np.random.Generator) -> Array:
    return np.asarray(np.digitize(_fbm(rng, 1.8), (0.3, 0.5, 0.7)) / 3, np.float32)


def _noise(rng: np.random.Generator) -> Array:
    return _fbm(rng, rng.uniform(0.7, 1.8))


def _print(rng: np.random.Generator) -> Array:
    picture = np.full((SIDE, SIDE), rng.choice([0.0, 0.1]), np.float32)
    for _ in range(rng.integers(3, 9)):
        centre = tuple(int(v) for v in rng.integers(30, SIDE - 30, 2))
        axes = tuple(int(v) for v in rng.integers(4, 26, 2))
        value = float(rng.uniform(0.3, 1))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, value, int(rng.choice([-1, 3])))
    return picture


def _collage(rng: np.random.Generator) -> Array:
    """Overlapping boxes, discs and strokes over soft noise: what a furnished wall looks like from afar."""
    picture = 0.6 * _fbm(rng, 1.6) + rng.uniform(0, 0.4)
    for _ in range(rng.integers(8, 28)):
        x, y = (int(v) for v in rng.integers(0, SIDE, 2))
        w, h = (int(v) for v in rng.integers(4, 44, 2))
        value, kind = float(rng.random()), rng.integers(0, 3)
        if kind == 0:
            cv2.rectangle(picture, (x, y), (x + w, y + h), value, -1)
        elif kind == 1:
            cv2.ellipse(picture, (x, y), (w // 2, h // 2), 0, 0, 360, value, -1)
        else:
            cv2.line(picture, (x, y), (x + w, y + h), value, int(rng.integers(1, 5)))
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _bricks(rng: np.random.Generator) -> Array:
    rows, columns = 2 * rng.integers(2, 6), rng.integers(2, 6)
    y = np.arange(SIDE)[:, None] * rows / SIDE
    x = np.arange(SIDE)[None] * columns / SIDE + 0.5 * (np.floor(y) % 2)
    tone = rng.uniform(0.45, 1, (rows, columns))[y.astype(int) % rows, x.astype(int) % columns]
    joint = (y % 1 < 0.08) | (x % 1 < 0.05)
    return np.asarray(np.where(joint, 0.0, tone * (0.85 + 0.15 * _fbm(rng, 1.0))), np.float32)


def _wood(rng: np.random.Generator) -> Array:
    planks = rng.integers(3, 9)
    y = np.arange(SIDE)[:, None] * planks / SIDE
    tone = rng.uniform(0.3, 0.9, planks)[y.astype(int) % planks]
    grain = _fbm(rng, 1.2, stretch=0.12)
    return np.asarray(np.where(y % 1 < 0.06, 0.0, 0.75 * tone + 0.25 * grain), np.float32)


def _foliage(rng: np.random.Generator) -> Array:
    return np.asarray(np.clip(1.6 * _fbm(rng, 0.8) * _fbm(rng, 1.6), 0, 1), np.float32)


def _tiles(rng: np.random.Generator) -> Array:
    """Square or oblong tiles, paving or panels with joints."""
    rows, columns = rng.integers(2, 8, 2)
    y, x = np.arange(SIDE)[:, None] * rows / SIDE, np.arange(SIDE)[None] * columns / SIDE
    tone = 0.75 + rng.uniform(-0.15, 0.15, (rows, columns))[y.astype(int), x.astype(int)]
    joint = (y % 1 < rows * 0.012) | (x % 1 < columns * 0.012)
    return np.asarray(np.where(joint, rng.uniform(0, 0.5), tone + 0.08 * (_fbm(rng, 1.2) - 0.5)), np.float32)


def _grain(rng: np.random.Generator) -> Array:
    return np.asarray(0.35 + 0.4 * _fbm(rng, 1.3, stretch=0.08), np.float32)


def _speckle(rng: np.random.Generator) -> Array:
    """Asphalt, carpet, terrazzo: fine grain with a little large-scale unevenness."""
    return np.asarray(np.clip(0.5 + 0.5 * (_fbm(rng, 0.2) - 0.5) + 0.35 * (_fbm(rng, 1.6) - 0.5), 0, 1), np.float32)


def _grass(rng: np.random.Generator) -> Array:
    fine, patches = _fbm(rng, 0.45, stretch=0.6), _fbm(rng, 1.5)
    return np.asarray(np.clip(0.15 + 0.65 * fine + 0.4 * (patches - 0.5), 0, 1), np.float32)


def _leaves(rng: np.random.Generator) -> Array:
    picture = np.zeros((SIDE, SIDE), np.float32)
    for tone in np.linspace(0.05, 1, 420):
        centre, axes = (tuple(int(v) for v in rng.integers(*r, 2)) for r in ((0, SIDE), (2, 8)))
        shade = float(tone * rng.uniform(0.6, 1))
        for dx in (-SIDE, 0, SIDE):
            cv2.ellipse(picture, (centre[0] + dx, centre[1]), axes, float(rng.uniform(0, 180)), 0, 360, shade, -1)
    return picture


def _books(rng: np.random.Generator) -> Array:
    """Spines of many heights and shades side by side."""
    picture, x = np.zeros((SIDE, SIDE), np.float32), 0
    while x < SIDE:
        width, low = int(rng.integers(3, 11)), int(rng.integers(0, SIDE // 5))
        picture[low:, x : x + width] = rng.random()
        picture[int(rng.integers(20, 60)) : int(rng.integers(61, 90)), x : x + width] = rng.random()
        x += width + 1
    return picture


def _facade(rng: np.random.Generator) -> Array:
    """Rows of windows in a wall."""
    rows, columns, wide, high = *rng.integers(2, 5, 2), *rng.uniform(0.3, 0.8, 2)
    y, x = np.arange(SIDE)[:, None] * rows / SIDE, np.arange(SIDE)[None] * columns / SIDE
    pane = (np.abs(y % 1 - 0.5) < high / 2) & (np.abs(x % 1 - 0.5) < wide / 2)
    frame = pane & ((np.abs(y % 1 - 0.5) > high / 2 - 0.05) | (np.abs(x % 1 - 0.5) % 0.25 < 0.02))
    shine = rng.uniform(0, 0.4, (rows, columns))[y.astype(int), x.astype(int)]
    wall = 0.72 + 0.1 * (_fbm(rng, 1.2) - 0.5)
    return np.asarray(np.where(frame, 0.95, np.where(pane, shine, wall)), np.float32)


def _folds(rng: np.random.Generator) -> Array:
    """Cloth that hangs: soft vertical waves."""
    x = np.arange(SIDE) / SIDE * 2 * np.pi
    wave = sum(np.sin(int(rng.integers(2, 12)) * x + rng.uniform(0, 6)) for _ in range(4)) / 4
    return np.repeat((0.6 + 0.35 * np.asarray(wave))[None], SIDE, 0).astype(np.float32)


def _blinds(rng: np.random.Generator) -> Array:
    y = (np.arange(SIDE) * int(rng.integers(10, 24)) / SIDE) % 1
    return np.repeat(np.where(y < 0.25, 0.1, 0.5 + 0.5 * y)[:, None], SIDE, 1).astype(np.float32)


def _poster(rng: np.random.Generator) -> Array:
    """A picture above lines of writing."""
    picture = np.full((SIDE, SIDE), 0.9, np.float32)
    high = int(rng.integers(20, 90))
    picture[8:high, 8:-8] = cv2.resize(_fbm(rng, 1.8), (SIDE - 16, high - 8))
    for y in range(high + 6, SIDE - 8, int(rng.integers(5, 10))):
        picture[y : y + 2, 10 : int(rng.integers(SIDE // 2, SIDE - 8))] = 0.1
    return picture


def _knit(rng: np.random.Generator) -> Array:
    """Heather and knit: short specks along one direction."""
    return np.asarray(np.clip(0.5 + 0.6 * (_fbm(rng, 0.3, stretch=0.4) - 0.5), 0, 1), np.float32)


FAMILIES: dict[str, tuple[Callable[[np.random.Generator], Array], int]] = {
    "plain": (_plain, 3),
    "stripes": (_stripes, 5),
    "checks": (_checks, 4),
    "dots": (_dots, 2),
    "camouflage": (_camouflage, 3),
    "noise": (_noise, 5),
    "print": (_print, 6),
    "collage": (_collage, 12),
    "bricks": (_bricks, 4),
    "wood": (_wood, 4),
    "foliage": (_foliage, 3),
    "tiles": (_tiles, 5),
    "grain": (_grain, 3),
    "speckle": (_speckle, 3),
    "grass": (_grass, 3),
    "leaves": (_leaves, 3),
    "books": (_books, 3),
    "facade": (_facade, 5),
    "folds": (_folds, 3),
    "blinds": (_blinds, 2),
    "poster": (_poster, 4),
    "knit": (_knit, 3),
}
"""Name: its maker and how many of the kind the bank holds."""


@lru_cache(maxsize=1)
def bank() -> Array:
    """(LEVELS, patterns, SIDE, SIDE) float32 in 0..1, the same in every process."""
    rng = np.random.default_rng(5)
    finest = [make(rng) for make, count in FAMILIES.values() for _ in range(count)]
    levels = []
    for level in range(LEVELS):
        small = [cv2.resize(p, None, fx=0.5**level, fy=0.5**level, interpolation=cv2.INTER_AREA) for p in finest]
        levels.append([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for p in small])
    return np.ascontiguousarray(levels, np.float32)


def first_of(family: str) -> int:
    """Index into the bank of the first pattern of a family."""
    names = list(FAMILIES)
    return sum(FAMILIES[name][1] for name in names[: names.index(family)])


def draw_pattern(rng: np.random.Generator, families: tuple[str, ...]) -> int:
    """Index into the bank of a pattern of one of the named families."""
    family = families[int(rng.integers(len(families)))]
    return first_of(family) + int(rng.integers(FAMILIES[family][1]))

"""What somebody wears, by chance: which zones of the body's parts show which material."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.paints import draw_hair, draw_patterned, draw_skin, everyday, plain
from sa3dhp_edge.synth.shade import ZONES

Array = NDArray[np.float32]
ALL, NONE = -9.0, 9.0
"""Zone edges that lie before the start and beyond the end of every part."""


class Wear(NamedTuple):
    """What is worn, and by whom.

    Attributes:
        sleeve, trousers: share of arm and leg covered; `skirt` of thighs (1) and shins (2), 0 for none.
        waist, neckline: length coordinates of the trunk where the top begins and ends; `neck_tilt` lowers it in front.
        hair_mm: length of the hair behind the head, 0 if short.
        top_mm, legs_mm: how far the cloth stands off.
    """

    female: bool
    sleeve: float
    trousers: float
    skirt: float
    waist: float
    neckline: float
    neck_tilt: float
    hair_mm: float
    bald: bool
    cap: bool
    beard: bool
    pack: bool
    barefoot: bool
    gloves: bool
    top_mm: float
    legs_mm: float


def is_part(*names: str) -> NDArray[np.bool_]:
    """(parts,) mask of the parts with these names on either side."""
    return np.array([name.removeprefix("right_").removeprefix("left_") in names for name in PARTS])


def draw_wear(rng: np.random.Generator, d: Domain) -> Wear:
    """A person of either sex, dressed for the domain."""
    female = bool(rng.random() < d.female)
    bare = rng.random() < d.bare_chest and not female
    outfit = rng.random()
    has_skirt = outfit < d.skirt and female
    has_dress = female and not has_skirt and outfit < d.skirt + d.dress
    has_coat = not has_skirt and not has_dress and rng.random() < d.coat
    skirt = (
        float(rng.uniform(0.45, 1.8))
        if has_skirt or has_dress
        else (float(rng.uniform(0.15, 0.9)) if has_coat else 0.0)
    )
    legs = (
        float(rng.uniform(0.1, 0.4))
        if has_skirt or has_dress
        else float(1.02 if rng.random() < d.full_trousers else rng.uniform(*d.trousers))
    )
    waist = ALL if has_dress else float(rng.uniform(0.24, 0.42))
    cloth = [float(rng.uniform(*(d.loose_mm if rng.random() < d.loose else d.tight))) for _ in range(2)]
    long_hair = rng.random() < d.long_hair * (1.7 if female else 0.3)
    return Wear(
        female, 0.0 if bare else float(rng.uniform(*d.sleeve)), legs, skirt, waist,
        waist if bare else float(rng.uniform(0.76, 0.88)), float(rng.uniform(-0.12, 0)),
        float(rng.uniform(40, 420)) if long_hair else 0.0, bool(rng.random() < d.bald), bool(rng.random() < d.cap),
        bool(not female and rng.random() < d.beard), bool(rng.random() < d.pack), bool(rng.random() < d.barefoot),
        bool(rng.random() < d.gloves), cloth[0], cloth[1],
    )  # fmt: skip


def draw_materials(rng: np.random.Generator, d: Domain, wear: Wear) -> tuple[Array, dict[str, int]]:
    """Rows of materials and the row of each use."""
    relief = float(rng.uniform(*d.creases))

    def cloth() -> Array:
        patterns = ("plain",) if rng.random() < d.plain_cloth else d.cloth_patterns
        gloss = float(max(rng.uniform(-0.3, 0.15), 0))
        palette = everyday("cloth", d.natural)
        return draw_patterned(rng, patterns, d.cloth_brightness, d.cloth_saturation, (120, 900), relief, gloss, palette)

    skin, top, legs = draw_skin(rng, d.skin), cloth(), cloth()
    if rng.random() < d.one_piece:
        legs = top
    over = top if wear.waist == ALL or rng.random() < 0.7 else cloth()
    shoe = draw_patterned(
        rng, ("plain",), d.cloth_brightness, d.cloth_saturation, (300, 600), 0, 0.1, everyday("cloth", d.natural)
    )
    sole = plain(np.full(3, rng.uniform(0.02, 0.7), np.float32), rng)
    names = ("skin", "top", "legs", "over", "shoe", "sole", "hair", "cap", "pack", "glove")
    hair = draw_hair(rng)
    return np.stack([skin, top, legs, over, shoe, sole, hair, cloth(), cloth(), cloth()]), {
        n: i for i, n in enumerate(names)
    }


def zones_of(wear: Wear, use: dict[str, int]) -> tuple[Array, Array, NDArray[np.int32]]:
    """Edges, tilts (P, ZONES - 1) and materials (P, ZONES) of the body's parts."""
    skin, top, hair = use["skin"], use["top"], use["cap" if wear.cap else "hair"]
    socks = skin if wear.trousers < 0.5 else use["sole"]
    foot = skin if wear.barefoot else use["shoe"]
    palm = use["glove"] if wear.gloves else skin
    hairline = (NONE, 0.0) if wear.bald and not wear.cap else (0.58, 0.2)
    beard = (0.06, 0.22) if wear.beard else (ALL, 0.0)
    table: dict[str, list[tuple[float, float, int]]] = {
        "trunk": [(wear.waist, 0, use["legs"]), (wear.neckline, wear.neck_tilt, top), (NONE, 0, skin)],
        "head": [(*beard, use["hair"]), (*hairline, skin), (NONE, 0, hair)],
        "arm": [(wear.sleeve if wear.sleeve else ALL, 0, top), (NONE, 0, skin)],
        "hand": [(NONE, 0, palm)],
        "thumb": [(NONE, 0, palm)],
        "leg": [
            (wear.trousers, 0, use["legs"]),
            (max(0.9, wear.trousers), 0, skin),
            (NONE, 0, skin if wear.barefoot else socks),
        ],
        "foot": [(NONE, 0, foot)],
        "hair": [(NONE, 0, use["hair"])],
        "skirt": [(NONE, 0, use["over"])],
        "pack": [(NONE, 0, use["pack"])],
    }
    edges = np.full((len(PARTS), ZONES - 1), NONE, np.float32)
    tilts, zones = np.zeros_like(edges), np.zeros((len(PARTS), ZONES), np.int32)
    for p, name in enumerate(PARTS):
        rows = table[name.removeprefix("right_").removeprefix("left_")]
        zones[p] = rows[-1][2]
        for k, (edge, tilt, row) in enumerate(rows):
            edges[p, k], tilts[p, k], zones[p, k] = edge, tilt, row
    return edges, tilts, zones

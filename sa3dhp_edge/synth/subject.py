"""One person of lofts by chance: bone lengths, shape, and how clothes and hair stand off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import BONES, TEMPLATE_BONE_MM, TEMPLATE_HEIGHT_MM
from sa3dhp_edge.synth.body import LOFTS, PARTS, TOPOLOGY, VERTICES, offsets, rings_of_profile
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.wardrobe import Wear, draw_materials, draw_wear, is_part, zones_of

Array = NDArray[np.float32]
RING_PART = np.repeat(np.arange(len(LOFTS)), [len(loft.stations) for loft in LOFTS])
RING_STATION = np.concatenate([loft.stations for loft in LOFTS])


class Subject(NamedTuple):
    """A person's constants.

    Attributes:
        bone_mm: (16,) mm.
        size: height over the template's.
        offset_mm: (V, 2) front and side offset of every vertex from its ring's centre.
        faces: rows of the common faces that this person shows.
        edges, tilts, zones, size_mm: the paint tables of the body's parts.
        materials: (M, MATERIAL).
        hair_mm, skirt, fist: habits that shape the posing.
    """

    bone_mm: Array
    size: float
    offset_mm: Array
    faces: NDArray[np.intp]
    edges: Array
    tilts: Array
    zones: NDArray[np.int32]
    size_mm: Array
    materials: Array
    hair_mm: float
    skirt: float
    fist: bool


def draw_bones(rng: np.random.Generator, domain: Domain) -> tuple[Array, float]:
    """(16,) mm, equal on both sides, and the height over the template's; small people have larger heads."""
    size = float(rng.uniform(*domain.height_mm)) / TEMPLATE_HEIGHT_MM
    names = [bone.removeprefix("right_").removeprefix("left_") for bone in BONES]
    factor = {
        name: rng.uniform(1 - domain.proportion_jitter, 1 + domain.proportion_jitter) for name in dict.fromkeys(names)
    }
    factor["head_top"] *= size**-0.35
    return np.array([size * factor[n] * b for n, b in zip(names, TEMPLATE_BONE_MM, strict=True)], np.float32), size


def _girth(rng: np.random.Generator, d: Domain, female: bool, size: float) -> Array:
    """(rings,) factor on the profile's reaches from build, muscle and sex."""
    build, muscle = rng.uniform(*d.build), rng.uniform(*d.muscle)
    stout = build if build < 0 else 1.5 * build
    girth = np.full(len(RING_PART), size * (1 + 0.14 * stout))
    part, s = RING_PART, RING_STATION
    trunk, arm, leg = is_part("trunk")[part], is_part("arm")[part], is_part("leg")[part]
    girth[trunk] *= 1 + (0.13 * stout * np.exp(-((s - 1.9) ** 2) / 0.8) - 0.15 * np.clip(s - 4, 0, 0.3) * stout)[trunk]
    girth[trunk] *= 1 + (0.10 * (muscle - 0.4) * np.exp(-((s - 3.3) ** 2) / 0.6))[trunk]
    girth[arm] *= 1 + (0.3 * (muscle - 0.4) * np.exp(-((s - 1.4) ** 2) / 0.4) + 0.04 * (muscle - 0.4))[arm]
    girth[leg] *= 1 + 0.14 * (muscle - 0.4)
    if female:
        girth[trunk] *= 1 + (0.07 * np.exp(-((s - 0.8) ** 2) / 0.3) - 0.1 * np.exp(-((s - 2.2) ** 2) / 0.5))[trunk]
        girth[trunk] *= (1 - 0.08 * np.clip(s - 2.6, 0, 1))[trunk]
        girth[arm] *= 0.85
    girth[is_part("head", "hair")[part]] = size**0.65 * (1 + 0.04 * stout)
    girth[is_part("hand", "thumb", "foot")[part]] = size * (0.9 if female else 1.0) * (1 + 0.05 * stout)
    return girth.astype(np.float32)


def _bumps(rng: np.random.Generator, wear: Wear, size: float, relief: float) -> Array:
    """(V,) mm by which vertices stand off outward: nose, bust, seat, hair, cap, and cloth with its folds."""
    t, front = TOPOLOGY, np.cos(TOPOLOGY.angle)
    on = {name: is_part(name)[t.part] for name in ("trunk", "head", "arm", "leg", "skirt", "hand")}
    bump = np.zeros(VERTICES)
    side, v = np.abs(t.angle), t.length
    bump += on["head"] * 24 * (side < 0.05) * np.exp(-(((v - 0.4) / 0.07) ** 2))
    bump += on["head"] * 12 * (np.abs(side - np.pi / 2) < 0.15) * np.exp(-(((v - 0.46) / 0.07) ** 2))
    hairy = on["head"] & (v > 0.58 + 0.2 * front) & (not wear.bald or wear.cap)
    bump += hairy * (6 + (rng.uniform(0, 20) if not wear.cap else 8))
    if wear.cap:
        bump += on["head"] * 62 * (side < 1.0) * np.exp(-(((v - 0.76) / 0.035) ** 2))
    if wear.female:
        bump += on["trunk"] * rng.uniform(10, 45) * np.exp(-(((v - 0.62) / 0.06) ** 2) - ((side - 0.5) / 0.4) ** 2)
    bump += on["trunk"] * rng.uniform(4, 20) * np.exp(-(((v - 0.13) / 0.08) ** 2) - ((side - 2.6) / 0.5) ** 2)
    sleeve, leg = on["arm"] & (v < wear.sleeve), on["leg"] & (v < wear.trousers)
    torso = on["trunk"] & (v < wear.neckline + wear.neck_tilt * front)
    flare = np.where(sleeve, 0.15 + 0.9 * v / max(wear.sleeve, 0.1), 1.0)
    cloth = np.where(sleeve | torso & (v > wear.waist), wear.top_mm * flare, 0.0) + np.where(
        leg, wear.legs_mm * (0.5 + 0.7 * v), 0
    )
    cloth = np.where(on["skirt"], 12 + wear.top_mm, cloth)
    folds = sum(np.sin(rng.integers(1, 5) * t.angle + rng.uniform(8, 40) * v + rng.uniform(0, 6)) for _ in range(4)) / 4
    return np.asarray((bump + cloth * (1 + 0.5 * relief * folds)) * size, np.float32)


def draw_subject(rng: np.random.Generator, domain: Domain) -> Subject:
    """A new person of the domain."""
    bone_mm, size = draw_bones(rng, domain)
    wear = draw_wear(rng, domain)
    profile = rings_of_profile(_girth(rng, domain, wear.female, size))
    profile[:, 3] *= size
    ring_mm = part_sizes_mm(profile, bone_mm)
    offset = offsets(profile)
    outward = offset - np.stack([profile[TOPOLOGY.ring, 3], np.zeros(VERTICES, np.float32)], 1)
    reach = np.sqrt((outward**2).sum(1, keepdims=True))
    bump = _bumps(rng, wear, size, float(rng.uniform(*domain.creases)))
    offset += outward / np.maximum(reach, 1) * np.where(reach > 6, bump[:, None], 0)
    materials, use = draw_materials(rng, domain, wear)
    faces = np.flatnonzero(~is_part(*hidden_parts(wear))[TOPOLOGY.face_part])
    edges, tilts, zones = zones_of(wear, use)
    fist = bool(rng.random() < domain.fist)
    return Subject(
        bone_mm, size, offset, faces, edges, tilts, zones, ring_mm, materials, wear.hair_mm, wear.skirt, fist
    )


def hidden_parts(wear: Wear) -> list[str]:
    """The parts beyond the bare body that are not worn."""
    return [name for name, worn in (("hair", wear.hair_mm), ("skirt", wear.skirt), ("pack", wear.pack)) if not worn]


def part_sizes_mm(profile: Array, bone_mm: Array) -> Array:
    """(P, 2) mm per radian and per unit of length of every part, from the ring profile (rings, 4) and the bones."""
    sizes = np.zeros((len(LOFTS), 2), np.float32)
    for p in range(len(LOFTS)):
        sizes[p, 0] = profile[p == RING_PART, :3].mean()
    sizes[:, 1] = [_length_mm(name, bone_mm) for name in PARTS]
    return sizes


def _length_mm(part: str, bone_mm: Array) -> float:
    """Roughly the length of a part, for the scale of its cloth."""
    bone = dict(zip(BONES, bone_mm.tolist(), strict=True))
    arm, leg = bone["right_elbow"] + bone["right_wrist"], bone["right_knee"] + bone["right_ankle"]
    lengths = {"trunk": bone["neck"] * 1.4, "head": bone["head_top"], "arm": arm, "leg": leg, "skirt": leg * 0.7}
    return float(lengths.get(part.removeprefix("right_").removeprefix("left_"), 200.0))

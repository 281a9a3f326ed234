"""How clothes, shoes and hair stand off a skinned body: the rest pose's surface smoothed and pushed outward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.mesh_body import Family, skin_normals
from sa3dhp_edge.synth.wardrobe import Wear, is_part, zones_of

Array = NDArray[np.float32]
SLEEVE, TROUSERS = (0.3, 0.99), (0.42, 0.985)
"""Hems lie between shoulder and wrist and between upper thigh and ankle, inside arm and leg."""
COLLAR = (0.955, 0.99)
"""Where shoes end on the leg."""
SOLE_MM = 14.0
TOES_MM = 62.0
"""Length of the toes with the ball of the foot, at the template's height."""


def wearable(wear: Wear) -> Wear:
    """The clothes with hems that lie on arms and legs."""
    sleeve = wear.sleeve if wear.sleeve == 0 else float(np.clip(wear.sleeve, *SLEEVE))
    return wear._replace(sleeve=sleeve, trousers=float(np.clip(wear.trousers, *TROUSERS)))


def paint_body(wear: Wear, use: dict[str, int], collar: float, shave: float) -> tuple[Array, Array, NDArray[np.int32]]:
    """Edges, tilts and zones of the parts as `wardrobe.zones_of`, with shoes that end on the leg at `collar`.

    A beard leaves the mouth free by the share `shave`.
    """
    edges, tilts, zones = zones_of(wear, use)
    if not wear.barefoot:
        legs = np.flatnonzero(is_part("leg"))
        edges[legs, 2], zones[legs, 3] = max(collar, float(edges[legs, 1].max())), use["shoe"]
    if wear.beard:
        tilts[is_part("head"), 0] *= 1 - 0.5 * shave
    return edges, tilts, zones


def dress(
    rng: np.random.Generator, f: Family, points_mm: Array, wear: Wear, size: float, relief: float, collar: float
) -> Array:
    """(V, 3) mm: the rest pose's surface with what is worn.

    Args:
        points_mm: (V, 3) of the bare body.
        size: height over the template's.
        relief: strength of the folds.
        collar: length coordinate of the leg at which shoes end.
    """
    points = points_mm.copy()
    cover, cloth = _cloth(rng, f, wear, relief)
    owner, v = _owners(f), f.local[:, 1]
    shoes = np.zeros(len(points), np.float32)
    if not wear.barefoot:
        shoes = _at_vertices(f, (is_part("foot")[owner] | is_part("leg")[owner] & (v > collar)).astype(np.float32))
    covered = _at_vertices(f, cover)
    points = smooth_cloth(points, f.skin, covered, 3 + int(max(wear.top_mm, wear.legs_mm) / 4), 0.15)
    if not wear.barefoot:
        points = smooth_cloth(_toe_caps(points, shoes, size), f.skin, shoes, 6, 0.4)
    stand_off = np.maximum(_at_vertices(f, cloth), 9 * shoes) + _at_vertices(f, _hair(rng, f, wear))
    points += skin_normals(points, f.skin) * (size * spread(stand_off, f.skin))[:, None]
    points += _brim(f, wear, size)
    return _flat_soles(points, shoes, size) if not wear.barefoot else points


def _owners(f: Family) -> NDArray[np.int32]:
    """(W,) the part of every vertex of the charts."""
    owner = np.zeros(len(f.source), np.int32)
    owner[f.faces] = f.part[:, None]
    return owner


def _at_vertices(f: Family, value: Array) -> Array:
    """(V,) from (W,): the largest where charts meet."""
    found = np.full(int(f.source.max()) + 1, -np.inf, np.float32)
    np.maximum.at(found, f.source, value)
    return found


def _cloth(rng: np.random.Generator, f: Family, wear: Wear, relief: float) -> tuple[Array, Array]:
    """(W,) share by which a place is covered, and mm that the cloth stands off there."""
    owner = _owners(f)
    angle, v = f.local.T
    on = {name: is_part(name)[owner] for name in ("trunk", "arm", "leg", "hand")}
    front = np.cos(angle)
    sleeve, leg = on["arm"] & (v < wear.sleeve), on["leg"] & (v < wear.trousers)
    torso = on["trunk"] & (v < wear.neckline + wear.neck_tilt * front)
    top, low = sleeve | torso & (v > wear.waist), leg | torso & (v <= wear.waist)
    # at the arm's and the leg's beginning the cloth is that of the trunk; it widens towards the hem
    widen = np.where(sleeve, 0.45 + 0.75 * np.clip((v - 0.3) / max(wear.sleeve - 0.3, 0.2), 0, 1), 1.0)
    widen = np.where(on["trunk"], 1 - 0.55 * np.clip((v - 0.62) / 0.12, 0, 1), widen)
    flare = np.where(leg, 0.55 + 0.6 * np.clip((v - 0.3) / 0.7, 0, 1), 0.55)
    folds = sum(np.sin(rng.integers(1, 4) * angle + rng.uniform(8, 30) * v + rng.uniform(0, 6)) for _ in range(4)) / 4
    tight = np.where(on["trunk"] & (v < 0.12), 0.6, 1.0)  # the crotch
    hem, cut = rng.uniform(0, 14), rng.uniform(0, 20)  # a top worn over the waist, and trousers cut straight
    hem = hem * np.exp(-(((v - wear.waist) / 0.08) ** 2)) * on["trunk"]
    cut = cut * np.clip((v - 0.66) / 0.34, 0, 1)
    cloth = np.where(top, (3 + wear.top_mm) * widen + hem, 0) + np.where(low, (3 + wear.legs_mm) * flare + cut, 0)
    cloth = cloth * tight * (1 + 0.6 * relief * folds) + np.where(on["hand"] & wear.gloves, 2, 0)
    loose = np.where(top, wear.top_mm, wear.legs_mm) * (top | low)
    return np.clip(0.25 + loose / 14, 0, 1).astype(np.float32) * (top | low), cloth.astype(np.float32)


def _hair(rng: np.random.Generator, f: Family, wear: Wear) -> Array:
    """(W,) mm that hair, cap and beard stand off."""
    angle, v = f.local.T
    head = is_part("head")[_owners(f)]
    above = np.clip((v - 0.58 - 0.2 * np.cos(angle)) / 0.1, 0, 1)
    ear = np.exp(-(((np.abs(angle) - 1.65) / 0.4) ** 2) - ((v - 0.45) / 0.2) ** 2)
    lumps = np.sin(rng.integers(2, 6) * angle + rng.uniform(0, 6)) * np.sin(rng.uniform(6, 20) * v + rng.uniform(0, 6))
    thick = rng.uniform(4, 26) * (1 + 0.3 * lumps) * (0.75 + 0.5 * np.clip((v - 0.6) / 0.4, 0, 1))
    volume = rng.uniform(3, 10) if wear.cap else thick + (8 if wear.hair_mm else 0)
    found = head * above * (0 if wear.bald and not wear.cap else volume) * (1 - 0.7 * ear)
    if wear.beard:
        found = found + head * 5 * np.clip((0.08 + 0.22 * np.cos(angle) - v) / 0.08, 0, 1)
    return np.asarray(found, np.float32)


def _brim(f: Family, wear: Wear, size: float) -> Array:
    """(V, 3) mm by which the cap reaches forward over the brow."""
    out = np.zeros((int(f.source.max()) + 1, 3), np.float32)
    if wear.cap:
        angle, v = f.local.T
        head = is_part("head")[_owners(f)]
        reach = head * np.exp(-(((v - 0.79) / 0.045) ** 2)) * np.clip(1.4 - (angle / 0.75) ** 2, 0, 1)
        out[:, 2] = -62 * size * _at_vertices(f, reach.astype(np.float32))
        out[:, 1] = 8 * size * _at_vertices(f, reach.astype(np.float32))
    return out


def _toe_caps(points_mm: Array, shoes: Array, size: float) -> Array:
    """The surface with each foot's toes on one rounded cap, as wide and as high as the foot behind them."""
    points = points_mm.copy()
    for sign in (-1, 1):
        own = np.flatnonzero((shoes > 0) & (sign * points[:, 0] > 0))
        x, y, z = points[own].T
        tip, behind = z.min(), z.min() + TOES_MM * size
        ball = np.abs(z - behind) < 14 * size
        low, high = x[ball].min(), x[ball].max()
        top, ground = y[ball].min(), y.max()
        half, middle = (high - low) / 2, (high + low) / 2
        reach = np.where(np.abs(x[:, None] - x) < 9 * size, z, behind - 1).min(1)  # of the toe that a place is on
        s = np.clip((behind - z) / (behind - reach), 0, 1)
        outline = (behind - tip) * np.sqrt(1 - 0.75 * np.clip((x - middle) / half, -1, 1) ** 2)
        tall = (ground - top) / 2 * (1 - 0.25 * s) * np.sqrt(np.maximum(1 - s**4, 0.04))
        centre = ground - (ground - top) / 2 * (1 - 0.25 * s)
        level = np.clip((y - centre) / tall, -1, 1)
        share = np.clip(s / 0.3, 0, 1)
        points[own, 2] += share * (behind - s * outline - z)
        points[own, 1] += share * (centre + tall * np.sign(level) * np.abs(level) ** 0.3 - y)
    return points


def _flat_soles(points_mm: Array, shoes: Array, size: float) -> Array:
    """The surface with shoes that are flat below."""
    ground = points_mm[:, 1].max()
    low = np.clip((points_mm[:, 1] - ground) / (SOLE_MM * size) + 1.4, 0, 1) * (shoes > 0.5)
    points = points_mm.copy()
    points[:, 1] += low * (ground + 4 * size - points[:, 1])
    return points.astype(np.float32)


@compiled
def smooth_cloth(points: Array, faces: NDArray[np.int32], share: Array, rounds: int, bumps: float) -> Array:
    """(V, 3): points drawn to the middle of their neighbours by a share (V,): out of hollows by 0.6 of the way in each
    round, down from bumps by `bumps`. Cloth spans hollows and leaves bumps; with a share of 0 nothing moves."""
    points, count = points.copy(), np.zeros(len(points), np.float32)
    for f in range(len(faces)):
        for k in range(3):
            count[faces[f, k]] += 1
    for _ in range(rounds):
        normals, total = skin_normals(points, faces), np.zeros_like(points)
        for f in range(len(faces)):
            if share[faces[f, 0]] + share[faces[f, 1]] + share[faces[f, 2]] > 0:
                for k in range(3):
                    a, b = faces[f, k], faces[f, (k + 1) % 3]
                    total[a, 0] += points[b, 0]
                    total[a, 1] += points[b, 1]
                    total[a, 2] += points[b, 2]
        for i in range(len(points)):
            if share[i] <= 0 or count[i] == 0:
                continue
            dx = total[i, 0] / count[i] - points[i, 0]
            dy = total[i, 1] / count[i] - points[i, 1]
            dz = total[i, 2] / count[i] - points[i, 2]
            outward = dx * normals[i, 0] + dy * normals[i, 1] + dz * normals[i, 2]
            step = share[i] * np.float32(0.6 if outward > 0 else bumps)
            points[i, 0] += step * dx
            points[i, 1] += step * dy
            points[i, 2] += step * dz
    return points


@compiled
def spread(value: Array, faces: NDArray[np.int32]) -> Array:
    """(V,): values half way to the mean of their neighbours, so that steps do not show single triangles."""
    total, count = np.zeros_like(value), np.zeros_like(value)
    for f in range(len(faces)):
        for k in range(3):
            total[faces[f, k]] += value[faces[f, (k + 1) % 3]]
            count[faces[f, k]] += 1
    return np.float32(0.5) * (value + total / count)

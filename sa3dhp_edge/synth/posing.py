"""Where a body's rings are in a pose: centres and axes along every loft, for all frames of a clip at once."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.body import LOFTS, PARTS

Array = NDArray[np.float32]
BLEND = 0.32
"""Share of a segment on either side of a joint over which the ring axes turn from one bone to the next."""


class Habits(NamedTuple):
    """What the 17 joints leave open, per clip.

    Attributes:
        head_yaw: (T,) radians the face turns away from the chest.
        palm: (2,) radians of the hands about the forearms; `wrist` (2,) radians of their bend.
        hand_mm: length of the open hand, or less of a fist.
        hair_mm: length of the hair behind the head.
        skirt: share of the thighs and shins covered, 0..2.
    """

    head_yaw: Array
    palm: Array
    wrist: Array
    hand_mm: float
    hair_mm: float
    skirt: float


def unit(v: Array) -> Array:
    """(..., 3) of length 1."""
    return np.asarray(v / (np.sqrt((v * v).sum(-1, keepdims=True)) + 1e-6), np.float32)


def across(v: Array, axis: Array) -> Array:
    """The part of v (..., 3) at right angles to the unit vectors `axis`, made a unit vector."""
    return unit(v - (v * axis).sum(-1, keepdims=True) * axis)


@lru_cache(maxsize=32)
def _station_weights(name: str, points: int) -> tuple[Array, Array]:
    """(rings, points) weights of the ring centres and (rings, points - 1) of the ring directions."""
    stations = LOFTS[PARTS.index(name)].stations
    width = 0.5 if name == "trunk" else BLEND
    centre = np.zeros((len(stations), points), np.float32)
    along = np.zeros((len(stations), points - 1), np.float32)
    for i, station in enumerate(stations):
        k = int(np.clip(np.floor(station), 0, points - 2))
        s = station - k
        centre[i, k : k + 2] = 1 - s, s
        before = float(np.clip(0.5 - s / (2 * width), 0, 0.5)) if k > 0 else 0.0
        after = float(np.clip(0.5 - (1 - s) / (2 * width), 0, 0.5)) if k < points - 2 else 0.0
        along[i, k] = 1 - before - after
        if before:
            along[i, k - 1] = before
        if after:
            along[i, k + 1] = after
    return centre, along


def along_line(name: str, points: Array, fronts: Array) -> Array:
    """Ring frames (T, rings, 4, 3) of a loft along (T, n, 3) mm points with a front (T, n - 1, 3) per segment."""
    centre, weights = _station_weights(name, points.shape[1])
    axis = unit(weights @ unit(np.diff(points, axis=1)))
    front = across(weights @ fronts, axis)
    return np.stack([centre @ points, axis, front, np.cross(axis, front)], 2)


def _trunk(j: dict[str, Array], lateral: Array, shoulders: Array, head_front: Array, size: float) -> Array:
    pelvis, neck = j["pelvis"], j["neck"]
    spine = neck - pelvis
    length = np.linalg.norm(spine, axis=-1, keepdims=True)
    thighs = unit(2 * pelvis - j["right_knee"] - j["left_knee"])
    low = unit(unit(spine) + 0.3 * thighs) * length
    head = unit(j["head_top"] - neck)
    high = unit(unit(spine) + 0.35 * head) * length
    front = np.cross(lateral, unit(spine))
    sway = 0.03 * length * front  # the small of the back
    knots = [pelvis - low * 0.28, pelvis]
    for s in (1 / 3, 2 / 3):
        h = 2 * s**3 - 3 * s**2 + 1, s**3 - 2 * s**2 + s, 3 * s**2 - 2 * s**3, s**3 - s**2
        knots.append(h[0] * pelvis + h[1] * low + h[2] * neck + h[3] * high + sway)
    knots += [neck + 0.01 * length * front, neck + head * 105 * size + 8 * size * front]
    points = np.stack(knots, 1)
    axis = unit(np.diff(points, axis=1))
    share = np.array([0, 0.1, 0.5, 0.9, 1], np.float32)[None, :, None]
    sides = lateral[:, None] * (1 - share) + shoulders[:, None] * share
    fronts = np.cross(sides, axis)
    fronts[:, 4] = head_front
    return along_line("trunk", points, fronts)


def _limbs(side: str, j: dict[str, Array], chest: Array, hips: Array, habits: Habits, size: float) -> dict[str, Array]:
    """Frames of one side's arm, hand, thumb, leg and foot."""
    shoulder, elbow, wrist = j[f"{side}_shoulder"], j[f"{side}_elbow"], j[f"{side}_wrist"]
    upper, lower = unit(elbow - shoulder), unit(wrist - elbow)
    hinge = np.cross(upper, lower)
    bend = across(hinge + 0.15 * np.cross(upper, chest), upper)
    inner = shoulder + 0.7 * (j["neck"] - shoulder)
    rounded = shoulder + 0.1 * (inner - shoulder) + 0.06 * (elbow - shoulder)
    arm = np.stack([inner, rounded, elbow, wrist], 1)
    frames = {f"{side}_arm": along_line(f"{side}_arm", arm, np.stack([chest, bend, across(bend, lower)], 1))}
    sign, k = (1.0, 0) if side == "right" else (-1.0, 1)
    flat, level = across(chest + 0.2 * hinge, lower), np.cross(lower, across(chest + 0.2 * hinge, lower))
    palm = np.cos(habits.palm[k]) * flat + np.sin(habits.palm[k]) * level * sign
    reach = unit(lower + np.tan(habits.wrist[k]) * palm)
    hand = np.stack([wrist, wrist + reach * habits.hand_mm], 1)
    frames[f"{side}_hand"] = along_line(f"{side}_hand", hand, palm[:, None])
    out = np.cross(reach, across(palm, reach)) * sign
    root = wrist + 22 * size * reach + 22 * size * out
    thumb = np.stack([root, root + size * (55 * reach + 34 * out + 14 * palm)], 1)
    frames[f"{side}_thumb"] = along_line(f"{side}_thumb", thumb, palm[:, None])
    hip, knee, ankle, toe = (j[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot"))
    thigh, shin, bone = unit(knee - hip), unit(ankle - knee), toe - ankle
    backward = shin - (shin * thigh).sum(-1, keepdims=True) * thigh
    thigh_front = across(0.25 * hips - backward, thigh)
    shin_front = across(
        0.4 * thigh_front + 0.8 * unit(bone) + 0.8 * thigh * np.linalg.norm(backward, axis=-1, keepdims=True), shin
    )
    start = hip + (hip - knee) * 0.16 + 0.15 * (j["pelvis"] - hip)
    fronts = np.stack([hips, thigh_front, shin_front], 1)
    frames[f"{side}_leg"] = along_line(f"{side}_leg", np.stack([start, hip, knee, ankle], 1), fronts)
    up = across(-shin, unit(bone))
    axis = unit(0.93 * unit(bone) + 0.36 * up)  # the bone dips towards the toes, the sole is level
    length = np.linalg.norm(bone, axis=-1, keepdims=True)
    frames[f"{side}_foot"] = along_line(
        f"{side}_foot", np.stack([ankle, ankle + axis * length], 1), across(up, axis)[:, None]
    )
    return frames


def _skirt(j: dict[str, Array], lateral: Array, habits: Habits, size: float) -> Array:
    """Rings from the waist round both legs; each as wide and deep as the legs stand apart at its height."""
    stations = LOFTS[PARTS.index("skirt")].stations
    up = across(unit(j["neck"] - j["pelvis"]), lateral)
    legs = []
    for side in ("right", "left"):
        hip, knee, ankle = (j[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        straight = (unit(knee - hip) * unit(ankle - knee)).sum(-1, keepdims=True)
        shin = (ankle - knee) * np.clip(straight, 0, 1)  # over a bent knee the cloth ends at the knee
        s = (np.clip((stations - 0.3) / 0.7, 0, 1) * habits.skirt)[None, :, None]
        line = hip[:, None] + (knee - hip)[:, None] * np.minimum(s, 1) + shin[:, None] * np.maximum(s - 1, 0)
        legs.append(line)
    rise = np.clip(0.3 - stations, 0, 1)[None, :, None] / 0.3 * 190 * size
    centre = (legs[0] + legs[1]) / 2 + rise * up[:, None]
    axis = unit(np.gradient(centre, axis=1))
    half = (legs[1] - legs[0]) / 2
    aside = across(lateral[:, None] + 0 * axis, axis)
    ahead = np.cross(aside, -axis)
    wide = 1 + np.maximum(np.abs((half * aside).sum(-1, keepdims=True)) - 85 * size, 0) / (150 * size)
    deep = 1 + np.abs((half * ahead).sum(-1, keepdims=True)) / (110 * size)
    return np.stack([centre, axis, ahead * deep, aside * wide], 2).astype(np.float32)


def ring_frames(joints_mm: Array, habits: Habits, size: float) -> Array:
    """Frames of all rings of a body.

    Args:
        joints_mm: (T, 17, 3) mm, any world frame.
        habits: what the joints leave open.
        size: the subject's height over the template's.

    Returns:
        (T, rings, 4, 3) float32: centre mm, then the axes along, to the front and to the side.
    """
    j = {name: joints_mm[:, i] for i, name in enumerate(JOINTS)}
    hips, shoulders = unit(j["left_hip"] - j["right_hip"]), unit(j["left_shoulder"] - j["right_shoulder"])
    spine, head_up = unit(j["neck"] - j["pelvis"]), unit(j["head_top"] - j["neck"])
    chest, belly = across(np.cross(shoulders, spine), spine), across(np.cross(hips, spine), spine)
    straight, turned = across(np.cross(shoulders, head_up) + 0.2 * chest, head_up), habits.head_yaw[:, None]
    face = np.asarray(np.cos(turned) * straight + np.sin(turned) * np.cross(head_up, straight), np.float32)
    frames = {"trunk": _trunk(j, hips, shoulders, face, size)}
    bone = np.linalg.norm(j["head_top"] - j["neck"], axis=-1, keepdims=True)
    chin = j["neck"] + head_up * bone * 0.22 + face * 14 * size
    frames["head"] = along_line(
        "head", np.stack([chin, j["head_top"] + head_up * 6 + face * 8 * size], 1), face[:, None]
    )
    for side in ("right", "left"):
        frames |= _limbs(side, j, chest, belly, habits, size)
    crown = chin + head_up * bone * 0.5 - face * 55 * size
    nape = crown - head_up * 0.4 * bone - face * 25 * size
    down = np.array([0, 0.6, 0], np.float32)
    hang = unit(np.asarray(unit(-spine - 0.1 * chest) + down, np.float32))
    mane = np.stack([crown, nape, nape + hang * max(habits.hair_mm, 1.0)], 1)
    frames["hair"] = along_line("hair", mane, np.stack([face, across(chest, hang)], 1))
    frames["skirt"] = _skirt(j, hips, habits, size)
    load = np.stack([j["pelvis"] + spine * 130 * size, j["neck"] + spine * 10 * size], 1) - chest[:, None] * 150 * size
    frames["pack"] = along_line("pack", load, chest[:, None])
    return np.concatenate([frames[name] for name in PARTS], 1).astype(np.float32)

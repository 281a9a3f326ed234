"""How the bones of a skinned body turn when its 17 joints move: one rotation and one origin per bone and frame.

The joints leave every limb's turn about its own axis open. It follows from the hinge of elbow or knee where that is
bent, from the rest pose carried along by the trunk where it is straight, and from the foot for the shin; between the
two ends of a segment the turn is spread over two bones, so that the skin does not wring at one place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.posing import across, unit

Array = NDArray[np.float32]
CENTRAL = ("hips", "loin", "waist", "ribs", "chest", "neck", "head")
LIMB = (
    "clavicle", "arm_high", "arm_low", "fore_high", "fore_low", "hand",
    "thigh_high", "thigh_low", "shin_high", "shin_low", "foot",
)  # fmt: skip
RIG_BONES: tuple[str, ...] = CENTRAL + tuple(f"{side}_{bone}" for side in ("right", "left") for bone in LIMB)
"""Bones that carry skin."""

_ORIGIN = {
    "clavicle": "neck", "arm_high": "shoulder", "arm_low": "shoulder", "fore_high": "elbow", "fore_low": "elbow",
    "hand": "wrist", "thigh_high": "hip", "thigh_low": "hip", "shin_high": "knee", "shin_low": "knee", "foot": "ankle",
}  # fmt: skip
_SPINE = {"loin": (0.19, 0.26, 0.1), "waist": (0.34, 0.41, 0.3), "ribs": (0.48, 0.61, 0.65)}
"""Bone: where on the spine's curve it starts, where its direction is taken, its share of the shoulders' turn."""


class Turns(NamedTuple):
    """What the joints leave open.

    Attributes:
        head_yaw: (T,) radians the face turns away from the chest.
        palm: (2,) radians of pronation of the right and left hand from the rest pose.
        wrist: (2,) radians of their bend towards the palm.
    """

    head_yaw: Array
    palm: Array
    wrist: Array


def rig_transforms(rest_mm: Array, palm_axes: Array, joints_mm: Array, turns: Turns) -> Array:
    """How every bone of RIG_BONES moves the skin of the rest pose.

    Args:
        rest_mm: (17, 3) joints of the rest pose, the person looking along -z.
        palm_axes: (2, 3) unit vectors of the rest pose about which the right and left hand bend towards the palm.
        joints_mm: (T, 17, 3) mm with the same bone lengths.
        turns: what the joints leave open.

    Returns:
        (T, B, 3, 4) float32: a rotation and a shift in mm; a point x of the rest pose goes to R x + s.
    """
    rest, pose = _named(rest_mm[None]), _named(joints_mm)
    still = _central(rest, np.zeros(1, np.float32))
    moved = _central(pose, turns.head_yaw)
    rotation = {name: moved[name].axes @ still[name].axes.transpose(0, 2, 1) for name in moved}
    half = _half_turn(rotation["chest"], rotation["head"])
    rotation["neck"] = half
    origin = {name: (still[name].origin, moved[name].origin) for name in moved}
    origin["neck"] = rest["neck"], pose["neck"]
    for k, side in enumerate(("right", "left")):
        found = _arm(side, rest, pose, rotation["chest"], palm_axes[k], float(turns.palm[k]), float(turns.wrist[k]))
        found |= _leg(side, rest, pose, rotation["hips"])
        for bone, turn in found.items():
            rotation[f"{side}_{bone}"] = turn
            joint = _ORIGIN[bone] if _ORIGIN[bone] == "neck" else f"{side}_{_ORIGIN[bone]}"
            origin[f"{side}_{bone}"] = rest[joint], pose[joint]
    turn = np.stack([rotation[name] for name in RIG_BONES], 1)
    start = np.stack([origin[name][0] for name in RIG_BONES], 1)
    end = np.stack([origin[name][1] for name in RIG_BONES], 1)
    shift = end - (turn @ start[..., None])[..., 0]
    return np.concatenate([turn, shift[..., None]], -1).astype(np.float32)


class _Place(NamedTuple):
    """Axes (T, 3, 3) in columns and origin (T, 3) of a bone."""

    axes: Array
    origin: Array


def _named(joints_mm: Array) -> dict[str, Array]:
    return {name: joints_mm[:, i] for i, name in enumerate(JOINTS)}


def cross(a: Array, b: Array) -> Array:
    """(T, 3) from two of the same shape; numpy's own costs several times as much for a few rows."""
    ax, ay, az, bx, by, bz = a[:, 0], a[:, 1], a[:, 2], b[:, 0], b[:, 1], b[:, 2]
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.float32)
    out[:, 0], out[:, 1], out[:, 2] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return out


def frame_of(axis: Array, aside: Array) -> Array:
    """(T, 3, 3) whose columns are the unit vector `axis`, `aside` made square to it, and their cross product."""
    second = across(aside, axis)
    frame = np.empty((*axis.shape, 3), np.float32)
    frame[..., 0], frame[..., 1], frame[..., 2] = axis, second, cross(axis, second)
    return frame


def turn_between(a: Array, b: Array) -> Array:
    """(T, 3, 3): the shortest turn from unit vectors a (T, 3) to b (T, 3)."""
    v, c = cross(a, b), (a * b).sum(-1)
    x = _cross_matrix(v)
    return np.asarray(np.eye(3) + x + x @ x / np.maximum(1 + c, 1e-5)[:, None, None], np.float32)


def turn_about(axis: Array, angle: Array) -> Array:
    """(T, 3, 3): turns by an angle (T,) in radians about unit vectors (T, 3)."""
    x = _cross_matrix(axis)
    s, c = np.sin(angle)[:, None, None], 1 - np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + s * x + c * (x @ x), np.float32)


def _cross_matrix(v: Array) -> Array:
    x = np.zeros((len(v), 3, 3), np.float32)
    x[:, 0, 1], x[:, 0, 2], x[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    x[:, 1, 0], x[:, 2, 0], x[:, 2, 1] = v[:, 2], -v[:, 1], v[:, 0]
    return x


def angle_about(axis: Array, a: Array, b: Array) -> Array:
    """(T,) radians of the turn about unit vectors `axis` that takes a towards b; both (T, 3)."""
    return np.asarray(np.arctan2((cross(a, b) * axis).sum(-1), (a * b).sum(-1)), np.float32)


def _half_turn(a: Array, b: Array) -> Array:
    """(T, 3, 3) midway between two rotations that are less than half a turn apart."""
    u, _, vt = np.linalg.svd(a + b)
    return np.asarray(u @ vt, np.float32)


def _apply(rotation: Array, v: Array) -> Array:
    return np.asarray((rotation @ v[..., None])[..., 0], np.float32)


def _central(j: dict[str, Array], yaw: Array) -> dict[str, _Place]:
    """Hips, spine, chest and head: the spine is a curve that leaves the hips and meets the head smoothly."""
    pelvis, neck = j["pelvis"], j["neck"]
    hips, shoulders = unit(j["left_hip"] - j["right_hip"]), unit(j["left_shoulder"] - j["right_shoulder"])
    spine, head_up = unit(neck - pelvis), unit(j["head_top"] - neck)
    length = np.linalg.norm(neck - pelvis, axis=-1, keepdims=True)
    thighs = unit(2 * pelvis - j["right_knee"] - j["left_knee"])
    low, high = unit(spine + 0.3 * thighs), unit(spine + 0.3 * head_up)
    places = {"hips": _Place(frame_of(hips, low), pelvis)}
    for name, (start, middle, share) in _SPINE.items():
        tangent = _curve_tangent(middle, low, high, spine)
        aside = (1 - share) * hips + share * shoulders
        places[name] = _Place(frame_of(tangent, aside), _curve_point(start, pelvis, neck, low, high, length))
    places["chest"] = _Place(frame_of(_curve_tangent(0.85, low, high, spine), shoulders), neck)
    chest = across(cross(shoulders, spine), spine)
    straight, turned = across(cross(shoulders, head_up) + 0.2 * chest, head_up), yaw[:, None]
    face = np.asarray(np.cos(turned) * straight + np.sin(turned) * cross(head_up, straight), np.float32)
    places["head"] = _Place(frame_of(head_up, face), neck)
    return places


def _curve_point(s: float, start: Array, end: Array, low: Array, high: Array, length: Array) -> Array:
    h = 2 * s**3 - 3 * s**2 + 1, (s**3 - 2 * s**2 + s) * length, 3 * s**2 - 2 * s**3, (s**3 - s**2) * length
    return np.asarray(h[0] * start + h[1] * low + h[2] * end + h[3] * high, np.float32)


def _curve_tangent(s: float, low: Array, high: Array, chord: Array) -> Array:
    return unit((3 * s**2 - 4 * s + 1) * low + (6 * s - 6 * s**2) * chord + (3 * s**2 - 2 * s) * high)


def _arm(
    side: str, rest: dict[str, Array], pose: dict[str, Array], chest: Array, palm_axis: Array, palm: float, wrist: float
) -> dict[str, Array]:
    """Rotations of a clavicle, an arm and a hand from the rest pose."""
    upper0, lower0, _ = _segments(rest, side, "shoulder", "elbow", "wrist")
    upper, lower, hinge = _segments(pose, side, "shoulder", "elbow", "wrist")
    carried = turn_between(_apply(chest, upper0), upper) @ chest
    guess0 = across(cross(upper0, lower0), upper0)
    axis = across(hinge + 0.25 * _apply(carried, guess0), upper)
    twist = angle_about(upper, _apply(carried, guess0), axis)
    fore = frame_of(lower, axis) @ frame_of(lower0, guess0).transpose(0, 2, 1)
    sign = 1.0 if side == "left" else -1.0
    angle = np.full(len(upper), sign * palm, np.float32)
    hand = turn_about(lower, angle) @ fore
    bend = turn_about(_apply(hand, palm_axis[None]), np.full(len(upper), wrist, np.float32))
    forward0, forward = (_front(j) for j in (rest, pose))
    girdle = [frame_of(unit(j[f"{side}_shoulder"] - j["neck"]), f) for j, f in ((rest, forward0), (pose, forward))]
    return {
        "clavicle": girdle[1] @ girdle[0].transpose(0, 2, 1),
        "arm_high": turn_about(upper, 0.35 * twist) @ carried,
        "arm_low": turn_about(upper, 0.8 * twist) @ carried,
        "fore_high": turn_about(lower, 0.15 * angle) @ fore,
        "fore_low": turn_about(lower, 0.6 * angle) @ fore,
        "hand": bend @ hand,
    }


def _front(j: dict[str, Array]) -> Array:
    """(T, 3) where the chest faces."""
    return cross(j["left_shoulder"] - j["right_shoulder"], j["neck"] - j["pelvis"])


def _leg(side: str, rest: dict[str, Array], pose: dict[str, Array], hips: Array) -> dict[str, Array]:
    """Rotations of a thigh, a shin and a foot from the rest pose."""
    lateral0 = unit(rest["left_hip"] - rest["right_hip"])
    found = []
    for j in (rest, pose):
        upper, lower, hinge = _segments(j, side, "hip", "knee", "ankle")
        foot = unit(j[f"{side}_foot"] - j[f"{side}_ankle"])
        found.append((upper, lower, hinge, foot, -cross(lower, foot)))
    upper0, lower0, hinge0, foot0, ball0 = found[0]
    upper, lower, hinge, foot, ball = found[1]
    carried = turn_between(_apply(hips, upper0), upper) @ hips
    axes = []
    for u, w, bend, toes, guess in ((upper0, lower0, hinge0, ball0, lateral0), (upper, lower, hinge, ball, lateral0)):
        if u is upper:
            guess = _apply(carried, guess)
        straight = np.clip((u * w).sum(-1, keepdims=True), 0, 1) ** 2
        axes.append(across(bend + (0.15 + 0.2 * straight) * guess + 0.15 * straight * toes, u))
    knee0, knee = axes
    twist = angle_about(upper, _apply(carried, knee0), knee)
    shin = frame_of(lower, knee) @ frame_of(lower0, knee0).transpose(0, 2, 1)
    aside0, aside = across(ball0 + 0.2 * knee0, lower0), across(ball + 0.2 * knee, lower)
    wring = angle_about(lower, _apply(shin, aside0), aside)
    return {
        "thigh_high": turn_about(upper, 0.4 * twist) @ carried,
        "thigh_low": turn_about(upper, 0.9 * twist) @ carried,
        "shin_high": turn_about(lower, 0.2 * wring) @ shin,
        "shin_low": turn_about(lower, 0.8 * wring) @ shin,
        "foot": frame_of(foot, -lower) @ frame_of(foot0, -lower0).transpose(0, 2, 1),
    }


def _segments(j: dict[str, Array], side: str, first: str, middle: str, last: str) -> tuple[Array, Array, Array]:
    """Unit vectors along a limb's segments, and their cross product: the hinge's axis times the sine of its bend."""
    upper = unit(j[f"{side}_{middle}"] - j[f"{side}_{first}"])
    lower = unit(j[f"{side}_{last}"] - j[f"{side}_{middle}"])
    return upper, lower, cross(upper, lower)

"""A person's posture as anatomical angles with limits, and the bone directions they give.

All angles are in degrees. At zero the person stands upright with hanging arms and faces the viewer (-z).
Limb angles are written for the right side; the left side is the mirror image of the same numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import BONES

Array = NDArray[np.float64]

_BODY_LIMITS: dict[str, tuple[float, float]] = {
    "turn": (-1e6, 1e6),  # about the vertical, positive to the person's right
    "pitch": (-110, 110),  # of the pelvis, positive forwards
    "lean": (-100, 100),  # of the pelvis, positive to the right
    "spin": (-200, 200),  # about the body's own long axis, positive to the right
    "trunk_flex": (-45, 75),  # of the spine, positive forwards
    "trunk_side": (-35, 35),  # positive to the right
    "trunk_twist": (-60, 60),  # positive to the right
    "head_flex": (-45, 50),
    "head_side": (-35, 35),
    "head_twist": (-75, 75),
}
_LIMB_LIMITS: dict[str, tuple[float, float]] = {
    "clavicle_up": (-15, 30),
    "clavicle_front": (-20, 28),
    "arm_flex": (-60, 185),  # positive forwards
    "arm_out": (-55, 175),  # positive away from the body, after `arm_flex`
    "arm_inward": (-85, 95),  # about its own axis, positive brings the forearm across the belly
    "elbow": (0, 150),
    "hip_flex": (-30, 130),  # positive forwards
    "hip_out": (-25, 60),
    "hip_inward": (-85, 45),  # about its own axis, positive turns the toes inwards
    "knee": (0, 155),
    "ankle": (-50, 32),  # positive lifts the toes
}
LIMITS: dict[str, tuple[float, float]] = {
    **_BODY_LIMITS,
    **{f"right_{name}": limit for name, limit in _LIMB_LIMITS.items()},
    **{f"left_{name}": limit for name, limit in _LIMB_LIMITS.items()},
}
ANGLES: tuple[str, ...] = tuple(LIMITS)
COLUMN: dict[str, int] = {name: i for i, name in enumerate(ANGLES)}
A = len(ANGLES)
_LOW, _HIGH = np.array(list(LIMITS.values()), float).T

ARMS: tuple[int, ...] = tuple(i for n, i in COLUMN.items() if "clavicle" in n or "arm_" in n or "elbow" in n)
LEVEL_FOOT_DEG = 25.0
"""How far the line from ankle to foot points down when the sole is level."""

_SIDEWAYS = {"turn", "lean", "spin", "trunk_side", "trunk_twist", "head_side", "head_twist"}


def _mirror_table() -> tuple[NDArray[np.int64], Array]:
    swap = {"right": "left", "left": "right"}
    order, sign = [], []
    for name in ANGLES:
        side, _, rest = name.partition("_")
        order.append(COLUMN[f"{swap[side]}_{rest}" if side in swap else name])
        sign.append(-1.0 if name in _SIDEWAYS else 1.0)
    return np.array(order), np.array(sign)


_MIRROR_ORDER, _MIRROR_SIGN = _mirror_table()


def mirror_angles(angles: Array) -> Array:
    """The same motion with left and right exchanged; (..., A)."""
    return angles[..., _MIRROR_ORDER] * _MIRROR_SIGN


def within_limits(angles: Array) -> Array:
    """(..., A) with every angle inside its joint's range."""
    return np.clip(angles, _LOW, _HIGH)


def _turn(axis: int, angle_deg: Array) -> Array:
    """(...) degrees to (..., 3, 3) right-handed rotations about x, y or z."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*np.shape(angle_deg), 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = c
    matrix[..., i, j], matrix[..., j, i] = -s, s
    return matrix


def _bend(flex: Array, side: Array, twist: Array) -> Array:
    """Rotation of a body part that leans forwards, to the right, and turns to the right."""
    return _turn(0, flex) @ _turn(2, -side) @ _turn(1, twist)


def _unit(x: float, y: float, z: float) -> Array:
    vector = np.array([x, y, z])
    return np.asarray(vector / np.linalg.norm(vector))


_UP, _DOWN = _unit(0, -1, 0), _unit(0, 1, 0)
_HEAD = _unit(0, -1, -0.12)
_SHOULDER = _unit(-1, -0.1, 0.03)
_FOOT = _unit(-0.12, np.tan(np.radians(LEVEL_FOOT_DEG)), -1)


def _arm(angles: dict[str, Array]) -> list[Array]:
    """Directions of shoulder, upper arm and forearm of a right arm in the chest's frame, each (..., 3)."""
    girdle = _turn(2, angles["clavicle_up"]) @ _turn(1, -angles["clavicle_front"])
    upper = _turn(0, -angles["arm_flex"]) @ _turn(2, angles["arm_out"]) @ _turn(1, -angles["arm_inward"])
    lower = upper @ _turn(0, -angles["elbow"])
    return [girdle @ _SHOULDER, upper @ _DOWN, lower @ _DOWN]


def _leg(angles: dict[str, Array]) -> list[Array]:
    """Directions of hip, thigh, shank and foot of a right leg in the pelvis' frame, each (..., 3)."""
    thigh = _turn(0, -angles["hip_flex"]) @ _turn(2, angles["hip_out"]) @ _turn(1, -angles["hip_inward"])
    shank = thigh @ _turn(0, angles["knee"])
    foot = shank @ _turn(0, -angles["ankle"])
    hip = np.broadcast_to(_unit(-1, 0, 0), (*angles["knee"].shape, 3))
    return [hip, thigh @ _DOWN, shank @ _DOWN, foot @ _FOOT]


def directions_from_angles(angles: Array) -> Array:
    """Bone directions of postures.

    Args:
        angles: (..., A) degrees in the order of `ANGLES`.

    Returns:
        (..., 16, 3) unit vectors in the order of `skeleton.BONES`, world frame.
    """
    value = {name: angles[..., i] for name, i in COLUMN.items()}
    pelvis = _turn(1, value["turn"]) @ _turn(0, value["pitch"]) @ _turn(2, -value["lean"]) @ _turn(1, value["spin"])
    bend = (value["trunk_flex"], value["trunk_side"], value["trunk_twist"])
    chest = pelvis @ _bend(*bend)
    head = chest @ _bend(value["head_flex"], value["head_side"], value["head_twist"])
    found = {"neck": pelvis @ _bend(0.6 * bend[0], 0.6 * bend[1], bend[2]) @ _UP, "head_top": head @ _HEAD}
    for side, mirrored in (("right", np.ones(3)), ("left", np.array([-1.0, 1, 1]))):
        limb = {name: value[f"{side}_{name}"] for name in _LIMB_LIMITS}
        for frame, parts, bones in (
            (chest, _arm(limb), ("shoulder", "elbow", "wrist")),
            (pelvis, _leg(limb), ("hip", "knee", "ankle", "foot")),
        ):
            for bone, direction in zip(bones, parts, strict=True):
                found[f"{side}_{bone}"] = (frame @ (direction * mirrored)[..., None])[..., 0]
    return np.stack([found[bone] for bone in BONES], axis=-2)

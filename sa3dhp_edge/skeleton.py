"""The 17-joint skeleton: names, tree, mirror, template bone lengths, and kinematics as two matrices.

Axes, everywhere in the project: x right, y down, z forward (away from the viewer), millimetres.
The world frame of motions is that of a level camera: gravity points along +y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

PARENT_OF: dict[str, str | None] = {
    "pelvis": None,
    "neck": "pelvis",
    "right_shoulder": "neck",
    "right_elbow": "right_shoulder",
    "right_wrist": "right_elbow",
    "left_shoulder": "neck",
    "left_elbow": "left_shoulder",
    "left_wrist": "left_elbow",
    "head_top": "neck",
    "right_hip": "pelvis",
    "right_knee": "right_hip",
    "right_ankle": "right_knee",
    "right_foot": "right_ankle",
    "left_hip": "pelvis",
    "left_knee": "left_hip",
    "left_ankle": "left_knee",
    "left_foot": "left_ankle",
}
JOINTS: tuple[str, ...] = tuple(PARENT_OF)
PARENTS: tuple[int, ...] = tuple(-1 if p is None else JOINTS.index(p) for p in PARENT_OF.values())
J = len(JOINTS)
BONES: tuple[str, ...] = JOINTS[1:]  # bone i ends in joint i + 1 and starts at that joint's parent
B = len(BONES)


def _other_side(name: str) -> str:
    swap = {"right": "left", "left": "right"}
    side, _, rest = name.partition("_")
    return f"{swap[side]}_{rest}" if side in swap else name


MIRROR: tuple[int, ...] = tuple(JOINTS.index(_other_side(name)) for name in JOINTS)
"""Joint order after left and right change places."""

TEMPLATE_HEIGHT_MM = 1700.0
TEMPLATE_BONE_MM: Array = np.array(
    [500, 170, 280, 245, 170, 280, 245, 290, 95, 420, 410, 150, 95, 420, 410, 150], np.float32
)
"""(16,) mm, one per bone, of a person of `TEMPLATE_HEIGHT_MM`; left and right are equal."""


def _ancestors() -> Array:
    """(17, 16): joint = sum of the bones on its way from the pelvis."""
    table = np.zeros((J, B), np.float32)
    for joint in range(1, J):
        table[joint] = table[PARENTS[joint]]
        table[joint, joint - 1] = 1
    return table


def _differences() -> Array:
    """(16, 17): bone = its joint minus the joint's parent."""
    table = np.zeros((B, J), np.float32)
    for joint in range(1, J):
        table[joint - 1, joint] = 1
        table[joint - 1, PARENTS[joint]] = -1
    return table


ANCESTORS: Array = _ancestors()
DIFFERENCES: Array = _differences()


def bone_directions(pose_mm: Array) -> Array:
    """Unit vectors along the bones, parent to child.

    Args:
        pose_mm: (..., 17, 3) mm, any origin.

    Returns:
        (..., 16, 3); zero where a bone has no length.
    """
    bones = DIFFERENCES @ pose_mm
    length = np.linalg.norm(bones, axis=-1, keepdims=True)
    return np.asarray(bones / np.maximum(length, 1e-6), np.float32)


def bone_lengths_mm(pose_mm: Array) -> Array:
    """(..., 16) mm from (..., 17, 3) mm."""
    return np.asarray(np.linalg.norm(DIFFERENCES @ pose_mm, axis=-1), np.float32)


def pose_from_directions(directions: Array, lengths_mm: Array = TEMPLATE_BONE_MM) -> Array:
    """Forward kinematics: unit vectors times lengths, summed from the pelvis.

    Args:
        directions: (..., 16, 3) unit vectors.
        lengths_mm: (..., 16) mm.

    Returns:
        (..., 17, 3) mm with the pelvis at the origin.
    """
    return np.asarray(ANCESTORS @ (directions * lengths_mm[..., None]), np.float32)


def to_template(pose_mm: Array) -> Array:
    """The same directions with the template's bone lengths (method, section 3): (..., 17, 3) mm.

    The two hips share one line, so that the pelvis stays their midpoint.
    """
    directions = bone_directions(pose_mm)
    right, left = BONES.index("right_hip"), BONES.index("left_hip")
    line = directions[..., right, :] - directions[..., left, :]
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-6)
    directions[..., right, :], directions[..., left, :] = line, -line
    return pose_from_directions(directions)


def mirror(pose_mm: Array) -> Array:
    """Pose-flip: x -> -x, left and right exchanged; (..., 17, 3)."""
    return pose_mm[..., list(MIRROR), :] * np.array([-1, 1, 1], np.float32)

"""From joint positions to the rotations of a BVH tree, without sudden turns.

A node with one child turns it from where its parent holds it to where it is, by the shortest arc; one with several is
fitted to them (Kabsch, Acta Crystallographica A32, 1976). The shortest arc has no answer where the limb points back
along its rest direction, and turns about the limb near there; so the turn about a limb (twist) follows it only as fast
as `TWIST_DEG_S`, and otherwise goes on as it was carried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import DIFFERENCES, JOINTS, PARENTS

Array = NDArray[np.float64]

TWIST_DEG_S = 720.0
"""Fastest turn about a limb's own axis that is not the limb's motion."""

_OWN_NODE = {
    "neck": "spine", "right_shoulder": "right_collar", "left_shoulder": "left_collar", "head_top": "head",
    "right_hip": "right_pelvis", "left_hip": "left_pelvis",
}  # fmt: skip
"""Names of the bones that leave a branching joint, by the joint they end in."""


@dataclass(frozen=True)
class Node:
    """A node of the tree.

    Attributes:
        name: in the file.
        parent: index of a node, -1 for the root.
        bone: index of the bone from the parent to here; None where this node lies on its parent.
        rest: (3,) unit direction of that bone in the rest pose; of a branch's own node, of the bone that begins here.
    """

    name: str
    parent: int
    bone: int | None
    rest: Array = field(compare=False)


def _rest(joint: str) -> Array:
    """Unit direction in the rest pose of the bone that ends in a joint: a T, y up, facing +z."""
    side, _, part = joint.partition("_")
    sign = {"right": -1.0, "left": 1.0}.get(side, 0.0)
    if part in ("shoulder", "elbow", "wrist", "hip"):
        return np.array([sign, 0, 0])
    return np.array({"knee": (0, -1, 0), "ankle": (0, -1, 0), "foot": (0, 0, 1)}.get(part, (0, 1, 0)), np.float64)


def _nodes() -> tuple[Node, ...]:
    nodes: list[Node] = []
    at: dict[int, int] = {}
    for joint, name in enumerate(JOINTS):
        parent = at.get(PARENTS[joint], -1)
        if name in _OWN_NODE:
            nodes.append(Node(_OWN_NODE[name], parent, None, _rest(name)))
            parent = len(nodes) - 1
        at[joint] = len(nodes)
        nodes.append(Node(name, parent, joint - 1 if joint else None, _rest(name)))
    return tuple(nodes)


NODES = _nodes()
_CHILDREN = tuple(tuple(i for i, other in enumerate(NODES) if other.parent == node) for node in range(len(NODES)))


class RotationSolver:
    """Turns a motion that comes in pieces into rotations; remembers the end of the piece before."""

    def __init__(self, fps: float) -> None:
        self._most = math.radians(TWIST_DEG_S) / fps
        self._before: dict[int, tuple[Array, Array, float]] = {}

    def local(self, xyz: Array) -> Array:
        """(n, nodes, 3, 3) rotations of nodes in their parents; xyz is (n, 17, 3), y up, without gaps."""
        bones = np.asarray(DIFFERENCES @ xyz, np.float64)
        length = np.linalg.norm(bones, axis=-1, keepdims=True)
        unit = bones / np.maximum(length, 1e-9)
        world = np.empty((len(xyz), len(NODES), 3, 3))
        local = np.empty_like(world)
        for index, node in enumerate(NODES):
            held = world[:, node.parent] if node.parent >= 0 else np.broadcast_to(np.eye(3), (len(xyz), 3, 3))
            children = _CHILDREN[index]
            if not children:
                world[:, index] = held
            elif len(children) > 1:
                ends = [NODES[_CHILDREN[child][0]] for child in children]
                world[:, index] = _fitted(np.array([e.rest for e in ends]), unit[:, [_bone(e) for e in ends]])
            else:
                end = NODES[children[0]]
                there = length[:, _bone(end)] > 1e-6
                target = np.where(there, unit[:, _bone(end)], held @ end.rest)
                world[:, index] = self._aimed(index, held, end.rest, target)
            local[:, index] = held.swapaxes(-1, -2) @ world[:, index]
        return local

    def _aimed(self, index: int, held: Array, rest: Array, target: Array) -> Array:
        """(n, 3, 3) that take `rest` to `target`: the shortest arc from how the parent holds it, twist limited."""
        arc = _arc(held @ rest, target) @ held
        first_arc, first_held, twist = self._before.get(index, (arc[0], held[0], 0.0))
        arc_before = np.concatenate([first_arc[None], arc[:-1]])
        held_before = np.concatenate([first_held[None], held[:-1]])
        carried = held @ held_before.swapaxes(-1, -2) @ arc_before
        carried = _arc(carried @ rest, target) @ carried
        steps = _angle_about(carried @ arc.swapaxes(-1, -2), target)
        twists = np.zeros(len(steps))
        if twist or (np.abs(steps) > self._most).any():
            for i, step in enumerate(steps):
                angle = math.remainder(twist + float(step), 2 * math.pi)
                twist = twists[i] = angle - max(-self._most, min(self._most, angle))
        self._before[index] = (arc[-1], held[-1], twist)
        return np.asarray(_turn(target, twists) @ arc)


def euler_degrees(rotations: Array, before: Array | None) -> Array:
    """(n, nodes, 3) degrees about z, x, y with R = Rz Rx Ry, each nearest to the frame before it.

    Args:
        rotations: (n, nodes, 3, 3).
        before: (nodes, 3) degrees of the frame before the first, or None.
    """
    x = np.arcsin(np.clip(rotations[..., 2, 1], -1, 1))
    z = np.arctan2(-rotations[..., 0, 1], rotations[..., 1, 1])
    y = np.arctan2(-rotations[..., 2, 0], rotations[..., 2, 2])
    locked = np.hypot(rotations[..., 2, 0], rotations[..., 2, 2]) < 1e-7  # x is a right angle: z and y turn the same
    z = np.where(locked, np.arctan2(rotations[..., 1, 0], rotations[..., 0, 0]), z)
    angles: Array = np.degrees(np.stack([z, x, np.where(locked, 0, y)], -1))
    last = angles[0] if before is None else before
    for i, one in enumerate(angles):
        other = np.stack([one[:, 0] + 180, 180 - one[:, 1], one[:, 2] + 180], -1)
        near, far = (a + 360 * np.round((last - a) / 360) for a in (one, other))
        closer = np.abs(near - last).sum(-1) <= np.abs(far - last).sum(-1) + 1e-9
        angles[i] = last = np.where(closer[:, None], near, far)
    return angles


def _bone(node: Node) -> int:
    assert node.bone is not None
    return node.bone


def _fitted(rest: Array, target: Array) -> Array:
    """(n, 3, 3) rotations that bring (c, 3) directions nearest to (n, c, 3)."""
    u, _, vt = np.linalg.svd(target.swapaxes(-1, -2) @ rest)
    sign = np.sign(np.linalg.det(u @ vt))
    u[..., 2] *= sign[:, None]
    return np.asarray(u @ vt)


def _arc(start: Array, end: Array) -> Array:
    """(n, 3, 3) shortest rotations between unit vectors (n, 3); half a turn about some axis where they are opposite."""
    cross, cos = np.cross(start, end), np.sum(start * end, -1)
    opposite = cos < -1 + 1e-9
    k = _skew(cross)
    arc = np.eye(3) + k + k @ k / np.where(opposite, 1, 1 + cos)[:, None, None]
    if opposite.any():
        s = start[opposite]
        axis = np.cross(s, np.eye(3)[np.abs(s).argmin(-1)])
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        arc[opposite] = 2 * axis[:, :, None] * axis[:, None] - np.eye(3)
    return np.asarray(arc)


def _turn(axis: Array, angle: Array) -> Array:
    """(n, 3, 3) rotations by radians about unit axes (n, 3)."""
    k = _skew(axis)
    return np.asarray(np.eye(3) + np.sin(angle)[:, None, None] * k + (1 - np.cos(angle))[:, None, None] * (k @ k))


def _angle_about(rotation: Array, axis: Array) -> Array:
    """(n,) radians by which rotations turn about axes they keep."""
    vee = np.stack([rotation[:, 2, 1] - rotation[:, 1, 2], rotation[:, 0, 2] - rotation[:, 2, 0],
                    rotation[:, 1, 0] - rotation[:, 0, 1]], -1)  # fmt: skip
    return np.asarray(np.arctan2(np.sum(vee * axis, -1), np.trace(rotation, axis1=-2, axis2=-1) - 1))


def _skew(v: Array) -> Array:
    zero = np.zeros(len(v))
    x, y, z = v.T
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)

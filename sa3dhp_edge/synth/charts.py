"""Which part of the body a face of a skinned mesh belongs to, and its place there: an angle and a length.

The coordinates are those of the lofts (`body.LOFTS`), so that sleeves, hairlines and faces are painted alike: the
angle is 0 in front, the length runs from the inside of the shoulder to the wrist, from the hip to the ankle, from
the crotch to the head, and from the chin to the crown.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.body import LOFTS, PARTS
from sa3dhp_edge.synth.mesh_rig import RIG_BONES

Array = NDArray[np.float64]
FACE_HEIGHTS = (0.0, 0.2, 0.37, 0.53, 1.0)
"""Length coordinate of chin, mouth, tip of the nose, eyes and crown, as `shade.face_features` paints them."""
EYE_ANGLE = 0.38
NECK_RADIUS_MM = 62.0
"""Beyond this distance from the neck's axis the top of the trunk counts as lower, so that a neckline runs round the
neck."""
OVERHANG = 0.06
"""Share of the forearm or shin by which arm and leg go on beyond wrist and ankle."""


class Landmarks(NamedTuple):
    """Points of a rest pose (3,) mm: chin, mouth, tip of the nose, left eye, crown."""

    chin: Array
    mouth: Array
    nose: Array
    eye: Array
    crown: Array


class Charts(NamedTuple):
    """A mesh cut along the backs of its parts.

    Attributes:
        source: (W,) the mesh's vertex of each vertex of the charts.
        local: (W, 2) angle and length.
        faces: (F, 3) of charts' vertices; `part` (F,) index into `body.PARTS`.
    """

    source: NDArray[np.int32]
    local: NDArray[np.float32]
    faces: NDArray[np.int32]
    part: NDArray[np.int32]


def cut_charts(
    points_mm: Array, faces: NDArray[np.int64], weights: Array, joints_mm: Array, marks: Landmarks
) -> Charts:
    """Charts of a mesh in its rest pose, looking along -z.

    Args:
        points_mm: (V, 3) mm; `faces` (F, 3).
        weights: (V, B) share of every bone of `mesh_rig.RIG_BONES`.
        joints_mm: (17, 3) mm; `marks` places of the face.
    """
    joint = dict(zip(JOINTS, joints_mm, strict=True))
    part = _parts(points_mm, faces, weights, joint, marks)
    coordinates = np.zeros((len(faces), 3, 2))
    for p in np.unique(part):
        own = part == p
        found = _coordinates(PARTS[p], points_mm, faces[own], joint, marks)
        coordinates[own] = found[faces[own]]
    angle = coordinates[..., 0]
    angle[np.ptp(angle, axis=1) > np.pi] %= 2 * np.pi  # a face across the back keeps its angles together
    turn = angle > np.pi
    keys = np.stack([faces, np.repeat(part[:, None], 3, 1), turn], -1).reshape(-1, 3)
    _, first, number = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    local = coordinates.reshape(-1, 2)[first].astype(np.float32)
    source = faces.reshape(-1)[first].astype(np.int32)
    return Charts(source, local, number.reshape(-1, 3).astype(np.int32), part.astype(np.int32))


def _parts(
    points_mm: Array, faces: NDArray[np.int64], weights: Array, joint: dict[str, Array], marks: Landmarks
) -> NDArray[np.int64]:
    """(F,) index into PARTS, from the bones that carry most of a face; the head ends at jaw and nape.

    Arms and legs reach a little beyond wrist and ankle, so that hems lie on them and not on the border of parts.
    """
    owner = {"clavicle": "trunk", "arm": "arm", "fore": "arm", "hand": "hand", "thigh": "leg", "shin": "leg"}
    to_part = []
    for bone in RIG_BONES:
        side, *rest = bone.split("_")
        kind = owner.get(rest[0], rest[0]) if rest else "trunk"
        to_part.append(PARTS.index("trunk" if kind == "trunk" else f"{side}_{kind}"))
    share = np.zeros((len(points_mm), len(PARTS)))
    np.add.at(share.T, to_part, weights.T)
    part = np.asarray(share[faces].sum(1).argmax(1), np.int64)
    middle = points_mm[faces].mean(1)
    for side in ("right", "left"):
        for limb, end, before, last in (("arm", "hand", "elbow", "wrist"), ("leg", "foot", "knee", "ankle")):
            segment = joint[f"{side}_{last}"] - joint[f"{side}_{before}"]
            t = (middle - joint[f"{side}_{last}"]) @ segment / (segment @ segment)
            pair = [PARTS.index(f"{side}_{limb}"), PARTS.index(f"{side}_{end}")]
            own = np.isin(part, pair)
            part[own] = np.where(t > OVERHANG, pair[1], pair[0])[own]
    jaw = marks.chin + np.array([0, 4.0, 12.0])  # just under the chin; towards the back the border rises to the ears
    back = np.clip((middle[:, 2] - jaw[2]) / (0.8 * (marks.crown[2] + 90 - jaw[2])), 0, 1)
    border = jaw[1] + back * 0.55 * (marks.mouth[1] - jaw[1])
    part[(middle[:, 1] < border) & (share[faces].sum(1)[:, PARTS.index("trunk")] > 1.5)] = PARTS.index("head")
    return part


def _coordinates(
    name: str, points_mm: Array, faces: NDArray[np.int64], joint: dict[str, Array], marks: Landmarks
) -> Array:
    """(V, 2) angle and length in a part; only its own vertices' rows mean anything."""
    if name == "head":
        return _head(points_mm, marks)
    if name == "trunk":
        return _trunk(points_mm, np.unique(faces), joint)
    side, _, kind = name.partition("_")
    if kind == "arm":
        inner = joint[f"{side}_shoulder"] + 0.7 * (joint["neck"] - joint[f"{side}_shoulder"])
        line = [inner, *(joint[f"{side}_{k}"] for k in ("shoulder", "elbow", "wrist"))]
        return _along(name, points_mm, np.stack(line))
    if kind == "leg":
        hip, knee, ankle = (joint[f"{side}_{k}"] for k in ("hip", "knee", "ankle"))
        return _along(name, points_mm, np.stack([hip + (hip - knee) * 0.16, hip, knee, ankle]))
    if kind == "hand":
        wrist, elbow = joint[f"{side}_wrist"], joint[f"{side}_elbow"]
        return _along(name, points_mm, np.stack([wrist, wrist + (wrist - elbow) * 0.7]))
    heel, toes = joint[f"{side}_ankle"], joint[f"{side}_foot"]
    return _along(name, points_mm, np.stack([heel, toes]), front=np.array([0, -1.0, 0]))


def _around(offset: Array, axis: Array, front: Array) -> Array:
    """(V,) angles of offsets (V, 3) about an axis, 0 towards `front`."""
    ahead = front - (front @ axis) * axis
    ahead /= np.linalg.norm(ahead)
    return np.asarray(np.arctan2(offset @ np.cross(axis, ahead), offset @ ahead))


def _along(name: str, points_mm: Array, line: Array, front: Array | None = None) -> Array:
    """Angle about the nearest segment of a polyline, and the loft's length coordinate of the place along it."""
    stations = LOFTS[PARTS.index(name)].stations
    best = np.full(len(points_mm), np.inf)
    found = np.zeros((len(points_mm), 2))
    last = len(line) - 2
    for k, (a, b) in enumerate(pairwise(line)):
        axis = (b - a) / np.linalg.norm(b - a)
        t = (points_mm - a) @ axis / np.linalg.norm(b - a)
        held = np.clip(t, -1 if k == 0 else 0, 2 if k == last else 1)
        off = points_mm - a - held[:, None] * (b - a)
        near = np.linalg.norm(off, axis=1)
        nearer = near < best
        angle = _around(off, axis, np.array([0, 0, -1.0]) if front is None else front)
        found[nearer] = np.stack([angle, k + held], 1)[nearer]
        best[nearer] = near[nearer]
    found[:, 1] = (found[:, 1] - stations[0]) / (stations[-1] - stations[0])
    return found


def _head(points_mm: Array, marks: Landmarks) -> Array:
    heights = [mark[1] for mark in (marks.chin, marks.mouth, marks.nose, marks.eye, marks.crown)]
    rising = np.array(heights[0]) - np.array(heights)
    slope = FACE_HEIGHTS[1] / rising[1]
    above = heights[0] - points_mm[:, 1]
    length = np.where(above < 0, above * slope, np.interp(above, rising, FACE_HEIGHTS))
    middle = marks.crown[2]
    angle = np.arctan2(points_mm[:, 0], middle - points_mm[:, 2])
    eye = np.arctan2(abs(marks.eye[0]), middle - marks.eye[2])
    angle = np.sign(angle) * np.interp(np.abs(angle), (0, eye, np.pi), (0, EYE_ANGLE, np.pi))
    return np.stack([angle, length], 1)


def _trunk(points_mm: Array, own: NDArray[np.int64], joint: dict[str, Array]) -> Array:
    """Heights as on the loft: 0.18 at the hips, 0.8 at the neck joint; the centre is that of the slice."""
    stations = LOFTS[PARTS.index("trunk")].stations
    hips, neck = ((k - stations[0]) / (stations[-1] - stations[0]) for k in (1.0, 4.0))
    pelvis, top = joint["pelvis"], joint["neck"]
    per_mm = (neck - hips) / (pelvis[1] - top[1])
    length = hips + (pelvis[1] - points_mm[:, 1]) * per_mm
    levels = np.linspace(length[own].min(), length[own].max(), 14)
    depth = []
    for level in levels:
        slice_mm = points_mm[own][np.abs(length[own] - level) < 0.06, 2]
        depth.append((slice_mm.min() + slice_mm.max()) / 2)
    middle = np.interp(length, levels, depth)
    aside = np.hypot(points_mm[:, 0], points_mm[:, 2] - middle)
    high = np.clip((length - 0.6) / 0.12, 0, 1)
    length = length - high * np.maximum(aside - NECK_RADIUS_MM, 0) * per_mm
    return np.stack([np.arctan2(points_mm[:, 0], middle - points_mm[:, 2]), length], 1)

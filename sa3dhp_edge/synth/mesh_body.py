"""The shapes of skinned bodies: a family of thinned meshes read from one small file, and a posed skin.

`anny_shapes.npz` holds half a body (the other half is its mirror image) as a mean and principal components, with
every sampled person's coefficients; `sample_anny` makes it. New people are mixtures of sampled ones.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.skeleton import JOINTS, MIRROR
from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.mesh_rig import RIG_BONES

Array = NDArray[np.float32]
ASSET = Path(__file__).with_name("anny_shapes.npz")
HALF_JOINTS = ("pelvis", "neck", "head_top", *(f"left_{k}" for k in (
    "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")))  # fmt: skip
"""Joints the file holds; the right ones are mirrored."""
FINGER_BONES = tuple(f"finger{finger}-{bone}" for finger in range(1, 6) for bone in range(1, 4))
"""Thumb to little finger, from the palm to the tip; a hand's points in this order follow the joints in the file."""
TRAITS = ("female", "age", "muscle", "weight", "height_mm")
MIRROR_BONE = np.array([RIG_BONES.index(_swap) for _swap in (
    b.replace("right", "?").replace("left", "right").replace("?", "left") for b in RIG_BONES)])  # fmt: skip


class Family(NamedTuple):
    """What all shapes share, and the people they are mixed from.

    Attributes:
        mean: (P, 3) mm, half the vertices, then HALF_JOINTS, then the left hand's FINGER_BONES.
        components: (K, P, 3) mm per unit of a coefficient.
        coefficients: (N, K) of the sampled people; `traits` (N, TRAITS) of theirs.
        half, sign: (V,) row of `mean` of every vertex, and -1 where it is mirrored.
        bones, weights: (V, 4) into RIG_BONES, and shares that sum to 1.
        fingers, finger_weights: (V, 4) into FINGER_BONES + palm, and shares, 0 off the hands.
        skin: (G, 3) faces between vertices, for normals.
        source, local, faces, part: the charts, see `charts.Charts`.
    """

    mean: Array
    components: Array
    coefficients: Array
    traits: Array
    half: NDArray[np.int32]
    sign: Array
    bones: NDArray[np.int32]
    weights: Array
    fingers: NDArray[np.int32]
    finger_weights: Array
    skin: NDArray[np.int32]
    source: NDArray[np.int32]
    local: Array
    faces: NDArray[np.int32]
    part: NDArray[np.int32]


class Shape(NamedTuple):
    """One person's rest pose: points (V, 3) mm, joints (17, 3) mm, left hand's finger bones (15, 3) mm, and TRAITS."""

    points_mm: Array
    joints_mm: Array
    fingers_mm: Array
    traits: Array


@lru_cache(maxsize=1)
def family() -> Family:
    """The shapes that come with the package.

    Raises:
        DataError: the file is missing or has other fields.
    """
    try:
        with np.load(ASSET) as file:
            stored = {name: file[name] for name in file.files}
        kinds = {"f": np.float32, "i": np.int32, "u": np.int32}
        found = {name: value.astype(kinds[value.dtype.kind]) for name, value in stored.items()}
        weights, fingers = found.pop("weights"), found.pop("finger_weights")
        shares = [w / np.maximum(w.sum(1, keepdims=True), 1).astype(np.float32) for w in (weights, fingers)]
        return Family(weights=shares[0], finger_weights=shares[1], **found)
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise DataError(
            f"{ASSET} cannot be read: {error}", "python -m sa3dhp_edge.synth.sample_anny --out " + str(ASSET)
        ) from error


def shape_of(f: Family, coefficients: Array, traits: Array) -> Shape:
    """The rest pose of coefficients (K,), feet together with the pelvis at the origin, looking along -z."""
    points = f.mean + np.tensordot(coefficients, f.components, 1)
    vertices = points[f.half] * np.stack([f.sign, np.ones_like(f.sign), np.ones_like(f.sign)], 1)
    first = len(points) - len(HALF_JOINTS) - len(FINGER_BONES)
    joints = np.zeros((len(JOINTS), 3), np.float32)
    for name, place in zip(HALF_JOINTS, points[first:], strict=False):
        joint = JOINTS.index(name)
        joints[MIRROR[joint]] = place * (-1, 1, 1)
        joints[joint] = place
    return Shape(vertices.astype(np.float32), joints, points[-len(FINGER_BONES) :].astype(np.float32), traits)


def draw_shape(
    rng: np.random.Generator, female: bool, height_mm: float, weight: float, muscle: float, variety: float = 1.0
) -> Shape:
    """A new person: a mixture of three sampled people near the wish, brought to the height exactly.

    Args:
        female, height_mm: kept; `weight`, `muscle` 0..1 followed roughly.
        variety: 0..1, how much chance has to say; with 0 the same wish gives the same person.
    """
    f = family()
    wish = np.array([female, 0, muscle, weight, height_mm], np.float32)
    apart = (f.traits - wish) / np.array([0.2, np.inf, 0.35, 0.25, 120], np.float32)
    distance = (apart**2).sum(1) + variety * rng.exponential(0.7, len(apart))
    nearest = np.argsort(distance)[:3]
    share = (variety * rng.dirichlet((1.0, 1.0, 1.0)) + (1 - variety) / 3).astype(np.float32)
    shape = shape_of(f, share @ f.coefficients[nearest], share @ f.traits[nearest])
    scale = np.float32(height_mm / np.ptp(shape.points_mm[:, 1]))
    return Shape(shape.points_mm * scale, shape.joints_mm * scale, shape.fingers_mm * scale, shape.traits)


def mirrored_axes(vector: Array) -> Array:
    """(2, 3): of the right and of the left side, from a vector (3,) of the left."""
    return np.stack([vector * np.array([-1, 1, 1], np.float32), vector]).astype(np.float32)


def hand_axes(shape: Shape) -> tuple[Array, Array]:
    """Unit vectors (3,) of the left hand in the rest pose: along it, and out of its palm."""
    knuckle = dict(zip(FINGER_BONES, shape.fingers_mm, strict=True))
    wrist = shape.joints_mm[JOINTS.index("left_wrist")]
    along = knuckle["finger3-1"] - wrist
    along = along / np.linalg.norm(along)
    palm = np.cross(along, knuckle["finger2-1"] - knuckle["finger5-1"])
    return along, np.asarray(palm / np.linalg.norm(palm), np.float32)


@compiled
def pose_skin(points: Array, bones: NDArray[np.int32], weights: Array, m: Array) -> Array:
    """(V, 3): points (V, 3) of the rest pose carried by the bones' transforms m (B, 3, 4), by shares of four bones."""
    out = np.empty_like(points)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        u, v, w = np.float32(0), np.float32(0), np.float32(0)
        for k in range(4):
            b, share = bones[i, k], weights[i, k]
            if share > 0:
                u += share * (m[b, 0, 0] * x + m[b, 0, 1] * y + m[b, 0, 2] * z + m[b, 0, 3])
                v += share * (m[b, 1, 0] * x + m[b, 1, 1] * y + m[b, 1, 2] * z + m[b, 1, 3])
                w += share * (m[b, 2, 0] * x + m[b, 2, 1] * y + m[b, 2, 2] * z + m[b, 2, 3])
        out[i, 0], out[i, 1], out[i, 2] = u, v, w
    return out


@compiled
def skin_normals(points: Array, faces: NDArray[np.int32]) -> Array:
    """(V, 3) unit normals: the sum of the faces' round a vertex, larger ones counting more."""
    out = np.zeros_like(points)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            v = faces[f, k]
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for i in range(len(out)):
        size = 1 / np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2 + np.float32(1e-12))
        out[i, 0] *= size
        out[i, 1] *= size
        out[i, 2] *= size
    return out


@compiled
def spread_charts(points: Array, normals: Array, source: NDArray[np.int32], out: Array) -> None:
    """Fill `out` (2, W or more, 3) with the points and the normals (V, 3) of the charts' vertices (W,)."""
    for i in range(len(source)):
        s = source[i]
        for c in range(3):
            out[0, i, c] = points[s, c]
            out[1, i, c] = normals[s, c]


def curl_fingers(shape: Shape, bend: float) -> Array:
    """(V, 3) mm: the rest pose's surface with all finger joints bent to the palm by `bend` radians, thumbs by less."""
    f = family()
    along, palm = hand_axes(shape)
    axis = np.cross(along, palm)
    knuckle = dict(zip(FINGER_BONES, shape.fingers_mm, strict=True))
    moves = np.tile(np.eye(3, 4, dtype=np.float32), (len(FINGER_BONES) + 1, 1, 1))
    for finger in range(1, 6):
        turn, shift = np.eye(3), np.zeros(3)
        for bone in range(1, 4):
            name = f"finger{finger}-{bone}"
            about, angle = (along, -0.25 * bend) if finger == 1 and bone == 1 else (axis, bend * (0.5, 1)[finger > 1])
            local = _turn(about, angle)
            start = knuckle[name]
            shift = turn @ (start - local @ start) + shift
            turn = turn @ local
            moves[FINGER_BONES.index(name)] = np.concatenate([turn, shift[:, None]], 1)
    flip = np.stack([f.sign, np.ones_like(f.sign), np.ones_like(f.sign)], 1)
    fingered = f.finger_weights.sum(1) > 0
    bent = pose_skin(shape.points_mm * flip, f.fingers, f.finger_weights, moves) * flip
    return np.where(fingered[:, None], bent, shape.points_mm).astype(np.float32)


def _turn(axis: Array, angle: float) -> NDArray[np.float64]:
    """(3, 3): a turn about a unit vector (3,) by an angle in radians."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], np.float64)
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k))

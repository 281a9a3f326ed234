"""How a data set's joints become the project's 17, and how far off that is.

Each of the 17 is a weighted sum of the data set's joints: mostly one joint, the middle of two where the data set has
none between them, a point beyond two where it stops short (the crown of SMPL's head). A joint that cannot be had so is
missing, and stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.skeletons import SKELETONS, Skeleton
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.skeleton import JOINTS, TEMPLATE_BONE_MM, J

Array = NDArray[np.float32]
Row = dict[str, float]

LOSSY_MM = float(TEMPLATE_BONE_MM.min())
"""The template's shortest bone. A joint mapped farther off than this may lie nearer to a neighbour's place than to its
own, and cannot be called by its name: such a map is lossy."""


@dataclass(frozen=True)
class SkeletonMap:
    """From one skeleton to the project's 17 joints.

    Attributes:
        skeleton: where from.
        weights: (17, S) float32; rows sum to one, and a row of NaN is a joint that cannot be had.
        residual_mm: (17,) float32: by how much the bone that ends in the joint differs from the template's once the
            body is brought to the template's size. It holds the convention's offset and the measured people's own
            proportions, and sees nothing of an offset across the bone. NaN where nobody measured.
        how: what it was measured on.
    """

    skeleton: Skeleton
    weights: Array
    residual_mm: Array
    how: str

    @property
    def known(self) -> NDArray[np.bool_]:
        """(17,) joints that can be had."""
        return np.asarray(np.isfinite(self.weights).all(1))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the joints that cannot be had."""
        return tuple(name for name, there in zip(JOINTS, self.known, strict=True) if not there)

    @property
    def far(self) -> tuple[tuple[str, float], ...]:
        """Joints that lie more than `LOSSY_MM` off, with the residual."""
        return tuple((JOINTS[j], float(mm)) for j, mm in enumerate(self.residual_mm) if mm > LOSSY_MM)

    @property
    def worst(self) -> tuple[str, float]:
        """The joint that lies farthest off, and its residual in mm: NaN where nothing was measured."""
        if not np.isfinite(self.residual_mm).any():
            return "", float("nan")
        j = int(np.nanargmax(self.residual_mm))
        return JOINTS[j], float(self.residual_mm[j])

    @property
    def lossy(self) -> bool:
        """Whether a joint is missing or lies too far off to be called by its name."""
        return bool(self.missing or self.far)

    @property
    def loss(self) -> str:
        """What is lost, in words; empty where nothing is."""
        parts = [f"no {', no '.join(self.missing)}"] if self.missing else []
        return "; ".join(parts + [f"{name} {mm:.0f} mm off" for name, mm in self.far])

    def apply(self, points: Array) -> Array:
        """(..., S, D) of the data set to (..., 17, D); NaN where a joint it is made of is NaN or missing."""
        unknown = np.asarray(~np.isfinite(points).all(-1))
        mapped = np.nan_to_num(self.weights) @ np.where(unknown[..., None], 0, points)
        lost = self.touched(unknown) | ~self.known
        return np.where(lost[..., None], np.float32(np.nan), mapped).astype(np.float32)

    def touched(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(..., S) flags of the data set's joints to (..., 17): whether any joint it is made of has the flag."""
        used = np.nan_to_num(self.weights) != 0
        return np.asarray(flags.astype(np.float32) @ used.T.astype(np.float32) > 0)


def _limbs(sides: tuple[str, str], **limbs: Row | str) -> dict[str, Row]:
    """Rows of both sides.

    Args:
        sides: what `{}` stands for in the sources, right then left.
        limbs: for `hip`, `knee`, ..., one joint of the data set or several with weights.
    """
    rows: dict[str, Row] = {}
    for limb, sources in limbs.items():
        row = {sources: 1.0} if isinstance(sources, str) else sources
        for side, written in zip(("right", "left"), sides, strict=True):
            rows[f"{side}_{limb}"] = {source.format(written): weight for source, weight in row.items()}
    return rows


def _trunk(limbs: dict[str, Row], neck: str = "", head_top: Row | str = "") -> dict[str, Row]:
    """All rows: the pelvis between the hips, and the neck between the shoulders unless it is named."""
    rows = dict(limbs)
    rows["pelvis"] = _middle(rows["right_hip"], rows["left_hip"])
    rows["neck"] = {neck: 1.0} if neck else _middle(rows["right_shoulder"], rows["left_shoulder"])
    if head_top:
        rows["head_top"] = {head_top: 1.0} if isinstance(head_top, str) else head_top
    return rows


def _middle(one: Row, other: Row) -> Row:
    return {source: weight / 2 for row in (one, other) for source, weight in row.items()}


_ARMS_AND_LEGS = {f"{limb}": "{}_" + limb for limb in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")}
_PLAIN = _limbs(("right", "left"), **_ARMS_AND_LEGS)
_NO_FEET = {name: row for name, row in _PLAIN.items() if "foot" not in name}
_MOCAP = _limbs(
    ("Right", "Left"), shoulder="{}Arm", elbow="{}ForeArm", wrist="{}Hand", hip="{}UpLeg", knee="{}Leg", ankle="{}Foot",
    foot="{}ToeBase",
)  # fmt: skip
_ASF = _limbs(
    ("r", "l"), shoulder="{}clavicle", elbow="{}humerus", wrist="{}radius", hip="{}hipjoint", knee="{}femur",
    ankle="{}tibia", foot="{}foot",
)  # fmt: skip
_SEEN = _limbs(
    ("R", "L"), shoulder="{}Shoulder", elbow="{}Elbow", wrist="{}Wrist", hip="{}Hip", knee="{}Knee", ankle="{}Ankle",
    foot={"{}BigToe": 0.45, "{}SmallToe": 0.45, "{}Heel": 0.1},
)  # fmt: skip
"""Points that are seen: tips of the toes and the heel, with the ball of the foot between."""
_MARKED = _limbs(("R", "L"), shoulder="{}Shoulder", hip="{}HJC_study") | _limbs(
    ("r", "L"),
    elbow={"{}_lelbow_study": 0.5, "{}_melbow_study": 0.5}, wrist={"{}_lwrist_study": 0.5, "{}_mwrist_study": 0.5},
    knee={"{}_knee_study": 0.5, "{}_mknee_study": 0.5}, ankle={"{}_ankle_study": 0.5, "{}_mankle_study": 0.5},
    foot={"{}_toe_study": 0.5, "{}_5meta_study": 0.5},
)  # fmt: skip
"""Markers lie on the skin on both sides of a joint, which is between them."""
_CLIP = _limbs(("r", "l"), **(_ARMS_AND_LEGS | {"foot": "{}_toe"}))
_CLIP_NO_FEET = {name: row for name, row in _CLIP.items() if "foot" not in name}

_SMPL_HEAD: Row = {"head": 1.68, "spine3": -0.68}
"""SMPL's head joint is the base of the skull; the crown lies 0.68 times as far beyond it as the upper spine below."""

_ROWS: dict[str, dict[str, Row]] = {
    "sa3dhp17": {name: {name: 1.0} for name in JOINTS},
    "smpl24": _trunk(_PLAIN, "", _SMPL_HEAD),
    "smplh52": _trunk(_PLAIN, "", _SMPL_HEAD),
    "human36m32": _trunk(_MOCAP, "Neck", "HeadEnd"),
    "mpi_inf_3dhp28": _trunk(_PLAIN, "neck", "head_top"),
    "mpi_inf_3dhp17": _trunk(_NO_FEET, "neck", "head_top"),
    "cmu31": _trunk(_ASF, "thorax", "head"),
    "cmu_bvh38": _trunk(_MOCAP, "Neck", "HeadEnd"),
    "opencap20": _trunk(_SEEN, "Neck"),
    "opencap63": _trunk(_MARKED, "Neck"),
    "pose2sim_halpe26": _trunk(_SEEN, "Neck", "Head"),
    "pose2sim_body25b": _trunk(_SEEN, "Neck", "Head"),
    "prepared18": _trunk(_CLIP),
    "prepared13": _trunk(_CLIP_NO_FEET),
    "coco17": _trunk(_NO_FEET),
}

_MEASURED_ON = ("neck", "shoulder", "elbow", "wrist", "head_top", "hip", "knee", "ankle", "foot")
_UNKNOWN = float("nan")
_SMPL = (
    "mean body at rest, by its public offsets; the crown lies beyond the last joint: made so on CMU it is 44 mm off in"
    " the median, 112 mm in one frame of ten",
    (47, 6, 22, 13, 57, 26, 31, 5, 14),
)
_CMU = ("49 recordings of 10 subjects", (42, 26, 21, 48, 6, 2, 16, 34, 22))
_MEASURED: dict[str, tuple[str, tuple[float, ...]]] = {
    "sa3dhp17": ("the same joints", (0,) * 9),
    "smpl24": _SMPL,
    "smplh52": _SMPL,
    "human36m32": ("one subject's rig, by its public offsets", (27, 24, 11, 2, 62, 33, 7, 28, 7)),
    "cmu31": _CMU,
    "cmu_bvh38": _CMU,
    "pose2sim_body25b": ("the shipped demo, one subject", (35, 5, 10, 4, 5, 5, 10, 8, 14)),
    "prepared18": ("two clips of two subjects", (14, 25, 21, 6, _UNKNOWN, 5, 26, 13, 6)),
    "prepared13": ("one clip seen by four cameras", (12, 1, 4, 17, _UNKNOWN, 15, 13, 13, _UNKNOWN)),
}
"""What was measured and in mm how far off: the medians of `sa3dhp-edge data check`, both sides averaged."""


def _map(name: str) -> SkeletonMap:
    skeleton, rows = SKELETONS[name], _ROWS[name]
    how, values = _MEASURED.get(name, ("not measured", (_UNKNOWN,) * len(_MEASURED_ON)))
    measured = dict(zip(_MEASURED_ON, values, strict=True)) | {"pelvis": 0 if name in _MEASURED else _UNKNOWN}
    weights = np.full((J, len(skeleton)), np.nan, np.float32)
    residual = np.full(J, np.nan, np.float32)
    for j, joint in enumerate(JOINTS):
        if joint in rows:
            weights[j] = 0
            for source, weight in rows[joint].items():
                weights[j, skeleton.index(source)] = weight
            residual[j] = measured.get(
                joint.removeprefix("right_").removeprefix("left_"), 0
            )  # the pelvis is the origin
    return SkeletonMap(skeleton, weights, residual, how)


MAPS: dict[str, SkeletonMap] = {name: _map(name) for name in SKELETONS}
"""The map of every skeleton, by its name."""


def map_of(skeleton: str) -> SkeletonMap:
    """The map of a skeleton by its name.

    Raises:
        DataError: there is none.
    """
    if skeleton not in MAPS:
        raise DataError(f"no map from a skeleton {skeleton!r}; there are {', '.join(MAPS)}")
    return MAPS[skeleton]

"""What a folder of recordings holds, and whether its numbers agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.mapping import ProjectPose, bone_lengths_of, template_offsets_mm, to_project
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Split, Take
from sa3dhp_edge.datasets.skeleton_maps import map_of
from sa3dhp_edge.skeleton import BONES, JOINTS

Array = NDArray[np.float32]

SPLITS: tuple[Split, ...] = ("train", "validation", "test", "unlabelled")
_LOOKED_AT = 300
"""Frames of a take that are looked at, spread over it."""
_PROJECTION_SHARE = 0.01
"""Joints farther from their projection than this share of the picture's longer side are not its joints."""


@dataclass(frozen=True)
class TakeFacts:
    """What one take holds; a figure is None where the take has nothing to take it from.

    Attributes:
        seconds: of the rows there are, at the take's rate.
        unknown: joints of ours that no frame has.
        projection_px: median distance of the projected joints from the joints in the picture.
        projection_share: the same over the longer side of the picture.
        offset_mm: (17,) as `mapping.template_offsets_mm`.
        spread_mm: (16,) standard deviation of the bones' lengths.
        feet_forward: share of frames whose feet point to where the hips and the trunk face: near one, and near zero
            where left and right are changed over.
        upright: share of frames with the neck above the hips.
    """

    name: str
    subject: str
    action: str
    split: Split
    frames: int
    seconds: float
    fps: float
    size_wh: tuple[int, int] | None
    camera: tuple[float, ...] | None
    pictures: bool
    skeleton: str
    unknown: tuple[str, ...]
    projection_px: float | None
    projection_share: float | None
    offset_mm: Array | None
    spread_mm: Array | None
    feet_forward: float | None
    upright: float | None
    notes: tuple[str, ...]


def facts_of(take: Take) -> TakeFacts:
    """Look at one take.

    Raises:
        DataError: its joints are not those of its skeleton.
    """
    pose = to_project(_thinned(take), allow_lossy=True) if take.skeleton else None
    mm = None if pose is None or pose.joints_mm is None or not len(take) else pose.joints_mm
    lengths = spread = None
    if mm is not None:
        lengths, spread = bone_lengths_of(mm)
    distance = None if pose is None else _projection_px(take, pose)
    longer = max(take.size_wh) if take.size_wh else None
    camera = take.camera
    return TakeFacts(
        name=take.name,
        subject=take.subject,
        action=take.action,
        split=take.split,
        frames=len(take),
        seconds=len(take) / take.fps,
        fps=take.fps,
        size_wh=take.size_wh,
        camera=None if camera is None else (*camera.focal_px, *camera.center_px),
        pictures=take.pictures is not None,
        skeleton=take.skeleton,
        unknown=() if pose is None else tuple(n for n, there in zip(JOINTS, pose.known, strict=True) if not there),
        projection_px=distance,
        projection_share=distance / longer if distance is not None and longer else None,
        offset_mm=None if lengths is None else template_offsets_mm(lengths),
        spread_mm=spread,
        feet_forward=None if mm is None else _share(_feet_forward(mm)),
        upright=None if mm is None else _share(_upright(mm)),
        notes=take.notes,
    )


def _thinned(take: Take) -> Take:
    """At most `_LOOKED_AT` frames, evenly spread."""
    if len(take) <= _LOOKED_AT:
        return take
    at = np.linspace(0, len(take) - 1, _LOOKED_AT).astype(int)
    kept = {
        name: array[at]
        for name in ("joints_mm", "joints_px", "visible", "rot_world_to_camera", "camera_position_mm", "frames")
        if (array := getattr(take, name)) is not None
    }
    return replace(take, **kept)


def _projection_px(take: Take, pose: ProjectPose) -> float | None:
    """Joints of one source only are compared: the middle of two in space is not their middle in the picture."""
    if pose.joints_mm is None or pose.joints_px is None or take.camera is None or take.camera.assumed:
        return None
    single = (np.nan_to_num(map_of(take.skeleton).weights) != 0).sum(1) == 1
    apart = np.linalg.norm(project_px(pose.joints_mm, take.camera) - pose.joints_px, axis=-1)[:, single]
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if apart.size else None


def _joint(mm: Array, name: str) -> Array:
    return np.asarray(mm[:, JOINTS.index(name)])


def _upright(mm: Array) -> Array:
    """(T,) mm by which the neck is higher than the pelvis; y points down."""
    return np.asarray((_joint(mm, "pelvis") - _joint(mm, "neck"))[:, 1])


def _feet_forward(mm: Array) -> Array:
    """(T,) how far the feet point to the front: the cross product of upwards and to the person's right."""
    upwards = _joint(mm, "neck") - _joint(mm, "pelvis")
    rightwards = _joint(mm, "right_hip") - _joint(mm, "left_hip")
    feet = [_joint(mm, f"{side}_foot") - _joint(mm, f"{side}_ankle") for side in ("right", "left")]
    return np.asarray((np.cross(upwards, rightwards) * (feet[0] + feet[1])).sum(-1))


def _share(values: Array) -> float | None:
    """Share of the known values above zero."""
    known = values[np.isfinite(values)]
    return float((known > 0).mean()) if known.size else None


@dataclass(frozen=True)
class SplitCount:
    """Takes of one side of the official protocol."""

    split: Split
    takes: int
    subjects: int
    actions: int
    frames: int
    minutes: float


@dataclass(frozen=True)
class SkeletonFacts:
    """One skeleton as it was found.

    Attributes:
        takes: how many have it.
        missing: joints that the skeleton cannot give.
        lossy: whether the map is refused unless it is allowed.
        residual_mm, residual_joint, residual_how: the map's own figure where it is largest; NaN where nobody measured.
        offset_mm: joint of ours -> the same figure measured here, the median over the takes.
        spread_mm: bone of ours -> how much its length varies within a take, the median over the takes.
    """

    name: str
    title: str
    takes: int
    missing: tuple[str, ...]
    lossy: bool
    residual_mm: float
    residual_joint: str
    residual_how: str
    offset_mm: dict[str, float]
    spread_mm: dict[str, float]


def count_splits(facts: Iterable[TakeFacts]) -> tuple[SplitCount, ...]:
    """One row for each side that has takes, in the order train, validation, test, unlabelled."""
    facts = tuple(facts)
    rows = []
    for split in SPLITS:
        mine = [f for f in facts if f.split == split]
        if mine:
            subjects, actions = ({getattr(f, name) for f in mine} - {""} for name in ("subject", "action"))
            minutes = sum(f.seconds for f in mine) / 60
            rows.append(SplitCount(split, len(mine), len(subjects), len(actions), sum(f.frames for f in mine), minutes))
    return tuple(rows)


def describe_skeletons(facts: Iterable[TakeFacts]) -> tuple[SkeletonFacts, ...]:
    """One row for each skeleton that was met, the most frequent first."""
    facts = tuple(f for f in facts if f.skeleton)
    rows = []
    for name, takes in Counter(f.skeleton for f in facts).most_common():
        chosen = map_of(name)
        mine = [f for f in facts if f.skeleton == name]
        joint, residual = chosen.worst
        measured = [f.offset_mm for f in mine if f.offset_mm is not None]
        varied = [f.spread_mm for f in mine if f.spread_mm is not None]
        rows.append(
            SkeletonFacts(
                name=name,
                title=chosen.skeleton.title,
                takes=takes,
                missing=chosen.missing,
                lossy=chosen.lossy,
                residual_mm=residual,
                residual_joint=joint,
                residual_how=chosen.how,
                offset_mm=_medians(measured, JOINTS),
                spread_mm=_medians(varied, BONES),
            )
        )
    return tuple(rows)


def largest(values: dict[str, float]) -> tuple[str, float]:
    """The name with the largest value, and the value; no name and NaN where there is none."""
    return max(values.items(), key=lambda pair: pair[1], default=("", float("nan")))


def _medians(rows: Sequence[Array], names: Sequence[str]) -> dict[str, float]:
    """Median of each column over the rows that know it; columns nobody knows are left out."""
    columns = np.array(rows, np.float32).reshape(-1, len(names)).T
    known = {name: column[np.isfinite(column)].tolist() for name, column in zip(names, columns, strict=True)}
    return {name: round(median(values), 1) for name, values in known.items() if values}


def problems_of(facts: Iterable[TakeFacts], allow_lossy: bool) -> tuple[str, ...]:
    """What cannot be right in these takes, or will be refused; one line each."""
    facts = tuple(facts)
    lines = []
    for name in sorted({f.skeleton for f in facts if f.skeleton}):
        chosen = map_of(name)
        if chosen.lossy and not allow_lossy:
            lines.append(f"{chosen.skeleton.title}: {chosen.loss}; with --allow-lossy it is used without them")
    far = [f for f in facts if f.projection_share is not None and f.projection_share > _PROJECTION_SHARE]
    lines += _some(far, "the camera and the joints disagree", lambda f: f"{f.projection_px:.1f} px in the median")
    changed = [f for f in facts if f.feet_forward is not None and f.feet_forward < 0.5]
    lines += _some(changed, "left and right may be changed over", lambda f: f"feet forward in {f.feet_forward:.0%}")
    fallen = [f for f in facts if f.upright is not None and f.upright < 0.2]
    lines += _some(fallen, "upside down, or lying throughout", lambda f: f"upright in {f.upright:.0%} of the frames")
    return tuple(lines)


def _some(found: Sequence[TakeFacts], what: str, detail: Callable[[TakeFacts], str]) -> list[str]:
    """One line for all takes with the same trouble, the first of them by name."""
    if not found:
        return []
    others = f" and {len(found) - 1} more takes" if len(found) > 1 else ""
    return [f"{found[0].name}{others}: {what} ({detail(found[0])})"]

"""A stretch of motion, played by one subject in one place: joints in the world, feet on the floor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import rotation_about_y
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import BONES, JOINTS, TEMPLATE_BONE_MM, pose_from_directions

Array = NDArray[np.float32]

UNDER_MM = np.array([{"ankle": 72, "foot": 24, "knee": 55, "hip": 105, "wrist": 30, "elbow": 42, "shoulder": 62}.get(
    name.split("_")[-1], 105 if name == "pelvis" else 70) for name in JOINTS], np.float32)  # fmt: skip
"""(17,) mm of flesh below each joint of the template when it rests on the floor."""


class Facing(NamedTuple):
    """In the middle of the clip a `share` of all people face the camera within `deg` to either side, the rest do not
    care."""

    deg: float
    share: float


class Stretch(NamedTuple):
    """What a person plays, before it has a body.

    Attributes:
        directions: (T, 16, 3) unit bone directions.
        root_mm: (T, 3) mm, pelvis of a person with the template's leg length.
        azimuth_deg: how far the person is turned about the vertical.
        fps: frames per second.
        sequence: index of the sequence it is from.
        velocity_mm_s: (T, 17, 3) of the template's joints, before the turn.
    """

    directions: Array
    root_mm: Array
    azimuth_deg: float
    fps: float
    sequence: int
    velocity_mm_s: Array


def draw_stretch(rng: np.random.Generator, motion: MotionSet, frames: int, fps: float, facing: Facing) -> Stretch:
    """A random stretch of one sequence, turned to the camera as asked; one that is too short runs forth and back."""
    if not len(motion.sequence):
        raise DataError("the motion set holds no frames")
    sequence = int(motion.sequence[int(rng.integers(len(motion.sequence)))])
    first, end = np.searchsorted(motion.sequence, (sequence, sequence + 1))
    last = int(end - first - 1)
    need = (frames - 1) * motion.hz / fps
    at = rng.uniform(0, max(last - need, 0)) + np.arange(frames) * motion.hz / fps
    at = last - np.abs(last - at % (2 * last)) if last else np.zeros(frames)
    directions, root = _between(motion, int(first), last, at)
    within = facing.deg if rng.random() < facing.share else 180.0
    azimuth = to_face_camera(directions[frames // 2]) + float(rng.uniform(-within, within))
    return Stretch(directions, root, azimuth, fps, sequence, _velocity(motion, int(first), last, at))


def _between(motion: MotionSet, first: int, last: int, at: NDArray[np.float64]) -> tuple[Array, Array]:
    """Directions (T, 16, 3) and root (T, 3) at fractional frames 0..last of a sequence that starts at `first`."""
    low = np.minimum(np.floor(at).astype(int), max(last - 1, 0))
    high, share = np.minimum(low + 1, last), (at - low)[:, None]
    root = motion.root_mm[first + low] * (1 - share) + motion.root_mm[first + high] * share
    share = share[..., None]
    bones = motion.directions[first + low] * (1 - share) + motion.directions[first + high] * share
    bones = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
    return bones.astype(np.float32), root.astype(np.float32)


def _velocity(motion: MotionSet, first: int, last: int, at: NDArray[np.float64]) -> Array:
    """(T, 17, 3) mm/s of the template's joints, from a frame before to a frame after."""
    ends = np.stack([np.maximum(at - 1, 0), np.minimum(at + 1, last)])
    seconds = np.maximum(ends[1] - ends[0], 1e-3)[:, None, None] / motion.hz
    before, after = (_between(motion, first, last, end) for end in ends)
    moved = pose_from_directions(after[0]) - pose_from_directions(before[0]) + (after[1] - before[1])[:, None]
    return np.asarray(moved / seconds, np.float32)


def to_face_camera(directions: Array) -> float:
    """Azimuth in degrees that turns a person, given by bone directions (16, 3), to look towards -z."""
    across = directions[BONES.index("left_hip")] - directions[BONES.index("right_hip")]
    across = across + directions[BONES.index("left_shoulder")] - directions[BONES.index("right_shoulder")]
    return 180.0 - float(np.degrees(np.arctan2(across[2], -across[0])))


def act(directions: Array, root_mm: Array, bone_mm: Array, size: float, azimuth_deg: float) -> Array:
    """Joints (T, 17, 3) mm of a subject in the world.

    The person is turned about the vertical, walks about the origin, and the lowest point of the stretch
    touches the floor y = 0.
    """
    directions = directions.copy()
    right, left = BONES.index("right_hip"), BONES.index("left_hip")
    line = directions[:, right] - directions[:, left]
    line /= np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-6)
    directions[:, right], directions[:, left] = line, -line
    legs = [BONES.index(f"right_{name}") for name in ("knee", "ankle")]
    stride = bone_mm[legs].sum() / TEMPLATE_BONE_MM[legs].sum()
    turn = rotation_about_y(azimuth_deg).astype(np.float32).T
    joints = (pose_from_directions(directions, bone_mm) + root_mm[:, None] * stride) @ turn
    low, high = joints[:, 0].min(0), joints[:, 0].max(0)
    joints -= np.array([(low[0] + high[0]) / 2, 0, (low[2] + high[2]) / 2], np.float32)
    joints[..., 1] -= (joints[..., 1] + UNDER_MM * size).max()
    return np.asarray(joints, np.float32)

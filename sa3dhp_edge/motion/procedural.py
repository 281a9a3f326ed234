"""A wide repertoire of made-up human motion: actions joined, layered, mirrored and put on the floor."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion import low_body, upper_body, whole_body
from sa3dhp_edge.motion.anatomy import ANGLES, ARMS, COLUMN, directions_from_angles, mirror_angles, within_limits
from sa3dhp_edge.motion.motion_set import MOTION_HZ, MotionSet
from sa3dhp_edge.motion.timing import draw, ease, noise
from sa3dhp_edge.motion.upper_body import UpperAction
from sa3dhp_edge.motion.whole_body import Action, Clip
from sa3dhp_edge.skeleton import pose_from_directions

Array = NDArray[np.float64]
Rng = np.random.Generator

SEQUENCE_S = (4.0, 12.0)

_ON_FEET: dict[Action, float] = {
    whole_body.stand: 5, whole_body.walk: 5, whole_body.run: 2, whole_body.turn_around: 1, whole_body.side_step: 1,
    whole_body.squat: 2.5, whole_body.lunge: 1.5, whole_body.bend: 2, whole_body.jump: 1.2,
    whole_body.jumping_jack: 1, whole_body.kick: 1.2, whole_body.one_leg: 1.2, whole_body.juggle: 1.2,
    whole_body.dance: 3, whole_body.step_freely: 4.5,
}  # fmt: skip
_SEATED: dict[Action, float] = {low_body.sit: 4, low_body.sit_on_floor: 1, low_body.kneel: 1.2}
_ON_FLOOR: dict[Action, float] = {low_body.on_hands: 1, low_body.lie: 1, low_body.get_up: 1}
_FAMILIES = ((_ON_FEET, 0.74), (_SEATED, 0.16), (_ON_FLOOR, 0.10))

_UPPER: dict[UpperAction, float] = {
    upper_body.reach: 4, upper_body.both_reach: 2, upper_body.wave: 1, upper_body.punch: 1.5, upper_body.throw: 1.5,
    upper_body.carry: 1.2, upper_body.hands_on_body: 2.5, upper_body.talk: 2, upper_body.swing: 1.5,
    upper_body.wash: 1.2, upper_body.hands_together: 2,
}  # fmt: skip
_ARMS_ADDED: dict[Action, float] = {
    whole_body.jumping_jack: 0.05, whole_body.jump: 0.3, whole_body.run: 0.15, whole_body.dance: 0.2,
    whole_body.one_leg: 0.3, low_body.on_hands: 0.0, low_body.lie: 0.2, low_body.get_up: 0.0,
}  # fmt: skip
_USUALLY_ADDED = 0.55
"""How often an action's own arms give way to an upper-body action, where nothing else is said."""

_HABIT_DEG: dict[str, float] = {
    "pitch": 3, "lean": 1.5, "trunk_flex": 5, "trunk_side": 2.5, "trunk_twist": 3, "head_flex": 8, "head_side": 4,
    "head_twist": 9, "clavicle_up": 6, "clavicle_front": 5, "arm_flex": 5, "arm_out": 4, "arm_inward": 10, "elbow": 7,
    "hip_flex": 2, "hip_out": 2, "hip_inward": 5, "knee": 2.5, "ankle": 2,
}  # fmt: skip
_IS_ARM = np.isin(np.arange(len(ANGLES)), ARMS)
_IS_LEFT = np.array([name.startswith("left_") for name in ANGLES])
_FOLLOWS = np.array([0.7 if name.startswith(("trunk", "head")) else 0.0 for name in ANGLES])
_SMOOTH_TICKS = 8
_CROUCH_SHARE: dict[str, float] = {"hip_flex": 1, "knee": 1.7, "ankle": 0.7, "trunk_flex": 0.5}


def _per_angle(degrees: dict[str, float]) -> Array:
    """(A,) from values by name, a limb's without a side."""
    return np.array([degrees.get(name.removeprefix("right_").removeprefix("left_"), 0.0) for name in ANGLES])


_HABITS = _per_angle(_HABIT_DEG)
_CROUCH = _per_angle(_CROUCH_SHARE)


def procedural_motion(seconds: float, seed: int) -> MotionSet:
    """Make sequences of 4 to 12 s.

    Args:
        seconds: length of all together; the last sequence may exceed it.
        seed: equal seeds give equal motion.

    Returns:
        Motion at 60 Hz, named after the actions.
    """
    if not seconds > 0:
        raise DataError(f"{seconds} s of procedural motion were asked for", "ask for more than 0 s")
    rng = np.random.default_rng(seed)
    clips: list[Clip] = []
    names: list[str] = []
    while sum(len(clip.lift_mm) for clip in clips) < seconds * MOTION_HZ:
        clip, name = _sequence(rng, round(draw(rng, SEQUENCE_S) * MOTION_HZ))
        clips.append(clip)
        names.append(name)
    parts = [_on_floor(clip) for clip in clips]
    lengths = [len(clip.lift_mm) for clip in clips]
    return MotionSet(
        np.concatenate([directions for directions, _ in parts]),
        np.concatenate([root for _, root in parts]),
        np.repeat(np.arange(len(clips), dtype=np.int32), lengths),
        MOTION_HZ,
        tuple(names),
    )


def _choice(rng: Rng, weights: Iterable[float]) -> int:
    share = np.array(list(weights), float)
    return int(rng.choice(len(share), p=share / share.sum()))


def _sequence(rng: Rng, ticks: int) -> tuple[Clip, str]:
    """One to three actions of one family, blended into each other, with the habits of one person."""
    family, _ = _FAMILIES[_choice(rng, (share for _, share in _FAMILIES))]
    count = 1 if family is _ON_FLOOR else int(rng.integers(1, 4))
    blend = round(draw(rng, (0.5, 0.9)) * MOTION_HZ)
    ends = np.linspace(0, ticks, count + 1).astype(int)[1:]
    joined, name = _action(rng, family, ends[0] + blend)
    for end in ends[1:]:
        clip, next_name = _action(rng, family, end - len(joined.lift_mm) + 2 * blend)
        joined, name = _join(joined, clip, blend), f"{name} > {next_name}"
    angles, lift = joined.angles[:ticks], joined.lift_mm[:ticks]
    angles = angles + _HABITS * (rng.standard_normal(len(ANGLES)) + 0.35 * noise(rng, ticks, len(ANGLES), 0.8))
    angles[:, COLUMN["turn"]] += rng.uniform(-180, 180)
    if family is _ON_FEET:
        angles += rng.choice([0, 0, 0.3, 1]) * rng.uniform(5, 30) * _CROUCH
    return Clip(within_limits(angles), lift), name


def _join(first: Clip, second: Clip, blend: int) -> Clip:
    """The end of one clip blends into the start of the next, which takes over the heading."""
    turn = COLUMN["turn"]
    follow = second.angles.copy()
    follow[:, turn] += first.angles[-blend, turn] - follow[0, turn]
    weight = ease(np.arange(blend) / blend)
    angles = (1 - weight)[:, None] * first.angles[-blend:] + weight[:, None] * follow[:blend]
    lift = (1 - weight) * first.lift_mm[-blend:] + weight * second.lift_mm[:blend]
    return Clip(
        np.concatenate([first.angles[:-blend], angles, follow[blend:]]),
        np.concatenate([first.lift_mm[:-blend], lift, second.lift_mm[blend:]]),
    )


def _action(rng: Rng, family: dict[Action, float], ticks: int) -> tuple[Clip, str]:
    """One action, mirrored half of the time, its arms perhaps replaced by an upper-body action."""
    action = list(family)[_choice(rng, family.values())]
    clip, name = action(rng, ticks), action.__name__
    angles = mirror_angles(clip.angles) if rng.uniform() < 0.5 else clip.angles
    if rng.uniform() < _ARMS_ADDED.get(action, _USUALLY_ADDED):
        upper, upper_name = _upper(rng, ticks)
        angles = np.where(_IS_ARM, upper, angles + _FOLLOWS * upper)
        name = f"{name}+{upper_name}"
    return Clip(angles, clip.lift_mm), name


def _upper(rng: Rng, ticks: int) -> tuple[Array, str]:
    """One upper-body action, mirrored half of the time; sometimes each arm has its own."""
    action = list(_UPPER)[_choice(rng, _UPPER.values())]
    angles, name = action(rng, ticks), action.__name__
    if rng.uniform() < 0.5:
        angles = mirror_angles(angles)
    if rng.uniform() < 0.25:
        other = list(_UPPER)[_choice(rng, _UPPER.values())]
        angles = np.where(_IS_LEFT, mirror_angles(other(rng, ticks)), angles)
        name = f"{name}&{other.__name__}"
    return angles, name


def _on_floor(clip: Clip) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Directions (T, 16, 3) and root positions (T, 3) mm: the lowest joint touches the floor and does not slide."""
    directions = directions_from_angles(clip.angles).astype(np.float32)
    pose = pose_from_directions(directions).astype(np.float64)
    height = pose[..., 1].max(-1)
    weight = np.exp((pose[..., 1] - height[:, None]) / 15.0)
    weight /= weight.sum(-1, keepdims=True)
    slide = -(weight[1:, :, None] * np.diff(pose, axis=0)).sum(1)
    root = np.zeros((len(pose), 3))
    root[1:] = np.cumsum(slide, 0)
    window = np.hanning(2 * _SMOOTH_TICKS + 1)[1:-1]
    padded = np.pad(root, ((_SMOOTH_TICKS - 1, _SMOOTH_TICKS - 1), (0, 0)), mode="edge")
    root = np.stack([np.convolve(padded[:, i], window / window.sum(), "valid") for i in range(3)], -1)
    root[:, 1] = -height - clip.lift_mm
    return directions, root.astype(np.float32)

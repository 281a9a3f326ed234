"""What the whole body does: standing, walking, jumping, dancing; a function per action.

Every action takes a random source and a number of frames and gives a `Clip`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.motion.anatomy import COLUMN, A, mirror_angles
from sa3dhp_edge.motion.motion_set import MOTION_HZ
from sa3dhp_edge.motion.timing import ANKLES, Form, Range, cycle, draw, key_motion, noise, posture, round_and_round

Array = NDArray[np.float64]
Rng = np.random.Generator

GRAVITY_MM_S2 = 9810.0


@dataclass(frozen=True)
class Clip:
    """Angles (T, A) in degrees and the height of the lowest joint above the floor, (T,) mm."""

    angles: Array
    lift_mm: Array


Action = Callable[[Rng, int], Clip]


def grounded(angles: Array) -> Clip:
    """A motion that never leaves the floor."""
    return Clip(angles, np.zeros(len(angles)))


def level_soles(angles: Array, side: str, share: Array | float = 1.0) -> None:
    """Turn one ankle, in place, so that the sole is level; `share` (T,) of the way there."""
    level = angles[:, COLUMN["pitch"]] - angles[:, COLUMN[f"{side}_hip_flex"]] + angles[:, COLUMN[f"{side}_knee"]]
    ankle = angles[:, COLUMN[f"{side}_ankle"]]
    angles[:, COLUMN[f"{side}_ankle"]] = ankle + share * (level - ankle)


def stand(rng: Rng, ticks: int) -> Clip:
    """Stand and shift the weight from leg to leg."""
    keys = [posture(rng, hip_flex=(0, 8), knee=(0, 12), hip_out=(0, 10), hip_inward=(-15, 5), turn=(-8, 8))]
    for sign in (1, -1):
        free = "left" if sign > 0 else "right"
        relaxed = {f"{free}_knee": (5, 35), f"{free}_hip_flex": (5, 25), f"{free}_hip_out": (2, 14)}
        keys.append(
            posture(rng, lean=(-4, 4), trunk_side=sign * 4, trunk_twist=(-12, 12), head_twist=(-45, 45), **relaxed)
        )
    return grounded(key_motion(rng, ticks, keys, (0.7, 1.6), (0.5, 2.5)))


def gait(rng: Rng, ticks: int, stride_hz: Range, amplitude: float) -> Array:
    """(T, A) walking: right and left half a cycle apart; amplitude 1 is an ordinary walk."""
    angles = np.tile(posture(rng, ankle=0.0, trunk_flex=(-2, 10), pitch=(0, 8), elbow=(10, 45)), (ticks, 1))
    phase = cycle(rng, ticks, stride_hz)
    swing, mean = draw(rng, (3, 32)) * amplitude, draw(rng, (-6, 8))
    lift = draw(rng, (0.8, 1.3))
    for side, late in (("right", 0.0), ("left", 0.5)):
        p = phase + late
        angles[:, COLUMN[f"{side}_hip_flex"]] = 9 + 21 * amplitude * np.cos(2 * np.pi * p)
        angles[:, COLUMN[f"{side}_knee"]] = lift * round_and_round(p, (0, 0.13, 0.4, 0.72, 0.97), (5, 17, 6, 60, 4))
        angles[:, COLUMN[f"{side}_ankle"]] = round_and_round(p, (0, 0.08, 0.45, 0.62, 0.8), (2, -5, 11, -18, 1))
        angles[:, COLUMN[f"{side}_arm_flex"]] = mean - swing * np.cos(2 * np.pi * p)
        angles[:, COLUMN[f"{side}_elbow"]] += 0.35 * swing * (1 - np.cos(2 * np.pi * p))
    twist = 5 * amplitude * np.cos(2 * np.pi * phase)
    angles[:, COLUMN["spin"]] = -twist
    angles[:, COLUMN["trunk_twist"]] = draw(rng, (1.2, 2.2)) * twist
    angles[:, COLUMN["lean"]] = 3 * np.sin(2 * np.pi * phase)
    return angles


def _wander(rng: Rng, angles: Array, rate_deg_s: float) -> None:
    """Turn about the vertical, in place, at a slowly changing rate; lean into the curve."""
    rate = rate_deg_s * (rng.normal() + noise(rng, len(angles), 1, 0.3)[:, 0])
    angles[:, COLUMN["turn"]] += np.cumsum(rate) / MOTION_HZ
    angles[:, COLUMN["lean"]] += np.clip(0.06 * rate, -8, 8)


def walk(rng: Rng, ticks: int) -> Clip:
    """Walk, slowly to briskly, straight or in curves."""
    brisk = rng.uniform(0.35, 1.3)
    angles = gait(rng, ticks, 0.55 + 0.42 * brisk, brisk)
    _wander(rng, angles, draw(rng, (0, 40)))
    return grounded(angles)


def side_step(rng: Rng, ticks: int) -> Clip:
    """Step to the side and back, feet crossing or closing."""
    wide = posture(rng, hip_out=(12, 28), knee=(5, 40), hip_flex=(5, 30))
    closed = posture(rng, hip_out=(-8, 4), knee=(3, 25), hip_flex=(3, 15))
    step = posture(rng, right_hip_out=(10, 25), right_knee=(20, 60), right_hip_flex=(15, 40), left_knee=(3, 20))
    return grounded(key_motion(rng, ticks, [closed, step, wide], (0.25, 0.6), (0, 0.3)))


def run(rng: Rng, ticks: int) -> Clip:
    """Jog or run, with a flight phase in each step."""
    speed = rng.uniform(0.6, 1.3)
    angles = np.tile(posture(rng, pitch=(4, 14), trunk_flex=(2, 14), elbow=(70, 110), ankle=0.0), (ticks, 1))
    phase = cycle(rng, ticks, 1.15 + 0.25 * speed)
    swing = 32 * speed
    for side, late in (("right", 0.0), ("left", 0.5)):
        p = phase + late
        angles[:, COLUMN[f"{side}_hip_flex"]] = 18 + 27 * speed * np.cos(2 * np.pi * (p + 0.06))
        knee = round_and_round(p, (0, 0.13, 0.3, 0.62, 0.96), (15, 38, 18, 60 + 40 * speed, 12))
        angles[:, COLUMN[f"{side}_knee"]] = knee
        angles[:, COLUMN[f"{side}_ankle"]] = round_and_round(p, (0, 0.15, 0.36, 0.6), (5, 18, -28, -8))
        angles[:, COLUMN[f"{side}_arm_flex"]] = -5 - swing * np.cos(2 * np.pi * p)
        angles[:, COLUMN[f"{side}_arm_inward"]] = draw(rng, (5, 35))
    angles[:, COLUMN["spin"]] = -7 * speed * np.cos(2 * np.pi * phase)
    angles[:, COLUMN["trunk_twist"]] = 14 * speed * np.cos(2 * np.pi * phase)
    _wander(rng, angles, draw(rng, (0, 40)))
    flight = np.clip(np.sin(2 * np.pi * (2 * phase - 0.7)), 0, None) ** 2
    return Clip(angles, 55 * speed * flight)


def turn_around(rng: Rng, ticks: int) -> Clip:
    """Step on the spot and turn, up to several times round."""
    angles = gait(rng, ticks, (0.7, 1.2), rng.uniform(0.15, 0.5))
    angles[:, COLUMN["turn"]] += np.cumsum(rng.uniform(30, 220) * (1 + 0.4 * noise(rng, ticks, 1)[:, 0])) / MOTION_HZ
    return grounded(angles)


def squat(rng: Rng, ticks: int) -> Clip:
    """Go down on both legs and rise, shallow to deep; sometimes stay low for a while."""
    depth = 1 - 0.6 * rng.uniform() ** 1.5
    arms = {"arm_flex": draw(rng, (-10, 100)), "elbow": draw(rng, (0, 110)), "arm_inward": draw(rng, (-10, 60))}
    stance = {"hip_out": draw(rng, (0, 30)), "hip_inward": draw(rng, (-8, 8))}
    down = {"pitch": depth * draw(rng, (15, 50)), "trunk_flex": depth * draw(rng, (0, 30))}
    keys = [
        posture(rng, **stance),
        posture(rng, **stance, **down, **arms, hip_flex=depth * draw(rng, (95, 125)), knee=depth * 135),
    ]
    longest = 2.5 if rng.uniform() < 0.25 else 0.8
    return grounded(key_motion(rng, ticks, keys, (0.5, 1.1), (0, longest)))


def lunge(rng: Rng, ticks: int) -> Clip:
    """Long steps forwards or to the side that bend the front knee."""
    front = draw(rng, (50, 105))
    forwards = posture(
        rng, right_hip_flex=front, right_knee=front, left_hip_flex=(-28, -5), left_knee=(15, 85), trunk_flex=(-5, 35),
        left_ankle=(-25, 10), pitch=(0, 15),
    )  # fmt: skip
    sideways = posture(
        rng, right_hip_flex=(50, 85), right_hip_out=(15, 40), right_knee=(60, 100), left_hip_out=(25, 45),
        left_hip_flex=(5, 30), left_knee=(0, 10), pitch=(10, 35), lean=(-5, 15), trunk_flex=(0, 30),
    )  # fmt: skip
    keys = [posture(rng), forwards if rng.uniform() < 0.6 else sideways]
    return grounded(key_motion(rng, ticks, keys, (0.45, 0.9), (0, 0.9)))


def bend(rng: Rng, ticks: int) -> Clip:
    """Bend forwards, sideways or backwards, or reach for the floor and pick something up."""
    stance = {"hip_out": draw(rng, (0, 25))}
    hips = draw(rng, (20, 100))
    stride = draw(rng, (0, 30)) * float(rng.choice([0, 1]))
    knee = draw(rng, (0, 70))
    low = posture(
        rng, **stance, pitch=hips, knee=knee, right_hip_flex=min(hips + 0.5 * knee + stride, 125),
        left_hip_flex=hips + 0.5 * knee - stride, right_arm_flex=(-40, 150), right_arm_out=(-30, 90),
        trunk_flex=(10, 65), trunk_twist=(-55, 55),
        head_flex=(-30, 25), arm_flex=(30, 125), elbow=(0, 50), arm_out=(-15, 30),
    )  # fmt: skip
    aside = posture(
        rng, **stance, lean=(5, 20), right_hip_out=(-15, 5), left_hip_out=(10, 28), trunk_side=(10, 35),
        left_arm_out=(20, 165), trunk_flex=(-10, 20),
    )  # fmt: skip
    back = posture(rng, **stance, pitch=(-20, -5), hip_flex=(-20, -8), knee=(0, 25), trunk_flex=-25, head_flex=(-45, 0))
    raised = posture(rng, **stance, arm_flex=(40, 180), elbow=(0, 90), trunk_flex=(-15, 5))
    share = rng.dirichlet([3, 1, 1])
    keys = [posture(rng, **stance), [low, aside, back][int(rng.choice(3, p=share))], raised]
    return grounded(key_motion(rng, ticks, keys, (0.6, 1.2), (0, 0.8)))


def _flight(phase: Array, start: float, end: float, rate_hz: float) -> Array:
    """(T,) mm above the floor while the phase is between start and end: free fall."""
    u = np.clip((phase % 1 - start) / (end - start), 0, 1)
    seconds = (end - start) / rate_hz
    return np.asarray(GRAVITY_MM_S2 * seconds**2 / 2 * u * (1 - u))


def jump(rng: Rng, ticks: int) -> Clip:
    """Jump on both legs, or hop on one, with or without tucking."""
    rate = rng.uniform(0.5, 1.0)
    crouch_deg = draw(rng, (25, 90))
    crouch = posture(
        rng, hip_flex=crouch_deg, knee=crouch_deg * 1.2, pitch=crouch_deg * 0.4, trunk_flex=(5, 30), arm_flex=(-50, 0)
    )
    launch = posture(rng, ankle=-35, arm_flex=(0, 170), arm_out=(5, 60), trunk_flex=(-10, 0))
    tuck = draw(rng, (0, 90))
    air = posture(rng, hip_flex=tuck, knee=tuck * 1.1, ankle=-25, hip_out=(0, 30), arm_flex=(0, 150), arm_out=(5, 80))
    if rng.uniform() < 0.3:  # on one leg
        for key in (crouch, launch, air):
            key[COLUMN["left_knee"]], key[COLUMN["left_hip_flex"]] = 95, 20
    phase = cycle(rng, ticks, rate, 0.0)
    keys = np.stack([crouch, launch, air, launch])
    return Clip(round_and_round(phase, (0.2, 0.45, 0.6, 0.76), keys), _flight(phase, 0.45, 0.76, max(rate, 0.8)))


def jumping_jack(rng: Rng, ticks: int) -> Clip:
    """Legs apart and arms up together, then back."""
    rate = rng.uniform(0.7, 1.3)
    elbow = draw(rng, (0, 40))
    closed = posture(rng, hip_out=(-2, 5), arm_out=(5, 20), knee=(5, 25), hip_flex=(5, 15), elbow=elbow)
    apart = posture(rng, hip_out=(18, 32), arm_out=(110, 172), knee=(2, 20), hip_flex=(2, 12), elbow=elbow)
    air = (closed + apart) / 2
    air[list(ANKLES)] = -30
    phase = cycle(rng, ticks, rate, 0.03)
    angles = round_and_round(phase, (0, 0.25, 0.5, 0.75), np.stack([closed, air, apart, air]))
    return Clip(angles, _flight((2 * phase) % 1, 0.35, 0.65, 2 * rate))


def kick(rng: Rng, ticks: int) -> Clip:
    """Kick forwards, sideways or backwards."""
    guard = posture(rng, knee=(5, 30), hip_flex=(5, 25), elbow=(60, 130), arm_flex=(20, 60), arm_inward=(0, 40))
    chamber = posture(
        rng, right_hip_flex=(60, 110), right_knee=(90, 140), right_ankle=(-20, 10), left_knee=(5, 25),
        left_hip_flex=(0, 15), elbow=(40, 120), arm_flex=(0, 60), pitch=(-10, 5), turn=(-20, 40),
    )  # fmt: skip
    strikes: list[Form] = [
        {"right_hip_flex": (60, 125), "pitch": (-25, 0), "trunk_flex": (0, 25)},
        {"right_hip_flex": (10, 60), "right_hip_out": (35, 60), "lean": (-50, -10), "left_hip_out": (0, 15)},
        {"right_hip_flex": -30.0, "pitch": (10, 60), "left_hip_flex": (10, 60), "trunk_flex": (-15, 10)},
    ]
    strike = posture(
        rng, **strikes[int(rng.integers(3))], right_knee=(0, 25), right_ankle=(-45, 0), left_knee=(2, 25),
        elbow=(10, 110), arm_flex=(-40, 80), arm_out=(10, 70), turn=(-30, 90),
    )  # fmt: skip
    return grounded(key_motion(rng, ticks, [guard, chamber, strike, chamber], (0.18, 0.4), (0, 0.25)))


def one_leg(rng: Rng, ticks: int) -> Clip:
    """Balance on one leg: knee up, arabesque, stretching the thigh, leg to the side."""
    standing: Form = {"left_knee": (0, 20), "left_hip_flex": (0, 10)}
    forms: list[Form] = [
        {"right_hip_flex": (40, 115), "right_knee": (40, 130)},
        {"right_hip_flex": (-30, -15), "right_knee": (0, 60), "pitch": (5, 75), "trunk_flex": (-45, 10)},
        {"right_hip_flex": (-20, 5), "right_knee": (110, 145)},
        {"right_hip_out": (20, 60), "right_hip_flex": (0, 60), "right_knee": (0, 100), "lean": (-25, 0)},
        {"right_hip_flex": (50, 90), "right_hip_out": (30, 55), "right_hip_inward": -50.0, "right_knee": (90, 140)},
    ]
    keys = []
    for form in (forms[int(rng.integers(5))], forms[int(rng.integers(5))]):
        pitch = draw(rng, form.get("pitch", (-5.0, 5.0)))
        balance: Form = {"left_hip_flex": pitch + draw(rng, (0, 10)), "pitch": pitch}
        keys.append(
            posture(
                rng,
                **{**standing, **form, **balance},
                right_ankle=(-45, 0),
                arm_flex=(-30, 170),
                arm_out=(0, 90),
                elbow=(0, 60),
                arm_inward=(-40, 60),
                head_flex=(-20, 20),
            )
        )
    return grounded(key_motion(rng, ticks, [posture(rng), *keys], (0.5, 1.2), (0.2, 1.5)))


def step_freely(rng: Rng, ticks: int) -> Clip:
    """Stand on one leg or the other while the free leg goes anywhere near the floor or high; steps, poses, dance."""
    keys = []
    for _ in range(int(rng.integers(3, 8))):
        pitch, bent = draw(rng, (-12, 30)), 40 * rng.beta(0.8, 1.6)
        form: Form = {
            "pitch": pitch,
            "lean": (-10, 10),
            "spin": (-20, 20),
            "trunk_flex": (-20, 30),
            "trunk_twist": (-30, 30),
            "trunk_side": (-20, 20),
            "arm_flex": (-30, 120),
            "arm_out": (0, 80),
            "elbow": (0, 100),
            "right_hip_flex": pitch + 0.6 * bent + draw(rng, (-4, 8)),
            "right_hip_inward": (-40, 10),
            "right_knee": 1.2 * bent,
            "left_hip_flex": pitch + 95 * rng.beta(1.2, 2.0) - 30,
            "left_hip_out": (-22, 45),
            "left_hip_inward": (-50, 15),
            "left_knee": 110 * rng.beta(0.8, 1.4),
            "left_ankle": (-45, 10),
        }
        key = posture(rng, **form)
        keys.append(mirror_angles(key) if rng.uniform() < 0.5 else key)
    angles = key_motion(rng, ticks, keys, (0.25, 0.7), (0, 0.5))
    _wander(rng, angles, draw(rng, (0, 90)))
    return grounded(angles)


def juggle(rng: Rng, ticks: int) -> Clip:
    """Keep a ball up with feet and knees, looking down."""
    looking = {"trunk_flex": (5, 30), "head_flex": (10, 40), "arm_out": (15, 50), "elbow": (15, 70)}
    keys = []
    for side, other in (("right", "left"), ("left", "right"), ("right", "left")):
        touch = {f"{side}_hip_flex": (30, 85), f"{side}_knee": (20, 95), f"{side}_hip_inward": (-45, 10)}
        support = {f"{other}_knee": (8, 30), f"{other}_hip_flex": (5, 20)}
        keys += [
            posture(rng, **looking, **touch, **support, **{f"{side}_ankle": (-25, 20)}, pitch=(-8, 4), lean=(-6, 6)),
            posture(rng, **looking, hip_flex=(5, 20), knee=(8, 30), turn=(-25, 25)),
        ]
    return grounded(key_motion(rng, ticks, keys, (0.2, 0.4), (0, 0.15)))


def dance(rng: Rng, ticks: int) -> Clip:
    """Everything sways at once on a beat: smooth noise on many angles."""
    beat = rng.uniform(0.5, 1.3)
    angles = np.tile(posture(rng, hip_flex=(5, 20), knee=(10, 30), hip_out=(2, 15), arm_flex=(0, 70)), (ticks, 1))
    reach = np.zeros(A)
    for part, deg in _SWAY.items():
        for name in (part, f"right_{part}", f"left_{part}"):
            if name in COLUMN:
                reach[COLUMN[name]] = deg * rng.uniform(0.2, 1.2)
    angles += reach * noise(rng, ticks, A, beat)
    for side in ("right", "left"):
        knee, hip = COLUMN[f"{side}_knee"], COLUMN[f"{side}_hip_flex"]
        angles[:, knee] = np.abs(angles[:, knee])
        angles[:, hip] += 0.5 * angles[:, knee] - 8
        level_soles(angles, side, 0.8)
    _wander(rng, angles, draw(rng, (0, 90)))
    return grounded(angles)


_SWAY = {
    "pitch": 6, "lean": 5, "spin": 10, "trunk_flex": 12, "trunk_side": 14, "trunk_twist": 18, "head_flex": 12,
    "head_side": 10, "head_twist": 22, "clavicle_up": 8, "clavicle_front": 8, "arm_flex": 42, "arm_out": 32,
    "arm_inward": 35, "elbow": 40, "hip_flex": 14, "hip_out": 9, "hip_inward": 12, "knee": 22,
}  # fmt: skip

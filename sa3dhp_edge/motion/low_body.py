"""What the whole body does off its feet: sitting, kneeling, crawling, lying and rolling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.motion.anatomy import COLUMN
from sa3dhp_edge.motion.timing import Form, Range, cycle, draw, interpolate, key_motion, noise, posture
from sa3dhp_edge.motion.whole_body import Clip, grounded

Array = NDArray[np.float64]
Rng = np.random.Generator

_HIP_FLEX = [COLUMN["right_hip_flex"], COLUMN["left_hip_flex"]]


def _posture_on_seat(rng: Rng, **angles: Range) -> Array:
    """(A,) of a posture whose thighs keep their slope however the pelvis tilts: 90 degrees is level."""
    pitch = draw(rng, angles.get("pitch", 0.0))
    key = posture(rng, **{**angles, "pitch": pitch})
    key[_HIP_FLEX] += pitch
    return key


def sit(rng: Rng, ticks: int) -> Clip:
    """Sit on a chair: upright, leaning, legs stretched, apart or crossed; now and then stand up."""
    forms: list[Form] = [
        {"hip_flex": (75, 105), "knee": (75, 110), "hip_out": (-2, 18)},
        {"hip_flex": (60, 85), "knee": (20, 70), "hip_out": (0, 15), "pitch": (-30, -10)},
        {"hip_flex": (80, 100), "knee": (80, 110), "hip_out": (15, 35), "trunk_flex": (15, 50)},
        {
            "left_hip_flex": (80, 95), "left_knee": (80, 100), "right_hip_flex": (100, 115), "right_hip_out": (-20, -8),
            "right_knee": (70, 105), "right_ankle": (-30, 0),
        },
        {
            "left_hip_flex": (80, 95), "left_knee": (80, 100), "right_hip_flex": (90, 105), "right_hip_out": (35, 55),
            "right_hip_inward": (-75, -60), "right_knee": (95, 120), "right_ankle": (-20, 10),
        },
    ]  # fmt: skip
    arms: Form = {"arm_flex": (0, 50), "elbow": (20, 90), "arm_inward": (-10, 60), "arm_out": (0, 20)}
    trunk: Form = {"trunk_flex": (-5, 25), "trunk_twist": (-20, 20), "trunk_side": (-8, 8), "head_twist": (-50, 50)}
    upright: Form = {"pitch": (-15, 8), **trunk, **arms}
    seated = [_posture_on_seat(rng, **{**upright, **forms[int(i)]}) for i in rng.integers(5, size=3)]
    if rng.uniform() < 0.4:
        rising = posture(rng, pitch=(25, 45), hip_flex=(80, 105), knee=(70, 100), trunk_flex=(10, 35), arm_flex=(0, 50))
        seated = [seated[0], seated[1], rising, posture(rng), rising]
    return grounded(key_motion(rng, ticks, seated, (0.6, 1.2), (0.2, 2.0)))


def sit_on_floor(rng: Rng, ticks: int) -> Clip:
    """Sit on the floor: cross-legged, legs stretched, knees up, leaning on the hands."""
    forms: list[Form] = [
        {"hip_flex": (92, 105), "hip_out": (40, 55), "hip_inward": (-84, -74), "knee": (115, 140)},
        {"hip_flex": (75, 100), "hip_out": (0, 30), "knee": (0, 25)},
        {"hip_flex": (120, 130), "hip_out": (0, 20), "knee": (70, 95)},
        {"right_hip_flex": (75, 95), "right_knee": (0, 20), "left_hip_flex": (118, 130), "left_knee": (65, 95)},
    ]
    behind: Form = {"arm_flex": (-55, -25), "elbow": (0, 30), "pitch": (-30, -15)}
    around: Form = {
        "arm_flex": (20, 70),
        "elbow": (10, 90),
        "arm_inward": (0, 60),
        "pitch": (-20, 5),
        "trunk_flex": (0, 45),
    }
    keys = []
    for i in rng.integers(4, size=3):
        arms = behind if rng.uniform() < 0.3 else around
        keys.append(_posture_on_seat(rng, **{**arms, **forms[int(i)]}, ankle=(-25, 5), head_twist=(-40, 40)))
    return grounded(key_motion(rng, ticks, keys, (0.7, 1.4), (0.2, 1.8)))


def kneel(rng: Rng, ticks: int) -> Clip:
    """Kneel on one or both knees, upright, sitting back on the heels, or bending down."""
    arms = {"arm_flex": (0, 80), "elbow": (5, 90), "arm_inward": (-10, 50)}
    one = posture(
        rng, **arms, right_hip_flex=(75, 100), right_knee=(75, 105), left_hip_flex=(-5, 10), left_knee=(85, 100),
        left_ankle=(-40, 0), trunk_flex=(0, 30),
    )  # fmt: skip
    upright = posture(rng, **arms, hip_flex=(-5, 15), knee=(85, 100), ankle=(-45, -20), hip_out=(0, 15))
    heels = posture(
        rng, **arms, hip_flex=(60, 80), knee=(140, 155), ankle=(-50, -35), pitch=(0, 10), trunk_flex=(0, 30)
    )
    pitch, hips = draw(rng, (10, 60)), draw(rng, (50, 110))
    down = posture(
        rng,
        pitch=pitch,
        hip_flex=hips,
        knee=90 + hips - pitch,
        ankle=(-50, -30),
        trunk_flex=(20, 60),
        arm_flex=(40, 130),
    )
    order = rng.permutation(4)[:3]
    return grounded(
        key_motion(rng, ticks, [[one, upright, heels, down][int(i)] for i in order], (0.7, 1.4), (0.3, 1.5))
    )


def on_hands(rng: Rng, ticks: int) -> Clip:
    """Crawl on hands and knees, hold a plank, or do push-ups."""
    crawling = rng.uniform() < 0.6
    if crawling:
        angles = np.tile(
            posture(rng, pitch=(75, 92), hip_flex=90, knee=(85, 100), ankle=(-45, -20), arm_flex=90, elbow=(0, 20),
                    head_flex=(-45, 0), trunk_flex=(-15, 15), clavicle_front=(0, 20), arm_out=(0, 10)),
            (ticks, 1),
        )  # fmt: skip
        wave = draw(rng, (5, 24)) * np.sin(2 * np.pi * cycle(rng, ticks, (0.4, 1.1)))
        for side, sign in (("right", 1), ("left", -1)):
            angles[:, COLUMN[f"{side}_hip_flex"]] += sign * wave
            angles[:, COLUMN[f"{side}_arm_flex"]] -= sign * wave
            angles[:, COLUMN[f"{side}_knee"]] += 0.5 * np.abs(wave)
        angles[:, COLUMN["turn"]] += np.cumsum(20 * noise(rng, ticks, 1, 0.3)[:, 0]) / 60
        return grounded(angles)
    body = {"hip_flex": (-5, 8), "knee": (0, 8), "ankle": (15, 30), "head_flex": (-40, 0), "trunk_flex": (-8, 8)}
    high = posture(rng, **body, pitch=(66, 74), arm_flex=(72, 85), elbow=(0, 8), arm_out=(5, 20))
    low = posture(rng, **body, pitch=(80, 86), arm_flex=(0, 40), elbow=(100, 125), arm_out=(20, 60))
    peak = posture(rng, pitch=(95, 110), hip_flex=(70, 100), arm_flex=(140, 175), elbow=(0, 10), ankle=(0, 30))
    keys = [high, low] if rng.uniform() < 0.7 else [high, peak]
    return grounded(key_motion(rng, ticks, keys, (0.5, 1.1), (0, 0.8)))


def _lying(rng: Rng, face_up: bool) -> Array:
    """(A,) of lying on the back or the belly, or on one side."""
    on_side = rng.uniform() < 0.35
    spin = float(rng.choice([-90, 90])) if on_side else 0.0
    hips = draw(rng, (0, 75)) if face_up or on_side else draw(rng, (-8, 5))
    knee: Range = (0.0, 110.0)
    if face_up and not on_side and rng.uniform() < 0.8:
        knee = 2 * hips  # feet stay on the floor
    arms: Form = {"arm_flex": (0, 175), "arm_out": (0, 80), "arm_inward": (-10, 70), "elbow": (0, 120)}
    if on_side:
        arms = {"arm_flex": (20, 120), "arm_out": (-15, 10), "arm_inward": (-30, 60), "elbow": (0, 120)}
    elif not face_up and rng.uniform() < 0.5:
        arms = {"arm_flex": (-15, 0), "arm_out": (5, 40), "elbow": (0, 15)}
    elif not face_up:
        arms = {"arm_flex": (160, 180), "arm_out": (0, 45), "arm_inward": (40, 85), "elbow": (0, 110)}
    limbs: Form = {**arms, "hip_flex": hips, "knee": knee, "ankle": (-45, -10), "hip_out": (0, 20)}
    tilt = (-90 if face_up else 90) + draw(rng, (-4, 4))
    return posture(rng, **limbs, pitch=tilt, spin=spin + draw(rng, (-15, 15)), trunk_flex=(-5, 15), head_flex=(-10, 25))


def lie(rng: Rng, ticks: int) -> Clip:
    """Lie on back, belly or side, roll from one to the other, sit up."""
    face_up = rng.uniform() < 0.6
    keys = [_lying(rng, face_up) for _ in range(4)]
    if face_up and rng.uniform() < 0.5:
        hips: Form = {"pitch": (-40, -10), "hip_flex": (60, 90), "knee": (10, 90)}
        keys.append(posture(rng, **hips, trunk_flex=(10, 50), arm_flex=(0, 90), ankle=(-30, 5)))
    return grounded(key_motion(rng, ticks, keys, (0.9, 1.8), (0.2, 1.5)))


def get_up(rng: Rng, ticks: int) -> Clip:
    """From lying or all fours over kneeling and squatting to standing, or the other way."""
    kneeling = {"right_hip_flex": (75, 100), "right_knee": (80, 105), "left_knee": (85, 100), "left_ankle": (-40, 0)}
    stages = [
        posture(rng, pitch=(-92, -80), hip_flex=(0, 40), knee=(0, 70), ankle=(-40, -10), arm_out=(5, 60)),
        posture(rng, pitch=(-45, -20), hip_flex=(70, 110), knee=(20, 100), trunk_flex=(20, 50), arm_flex=(-50, 20)),
        posture(rng, **kneeling, trunk_flex=(10, 45), arm_flex=(10, 80), trunk_twist=(-30, 30)),
        posture(rng, pitch=(30, 50), hip_flex=(100, 120), knee=(100, 130), trunk_flex=(10, 50), arm_flex=(20, 80)),
        posture(rng),
    ]
    if rng.uniform() < 0.5:
        stages.reverse()
    seconds = ticks / 60
    times = np.linspace(0.05, 0.95, len(stages)) * seconds
    return grounded(interpolate(np.arange(ticks) / 60, times, np.array(stages)))

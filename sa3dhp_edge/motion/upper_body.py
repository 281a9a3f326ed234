"""What the arms do, with trunk and head following; laid over what the whole body does.

Every action gives (T, A) degrees: the arms' columns are meant as they are, trunk and head are to be added.
One-handed actions use the right hand.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.motion.anatomy import COLUMN, A, directions_from_angles
from sa3dhp_edge.motion.timing import Form, cycle, draw, key_motion, noise, posture
from sa3dhp_edge.skeleton import JOINTS, pose_from_directions

Array = NDArray[np.float64]
Rng = np.random.Generator
UpperAction = Callable[[Rng, int], Array]

_HANDS = [JOINTS.index(name) for name in ("right_elbow", "right_wrist", "left_elbow", "left_wrist")]
_NECK, _HEAD_TOP = JOINTS.index("neck"), JOINTS.index("head_top")


def hits_trunk_or_head(angles: Array) -> NDArray[np.bool_]:
    """(...) whether an elbow or a wrist of (..., A) postures lies within the trunk or the head."""
    pose = pose_from_directions(directions_from_angles(angles).astype(np.float32))
    hands, neck, top = pose[..., _HANDS, :], pose[..., _NECK, None, :], pose[..., _HEAD_TOP, None, :]
    along = np.clip((hands * neck).sum(-1, keepdims=True) / (neck * neck).sum(-1, keepdims=True), 0, 1)
    trunk_gap = np.linalg.norm(hands - along * neck, axis=-1)
    head_gap = np.linalg.norm(hands - (neck + 2 * top) / 3, axis=-1)
    return np.asarray(((trunk_gap < 110) | (head_gap < 100)).any(-1))


def reach(rng: Rng, ticks: int) -> Array:
    """Reach with one hand, the other, or both: anywhere from low to high, across to behind."""
    count = 24
    angles = np.zeros((count, A))
    for side in ("right", "left"):
        flex, out = rng.uniform(-50, 180, count), np.degrees(np.arcsin(rng.uniform(-0.65, 1, count)))
        angles[:, COLUMN[f"{side}_arm_flex"]], angles[:, COLUMN[f"{side}_arm_out"]] = flex, out
        angles[:, COLUMN[f"{side}_arm_inward"]] = rng.uniform(-70, 80, count)
        angles[:, COLUMN[f"{side}_elbow"]] = 145 * rng.beta(0.8, 1.2, count)
        angles[:, COLUMN[f"{side}_clavicle_up"]] = 0.12 * np.maximum(flex, out) * rng.uniform(0.5, 1, count)
        angles[:, COLUMN[f"{side}_clavicle_front"]] = rng.normal(0, 6, count)
    for name, deg in (("trunk_flex", 9), ("trunk_side", 9), ("trunk_twist", 16), ("head_flex", 12), ("head_twist", 22)):
        angles[:, COLUMN[name]] = rng.normal(0, deg, count)
    free = angles[~hits_trunk_or_head(angles)]
    chosen = [*free[: int(rng.integers(2, 7))], posture(rng)]
    quick = rng.uniform(0.25, 0.7)
    return key_motion(rng, ticks, chosen, (quick, 1.6 * quick), (0, 0.8))


def both_reach(rng: Rng, ticks: int) -> Array:
    """Both hands do the same, mirror-like: to the front, up, aside; stretching."""
    keys = []
    for _ in range(3):
        flex, out = draw(rng, (0, 180)), draw(rng, (-20, 95))
        keys.append(
            posture(
                rng,
                arm_flex=flex,
                arm_out=out,
                elbow=(0, draw(rng, (10, 130))),
                arm_inward=draw(rng, (-60, 60)),
                clavicle_up=max(0.12 * max(flex, out), 0),
                trunk_flex=(-15, 15),
                head_flex=(-20, 15),
            )
        )
    free = [key for key in keys if not hits_trunk_or_head(key)]
    return key_motion(rng, ticks, [posture(rng), *free], (0.4, 1.0), (0.1, 1.2))


def hands_together(rng: Rng, ticks: int) -> Array:
    """Both hands meet: clasped, folded, palms together, round one thing; from low before the body to overhead."""
    count = 300
    angles = np.zeros((count, A))
    drawn = {
        "arm_flex": rng.uniform(0, 170, count), "arm_out": rng.uniform(-40, 45, count),
        "arm_inward": rng.uniform(-60, 85, count), "elbow": rng.uniform(5, 148, count),
        "clavicle_up": rng.uniform(-3, 15, count), "clavicle_front": rng.uniform(-5, 12, count),
    }  # fmt: skip
    for name, values in drawn.items():
        for side in ("right", "left"):
            angles[:, COLUMN[f"{side}_{name}"]] = values + rng.normal(0, 4, count)
    pose = pose_from_directions(directions_from_angles(angles).astype(np.float32))
    gap = np.linalg.norm(pose[:, _HANDS[1]] - pose[:, _HANDS[3]], axis=-1)
    for name, deg in (("trunk_flex", 7), ("trunk_twist", 9), ("head_flex", 14), ("head_twist", 14)):
        angles[:, COLUMN[name]] = rng.normal(0, deg, count)
    met = angles[(gap < 140) & ~hits_trunk_or_head(angles)][: int(rng.integers(1, 4))]
    keys = [*met] if len(met) > 1 and rng.uniform() < 0.6 else [*met, posture(rng)]
    return key_motion(rng, ticks, keys, (0.4, 1.1), (0.3, 2.5))


def wave(rng: Rng, ticks: int) -> Array:
    """Wave one raised hand."""
    base = posture(
        rng, right_arm_flex=(0, 90), right_arm_out=(40, 95), right_arm_inward=(-85, -40), right_elbow=(50, 110)
    )
    angles = np.tile(base, (ticks, 1))
    beat = np.sin(2 * np.pi * cycle(rng, ticks, (0.8, 2.2)))
    angles[:, COLUMN["right_elbow"]] += draw(rng, (10, 28)) * beat
    angles[:, COLUMN["right_arm_inward"]] += draw(rng, (5, 25)) * beat
    return angles


def punch(rng: Rng, ticks: int) -> Array:
    """Box from a guard: straight, hooked and upward blows."""
    guard: Form = {"arm_flex": (15, 55), "arm_out": (-5, 25), "arm_inward": (0, 40), "elbow": (95, 140)}
    keys = [posture(rng, **guard, trunk_twist=(-15, 15))]
    for _ in range(3):
        blows: list[Form] = [
            {"right_arm_flex": (80, 110), "right_arm_out": (-15, 10), "right_elbow": (0, 30)},
            {"right_arm_flex": (70, 95), "right_arm_out": (10, 50), "right_elbow": (70, 110), "right_arm_inward": 80.0},
            {"right_arm_flex": (60, 100), "right_elbow": (60, 110), "right_arm_inward": (-10, 20)},
        ]
        blow = blows[int(rng.integers(3))]
        side, twist = ("right", -1) if rng.uniform() < 0.5 else ("left", 1)
        blow = {name.replace("right", side): value for name, value in blow.items()}
        turned: Form = {"trunk_twist": twist * draw(rng, (10, 45)), f"{side}_clavicle_front": (5, 25)}
        keys += [posture(rng, **{**guard, **blow, **turned}), keys[0]]
    return key_motion(rng, ticks, keys, (0.12, 0.3), (0, 0.25))


def throw(rng: Rng, ticks: int) -> Array:
    """Throw overarm, underarm, or shoot with both hands."""
    cocked = posture(
        rng, right_arm_flex=(-20, 20), right_arm_out=(80, 120), right_arm_inward=(-85, -50), right_elbow=(70, 120),
        trunk_twist=(10, 45), left_arm_flex=(30, 90), trunk_side=(0, 15),
    )  # fmt: skip
    release = posture(
        rng, right_arm_flex=(100, 150), right_elbow=(0, 40), right_arm_out=(0, 40), trunk_twist=(-30, 0), trunk_flex=15
    )
    through = posture(
        rng,
        right_arm_flex=(30, 70),
        right_arm_out=(-45, -10),
        right_elbow=(10, 50),
        trunk_twist=(-50, -20),
        trunk_flex=30,
    )
    hold: Form = {"arm_flex": (20, 110), "arm_out": (-20, 0), "arm_inward": (10, 50), "elbow": (60, 130)}
    shot: Form = {"arm_flex": (120, 170), "arm_out": (-10, 15), "elbow": (0, 40)}
    if rng.uniform() < 0.35:
        return key_motion(rng, ticks, [posture(rng, **hold), posture(rng, **shot)], (0.25, 0.6), (0, 0.6))
    return key_motion(rng, ticks, [posture(rng), cocked, release, through], (0.18, 0.5), (0, 0.3))


def carry(rng: Rng, ticks: int) -> Array:
    """Hold something with both hands, before the belly up to over the head, or under one arm."""
    grips: list[Form] = [
        {"arm_flex": (10, 50), "arm_out": (-15, 10), "arm_inward": (5, 45), "elbow": (55, 115)},
        {"arm_flex": (5, 30), "arm_out": (-10, 8), "arm_inward": (10, 35), "elbow": (10, 45)},
        {"arm_flex": (140, 175), "arm_out": (0, 25), "elbow": (0, 90)},
        {"right_arm_flex": (-10, 30), "right_arm_out": (15, 40), "right_elbow": (70, 120), "left_arm_flex": (-15, 15)},
    ]
    grip = grips[int(rng.integers(4))]
    keys = [posture(rng, **grip, trunk_flex=(-10, 8)) for _ in range(3)]
    return key_motion(rng, ticks, keys, (0.5, 1.5), (0.2, 1.5))


def hands_on_body(rng: Rng, ticks: int) -> Array:
    """Cross the arms, hands on hips, behind the back, on or behind the head, to the face or the chest."""
    forms: list[Form] = [
        {"arm_flex": (30, 45), "arm_out": (-12, 5), "arm_inward": (60, 80), "elbow": (85, 110)},  # arms crossed
        {"arm_flex": (-30, -10), "arm_out": (35, 55), "arm_inward": (45, 80), "elbow": (75, 110)},  # hands on hips
        {"arm_flex": (-45, -25), "arm_out": (10, 25), "arm_inward": (55, 90), "elbow": (20, 80)},  # behind the back
        {"arm_flex": (60, 120), "arm_out": (50, 85), "arm_inward": (-80, -20), "elbow": (115, 145)},  # to the head
        {"arm_flex": (60, 95), "arm_out": (-10, 20), "arm_inward": (0, 40), "elbow": (120, 145)},  # to the face
        {"arm_flex": (10, 35), "arm_out": (0, 15), "arm_inward": (25, 60), "elbow": (110, 135)},  # to the chest
        {"arm_flex": (10, 25), "arm_out": (-8, 5), "arm_inward": (40, 60), "elbow": (60, 90)},  # hands clasped
    ]
    keys = []
    for i in rng.integers(len(forms), size=2):
        form = forms[int(i)]
        if rng.uniform() < 0.35:  # one hand only
            form = {f"right_{name}": value for name, value in form.items()}
        keys.append(posture(rng, **form, head_flex=(-10, 20), head_twist=(-30, 30)))
    if rng.uniform() < 0.5:
        keys.append(posture(rng))
    return key_motion(rng, ticks, keys, (0.4, 1.0), (0.4, 2.5))


def talk(rng: Rng, ticks: int) -> Array:
    """Gesture while talking: forearms raised, hands and head moving all the time."""
    base = posture(rng, arm_flex=(0, 45), arm_out=(0, 25), arm_inward=(-10, 50), elbow=(50, 115), head_twist=(-30, 30))
    moves: dict[str, float] = {"arm_flex": 14, "arm_out": 9, "arm_inward": 20, "elbow": 20, "clavicle_up": 4}
    scale = np.zeros(A)
    for name, deg in moves.items():
        for side in ("right", "left"):
            scale[COLUMN[f"{side}_{name}"]] = deg * rng.uniform(0.3, 1.3)
    for name in ("head_flex", "head_twist", "head_side", "trunk_twist"):
        scale[COLUMN[name]] = rng.uniform(3, 12)
    return np.asarray(base + scale * noise(rng, ticks, A, rng.uniform(0.5, 1.4)))


def swing(rng: Rng, ticks: int) -> Array:
    """Swing a bat, racket or sword held in one or both hands: wide arcs with the trunk turning."""
    both = rng.uniform() < 0.5
    keys = []
    for sign in (1, -1, 1, -1):
        lift = draw(rng, (20, 150))
        turned: Form = {"trunk_twist": sign * draw(rng, (10, 50)), "trunk_flex": (-5, 25)}
        lead: Form = {
            "right_arm_flex": lift, "right_arm_out": (20, 80) if sign > 0 else (-45, -5),
            "right_arm_inward": (-60, 60), "right_elbow": (10, 90),
        }  # fmt: skip
        if both:
            lead |= {
                "left_arm_flex": lift, "left_arm_out": (-45, -5) if sign > 0 else (10, 60), "left_elbow": (10, 90),
            }  # fmt: skip
        keys.append(posture(rng, **turned, **lead))
    return key_motion(rng, ticks, keys, (0.2, 0.6), (0, 0.3))


def wash(rng: Rng, ticks: int) -> Array:
    """Rub, scrub or wipe before the body, over the head or along the other arm: small quick circles."""
    base = posture(
        rng, arm_flex=(10, 130), arm_out=(-35, 20), arm_inward=(0, 80), elbow=(60, 140), trunk_flex=(0, 20),
        head_flex=(0, 30),
    )  # fmt: skip
    if hits_trunk_or_head(base):
        base = posture(rng, arm_flex=(40, 70), arm_inward=(0, 40), elbow=(60, 90))
    turns = 2 * np.pi * cycle(rng, ticks, (0.6, 1.8))
    angles = base + 9 * noise(rng, ticks, A, 0.3) * (np.abs(base) > 0)
    for side in ("right", "left"):
        late = rng.uniform(0, 2 * np.pi)
        angles[:, COLUMN[f"{side}_arm_flex"]] += draw(rng, (4, 14)) * np.sin(turns + late)
        angles[:, COLUMN[f"{side}_arm_inward"]] += draw(rng, (4, 18)) * np.cos(turns + late)
    return np.asarray(angles)

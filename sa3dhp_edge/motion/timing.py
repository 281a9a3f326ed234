"""How angles move in time: eased key poses, cycles of varying pace, band-limited noise, and drawing of postures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.motion.anatomy import COLUMN, A, within_limits
from sa3dhp_edge.motion.motion_set import MOTION_HZ

Array = NDArray[np.float64]
Range = float | tuple[float, float]
Form = dict[str, Range]
"""Angles of a key pose by name, each a number or a range to draw from."""

ANKLES = (COLUMN["right_ankle"], COLUMN["left_ankle"])


_FASTEST_DEG_S = 330.0  # mean over a move; its peak is 1.9 times that


def draw(rng: np.random.Generator, value: Range) -> float:
    """A number as it is, or one drawn evenly from a range."""
    return float(rng.uniform(*value)) if isinstance(value, tuple) else float(value)


def posture(rng: np.random.Generator, **angles: Range) -> Array:
    """(A,) degrees of a key pose; what is not named is as in upright standing, ankles keep the soles level.

    Args:
        rng: source of the draws.
        angles: degrees by name; a limb's angle without a side is for both sides, which then differ a little.
    """
    found = np.zeros(A)
    for name in ("arm_out", "elbow"):
        angles.setdefault(name, (5.0, 20.0))
    for name, value in sorted(angles.items(), key=lambda item: item[0].startswith(("right_", "left_"))):
        if name in COLUMN:
            found[COLUMN[name]] = draw(rng, value)
            continue
        common = draw(rng, value)
        spread = 0.12 * (value[1] - value[0]) if isinstance(value, tuple) else 0.0
        for side in ("right", "left"):
            found[COLUMN[f"{side}_{name}"]] = common + rng.normal(0, spread)
    for side, ankle in zip(("right", "left"), ANKLES, strict=True):
        if "ankle" not in angles and f"{side}_ankle" not in angles:
            found[ankle] = found[COLUMN["pitch"]] - found[COLUMN[f"{side}_hip_flex"]] + found[COLUMN[f"{side}_knee"]]
    return within_limits(found)


def ease(u: Array) -> Array:
    """Minimum-jerk course from 0 to 1 (Flash & Hogan 1985)."""
    u = np.clip(u, 0, 1)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u * u))


def interpolate(at: Array, times: Array, keys: Array) -> Array:
    """Eased values between keys.

    Args:
        at: (T,) times asked for.
        times: (K,) increasing; before the first and after the last the value stands still.
        keys: (K, ...) values.

    Returns:
        (T, ...).
    """
    before = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    share = ease((at - times[before]) / (times[before + 1] - times[before]))
    share = share.reshape(-1, *([1] * (keys.ndim - 1)))
    return np.asarray(keys[before] * (1 - share) + keys[before + 1] * share)


def round_and_round(phase: Array, times: Sequence[float], keys: Sequence[float] | Array) -> Array:
    """The same for a cycle: `phase` (T,) in turns, `times` within one turn from 0 on; (T, ...)."""
    closed_times = np.array([*times, 1 + times[0]])
    closed_keys = np.concatenate([np.asarray(keys, float), np.asarray(keys, float)[:1]])
    return interpolate((phase - times[0]) % 1 + times[0], closed_times, closed_keys)


def key_motion(
    rng: np.random.Generator, ticks: int, keys: Sequence[Array], move_s: Range = (0.4, 0.9), hold_s: Range = (0.05, 0.7)
) -> Array:
    """(T, A): from key to key, over and over, each with its own pace; body parts set off a little apart."""
    pace = rng.uniform(0.75, 1.35)
    times, values, now = [0.0], [keys[0]], 0.0
    step = int(rng.integers(len(keys)))
    while now < ticks / MOTION_HZ + 0.5:
        key = keys[step % len(keys)]
        arrive = now + max(pace * draw(rng, move_s), float(np.abs(key - values[-1]).max()) / _FASTEST_DEG_S)
        now = arrive + pace * draw(rng, hold_s) + 1e-3
        times += [arrive, now]
        values += [key, key]
        step += 1
    clock = np.arange(ticks) / MOTION_HZ
    result = np.empty((ticks, A))
    for columns in _TOGETHER:
        late = rng.uniform(0, 0.12)
        result[:, columns] = interpolate(clock + late, np.array(times), np.array(values)[:, columns])
    return result


_TOGETHER: tuple[list[int], ...] = (
    [i for n, i in COLUMN.items() if n.startswith(("turn", "pitch", "lean", "spin")) or "hip" in n or "knee" in n]
    + list(ANKLES),
    [i for n, i in COLUMN.items() if n.startswith(("trunk", "head"))],
    [i for n, i in COLUMN.items() if n.startswith("right_") and ("clavicle" in n or "arm_" in n or "elbow" in n)],
    [i for n, i in COLUMN.items() if n.startswith("left_") and ("clavicle" in n or "arm_" in n or "elbow" in n)],
)


def noise(rng: np.random.Generator, ticks: int, channels: int, up_to_hz: float = 1.0) -> Array:
    """(T, channels) smooth noise of unit variance, falling off above `up_to_hz`."""
    length = 2 * ticks + 64
    frequency = np.fft.rfftfreq(length, 1 / MOTION_HZ)
    gain = np.exp(-((frequency / up_to_hz) ** 2)) * (frequency > 0.04)
    spectrum = gain[:, None] * np.fft.rfft(rng.standard_normal((length, channels)), axis=0)
    power = np.sqrt((gain**2).sum() * 2 / length)
    return np.asarray(np.fft.irfft(spectrum, length, axis=0)[:ticks] / power)


def cycle(rng: np.random.Generator, ticks: int, rate_hz: Range, wobble: float = 0.08) -> Array:
    """(T,) turns since the start, at a rate that wanders by a share of `wobble`."""
    rate = draw(rng, rate_hz) * np.exp(wobble * noise(rng, ticks, 1, 0.5)[:, 0])
    return np.asarray(rng.uniform() + np.cumsum(rate) / MOTION_HZ)

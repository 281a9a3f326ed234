"""One person of a recording at a constant rate, which TRC, C3D and BVH ask for.

A recording whose frames come evenly is not changed: a frame of the input is a frame of the clip. Uneven times, those of
live cameras, are brought to the header's rate: between two frames that were looked at one after the other, and at most
`LONGEST_S` apart, positions are interpolated linearly. Where the person was looked for and not found nothing is
invented: those frames are missing (NaN).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.outputs.tables import Table, pieces_of, positions_mm
from runtime.world import World

LONGEST_S = 0.25
"""Nothing is interpolated over a longer time."""
_EVEN_S = 0.0015
"""Frames are even whose time stamps lie at most so far from an even clock; some containers round to 1 ms."""
_SIZE = 4096

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """One person at a constant rate.

    Attributes:
        track: the person.
        fps: frames per second.
        start_s: time of the first frame in the recording.
        frames: how many.
        in_camera_space: positions are in front of the camera; else they are relative to the pelvis.
        even: frames are those of the recording; else they were interpolated.
    """

    track: int
    fps: float
    start_s: float
    frames: int
    in_camera_space: bool
    even: bool
    _rows: Table
    _world: World | None = None

    @classmethod
    def of(cls, track: int, rows: Table, fps: float, world: World | None = None) -> Clip:
        """The clip of a person's rows; `fps` is the recording's nominal rate.

        Where the place before the camera is known in some rows, those without it are missing.
        """
        placed = np.concatenate([np.isfinite(rows[i : i + _SIZE]["root_mm"][:, 0]) for i in range(0, len(rows), _SIZE)])
        in_space = bool(placed.any())
        if in_space:
            rows = rows[int(placed.argmax()) : len(rows) - int(placed[::-1].argmax())]
        first, last = rows[0], rows[-1]
        rate = _even_rate(rows, fps)
        if rate is not None:
            frames = int(last["frame"] - first["frame"]) + 1
            return cls(track, rate, float(first["time_s"]), frames, in_space, True, rows, world)
        start, end = round(float(first["time_s"]) * fps), round(float(last["time_s"]) * fps)
        return cls(track, fps, start / fps, end - start + 1, in_space, False, rows, world)

    def pieces(self) -> Iterator[Array]:
        """(n, 17, 3) mm, NaN where the person is missing; `frames` in all.

        In the camera's axes; with a world, in those of a level camera at its origin.
        """
        tick = 0
        for part in pieces_of(self._rows):
            clock, xyz = self._clock(part), positions_mm(part, self.in_camera_space, self._world)
            end = self.frames if part[-1]["order"] == self._rows[-1]["order"] else math.ceil(clock[-1])
            joined = (np.diff(part["order"]) == 1) & (np.diff(part["time_s"]) <= LONGEST_S + 1e-4)
            while tick < end:
                ticks = np.arange(tick, min(end, tick + _SIZE))
                yield _at(ticks, clock, xyz, joined)
                tick = int(ticks[-1]) + 1

    def _clock(self, rows: Table) -> Array:
        """Time of rows, counted in frames of the clip."""
        if self.even:
            return np.asarray(rows["frame"] - self._rows[0]["frame"], np.float64)
        return np.asarray((rows["time_s"] - self.start_s) * self.fps, np.float64)


def _even_rate(rows: Table, fps: float) -> float | None:
    """The rate by which frame numbers tell the time, the nominal one if it does; None if no rate does."""
    span, count = float(rows[-1]["time_s"] - rows[0]["time_s"]), int(rows[-1]["frame"] - rows[0]["frame"])
    rates = [fps, count / span] if span > 0 and count > 0 else [fps]
    for rate in rates:
        allowed = min(_EVEN_S, 0.25 / rate)
        if all(_is_even(part, rows[0], rate, allowed) for part in pieces_of(rows)):
            return rate
    return None


def _is_even(part: Table, first: np.void, rate: float, allowed_s: float) -> bool:
    expected = first["time_s"] + (part["frame"] - first["frame"]) / rate
    return bool((np.diff(part["frame"]) > 0).all() and (np.abs(part["time_s"] - expected) <= allowed_s).all())


def _at(ticks: NDArray[np.int64], clock: Array, xyz: Array, joined: NDArray[np.bool_]) -> Array:
    """Positions at whole ticks: of a row, between two that are joined, of the nearest within half a tick, or NaN."""
    left = np.clip(np.searchsorted(clock, ticks + 1e-6, side="right") - 1, 0, len(clock) - 1)
    right = np.minimum(left + 1, len(clock) - 1)
    step = clock[right] - clock[left]
    share = np.clip((ticks - clock[left]) / np.where(step > 0, step, 1), 0, 1) * (step > 0)
    nearest = np.where(share < 0.5, left, right)
    far = np.abs(clock[nearest] - ticks)
    placed = np.where((far <= 0.5 + 1e-6)[:, None, None], xyz[nearest], np.nan)
    between = np.append(joined, False)[left] & (far > 1e-6)
    weight = share[:, None, None]
    return np.where(between[:, None, None], (1 - weight) * xyz[left] + weight * xyz[right], placed)

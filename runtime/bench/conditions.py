"""Was the machine fit for a measurement? Only then the word "clean" may be said of its numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime.bench.reading import AbstractBoard, Reading

CLOCK_TOLERANCE = 0.03
"""Clocks are steady while the fastest core and the GPU stay within this share of their highest value."""
OTHERS_MAX_SHARE = 0.05
"""Other processes may take this share of all cores together."""
LOOK_EVERY_S = 1.0

PROC = Path("/proc")


@dataclass(frozen=True)
class Range:
    """The lowest and the highest of some values."""

    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float | None]) -> Range | None:
        """None where nothing was told."""
        told = [v for v in values if v is not None]
        return Range(min(told), max(told)) if told else None

    @property
    def moved(self) -> float:
        """How far apart they are, as a share of the highest."""
        return (self.high - self.low) / self.high if self.high else 0.0


@dataclass(frozen=True)
class Conditions:
    """What the board and the other processes did while something was measured.

    Attributes:
        clean: the board did not throttle, its clocks were steady, and nobody else worked.
        why_not: every reason against it.
        told_by: who told it: jetson-stats or sysfs.
        readings: how often it was asked.
        cpu_mhz: of the fastest core that was used.
        gpu_mhz: None where the board does not tell.
        temperature_c: of the hottest sensor.
        power_w: as `Reading.power_w`.
        throttle_events: new ones; None where they are not counted.
        others_share: CPU time of other processes over that of all cores; None where the system does not tell.
    """

    clean: bool
    why_not: tuple[str, ...]
    told_by: str
    readings: int
    cpu_mhz: Range | None
    gpu_mhz: Range | None
    temperature_c: Range | None
    power_w: Range | None
    throttle_events: int | None
    others_share: float | None


class Watch:
    """Looks at the board now and then while a measurement runs, in its own thread of work: between two frames.

    Args:
        board: what is asked.
        cores: that the measurement uses.
        proc: where the system tells CPU times.
    """

    def __init__(self, board: AbstractBoard, cores: tuple[int, ...], proc: Path = PROC) -> None:
        self._board, self._cores, self._proc = board, cores, proc
        self._ours = [os.getpid()]
        self._readings: list[Reading] = []
        self._start_s, self._busy_s, self._own_s = time.monotonic(), busy_s(proc), self._our_cpu_s()
        self._next_s = self._start_s

    def counts_as_ours(self, pid: int) -> None:
        """A process that is part of the measurement and still runs when `conditions` is asked; one that was waited for
        counts as ours anyway.
        """
        self._ours.append(pid)

    def look(self, at_once: bool = False) -> Reading:
        """What the board says; it is asked no more than once a second, unless `at_once`."""
        now = time.monotonic()
        if at_once or now >= self._next_s:
            self._next_s = now + LOOK_EVERY_S
            self._readings.append(self._board.read())
        return self._readings[-1]

    def conditions(self) -> Conditions:
        """The judgement over everything since this watch was made."""
        readings = [*self._readings, self._board.read()]
        cpu_mhz = Range.of(fastest_mhz(r, self._cores) for r in readings)
        gpu_mhz = Range.of(r.gpu_mhz for r in readings)
        counts = Range.of(r.throttle_count for r in readings)
        events = None if counts is None else int(counts.high - counts.low)
        slowed = sorted({name for r in readings for name in r.slowed_by})
        others = self._others_share()
        why_not = (
            *_throttled(events, slowed),
            *_unsteady("CPU", cpu_mhz),
            *(_unsteady("GPU", gpu_mhz) if gpu_mhz else ()),
            *_disturbed(others),
        )
        return Conditions(
            clean=not why_not,
            why_not=why_not,
            told_by=self._board.told_by,
            readings=len(readings),
            cpu_mhz=cpu_mhz,
            gpu_mhz=gpu_mhz,
            temperature_c=Range.of(hottest_c(r) for r in readings),
            power_w=Range.of(r.power_w for r in readings),
            throttle_events=events,
            others_share=others,
        )

    def _our_cpu_s(self) -> float:
        return sum(process_cpu_s(self._proc, pid) for pid in self._ours)

    def _others_share(self) -> float | None:
        now = busy_s(self._proc)
        if now is None or self._busy_s is None:
            return None
        all_cores_s = max(time.monotonic() - self._start_s, 1e-6) * (os.cpu_count() or 1)
        others_s = (now - self._busy_s) - (self._our_cpu_s() - self._own_s)
        return round(max(others_s, 0.0) / all_cores_s, 4)


def fastest_mhz(reading: Reading, cores: tuple[int, ...]) -> float | None:
    """The clock of the fastest of these cores: the one that works."""
    return max((mhz for core, mhz in reading.cpu_mhz.items() if core in cores), default=None)


def hottest_c(reading: Reading) -> float | None:
    """The temperature of the hottest sensor."""
    return max(reading.temperature_c.values(), default=None)


def busy_s(proc: Path = PROC) -> float | None:
    """CPU seconds of everything since the start, stolen ones too; None where the system does not tell."""
    try:
        line = (proc / "stat").read_text().splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, irq, soft, steal = (int(word) for word in line.split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def process_cpu_s(proc: Path, pid: int) -> float:
    """CPU seconds of one process, its threads and the children it has waited for; 0 once it is gone."""
    try:
        after_name = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in after_name[11:15]) / os.sysconf("SC_CLK_TCK")


def _throttled(events: int | None, slowed: list[str]) -> Iterable[str]:
    if events:
        yield f"the board throttled {events} times"
    if slowed:
        yield f"slowed down by {', '.join(slowed)}"


def _unsteady(what: str, mhz: Range | None) -> Iterable[str]:
    if mhz is None:
        yield f"the {what}'s clock is not told here"
    elif mhz.moved > CLOCK_TOLERANCE:
        yield f"the {what}'s clock moved between {mhz.low:.0f} and {mhz.high:.0f} MHz"


def _disturbed(others: float | None) -> Iterable[str]:
    if others is None:
        yield "what other processes did is not told here"
    elif others > OTHERS_MAX_SHARE:
        yield f"other processes took {100 * others:.0f} % of the processor"

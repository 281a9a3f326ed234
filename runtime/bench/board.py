"""How fast, how hot and how hungry is the board at this moment?

Linux tells it under /sys, differently on every board; what a board does not tell stays empty. On a Jetson with the
service of jetson-stats running, that one is asked for clocks, heat and power (`board_jtop.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import final

from runtime.bench.board_jtop import open_jtop
from runtime.bench.reading import AbstractBoard, Reading

SYS = Path("/sys")

_GPU_NAMES = ("gpu", "ga10b", "gv11b", "gp10b")
_SLOWED = ("throttle-alert", "cpufreq", "devfreq", "processor")
"""Types of cooling devices that slow the board down; others are fans."""
_WHOLE_BOARD = ("VDD_IN", "POM_5V_IN")
_RAILS = range(1, 4)
"""Channels of an INA3221; those above are sums of shunt voltages."""


@final
class SysfsBoard(AbstractBoard):
    """What the kernel tells in files."""

    told_by = "sysfs"

    def __init__(self, sys: Path = SYS) -> None:
        self._sys = sys

    def read(self) -> Reading:
        return Reading(
            cpu_mhz=self._cpu_mhz(),
            gpu_mhz=self._gpu_mhz(),
            temperature_c=self._temperature_c(),
            power_w=self._power_w(),
            throttle_count=self._throttle_count(),
            slowed_by=self._slowed_by(),
        )

    def _cpu_mhz(self) -> dict[int, float]:
        files = self._sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        khz = {int(file.parent.parent.name[3:]): _number(file) for file in files}
        return {core: value / 1000 for core, value in sorted(khz.items()) if value is not None}

    def _gpu_mhz(self) -> float | None:
        for device in sorted((self._sys / "class/devfreq").glob("*")):
            hz = _number(device / "cur_freq")
            if hz is not None and any(name in device.name for name in _GPU_NAMES):
                return hz / 1e6
        return None

    def _temperature_c(self) -> dict[str, float]:
        zones = sorted((self._sys / "class/thermal").glob("thermal_zone*"))
        milli = {_text(zone / "type") or zone.name: _number(zone / "temp") for zone in zones}
        return {name: value / 1000 for name, value in milli.items() if value is not None and value > -100_000}

    def _power_w(self) -> float | None:
        rails: dict[str, float] = {}
        for chip in (self._sys / "class/hwmon").glob("hwmon*"):
            if _text(chip / "name") == "ina3221":
                rails |= dict(_rails_w(chip))
        whole = [watts for name, watts in rails.items() if name in _WHOLE_BOARD]
        return sum(whole or rails.values()) if rails else None

    def _throttle_count(self) -> int | None:
        over_current = self._sys.glob("class/hwmon/hwmon*/oc*_event_cnt")
        too_hot = self._sys.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
        counts = [count for file in (*over_current, *too_hot) if (count := _number(file)) is not None]
        return int(sum(counts)) if counts else None

    def _slowed_by(self) -> tuple[str, ...]:
        devices = sorted((self._sys / "class/thermal").glob("cooling_device*"))
        active = [_text(device / "type") for device in devices if (_number(device / "cur_state") or 0) > 0]
        return tuple(name for name in active if any(kind in name.lower() for kind in _SLOWED))


@contextlib.contextmanager
def open_board(sys: Path = SYS) -> Iterator[AbstractBoard]:
    """The best teller this machine has: jetson-stats where its service answers, else the kernel's files."""
    sysfs = SysfsBoard(sys)
    with open_jtop(sysfs) as jtop:
        yield jtop or sysfs


def _rails_w(chip: Path) -> Iterator[tuple[str, float]]:
    for rail in _RAILS:
        volts, amperes = _number(chip / f"in{rail}_input"), _number(chip / f"curr{rail}_input")
        if volts is not None and amperes is not None:
            yield _text(chip / f"in{rail}_label") or f"{chip.name} {rail}", volts * amperes / 1e6


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(file: Path) -> float | None:
    try:
        return float(_text(file))
    except ValueError:
        return None

"""What jetson-stats tells of a Jetson: the same numbers that `jtop` shows, for a user who has its service running."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, final

from runtime.bench.reading import AbstractBoard, Reading

_OFFLINE_C = -256


@final
class JtopBoard(AbstractBoard):
    """Clocks, heat and power by jetson-stats; throttling, which it does not tell, by the kernel.

    Args:
        jetson: a started `jtop.jtop`.
        kernel: asked for the rest.
    """

    told_by = "jetson-stats"

    def __init__(self, jetson: Any, kernel: AbstractBoard) -> None:
        self._jetson, self._kernel = jetson, kernel

    def read(self) -> Reading:
        rest, power = self._kernel.read(), (self._jetson.power or {}).get("tot")
        gpus = list(self._jetson.gpu.values())
        return replace(
            rest,
            cpu_mhz=_cpu_mhz(self._jetson.cpu),
            gpu_mhz=gpus[0]["freq"]["cur"] / 1000 if gpus else rest.gpu_mhz,
            temperature_c=_temperature_c(self._jetson.temperature) or rest.temperature_c,
            power_w=power["power"] / 1000 if power else rest.power_w,
        )


@contextlib.contextmanager
def open_jtop(kernel: AbstractBoard) -> Iterator[JtopBoard | None]:
    """The board by jetson-stats; None without the package, its service, or the right to ask it."""
    try:
        from jtop import JtopException, jtop  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        yield None
        return
    jetson = jtop()
    try:
        jetson.start()
    except (JtopException, OSError):
        yield None
        return
    try:
        yield JtopBoard(jetson, kernel)
    finally:
        jetson.close()


def _cpu_mhz(cpu: Mapping[str, Any]) -> dict[int, float]:
    cores = enumerate(cpu["cpu"])
    return {number: core["freq"]["cur"] / 1000 for number, core in cores if core["online"]}


def _temperature_c(sensors: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(s["temp"]) for name, s in sensors.items() if s["online"] and s["temp"] > _OFFLINE_C}

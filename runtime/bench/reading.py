"""What a board says of itself at one moment, whoever asks it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reading:
    """What a board says of itself at one moment.

    Attributes:
        cpu_mhz: by the core's number; empty where the board does not tell.
        gpu_mhz: None where it does not tell.
        temperature_c: degrees Celsius by sensor.
        power_w: of the whole board, or the sum of what is measured; None where nothing is.
        throttle_count: times the board slowed itself down since its start; None where it does not count.
        slowed_by: what slows it down at this moment.
    """

    cpu_mhz: dict[int, float] = field(default_factory=dict)
    gpu_mhz: float | None = None
    temperature_c: dict[str, float] = field(default_factory=dict)
    power_w: float | None = None
    throttle_count: int | None = None
    slowed_by: tuple[str, ...] = ()


class AbstractBoard(ABC):
    """Something that can be asked for a `Reading`; `told_by` names where it comes from."""

    told_by: str

    @abstractmethod
    def read(self) -> Reading:
        """What the board says now."""

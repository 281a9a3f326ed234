"""How many squares the network may look at in a frame, so that its poses come in time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from sa3dhp_edge.records import Frame

log = logging.getLogger(__name__)

_SHARE = 0.15
"""Weight of the newest look in what a look is believed to cost."""
_RESERVE = 0.85
"""Share of the time left that is given away: what follows the network takes time as well."""
_LATE_SHARE, _LATE_FRAMES = 0.5, 150
"""If more than this share of so many frames is late, it is said once."""


class LatencyBudget:
    """Learns what a look costs, and says how many fit into what is left of a frame's time.

    One look is always allowed: who is followed is followed, however slow the machine.

    Args:
        budget_ms: from the capture of a live frame, or the reading of a file's, to its poses; None for no limit.
        clock: monotonic seconds; replaced in tests.

    Attributes:
        late: frames whose poses came after the budget.
    """

    def __init__(self, budget_ms: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget_ms, self._clock = budget_ms, clock
        self._look_ms = 0.0
        self._begun_s = 0.0
        self._recent = [0, 0]
        self._said = False
        self.late = 0

    def begin(self, frame: Frame) -> None:
        """A frame is looked at from now on."""
        self._begun_s = self._clock() - frame.decode_ms / 1000 if frame.captured_s is None else frame.captured_s

    def squares(self) -> int | None:
        """So many squares may be looked at now; None for any number."""
        if self._budget_ms is None:
            return None
        if not self._look_ms:
            return 1
        return max(int(_RESERVE * (self._budget_ms - self.age_ms()) / self._look_ms), 1)

    def looked(self, squares: int, ms: float) -> None:
        """The network looked at so many squares in so many milliseconds."""
        if squares:
            cost = ms / squares
            self._look_ms = cost if not self._look_ms else self._look_ms + _SHARE * (cost - self._look_ms)

    def age_ms(self) -> float:
        """Milliseconds since the frame at hand was captured."""
        return 1000 * (self._clock() - self._begun_s)

    def end(self) -> float:
        """The frame's poses are there; its age in milliseconds."""
        age_ms = self.age_ms()
        if self._budget_ms is None or math.isinf(self._budget_ms):
            return age_ms
        late = age_ms > self._budget_ms
        self.late += late
        self._recent[0] += 1
        self._recent[1] += late
        if self._recent[0] == _LATE_FRAMES:
            if self._recent[1] > _LATE_SHARE * _LATE_FRAMES and not self._said:
                self._said = True
                log.warning(
                    "most poses come later than %g ms after their pictures, whatever is left out; give a larger "
                    "--latency-budget-ms, a smaller model or fewer people",
                    self._budget_ms,
                )
            self._recent = [0, 0]
        return age_ms

"""What every output of a run is."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TypeVar

from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.records import Frame, Pose

log = logging.getLogger(__name__)

_O = TypeVar("_O", bound="AbstractOutput")


class AbstractOutput(ABC):
    """Takes every frame of a run; a context manager that closes it whole.

    Attributes:
        missed: frames that came while it could not take them, and that it lacks.
        busy_since_s: of one with a thread of its own, when it began to write what it still writes, on the monotonic
            clock; None between two frames.
    """

    missed: int = 0
    busy_since_s: float | None = None

    @abstractmethod
    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        """One frame with the people in it; empty where there is nobody."""

    @abstractmethod
    def close(self) -> None:
        """Finish the output; a second call does nothing."""

    def __enter__(self: _O) -> _O:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.close()
        except OutputError as e:
            if error is None:
                raise
            log.warning("%s", e.message)  # what ended the run is the error to show

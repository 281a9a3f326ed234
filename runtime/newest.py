"""A place for one thing between two threads: the newest one put there wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class Newest(Generic[T]):
    """One writer, one reader; what was not taken in time is replaced and counted.

    Attributes:
        dropped: things that were replaced before they were taken.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._thing: T | None = None
        self.dropped = 0

    def put(self, thing: T) -> None:
        """Replace what is there."""
        with self._ready:
            self.dropped += self._thing is not None
            self._thing = thing
            self._ready.notify()

    def take(self, wait_s: float) -> T | None:
        """What is there, or comes within `wait_s` seconds; else None."""
        with self._ready:
            if self._thing is None and wait_s > 0:
                self._ready.wait(wait_s)
            thing, self._thing = self._thing, None
            return thing

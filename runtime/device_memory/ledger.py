"""Who may use a GPU's memory and what of it is held: nothing is freed twice, nothing forgotten."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from runtime.device_memory.errors import DeviceError, WrongThread


class Ledger:
    """What one thread holds on a device; that thread is the one that makes the ledger.

    Attributes:
        made: how many things of each kind were ever entered.
        closed: whether everything was given back.
    """

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self._owner = threading.current_thread()
        self._held: dict[tuple[str, int], Callable[[], object]] = {}
        self.closed = False

    def check(self) -> None:
        """Stop in any thread but the owner, and once it is closed.

        Raises:
            WrongThread: names both threads.
            DeviceError: the memory was given back.
        """
        here = threading.current_thread()
        if here is not self._owner:
            raise WrongThread(
                f"this model's GPU memory belongs to thread {self._owner.name}, and thread {here.name} used it",
                "load, use and close a model in one thread; a second thread needs a model of its own",
            )
        if self.closed:
            raise DeviceError("the GPU memory was given back already", "load the model again")

    def enter(self, kind: str, handle: int, release: Callable[[], object]) -> int:
        """Note something that is held, and how it is given back; its handle."""
        self._held[kind, handle] = release
        self.made[kind] += 1
        return handle

    def release(self, kind: str, handle: int) -> None:
        """Give one thing back.

        Raises:
            DeviceError: it is not held.
        """
        self.check()
        if (kind, handle) not in self._held:
            raise DeviceError(f"{kind} {handle:#x} is not held: it was given back twice, or comes from elsewhere")
        self._held.pop((kind, handle))()

    def holds(self, kind: str) -> int:
        """How many things of a kind are held."""
        return sum(k == kind for k, _ in self._held)

    def close(self) -> None:
        """Give everything back, the newest first; what fails does not keep the rest, and is raised at the end."""
        if self.closed:
            return
        self.check()
        self.closed = True
        failures = []
        while self._held:
            _, release = self._held.popitem()
            try:
                release()
            except DeviceError as e:
                failures.append(e)
        if failures:
            raise failures[0]

"""Work on a stream, recorded as a graph: one launch instead of many."""

from __future__ import annotations

import logging
from collections.abc import Callable

from runtime.device_memory.errors import DeviceError
from runtime.device_memory.protocol import DeviceMemory
from sa3dhp_edge.errors import Sa3dhpError

log = logging.getLogger(__name__)


def recorded(memory: DeviceMemory, stream: int, work: Callable[[], None]) -> int | None:
    """A graph of what `work` puts on a stream, which must be idle; None, logged, where it cannot be recorded.

    Nothing is lost without it but time: the caller then does the work directly.
    """
    if not memory.can_capture:
        return None
    try:
        memory.begin_capture(stream)
        try:
            work()
        except Sa3dhpError:
            _abandon(memory, stream)
            raise
        return memory.end_capture(stream)
    except Sa3dhpError as e:
        log.warning("no CUDA graph, every inference is launched piece by piece: %s", e.message)
        return None


def _abandon(memory: DeviceMemory, stream: int) -> None:
    """Leave the stream usable: a recording that failed has to be ended all the same."""
    try:
        memory.destroy_graph(memory.end_capture(stream))
    except DeviceError as e:
        log.debug("the broken recording ended with: %s", e.message)

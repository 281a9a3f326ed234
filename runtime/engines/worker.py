"""The builder's own process: `python -m runtime.engines.worker`, one `BuildOrder` as JSON on stdin.

A build may take all memory or crash; here that ends a process which nobody needs. stdout carries JSON lines, an
`event` each: "progress" with phase, step and of; "done" with seconds; "failed" with message and hint. TensorRT's log
goes to stderr, a line a message, severity first.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from typing import Any, TextIO

from runtime.engines.api import find_tensorrt
from runtime.engines.assemble import Tell, assemble
from runtime.engines.driver import need_gpu
from runtime.engines.logger import listening, shared_logger
from runtime.engines.request import BuildOrder
from sa3dhp_edge.atomic import write_bytes
from sa3dhp_edge.errors import Sa3dhpError

_SILENT = ("VERBOSE",)
_TELL_EVERY_S = 5.0
_GRACE_S = 60


def main() -> int:
    """Build what stdin asks for; exit status 0 when the engine is written."""
    events = _take_stdout()
    try:
        order = BuildOrder.from_json(sys.stdin.read())
        signal.alarm(math.ceil(order.request.limit_s) + _GRACE_S)  # should the parent be gone by then
        seconds = build(order, events)
    except Sa3dhpError as e:
        _say(events, event="failed", message=e.message, hint=e.hint)
        return 1
    _say(events, event="done", seconds=seconds)
    return 0


def build(order: BuildOrder, events: TextIO) -> float:
    """Write the engine and what was measured; how long it took, s."""
    begun = time.monotonic()
    library = find_tensorrt(order.flavour)
    if order.request.target is None:
        need_gpu("building an engine")
    timing = order.timing.read_bytes() if order.timing.is_file() else b""
    with listening(_log):
        engine, measured = assemble(library, order, shared_logger(library.module), timing, _teller(events))
    write_bytes(order.engine, engine)
    if measured:
        write_bytes(order.timing, measured)
    return time.monotonic() - begun


def _take_stdout() -> TextIO:
    """stdout for our lines alone: what native code prints goes to stderr from here on."""
    ours = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return ours


def _teller(events: TextIO) -> Tell:
    """Tells of progress, now and then: a phase may have a thousand steps."""
    last = -math.inf

    def tell(phase: str, step: int, of: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _TELL_EVERY_S:
            last = now
            _say(events, event="progress", phase=phase, step=step, of=of)

    return tell


def _log(severity: str, text: str) -> None:
    if severity not in _SILENT:
        sys.stderr.write(f"{severity} {text}\n")


def _say(events: TextIO, **values: Any) -> None:
    events.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    sys.exit(main())

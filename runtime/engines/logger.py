"""Where do TensorRT's messages go?

TensorRT keeps the first logger of a process and ignores every later one, so there is one, and who wants to read
along for a while listens to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

Sink = Callable[[str, str], None]
"""Takes a message's severity, such as "ERROR", and its text."""

_LEVELS = {"INTERNAL_ERROR": logging.ERROR, "ERROR": logging.ERROR, "WARNING": logging.WARNING}
_logger = logging.getLogger(__name__)
_sinks: list[Sink] = []


@cache
def shared_logger(trt: Any) -> Any:
    """The logger of this process for the module `trt`, to be given to each Builder, Runtime, parser and Refitter."""

    def begin(self: Any) -> None:
        trt.ILogger.__init__(self)

    def log(_: Any, severity: Any, text: str) -> None:
        for sink in tuple(_sinks) or (_to_our_log,):
            sink(severity.name, text)

    return type("SharedLogger", (trt.ILogger,), {"__init__": begin, "log": log})()


@contextmanager
def listening(sink: Sink) -> Iterator[None]:
    """While the block runs, messages go to `sink` instead of the program's log."""
    _sinks.append(sink)
    try:
        yield
    finally:
        _sinks.remove(sink)


def _to_our_log(severity: str, text: str) -> None:
    _logger.log(_LEVELS.get(severity, logging.DEBUG), "TensorRT: %s", text)

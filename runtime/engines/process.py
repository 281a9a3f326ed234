"""How is the builder's process started, listened to, and ended?"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.engines.log_causes import LESS_MEMORY, Cause, complaints, find_cause
from runtime.engines.request import BuildOrder
from sa3dhp_edge.errors import EngineBuildError, EngineMemoryError

_logger = logging.getLogger(__name__)
_HOME = Path(__file__).resolve().parents[2]
_WORKER = (sys.executable, "-m", "runtime.engines.worker")
_NO_GPU = "cudaError 35"


def run_builder(order: BuildOrder, log: Path, command: tuple[str, ...] = _WORKER) -> float:
    """Build in a process of its own, and wait for its end.

    Args:
        order: what to build.
        log: file that TensorRT's log is added to.
        command: the process.

    Returns:
        how long the build took, s.

    Raises:
        EngineMemoryError: memory ran out, in TensorRT's words or because the system killed the process.
        EngineBuildError: it did not start, failed, crashed, or took longer than `order.request.limit_s`.
    """
    late = threading.Event()
    before = log.stat().st_size if log.is_file() else 0
    with log.open("a") as stderr:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=_HOME
            )
        except OSError as e:
            raise EngineBuildError(f"the builder's process does not start: {e}", LESS_MEMORY) from e
        timer = threading.Timer(order.request.limit_s, _end, (process, late))
        timer.start()
        try:
            last = _listen(process, order)
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
    said = log.read_bytes()[before:].decode(errors="replace")
    if order.request.target is not None:  # without a GPU TensorRT-RTX complains of that beside each other complaint
        said = "\n".join(line for line in said.splitlines() if _NO_GPU not in line)
    if status == 0 and last.get("event") == "done":
        return float(last["seconds"])
    raise _failure(last, status, said, order.request.limit_s if late.is_set() else None)


def _end(process: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    process.kill()


def _listen(process: subprocess.Popen[str], order: BuildOrder) -> dict[str, Any]:
    """Hand the order over and log progress; the last line but progress."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError), process.stdin as stdin:  # it died at once: its status says more
        stdin.write(order.to_json())
    last: dict[str, Any] = {}
    with process.stdout as stdout:
        for event in filter(None, map(_event, stdout)):
            if event["event"] != "progress":
                last = event
            else:
                _logger.info("building: %s, %s of %s", event["phase"], event["step"], event["of"])
    return last


def _event(line: str) -> dict[str, Any] | None:
    """A line that the builder wrote for us; None for any other."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "event" in said else None


def _failure(last: dict[str, Any], status: int, log: str, limit_s: float | None) -> EngineBuildError:
    """The typed error of a build that did not end well."""
    if limit_s is not None:
        return EngineBuildError(
            f"the build took longer than {limit_s:g} s and was ended", "raise --limit-s, or lower --level"
        )
    if status == -signal.SIGKILL:
        return EngineMemoryError("the system ended the builder (SIGKILL): memory ran out", LESS_MEMORY)
    message = str(last.get("message", "")) or _end_of(status, log)
    cause = find_cause(f"{message}\n{complaints(log)}")
    kind = EngineMemoryError if cause is not None and cause.key == "memory" else EngineBuildError
    return kind(f"{message}{_because(cause, log)}", cause.fix if cause else str(last.get("hint", "")) or "see the log")


def _end_of(status: int, log: str) -> str:
    if status < 0:
        return f"the builder crashed ({signal.Signals(-status).name})"
    lines = log.strip().splitlines()
    return f"the builder ended with status {status}{f': {lines[-1]}' if lines else ''}"


def _because(cause: Cause | None, log: str) -> str:
    if cause is None:
        return ""
    errors = complaints(log)
    line = next((text for text in errors.splitlines() if find_cause(text) == cause), "")
    return f": {cause.says}{f' ({line})' if line else ''}"

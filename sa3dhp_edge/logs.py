"""How the program's messages look on standard error: for a person, for systemd's journal, or as JSON for a collector.

A password in an address is left out, wherever it stands.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Literal, TextIO, final

from sa3dhp_edge.errors import Sa3dhpError

LogFormat = Literal["text", "json"]

_PASSWORD = re.compile(r"://[^/@\s]*@")
_PACKAGES = ("sa3dhp_edge", "export", "runtime", "calib")
_USUAL = {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "taskName"}
"""What every record has; anything else was given as a field."""
_PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Of syslog; the journal takes them from the start of a line."""

log = logging.getLogger(__name__)


def without_passwords(text: str) -> str:
    """Addresses in a text keep everything but the name and password before the host."""
    return _PASSWORD.sub("://***@", text)


def start_logging(form: LogFormat, quiet: bool = False) -> None:
    """Messages go to standard error from now on.

    Args:
        form: `json` is one object a line, also for an error that ends the program. `text` has the time in front; under
            systemd, whose journal has it already, the priority instead.
        quiet: warnings and errors only.
    """
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonFormatter())
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda e: _log_uncaught(e.exc_type, e.exc_value or e.exc_type(), e.exc_traceback)
    else:
        handler.setFormatter(JournalFormatter() if journal_reads(sys.stderr) else TextFormatter())
    logging.basicConfig(handlers=[handler])
    for package in _PACKAGES:
        logging.getLogger(package).setLevel(logging.WARNING if quiet else logging.INFO)


def say_error(error: Sa3dhpError) -> None:
    """The error that ends the program: two lines, or one object where messages are JSON."""
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        log.error("%s", error.message, extra={"hint": error.hint, "error": type(error).__name__})
        return
    mark = f"<{_PRIORITY['ERROR']}>" if journal_reads(sys.stderr) else ""
    hint = f"\n{mark}hint: {error.hint}" if error.hint else ""
    sys.stderr.write(without_passwords(f"{mark}error: {error.message}{hint}\n"))


def journal_reads(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Whether what is written there goes to systemd's journal by itself."""
    named = (os.environ if environment is None else environment).get("JOURNAL_STREAM", "")
    try:
        about = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{about.st_dev}:{about.st_ino}"


@final
class TextFormatter(logging.Formatter):
    """The time and the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return without_passwords(super().format(record))


@final
class JournalFormatter(logging.Formatter):
    """The message, each line with its priority in front; the journal adds the time, the unit and the process."""

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{_PRIORITY.get(record.levelname, 6)}>"
        return "\n".join(mark + line for line in without_passwords(super().format(record)).splitlines() or [""])


@final
class JsonFormatter(logging.Formatter):
    """One object a line: `time` in UTC, `level`, `logger`, `message`, `exception`, and every field."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields = {name: value for name, value in vars(record).items() if name not in _USUAL}
        said: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        said |= {name: value for name, value in fields.items() if name not in said}
        return json.dumps({name: _plain(value) for name, value in said.items()}, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_passwords(str(value))


def _log_uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    log.critical("%s", error, exc_info=(kind, error, where))

"""Messages: one JSON object a line, no time twice in the journal, and never a password."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sa3dhp_edge
from sa3dhp_edge.logs import JournalFormatter, JsonFormatter, TextFormatter, journal_reads, without_passwords


def record(message: str, *args: object, level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    made = logging.getLogger("runtime.cameras").makeRecord("runtime.cameras", level, "f", 1, message, args, None)
    vars(made).update(fields)
    made.created = 1_764_572_400.25
    return made


def program(*words: str, folder: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, with nothing of the tests' logging."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "sa3dhp_edge"]), *words]
    where = os.environ | {"PYTHONPATH": str(Path(sa3dhp_edge.__file__).parent.parent)}
    return subprocess.run(command, cwd=folder, env=where, capture_output=True, text=True, timeout=60)


def test_a_json_line_has_time_level_logger_message_and_fields() -> None:
    text = JsonFormatter().format(record("%s is\n%s", "camera 0", "live", fps=29.9, lost=float("inf"), path=Path("p")))
    assert "\n" not in text
    assert json.loads(text, parse_constant=pytest.fail) == {
        "time": "2025-12-01T07:00:00.250Z",
        "level": "warning",
        "logger": "runtime.cameras",
        "message": "camera 0 is\nlive",
        "fps": 29.9,
        "lost": None,
        "path": "p",
    }


def test_a_field_cannot_take_the_place_of_the_message() -> None:
    assert json.loads(JsonFormatter().format(record("m", level=logging.INFO, time="x")))["time"].startswith("2025")


def test_a_traceback_is_one_field() -> None:
    made = record("it broke")
    try:
        raise ValueError("rtsp://me:secret@camera")
    except ValueError:
        made.exc_info = sys.exc_info()
    said = json.loads(JsonFormatter().format(made))
    assert said["exception"].startswith("Traceback")
    assert "secret" not in said["exception"]


@pytest.mark.parametrize(
    "formatter", [TextFormatter(), JournalFormatter(), JsonFormatter()], ids=lambda f: type(f).__name__
)
def test_no_password_is_written(formatter: logging.Formatter) -> None:
    text = formatter.format(record("%s and %s", "rtsp://me:secret@camera/s", "http://u@h", address="rtsp://a:secret@c"))
    assert "secret" not in text
    assert "rtsp://***@camera/s and http://***@h" in text


@pytest.mark.parametrize("text", ["a@b.org", "rtsp://camera/a@b", "http://c/?q=1"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_passwords(text) == text


def test_the_journal_gets_priorities_and_no_time() -> None:
    assert JournalFormatter().format(record("one\ntwo")) == "<4>one\n<4>two"
    assert JournalFormatter().format(record("one", level=logging.INFO)) == "<6>one"


def test_the_journal_is_known_by_its_stream(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        about = os.fstat(file.fileno())
        assert journal_reads(file, {"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"})
        assert not journal_reads(file, {"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino + 1}"})
        assert not journal_reads(file, {})


def test_an_error_that_ends_the_program_is_json_too(tmp_path: Path) -> None:
    done = program("--log-format", "json", "run", "--input", "foo://me:secret@c", folder=tmp_path)
    (line,) = [json.loads(text) for text in done.stderr.splitlines()]
    assert (done.returncode, line["level"], line["error"]) == (1, "error", "InputError")
    assert line["message"] == "foo://***@c is no input that is known"
    assert line["hint"].startswith("one of: digits")


def test_a_mistake_of_ours_is_json_too(tmp_path: Path) -> None:
    code = "from sa3dhp_edge.logs import start_logging; start_logging('json'); 1 / 0"
    done = program(folder=tmp_path, code=code)
    (line,) = [json.loads(text) for text in done.stderr.splitlines()]
    assert (done.returncode, line["level"], line["message"]) == (1, "critical", "division by zero")
    assert "ZeroDivisionError" in line["exception"]

"""The builder's own process: what it writes where, and that it touches no TensorRT object without a driver."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines import worker
from runtime.engines.request import BuildOrder
from sa3dhp_edge.errors import EngineError

Order = Callable[..., BuildOrder]


@pytest.fixture
def library(version: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """TensorRT 10.3 and a driver, as look-alikes."""
    made, does = version("10.3.0")
    monkeypatch.setattr(worker, "find_tensorrt", lambda _: made)
    monkeypatch.setattr(worker, "need_gpu", lambda _: None)
    return does


def test_engine_and_measurements_are_written_and_progress_is_told(library: Any, order: Order) -> None:
    asked, events = order(), io.StringIO()
    assert worker.build(asked, events) >= 0
    assert asked.engine.read_bytes() == b"an engine"
    assert asked.timing.read_bytes() == b"measured"
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    assert told == [{"event": "progress", "phase": "outer", "step": 0, "of": 2}]  # the rest comes too fast to tell
    worker.build(asked, events)
    assert library.caches == [b"", b"measured"]


def test_messages_go_to_stderr_with_their_severity_first(
    library: Any, order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    library.says = [("WARNING", "look"), ("VERBOSE", "chatter"), ("ERROR", "alas")]
    worker.build(order(), io.StringIO())
    assert capsys.readouterr().err == "WARNING look\nERROR alas\n"


def test_without_a_driver_tensorrt_is_not_touched(library: Any, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(purpose: str) -> None:
        raise EngineError(f"{purpose} needs a GPU")

    monkeypatch.setattr(worker, "need_gpu", refuse)
    monkeypatch.setattr(worker, "assemble", lambda *_: pytest.fail("TensorRT was touched"))
    with pytest.raises(EngineError, match="building an engine needs a GPU"):
        worker.build(order(), io.StringIO())


def test_stdout_carries_our_lines_alone(tmp_path: Path) -> None:
    code = (
        "import os; from runtime.engines import worker\n"
        "events = worker._take_stdout(); os.write(1, b'native'); print('python', flush=True)\n"
        "worker._say(events, event='done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == '{"event": "done"}\n'
    assert done.stderr == "nativepython\n"


def test_a_failure_is_an_event_with_its_hint(order: Order) -> None:
    asked = order(flavour="no_such_tensorrt").to_json()
    done = subprocess.run(
        [sys.executable, "-m", "runtime.engines.worker"], input=asked, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert (said["event"], said["message"]) == ("failed", "no_such_tensorrt is not installed")
    assert said["hint"]

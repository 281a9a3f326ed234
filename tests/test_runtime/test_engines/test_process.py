"""The builder's process may end in any way; each has its own error, and none is waited for without end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.engines.process import run_builder
from runtime.engines.request import BuildOrder
from sa3dhp_edge.errors import EngineBuildError, EngineMemoryError
from sa3dhp_edge.extras import findable

DONE = 'print(\'{"event": "done", "seconds": 2.5}\')'
FAILED = 'print(\'{"event": "failed", "message": "TensorRT built no engine", "hint": "look"}\'); sys.exit(1)'
Run = Callable[..., float]


@pytest.fixture
def run(order: Callable[..., BuildOrder], tmp_path: Path) -> Run:
    """Let a line of Python stand for the builder."""

    def start(code: str, **asked: object) -> float:
        log = tmp_path / "build.log"
        return run_builder(order(**asked), log, (sys.executable, "-c", f"import os, sys, time; {code}"))

    return start


def test_one_that_is_done_says_how_long_it_took(run: Run, tmp_path: Path) -> None:
    progress = 'print(\'{"event": "progress", "phase": "a", "step": 1, "of": 2}\')'
    assert run(f"sys.stderr.write('INFO hello\\n'); print('noise'); {progress}; {DONE}") == 2.5
    assert (tmp_path / "build.log").read_text() == "INFO hello\n"


def test_it_is_handed_its_order(run: Run, order: Callable[..., BuildOrder]) -> None:
    asked = order(workspace_mb=77)
    same = f"assert sys.stdin.read() == {asked.to_json()!r}"
    assert run(f"{same}; {DONE}", workspace_mb=77) == 2.5


def test_one_the_system_kills_ran_out_of_memory(run: Run) -> None:
    with pytest.raises(EngineMemoryError, match=r"the system ended the builder \(SIGKILL\): memory ran out") as caught:
        run("os.kill(os.getpid(), 9)")
    for way in ("close the desktop", "add swap", "--workspace-mb"):
        assert way in caught.value.hint


def test_one_that_logs_lack_of_memory_ran_out_of_it(run: Run) -> None:
    said = "ERROR [allocate::20] Error Code 1: Cuda Runtime (out of memory)"
    with pytest.raises(EngineMemoryError, match=r"built no engine: memory ran out .*allocate::20"):
        run(f"sys.stderr.write({said!r} + '\\n'); {FAILED}")


def test_one_that_crashes_names_the_signal_and_the_last_known_cause(run: Run) -> None:
    with pytest.raises(EngineBuildError, match=r"crashed \(SIGSEGV\): TensorRT's own compiler \(Myelin\)"):
        run("sys.stderr.write('ERROR Error Code 1: Myelin (x)\\n'); sys.stderr.flush(); os.kill(os.getpid(), 11)")


def test_one_that_fails_has_its_message_its_cause_and_its_fix(run: Run) -> None:
    with pytest.raises(EngineBuildError, match=r"built no engine: the network holds an operator .*Odd") as caught:
        run(f"sys.stderr.write('ERROR No importer registered for op: Odd\\nINFO x\\n'); {FAILED}")
    assert not isinstance(caught.value, EngineMemoryError)
    assert "update TensorRT" in caught.value.hint
    with pytest.raises(EngineBuildError, match="built no engine") as caught:
        run(f"sys.stderr.write('WARNING out of memory, got over\\nERROR something new\\n'); {FAILED}")
    assert not isinstance(caught.value, EngineMemoryError)
    assert caught.value.hint == "look"


def test_what_an_earlier_build_logged_is_not_its_cause(run: Run) -> None:
    with pytest.raises(EngineMemoryError):
        run(f"sys.stderr.write('ERROR OutOfMemory\\n'); {FAILED}")
    with pytest.raises(EngineBuildError) as caught:
        run(f"sys.stderr.write('ERROR something new\\n'); {FAILED}")
    assert not isinstance(caught.value, EngineMemoryError)


@pytest.mark.parametrize(
    "code", ["sys.exit(0)", "print('{}')", DONE + "; sys.exit(3)", "raise ImportError('no numpy')"]
)
def test_one_that_ends_without_a_word_is_an_error(run: Run, code: str) -> None:
    with pytest.raises(EngineBuildError, match="the builder ended with status"):
        run(code)


def test_one_that_does_not_start_is_an_error(order: Callable[..., BuildOrder], tmp_path: Path) -> None:
    with pytest.raises(EngineBuildError, match=r"does not start: .*no-such-program"):
        run_builder(order(), tmp_path / "build.log", (str(tmp_path / "no-such-program"),))


def test_one_that_takes_too_long_is_ended(run: Run) -> None:
    begun = time.monotonic()
    with pytest.raises(EngineBuildError, match=r"took longer than 0\.5 s and was ended") as caught:
        run("time.sleep(60)", limit_s=0.5)
    assert time.monotonic() - begun < 20
    assert "--limit-s" in caught.value.hint


@pytest.mark.skipif(findable("tensorrt"), reason="TensorRT is installed")
def test_the_real_one_says_when_there_is_no_tensorrt(order: Callable[..., BuildOrder], tmp_path: Path) -> None:
    with pytest.raises(EngineBuildError, match="tensorrt is not installed") as caught:
        run_builder(order(), tmp_path / "build.log")
    assert "--system-site-packages" in caught.value.hint

"""Other programs, timed beside ours on the same machine in the same minutes."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from runtime.bench.report import CropToPose, PeerTimes, Percentiles
from runtime.timings import Spent, percentiles
from sa3dhp_edge.errors import InputError, MissingPackage, ModelError

_SCRIPT = Path(__file__).with_name("peers_blazepose.py")
_START_S, _FRAME_S, _END_S = 120.0, 5.0, 10.0
"""The longest start, time of one frame, and end of a program on a slow and busy board."""
_MODES = ("tracking", "static")
"""It follows the person, or finds the person anew in every frame."""


@dataclass
class _Told:
    wall_ms: list[float]
    cpu_ms: list[float]
    found: int = 0


class BlazePose:
    """MediaPipe's Pose, `model_complexity=1`, in a process of a Python that has it; a context manager.

    Args:
        python: whose packages hold mediapipe 0.10.21 or older, which still have the model inside.
        video: what it looks at.

    Raises:
        InputError: no such Python.
        MissingPackage: it has no usable mediapipe, or does not answer.
    """

    def __init__(self, python: Path, video: Path) -> None:
        words = [str(python), "-u", str(_SCRIPT), str(video)]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        except OSError as e:
            raise InputError(f"{python} cannot be started: {e.strerror}", "--peer blazepose=PYTHON") from e
        self._said: queue.Queue[str] = queue.Queue()
        self._errors: list[str] = []
        listening = (self._listen, self._listen_to_errors)
        self._listeners = [threading.Thread(target=listen, daemon=True) for listen in listening]
        for thread in self._listeners:
            thread.start()
        self._told = {mode: _Told([], []) for mode in _MODES}
        self.version = str(self._answer(_START_S)["version"])

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def look_at(self, frames: list[int]) -> None:
        """Have it look at these frames of the video, in rising order over all calls, and wait for it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(frames) + "\n")
            self._process.stdin.flush()
        except OSError as e:
            raise self._lost() from e
        answer = self._answer(_FRAME_S * (len(frames) + 1))
        for mode, told in self._told.items():
            told.wall_ms += answer[mode]["wall_ms"]
            told.cpu_ms += answer[mode]["cpu_ms"]
            told.found += answer[mode]["found"]

    def tracked(self) -> tuple[Percentiles, int]:
        """Percentiles of its tracking mode's milliseconds a frame, and in how many frames it saw somebody."""
        told = self._told["tracking"]
        return percentiles(told.wall_ms), told.found

    def times(self, ours: CropToPose) -> list[PeerTimes]:
        """What it took in each of its modes, beside ours with the same number of threads and one person."""
        return [_beside(self._told[mode], mode, self.version, ours) for mode in _MODES]

    def _answer(self, limit_s: float) -> dict[str, Any]:
        try:
            line = self._said.get(timeout=limit_s)
        except queue.Empty:
            raise self._lost() from None
        if not line:
            raise self._lost()
        return dict(json.loads(line))

    def _lost(self) -> MissingPackage:
        self.close()
        last = self._errors[-1] if self._errors else "it gave no answer"
        return MissingPackage(
            f"BlazePose does not run: {last}",
            "make an environment with Python 3.11 and `pip install mediapipe==0.10.21`; name its python",
        )

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put("")

    def _listen_to_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors = [*self._errors[-20:], line.strip()] if line.strip() else self._errors

    def close(self) -> None:
        """End its process; a second call does nothing."""
        self._process.kill()
        self._process.wait(_END_S)
        for thread in self._listeners:
            thread.join(_END_S)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent yet has no reader
                    pipe.close()

    def __enter__(self) -> BlazePose:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _beside(told: _Told, mode: str, version: str, ours: CropToPose) -> PeerTimes:
    spent = Spent.of(told.wall_ms, told.cpu_ms)
    return PeerTimes(
        name=f"BlazePose full, {mode}",
        version=f"mediapipe {version}",
        threads=ours.threads,
        spent=spent,
        found=told.found,
        wall_share=round(ours.whole.wall_ms["p50"] / spent.wall_ms["p50"], 3),
        cpu_share=round(ours.whole.cpu_ms["p50"] / max(spent.cpu_ms["p50"], 1e-6), 3),
    )


def trtexec_times(engine: Path, seconds: int = 3, limit_s: float = 120.0) -> PeerTimes:
    """What NVIDIA's own program says of an engine.

    Raises:
        InputError: no such engine.
        MissingPackage: no trtexec.
        ModelError: it does not run the engine.
    """
    if not engine.is_file():
        raise InputError(f"{engine} is not there", "--peer trtexec=ENGINE")
    program = shutil.which("trtexec") or shutil.which("trtexec", path="/usr/src/tensorrt/bin")
    if program is None:
        raise MissingPackage("there is no trtexec here", "it comes with TensorRT, in /usr/src/tensorrt/bin on a Jetson")
    words = [program, f"--loadEngine={engine}", f"--duration={seconds}", "--warmUp=500", "--useSpinWait"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit_s)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise ModelError(f"trtexec did not run {engine}: {e}", " ".join(words)) from e
    if done.returncode:
        last = next((line for line in reversed((done.stdout + done.stderr).splitlines()) if "[E]" in line), "no reason")
        raise ModelError(f"trtexec refused {engine}: {last}", " ".join(words))
    return read_trtexec(done.stdout)


def read_trtexec(text: str) -> PeerTimes:
    """The figures in trtexec's words: wall time is its `Latency`, CPU time its `Enqueue Time`.

    Raises:
        ModelError: they are not there.
    """
    rows = {name: _figures(text, name) for name in ("Latency", "Enqueue Time")}
    count = re.search(r"Timing trace has (\d+) queries", text)
    version = re.search(r"\[TensorRT v(\d+)\]", text)
    latency = rows["Latency"]
    spent = Spent(int(count[1]) if count else 0, _three(latency), _three(rows["Enqueue Time"]), latency["mean"])
    return PeerTimes("trtexec", f"TensorRT {version[1] if version else 'unknown'}", 1, spent)


def _figures(text: str, name: str) -> dict[str, float]:
    line = re.search(rf"(?<!H2D )(?<!D2H ){name}: (min = .*)", text)
    figures = {key: float(value) for key, value in re.findall(r"([\w%()]+) = ([\d.]+) ms", line[1] if line else "")}
    if not {"mean", "median", "percentile(99%)"} <= figures.keys():
        raise ModelError(f"trtexec told no {name}", "run it by hand; this reads the words of TensorRT 8.6 to 10")
    return figures


def _three(figures: dict[str, float]) -> dict[str, float]:
    highest = figures["percentile(99%)"]
    return {"p50": figures["median"], "p95": figures.get("percentile(95%)", highest), "p99": highest}

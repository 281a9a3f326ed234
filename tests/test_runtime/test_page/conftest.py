"""A page over a run that stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from runtime.budget import LatencyBudget
from runtime.outputs import Stream
from runtime.page import Monitor, Page, Recorder
from runtime.timings import Timings
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose

for _module in ("starlette", "uvicorn", "httpx", "websockets", "prometheus_client"):
    pytest.importorskip(_module)

MODEL = cast(Any, SimpleNamespace(name="hall", sha256=lambda: "ab" * 32))
STREAM = Stream("camera 0", 30.0, (64, 48), Intrinsics((60.0, 60.0), (32.0, 24.0)), 1700.0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def source() -> Any:
    return SimpleNamespace(
        name="rtsp://ann:s3cret@cam/1", size_wh=(64, 48), state="live", dropped=3, corrupt=2, outages=1
    )


def _seen(index: int, *tracks: int) -> tuple[Frame, tuple[Pose, ...], float]:
    image = np.full((48, 64, 3), 10 * index % 250, np.uint8)
    shape = np.stack([np.linspace(20, 40, 17), np.linspace(5, 43, 17)], 1).astype(np.float32)
    mm = np.random.default_rng(index).normal(0, 300, (17, 3)).astype(np.float32)
    poses = tuple(
        Pose(mm, None, shape, (10.0, 0.0, 50.0, 40.0), 0.8, track, np.zeros(32, np.float32), 60.0) for track in tracks
    )
    return Frame(image, index, index / 30), poses, 5.0 + index


@pytest.fixture
def seen() -> Callable[..., tuple[Frame, tuple[Pose, ...], float]]:
    """Frame n with people of these tracks, as a loop finishes it."""
    return _seen


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitor(clock: Clock) -> Monitor:
    return Monitor(source(), MODEL, Timings(), LatencyBudget(None), clock)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "kept", STREAM, MODEL)


@pytest.fixture
def serve(monitor: Monitor, recorder: Recorder):
    made: list[Page] = []

    def start(where: str = "127.0.0.1:0", token: str | None = None, record: bool = True) -> Page:
        made.append(Page(where, token, monitor, recorder if record else None))
        return made[-1]

    yield start
    for page in made:
        page.close()

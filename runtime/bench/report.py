"""What a benchmark measured, with everything that somebody who wants the same numbers must know."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from runtime.bench.conditions import Conditions
from runtime.jetson import jetpack, l4t_release, power_mode
from runtime.timings import Spent
from sa3dhp_edge import __version__

SCHEMA = "sa3dhp-edge/bench/1"

Percentiles = dict[str, float]


@dataclass(frozen=True)
class WarmUp:
    """What a start costs: milliseconds to load the model, of its first answer, and of the fifth."""

    load_ms: float
    first_ms: float
    fifth_ms: float


@dataclass(frozen=True)
class CropToPose:
    """Boxes of one frame to poses: crop, networks and decoding, without finding the person.

    Attributes:
        threads: of the engine and of OpenCV.
        people: boxes in a frame, one batch for the network.
        whole: all of it, per frame.
        network: the engine alone on a batch that is ready, timed in turns with `whole`.
        overhead_ms: median of the whole without that of the engine at work in it: what our code adds. The engine
            alone, whose weights lie in the cache, is faster.
        stages: p50, p95, p99 by stage.
        people_per_s: people times frames in a second of the whole.
    """

    threads: int
    people: int
    whole: Spent
    network: Spent
    overhead_ms: float
    stages: dict[str, Percentiles]
    people_per_s: float


@dataclass(frozen=True)
class PeerTimes:
    """Another program on the same frames, in turns with ours.

    Attributes:
        name: of the program and its mode.
        version: as it says itself.
        threads: it was given; with `pinned` also the cores.
        spent: per frame.
        found: frames in which it saw a person; None where it does not look for one.
        wall_share: our crop to pose over its time, medians of the wall; None where the two are not the same work.
        cpu_share: the same of CPU time.
    """

    name: str
    version: str
    threads: int
    spent: Spent
    found: int | None = None
    wall_share: float | None = None
    cpu_share: float | None = None


@dataclass(frozen=True)
class SoakPoint:
    """One look while soaking: seconds since its start, median ms per frame since the look before, memory, heat."""

    at_s: float
    frame_ms: float
    rss_mb: float
    temperature_c: float | None
    cpu_mhz: float | None
    power_w: float | None


@dataclass(frozen=True)
class Soak:
    """The whole loop for a long time.

    Attributes:
        seconds: it ran.
        frames: processed.
        first_ms: percentiles of the first tenth of the looks.
        steady_ms: of the last half: what the board can keep up.
        rss_slope_mb_per_h: memory's growth, a least-squares line through the last half; None of too few looks.
        rss_slope_error: its standard error, MB/h; a short soak says little.
        points: the looks.
    """

    seconds: float
    frames: int
    first_ms: Percentiles
    steady_ms: Percentiles
    rss_slope_mb_per_h: float | None
    rss_slope_error: float | None
    points: tuple[SoakPoint, ...]


@dataclass(frozen=True)
class BenchReport:
    """Everything that `bench` measured; the keys of the dictionaries are numbers of threads, as text.

    Attributes:
        model: folder or name.
        source: what was looked at.
        size_wh: of its frames, px.
        backend: the inference library.
        pinned: the cores this was held to, by threads; none where it was free to move.
        frames: timed in the whole loop.
        latency_ms: of the whole loop: p50, p95, p99 by stage.
        frames_per_s: of the whole loop, decoding of the video included.
        warm_up: what a start costs.
        crop_to_pose: by threads and people.
        peers: other programs.
        soak: the long run, if one was asked for.
        conditions: whether all these numbers are clean.
        machine: hardware and versions.
        command: the command line that this is the answer to.
    """

    model: str
    source: str
    size_wh: tuple[int, int]
    backend: str
    pinned: dict[str, tuple[int, ...]]
    frames: dict[str, int]
    latency_ms: dict[str, dict[str, Percentiles]]
    frames_per_s: dict[str, float]
    warm_up: dict[str, WarmUp]
    crop_to_pose: tuple[CropToPose, ...]
    peers: tuple[PeerTimes, ...]
    soak: Soak | None
    conditions: Conditions
    machine: dict[str, str]
    command: str
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return dataclasses.asdict(self)

    @property
    def verdict(self) -> str:
        """ "clean", or "not clean:" and why."""
        return "clean" if self.conditions.clean else f"not clean: {'; '.join(self.conditions.why_not)}"


def machine() -> dict[str, str]:
    """Hardware, system and the versions of all that takes part."""
    l4t, mode = l4t_release(), power_mode()
    return {
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        **({"l4t": l4t, "jetpack": jetpack(l4t) or "unknown"} if l4t else {}),
        **({"power_mode": mode} if mode else {}),
        "python": platform.python_version(),
        "sa3dhp-edge": __version__,
        "onnxruntime": metadata.version("onnxruntime"),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "load": ", ".join(f"{v:.1f}" for v in os.getloadavg()),
        "executable": Path(sys.executable).name,
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or platform.machine()

"""The machine: which board, how fast it may run, how much room it has."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from runtime.jetson import jetpack, l4t_release, power_mode
from sa3dhp_edge.doctor.ask import Answers
from sa3dhp_edge.doctor.finding import Finding

LITTLE_DISK_GB = 3.0
LITTLE_MEMORY_GB = 1.5
LITTLE_SWAP_GB = 4.0

_PYTHON = {"6": (3, 10), "7": (3, 12)}
"""JetPack's first number -> the Python that its TensorRT and OpenCV are for."""
_ADD_SWAP = "sudo fallocate -l 8G /swapfile; sudo chmod 600 /swapfile; sudo mkswap /swapfile; sudo swapon /swapfile"


def machine(_: Answers) -> Iterator[Finding]:
    detail = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if release := l4t_release():
        yield _jetson(detail, release)
    else:
        yield Finding("machine", "ok", detail + (", no Jetson" if platform.machine() == "aarch64" else ""))


def _jetson(detail: str, release: str) -> Finding:
    pack = jetpack(release)
    detail = f"{detail}, Jetson with L4T {release}, {f'JetPack {pack}' if pack else 'of a JetPack unknown here'}"
    if pack is None:
        return Finding("machine", "note", detail, "see docs/jetson.md for those that were looked at")
    wanted = _PYTHON.get(pack[0])
    if wanted is None:
        return Finding("machine", "problem", f"{detail}, whose Python is too old", "install JetPack 6.2 or 7")
    if sys.version_info[:2] != wanted:
        dotted = ".".join(map(str, wanted))
        fix = f"python{dotted} -m venv --system-site-packages .venv"
        return Finding("machine", "note", f"{detail}; its TensorRT and OpenCV are for Python {dotted}", fix)
    return Finding("machine", "ok", detail)


def clocks(_: Answers) -> Iterator[Finding]:
    """Whether clocks are free to move, and the power mode that limits them."""
    moving = moving_clocks()
    mode = power_mode()
    if mode is None and moving is None:
        return
    said = [f"power mode {mode}"] if mode else []
    if moving is not None:
        said.append("clocks move with the load" if moving else "clocks are held")
    if l4t_release() and moving:
        fix = "for measurements: sudo jetson_clocks; for another mode: sudo nvpmodel -m 0"
        yield Finding("clocks", "note", ", ".join(said), fix)
    else:
        yield Finding("clocks", "ok", ", ".join(said))


def moving_clocks(cpus: Path = Path("/sys/devices/system/cpu")) -> bool | None:
    """Whether any core may run at more than one frequency; None where the system does not tell."""
    limits = []
    for folder in cpus.glob("cpu[0-9]*/cpufreq"):
        try:
            limits.append([(folder / f"scaling_{end}_freq").read_text() for end in ("min", "max")])
        except OSError:
            continue
    return any(low != high for low, high in limits) if limits else None


def room(_: Answers) -> Iterator[Finding]:
    disk_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    fix = "runs and caches need some GB here" if disk_gb < LITTLE_DISK_GB else ""
    yield Finding("disk", "note" if fix else "ok", f"{disk_gb:.1f} GB free in {Path.cwd()}", fix)
    memory_gb, swap_gb = memory_gb_of("MemAvailable"), memory_gb_of("SwapTotal")
    if memory_gb is not None:
        fix = "training may be stopped by the system; running is fine" if memory_gb < LITTLE_MEMORY_GB else ""
        yield Finding("memory", "note" if fix else "ok", f"{memory_gb:.1f} GB available", fix)
    if swap_gb is not None:
        fix = _ADD_SWAP if l4t_release() and swap_gb < LITTLE_SWAP_GB else ""
        lack = ": building an engine or adapting may be stopped" if fix else ""
        yield Finding("swap", "note" if fix else "ok", f"{swap_gb:.1f} GB{lack}", fix)


def memory_gb_of(kind: str, file: Path = Path("/proc/meminfo")) -> float | None:
    """A line of the system's account of memory, in 10^9 bytes; None where it does not say."""
    try:
        found = re.search(rf"{kind}:\s+(\d+) kB", file.read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 / 1e9 if found else None

"""What this machine has and lacks for adapting, exporting and running; each lack with what mends it.

Native packages are asked in a process of their own: one that crashes or hangs when imported is a finding, not our end.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from sa3dhp_edge.extras import CORE, EXTRAS, findable
from sa3dhp_edge.shipped import FOLDER

OPENCV_BUILDS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
OUR_GENERAL_NAMES = ("export", "runtime", "calib")
LITTLE_DISK_GB = 3.0
LITTLE_MEMORY_GB = 1.5
LONGEST_IMPORT_S = 60.0

_READ_SHIPPED = """import sa3dhp_edge.contract as contract
from sa3dhp_edge.shipped import FOLDER
try:
    model = contract.read_contract(FOLDER)
    print("ok", f"{model.name}, {model.crop_px} px, every file as it was made")
except contract.ModelError as e:
    print("bad", e.message)"""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: "ok", a "note" that may be meant so, or a "problem" that stops the program."""

    name: str
    status: Literal["ok", "note", "problem"]
    detail: str
    fix: str = ""


def examine() -> list[Finding]:
    """Everything, in the order in which a reader would ask."""
    return [finding for look in LOOKS for finding in look()]


def _python() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _machine() -> Iterator[Finding]:
    detail = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if release := l4t_release():
        detail += f", Jetson with L4T {release}"
    elif platform.machine() == "aarch64":
        detail += ", no Jetson"
    yield Finding("machine", "ok", detail)


def l4t_release(file: Path = Path("/etc/nv_tegra_release")) -> str | None:
    """A Jetson's L4T release such as "36.4.0"; None elsewhere. JetPack 6 is 36.x, JetPack 5 is 35.x."""
    try:
        found = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", file.read_text())
    except OSError:
        return None
    return f"{found[1]}.{found[2]}" if found else "unknown"


def _packages() -> Iterator[Finding]:
    owners = metadata.packages_distributions()
    if missing := CORE.missing():
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", "pip install sa3dhp-edge")
    else:
        yield Finding("packages", "ok", _versions(CORE.imports, owners))
    for extra in EXTRAS.values():
        name = f"extra {extra.name}"
        if missing := extra.missing():
            yield Finding(name, "note", f"no {', '.join(missing)}: without {extra.use}", extra.command)
        else:
            yield Finding(name, "ok", f"{_versions(extra.imports, owners)}: {extra.use}")


def _versions(imports: tuple[str, ...], owners: Mapping[str, list[str]]) -> str:
    return ", ".join(f"{n} {metadata.version(owners[n][0])}" if n in owners else n for n in imports)


def _own_names() -> Iterator[Finding]:
    home = Path(__file__).resolve().parent.parent
    for name in OUR_GENERAL_NAMES:
        spec = find_spec(name) if findable(name) else None
        if spec is None:
            yield Finding("import names", "problem", f"{name} is not importable", "install sa3dhp-edge again")
        elif spec.origin is None or Path(spec.origin).resolve().parent.parent != home:
            where = spec.origin or "a folder without __init__.py"
            yield Finding(
                "import names", "problem", f"{name} is a foreign package: {where}", "move it, or start elsewhere"
            )


def _opencv() -> Iterator[Finding]:
    builds = [name for name in OPENCV_BUILDS if _installed(name)]
    if len(builds) > 1:
        fix = f"pip uninstall -y {' '.join(builds)}, then pip install opencv-python-headless"
        yield Finding("opencv", "problem", f"{' and '.join(builds)} overwrite each other", fix)
    answer, failed = ask("import cv2; print(cv2.__file__); print(cv2.getBuildInformation())")
    if failed:
        yield Finding("opencv", "problem", f"cv2 does not import: {failed}", "pip install opencv-python-headless")
        return
    where, _, build = answer.partition("\n")
    has = {name: bool(re.search(rf"{name}:\s+YES", build)) for name in ("FFMPEG", "GStreamer")}
    detail = f"{where}, " + ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in has.items())
    if has["FFMPEG"]:
        yield Finding("opencv", "ok", detail)
    else:
        yield Finding("opencv", "note", f"{detail}: few videos open", "pip install opencv-python-headless")


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _onnxruntime() -> Iterator[Finding]:
    answer, failed = ask("import onnxruntime; print(*onnxruntime.get_available_providers())")
    if failed:
        yield Finding("onnxruntime", "problem", f"does not import: {failed}", "pip install onnxruntime")
    else:
        yield Finding("onnxruntime", "ok", answer.replace("ExecutionProvider", ""))


def _shipped_model() -> Iterator[Finding]:
    """The model that commands take when none is named."""
    if not FOLDER.is_dir():
        yield Finding("shipped model", "note", f"not there: {FOLDER}", "name one by --model, or install again")
        return
    answer, failed = ask(_READ_SHIPPED)
    verdict, _, words = answer.partition(" ")
    if verdict == "ok":
        yield Finding("shipped model", "ok", words)
    else:
        yield Finding("shipped model", "problem", words or f"cannot be read: {failed}", "install sa3dhp-edge again")


def _torch() -> Iterator[Finding]:
    if not findable("torch"):
        return
    code = "import torch; print(torch.__version__, torch.version.cuda or '-', torch.cuda.is_available())"
    answer, failed = ask(code)
    if failed:
        yield Finding("torch", "problem", f"does not import: {failed}", EXTRAS["adapt"].command)
        return
    version, cuda, usable = answer.split()
    built = "built for the CPU" if cuda == "-" else f"built for CUDA {cuda}"
    yield Finding("torch", "ok", f"{version}, {built}, trains on the {'GPU' if usable == 'True' else 'CPU'}")


def _gpu() -> Iterator[Finding]:
    driver = nvidia_driver()
    if driver is None:
        yield Finding("NVIDIA GPU", "note", "no driver answers: everything runs on the CPU")
        return
    version, devices = driver
    yield Finding("NVIDIA GPU", "ok", f"{devices} device(s), driver for CUDA {version // 1000}.{version % 1000 // 10}")
    if findable("numba"):
        yield _drawing()
    if not findable("tensorrt"):
        yield Finding("TensorRT", "note", "not installed", "comes with JetPack (use --system-site-packages), or pip")
        return
    answer, failed = ask("import tensorrt; print(tensorrt.__version__)")
    if failed:
        yield Finding("TensorRT", "note", f"does not import: {failed}", "match it with the driver's CUDA version")
    else:
        yield Finding("TensorRT", "ok", answer)


def _drawing() -> Finding:
    """What draws generated video: a trial is drawn on both, which takes the GPU's compiler a while at first."""
    answer, failed = ask("import sa3dhp_edge.synth.canvas as canvas; print(canvas.gpu_trouble())")
    if trouble := failed or answer:
        return Finding("generated video", "note", f"drawn on the CPU: {trouble}", EXTRAS["synth-gpu"].command)
    return Finding("generated video", "ok", "drawn on the GPU, which passes the trial")


def nvidia_driver() -> tuple[int, int] | None:
    """The CUDA version of a working NVIDIA driver (12040 for 12.4) and its devices; None without one."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version, devices = ctypes.c_int(), ctypes.c_int()
    calls: tuple[Callable[[], int], ...] = (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDriverGetVersion(ctypes.byref(version)),
        lambda: cuda.cuDeviceGetCount(ctypes.byref(devices)),
    )
    if any(call() for call in calls) or devices.value == 0:
        return None
    return version.value, devices.value


def _cameras() -> Iterator[Finding]:
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        yield Finding("cameras", "note", "no /dev/video*: video files and network streams work")
    elif closed := [d.name for d in devices if not os.access(d, os.R_OK | os.W_OK)]:
        fix = "sudo usermod -aG video $USER, then log in again"
        yield Finding("cameras", "problem", f"{', '.join(closed)} may not be opened by this user", fix)
    else:
        yield Finding("cameras", "ok", ", ".join(f"{d.name} ({_camera_name(d.name)})" for d in devices))


def _camera_name(device: str) -> str:
    try:
        return Path(f"/sys/class/video4linux/{device}/name").read_text().strip()
    except OSError:
        return "unnamed"


def _display() -> Iterator[Finding]:
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if shown:
        yield Finding("display", "ok", shown)
    else:
        yield Finding("display", "note", "none: no window can open; --overlay writes a video instead")


def _room() -> Iterator[Finding]:
    disk_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    fix = "runs and caches need some GB here" if disk_gb < LITTLE_DISK_GB else ""
    yield Finding("disk", "note" if fix else "ok", f"{disk_gb:.1f} GB free in {Path.cwd()}", fix)
    memory_gb = available_memory_gb()
    if memory_gb is not None:
        fix = "training may be stopped by the system; running is fine" if memory_gb < LITTLE_MEMORY_GB else ""
        yield Finding("memory", "note" if fix else "ok", f"{memory_gb:.1f} GB available", fix)


def available_memory_gb(file: Path = Path("/proc/meminfo")) -> float | None:
    """Memory a new program can have without swapping; None where the system does not say."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", file.read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 / 1e9 if found else None


def ask(code: str, timeout_s: float = LONGEST_IMPORT_S) -> tuple[str, str]:
    """Run a line of Python in a process of its own.

    Returns:
        what it printed, and "" or the last line of why it failed.
    """
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return "", f"no answer within {timeout_s:.0f} s"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return "", last if done.returncode > 0 else f"stopped by signal {-done.returncode} {last}".rstrip()


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _machine,
    _packages,
    _own_names,
    _opencv,
    _onnxruntime,
    _shipped_model,
    _torch,
    _gpu,
    _cameras,
    _display,
    _room,
)

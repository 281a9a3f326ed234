"""The NVIDIA side: driver, CUDA, and TensorRT, which match or do not.

TensorRT is imported in a process of its own and nothing of it is made there: its Runtime ends a process in which no
driver answers.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from runtime.jetson import l4t_release
from sa3dhp_edge.doctor.ask import Answers, Question
from sa3dhp_edge.doctor.finding import Finding
from sa3dhp_edge.extras import EXTRAS, findable

_FLAVOURS = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}
_FROM_JETPACK = "python3 -m venv --system-site-packages .venv, which sees JetPack's; see docs/jetson.md"
_COMPILER_S = 60.0


def questions() -> dict[str, Question]:
    """What TensorRT is asked where there is one, and the drawing of generated video where a GPU could do it."""
    asked = {m: Question(f"import {m}; print({m}.__version__)") for m in _FLAVOURS if findable(m)}
    if nvidia_driver() and findable("numba"):
        code = "import sa3dhp_edge.synth.canvas as canvas; print(canvas.gpu_trouble())"
        asked["drawing"] = Question(code, _COMPILER_S)
    return asked


def gpu(answers: Answers) -> Iterator[Finding]:
    driver = nvidia_driver()
    if driver is None:
        yield Finding("NVIDIA GPU", "note", "no driver answers: everything runs on the CPU")
    else:
        version, devices = driver
        release = driver_release()
        detail = f"{devices} device(s), driver{f' {release}' if release else ''} for CUDA {_dotted(version)}"
        yield Finding("NVIDIA GPU", "ok", detail)
        yield from _bindings(version // 1000)
    if toolkit := cuda_toolkit():
        yield Finding("CUDA", "ok", f"{toolkit} in /usr/local/cuda")
    yield from _tensorrt(answers, driver is not None)
    if "drawing" in answers:
        yield _drawing(answers)


def _bindings(cuda_major: int) -> Iterator[Finding]:
    try:
        found = metadata.version("cuda-bindings")
    except metadata.PackageNotFoundError:
        return
    if int(found.split(".")[0]) > cuda_major:
        detail = f"{found} is for a newer driver than this one, which speaks CUDA {cuda_major}"
        yield Finding("cuda-bindings", "problem", detail, f"pip install 'cuda-bindings<{cuda_major + 1}'")


def _tensorrt(answers: Answers, driver: bool) -> Iterator[Finding]:
    there = [module for module in _FLAVOURS if module in answers]
    for module in there:
        name, answer = _FLAVOURS[module], answers[module]
        if answer.failed:
            yield Finding(name, "note", f"does not import: {answer.failed}", "match it with the driver's CUDA version")
        elif driver:
            yield Finding(name, "ok", answer.said)
        else:
            yield Finding(name, "note", f"{answer.said}, and no driver: no engine can run here")
    if not there and (driver or l4t_release()):
        fix = _FROM_JETPACK if l4t_release() else "pip install tensorrt"
        yield Finding("TensorRT", "note", "not installed: ONNX Runtime runs the model on the CPU", fix)


def _drawing(answers: Answers) -> Finding:
    """What draws generated video: a trial is drawn on both, which takes the GPU's compiler a while at first."""
    answer = answers["drawing"]
    if trouble := answer.failed or answer.said:
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


def driver_release(file: Path = Path("/sys/module/nvidia/version")) -> str | None:
    """The kernel module's release such as "540.4.0"; None where it does not say."""
    try:
        return file.read_text().strip() or None
    except OSError:
        return None


def cuda_toolkit(file: Path = Path("/usr/local/cuda/version.json")) -> str | None:
    """The installed CUDA toolkit's version such as "12.6.68"; None without one."""
    try:
        return str(json.loads(file.read_text())["cuda"]["version"])
    except (OSError, ValueError, KeyError):
        return None


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"

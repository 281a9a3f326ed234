"""The NVIDIA side: driver, CUDA, and TensorRT, which match or do not.

TensorRT is imported in a process of its own and nothing of it is made there: its Runtime ends a process in which no
driver answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from runtime.engines.driver import find_gpu
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
    if find_gpu() and findable("numba"):
        code = "import sa3dhp_edge.synth.canvas as canvas; print(canvas.gpu_trouble())"
        asked["drawing"] = Question(code, _COMPILER_S)
    return asked


def gpu(answers: Answers) -> Iterator[Finding]:
    found = find_gpu()
    if found is None:
        yield Finding("NVIDIA GPU", "note", "no driver answers: everything runs on the CPU")
    else:
        more = f" and {found.devices - 1} more" if found.devices > 1 else ""
        detail = f"{found.name}{more}, {found.sm}, driver {found.driver} for CUDA {found.cuda}"
        yield Finding("NVIDIA GPU", "ok", detail)
        yield from _bindings(int(found.cuda.split(".")[0]))
    if toolkit := cuda_toolkit():
        yield Finding("CUDA", "ok", f"{toolkit} in /usr/local/cuda")
    yield from _tensorrt(answers, found is not None)
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


def cuda_toolkit(file: Path = Path("/usr/local/cuda/version.json")) -> str | None:
    """The installed CUDA toolkit's version such as "12.6.68"; None without one."""
    try:
        return str(json.loads(file.read_text())["cuda"]["version"])
    except (OSError, ValueError, KeyError):
        return None

"""Is the PyTorch that is installed one for this machine?"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from runtime.engines.driver import find_gpu
from sa3dhp_edge.doctor.ask import Answers, Question
from sa3dhp_edge.doctor.finding import Finding
from sa3dhp_edge.doctor.packages import OLDER_NUMPY
from sa3dhp_edge.extras import EXTRAS, findable

_ASK = "from sa3dhp_edge.doctor.torch_build import describe; print(describe())"

_TEGRA = ((5, 3), (6, 2), (7, 2), (8, 7), (10, 1), (11, 0))
"""Compute capabilities of Jetsons, which run no code that was compiled for another one.

Source: CUDA C++ Programming Guide, binary compatibility.
"""


def questions() -> dict[str, Question]:
    """What PyTorch is asked, where there is one."""
    return {"torch": Question(_ASK, 30.0)} if findable("torch") else {}


def describe() -> str:
    """Version, CUDA, the GPU's compute capability, what there is code for, "no-arrays" if it refuses NumPy's.

    "-" is none of it, or not asked. Loads PyTorch's libraries: for a process of its own. It is imported only where it
    would use a GPU, since nothing else tells what it was compiled for, and that takes longer than all other questions.
    """
    spec = find_spec("torch")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    text = (folder / "version.py").read_text()
    version, cuda = (_assigned(name, text) for name in ("__version__", "cuda"))
    if cuda != "-" and find_gpu() is not None:
        return f"{version} {cuda} {_on_the_gpu()}"
    try:
        ctypes.CDLL(str(folder / "lib" / "libtorch_python.so"))
    except OSError:
        import torch  # noqa: F401 - it may find what the linker did not, and else says best what is missing
    return f"{version} {cuda} - - -"


def _assigned(name: str, text: str) -> str:
    """The text that a line of PyTorch's version.py gives a name; "-" where it is None."""
    found = re.search(rf"^{name}\b[^=\n]*= *['\"](.+?)['\"]", text, re.MULTILINE)
    return found[1] if found else "-"


def _on_the_gpu() -> str:
    import numpy as np
    import torch

    there = torch.cuda.is_available()
    capability = ".".join(map(str, torch.cuda.get_device_capability())) if there else "-"
    try:
        torch.from_numpy(np.zeros(1))
        arrays = "-"
    except RuntimeError:
        arrays = "no-arrays"
    return f"{capability} {','.join(torch.cuda.get_arch_list()) or '-'} {arrays}"


def torch(answers: Answers) -> Iterator[Finding]:
    if "torch" not in answers:
        return
    if failed := answers["torch"].failed:
        fix = OLDER_NUMPY if "NumPy 1" in failed else EXTRAS["adapt"].command
        yield Finding("torch", "problem", f"does not import: {failed}", fix)
        return
    version, cuda, capability, compiled, arrays = answers["torch"].said.split()
    built = "built for the CPU" if cuda == "-" else f"built for CUDA {cuda}"
    where = "CPU" if capability == "-" else f"GPU, compute capability {capability}"
    detail = f"{version}, {built}, trains on the {where}"
    if arrays == "no-arrays":
        yield Finding("torch", "problem", f"{detail}; it was built for NumPy 1, and NumPy 2 is installed", OLDER_NUMPY)
    elif capability != "-" and not has_code_for(_pair(capability), compiled.split(",")):
        fix = "install a PyTorch that was built for it; for a Jetson see docs/jetson.md"
        yield Finding("torch", "problem", f"{detail}, for which it has no code: only {compiled}", fix)
    else:
        yield Finding("torch", "ok", detail)


def has_code_for(gpu: tuple[int, int], compiled: Sequence[str]) -> bool:
    """Whether code compiled for these ("sm_87", "compute_90") runs on a GPU of this compute capability.

    Binary code runs on the same major and a later minor one, on Jetsons on the very same only; the portable
    "compute" code on every later one.
    """
    for name in compiled:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", name)
        if found is None:
            continue
        made_for = int(found[2]), int(found[3])
        if made_for == gpu:
            return True
        if found[4]:  # a variant for one GPU only
            continue
        if found[1] == "compute" and made_for <= gpu:
            return True
        if found[1] == "sm" and gpu not in _TEGRA and made_for not in _TEGRA and _later_minor(gpu, made_for):
            return True
    return False


def _later_minor(gpu: tuple[int, int], made_for: tuple[int, int]) -> bool:
    return gpu[0] == made_for[0] and gpu[1] >= made_for[1]


def _pair(capability: str) -> tuple[int, int]:
    major, minor = capability.split(".")
    return int(major), int(minor)

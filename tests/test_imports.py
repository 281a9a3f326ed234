"""What may not be loaded: nothing heavy by the command line, nothing that trains by the device's side."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import calib
import export
import runtime
import sa3dhp_edge
from sa3dhp_edge.doctor import OUR_GENERAL_NAMES
from sa3dhp_edge.extras import EXTRAS

NEVER_ON_DEVICE = ("torch", "onnx", "onnxscript", "numba", "matplotlib", "safetensors", "tensorrt", "pycuda", "cuda")


def loaded_by(statement: str) -> set[str]:
    """Top-level names in sys.modules after a statement in a fresh Python."""
    code = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_check_itself_sees_what_is_loaded() -> None:
    assert {"json", "numpy"} <= loaded_by("import json, numpy")


def test_the_command_line_starts_light() -> None:
    heavy = {"numpy", "cv2", "onnxruntime", *NEVER_ON_DEVICE}
    assert not heavy & loaded_by("import sa3dhp_edge.cli")


def test_the_package_itself_loads_nothing() -> None:
    assert "numpy" not in loaded_by("import sa3dhp_edge, export, runtime, calib")


def test_running_never_loads_what_trains() -> None:
    modules = ["runtime", *(m.name for m in pkgutil.walk_packages(runtime.__path__, "runtime."))]
    assert len(modules) > 1
    assert not set(NEVER_ON_DEVICE) & loaded_by(f"import {', '.join(modules)}")


@pytest.mark.parametrize("package", [sa3dhp_edge, export, runtime, calib])
def test_packages_of_general_names_are_ours(package) -> None:
    home = Path(__file__).resolve().parent.parent
    assert Path(package.__file__).resolve().parent.parent == home


def test_doctor_knows_the_general_names_and_the_extras_their_packages() -> None:
    assert set(OUR_GENERAL_NAMES) == {"export", "runtime", "calib"}
    assert {"torch", "onnx"} <= set(EXTRAS["export"].imports)

"""The device loads no training code."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    "torch",
    "onnx",
    "numba",
    "matplotlib",
    "sa3dhp_edge.adaptation",
    "sa3dhp_edge.motion",
    "sa3dhp_edge.config",
)


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join(m for m in {FORBIDDEN!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_runtime_leaves_training_out():
    assert loaded_by("import runtime.service, runtime.clip_cutter, runtime.bench.timing") == set()


def test_the_check_above_can_fail():
    pytest.importorskip("numba")
    assert loaded_by("import runtime.service, numba, sa3dhp_edge.adaptation") >= {"numba", "sa3dhp_edge.adaptation"}

"""What `export` writes in each precision passes TensorRT's real parser and builder, for one person and for several."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.fp16 import in_fp16
from export.int8 import activation_scales, convolutions, in_int8
from runtime.engines.build import build_engine
from runtime.engines.request import EngineRequest
from sa3dhp_edge.contract import FILE, file_sha256
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.extras import findable

pytestmark = pytest.mark.skipif(
    not findable("tensorrt_rtx"), reason="TensorRT-RTX is not installed: pip install tensorrt-rtx-cu13"
)


@pytest.mark.parametrize(
    ("precision", "people"),
    [
        pytest.param("fp32", (1, 1, 1), marks=pytest.mark.slow),
        pytest.param("fp32", (1, 2, 4), marks=pytest.mark.slow),
        pytest.param("fp16", (1, 1, 1), marks=pytest.mark.slow),
        ("fp16", (1, 2, 4)),
        pytest.param("int8", (1, 1, 1), marks=pytest.mark.slow),
        ("int8", (1, 2, 4)),
    ],
)
def test_a_model_in_each_precision_becomes_an_engine(
    precision: str, people: tuple[int, int, int], model: Path, pictures: np.ndarray, tmp_path: Path
) -> None:
    folder = shutil.copytree(model, tmp_path / "m")
    graph = onnx.load(str(folder / "g.onnx"))
    if precision == "int8":
        scales = activation_scales(graph, normalise(pictures, (0.5,) * 3, (0.25,) * 3))
        graph = in_int8(graph, scales, list(convolutions(graph.graph))[::2])
    _put(folder, graph if precision == "fp32" else in_fp16(graph))
    request = EngineRequest(people, workspace_mb=256, target="sm86", limit_s=300)
    made, _ = build_engine(folder, request, tmp_path / "engines")
    assert made.record.fingerprint.precision == precision
    assert made.plan.stat().st_size > 10_000
    log = (made.folder / "build.log").read_text()
    assert "[E]" not in log


def _put(folder: Path, graph: onnx.ModelProto) -> None:
    """Another image network in a model folder, and a contract whose hash agrees."""
    (folder / "g.onnx").write_bytes(graph.SerializeToString())
    contract = json.loads((folder / FILE).read_text())
    contract["files"]["g.onnx"] = file_sha256(folder / "g.onnx")
    (folder / FILE).write_text(json.dumps(contract))

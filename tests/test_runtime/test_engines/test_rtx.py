"""TensorRT's real parser and builder, which TensorRT-RTX runs without a GPU for a GPU that is named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from export.estimator import Estimator, output_names
from export.folding import folded
from export.to_onnx import exported
from runtime.engines.build import build_engine
from runtime.engines.onnx_file import read_onnx
from runtime.engines.process import run_builder
from runtime.engines.request import BuildOrder, EngineRequest
from runtime.engines.store import check_whole
from sa3dhp_edge.config import ImageConfig
from sa3dhp_edge.contract import FILE
from sa3dhp_edge.errors import EngineBuildError
from sa3dhp_edge.extras import findable
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.shipped import FOLDER

pytestmark = pytest.mark.skipif(
    not findable("tensorrt_rtx"), reason="TensorRT-RTX is not installed: pip install tensorrt-rtx-cu13"
)
AHEAD = EngineRequest(target="sm86", workspace_mb=256, limit_s=300)
In = Callable[[Path, str], Path]
Agree = Callable[[Path], Path]


def before(folder: Path, made: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> None:
    """Put nodes before a network's own; what they call `passed` replaces the picture."""
    network = onnx.load(str(folder / "g.onnx"))
    rest = list(network.graph.node)
    for later in rest:
        later.input[:] = ["passed" if name == "image" else name for name in later.input]
    del network.graph.node[:]
    network.graph.node.extend([*made, *rest])
    network.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    (folder / "g.onnx").write_bytes(network.SerializeToString())


@pytest.mark.parametrize("people", [(1, 1, 1), (1, 2, 4)])
def test_a_network_builds_with_one_person_and_with_a_range(
    fake_model: Path, tmp_path: Path, people: tuple[int, int, int]
) -> None:
    made, now = build_engine(fake_model, dataclasses.replace(AHEAD, people=people), tmp_path)
    assert now
    check_whole(made)
    assert made.plan.stat().st_size > 1000
    assert made.record.fingerprint.flavour == "tensorrt_rtx"
    assert made.record.fingerprint.sm == "sm86"
    log = (made.folder / "build.log").read_text()
    assert "Engine generation completed" in log
    assert ("minShape is not the same as maxShape" in log) == (people != (1, 1, 1))


def test_a_bias_in_int32_is_refused_with_what_mends_it(
    make_model: Callable[[Path], Path], make_agree: Agree, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "m")
    made = [
        helper.make_node("DequantizeLinear", ["bias32", "step"], ["bias"]),
        helper.make_node("Add", ["image", "bias"], ["passed"]),
    ]
    before(folder, made, {"bias32": np.ones((1, 3, 1, 1), np.int32), "step": np.array(0.1, np.float32)})
    with pytest.raises(EngineBuildError, match=r"INVALID_NODE .*: a bias was quantised to int32") as caught:
        build_engine(make_agree(folder), AHEAD, tmp_path / "engines")
    assert "QuantizeBias=False" in caught.value.hint
    (log,) = (tmp_path / "engines" / "failed").iterdir()
    assert "Int32" in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown", "an operator that this version of TensorRT does not know"),
        ("mixed", "inputs are of two types"),
        ("outside", "the ONNX file or its external data cannot be read"),
    ],
)
def test_other_faults_of_a_network_have_their_causes(
    make_model: Callable[[Path], Path], order: Callable[..., BuildOrder], tmp_path: Path, kind: str, words: str
) -> None:
    """Faults that ONNX Runtime finds as well, so that the builder's process is asked alone."""
    folder = make_model(tmp_path / "m")
    if kind == "unknown":
        before(folder, [helper.make_node("FooBar", ["image"], ["passed"])], {})
    elif kind == "mixed":
        half = helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16)
        before(folder, [half, helper.make_node("Add", ["half", "image"], ["passed"])], {})
    else:
        before(
            folder,
            [helper.make_node("Add", ["image", "far"], ["passed"])],
            {"far": np.ones((1, 3, 1, 1), "f4")},
        )
        keep_outside(folder, "far", "gone.bin")
    asked = dataclasses.replace(order(target="sm86", flavour="tensorrt_rtx"), onnx=folder / "g.onnx")
    with pytest.raises(EngineBuildError, match=words):
        run_builder(asked, tmp_path / "build.log")
    assert not asked.engine.exists()


def keep_outside(folder: Path, name: str, file: str) -> None:
    """Say of one constant of a network that it lies in a file beside it."""
    network = onnx.load(str(folder / "g.onnx"))
    (tensor,) = [t for t in network.graph.initializer if t.name == name]
    set_external_data(tensor, file)
    tensor.ClearField("raw_data")
    (folder / "g.onnx").write_bytes(network.SerializeToString())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_types_in_the_file_are_built_as_they_are(
    make_model: Callable[[Path], Path], in_precision: In, tmp_path: Path, precision: str
) -> None:
    folder = in_precision(make_model(tmp_path / "m"), precision)
    made, _ = build_engine(folder, AHEAD, tmp_path / "engines")
    assert made.record.fingerprint.precision == precision


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shipped model is not there")
def test_the_shipped_model_builds_with_its_weights_outside(tmp_path: Path) -> None:
    facts = read_onnx(FOLDER / "g.onnx")
    assert facts.external
    made, _ = build_engine(FOLDER, AHEAD, tmp_path)
    outside = sum((FOLDER / name).stat().st_size for name in facts.external)
    assert made.plan.stat().st_size > outside  # half precision in the files, single in the engine
    assert not build_engine(FOLDER, AHEAD, tmp_path)[1]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["edge", "resnet50"])
def test_a_network_that_is_exported_now_builds(
    make_model: Callable[[Path], Path], make_agree: Agree, tmp_path: Path, backbone: str
) -> None:
    torch.manual_seed(5)
    g = image_network(ImageConfig(backbone=backbone, width=8, crop_px=64))  # type: ignore[arg-type]
    for net in (g, decoder := PoseDecoder()):
        freeze(net)
    network = exported(folded(Estimator(g, decoder)), {"image": torch.zeros(2, 3, 64, 64)}, output_names(g))
    folder = make_model(tmp_path / "m")
    (folder / "g.onnx").write_bytes(network.SerializeToString())
    contract = json.loads((folder / FILE).read_text())
    contract["outputs"] = [t for t in contract["outputs"] if t["name"] in output_names(g)]
    (folder / FILE).write_text(json.dumps(contract))
    made, _ = build_engine(make_agree(folder), AHEAD, tmp_path / "engines")
    check_whole(made)
    assert made.plan.stat().st_size > 1_000_000


@pytest.mark.slow
def test_a_real_build_that_takes_too_long_is_ended(fake_model: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineBuildError, match="took longer than"):
        build_engine(fake_model, dataclasses.replace(AHEAD, limit_s=0.05), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"failed", ".lock"}

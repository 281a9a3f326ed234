"""An ONNX file's facts, read by hand, are those that the package `onnx` reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from runtime.engines.onnx_file import read_onnx
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.shipped import FOLDER


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shipped model is not there")
def test_the_shipped_model_keeps_half_precision_weights_and_computes_in_single() -> None:
    facts = read_onnx(FOLDER / "g.onnx")
    network = onnx.load(str(FOLDER / "g.onnx"), load_external_data=False)
    outside = {ExternalDataInfo(t).location for t in network.graph.initializer if uses_external_data(t)}
    assert facts.external == tuple(sorted(outside))
    assert len(outside) > 0
    assert any(t.data_type == TensorProto.FLOAT16 for t in network.graph.initializer)
    assert facts.precision == "fp32"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_what_is_computed_in_less_than_single_precision_is_seen(
    make_model: Callable[[Path], Path], in_precision: Callable[[Path, str], Path], tmp_path: Path, precision: str
) -> None:
    folder = make_model(tmp_path / "m")
    assert read_onnx(folder / "g.onnx").precision == "fp32"
    facts = read_onnx(in_precision(folder, precision) / "g.onnx")
    assert facts.precision == precision
    assert (facts.half, facts.quantised) == (precision == "fp16", precision == "int8")
    assert facts.external == ()


def test_a_file_that_is_no_network_is_refused(fake_model: Path, tmp_path: Path) -> None:
    junk = tmp_path / "g.onnx"
    for content in (b"", b"hello" * 100, b"\xff" * 40, b"\x08\x0a"):
        junk.write_bytes(content)
        with pytest.raises(ModelError, match=r"g.onnx (cannot be read|holds no network)"):
            read_onnx(junk)
    with pytest.raises(ModelError, match="cannot be read"):
        read_onnx(tmp_path / "gone.onnx")


def test_a_file_that_was_cut_off_is_refused(fake_model: Path, tmp_path: Path) -> None:
    whole = (fake_model / "g.onnx").read_bytes()
    cut = tmp_path / "g.onnx"
    shutil.copy(fake_model / "g.onnx", cut)
    tail = len(whole) - whole.rindex(b"B\x04\n\x00\x10\x11")  # what follows the graph: the operator set
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        cut.write_bytes(whole[: int((len(whole) - tail) * share)])
        with pytest.raises(ModelError):
            read_onnx(cut)

"""A model in the form in which it ships: half the bytes, every matrix once, and the plain network when it is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.folding import fold_scales, folded
from export.half import in_half, places
from export.model_folder import read_weights, write_model
from export.to_onnx import exported
from runtime.model import Model
from sa3dhp_edge.checkpoint import save_weights
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.networks.model_set import ModelSet


@pytest.fixture(scope="module")
def shipped(model_set: ModelSet, pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "shipped"
    write_model(model_set, out, name="small", pictures=pictures, half=True)
    return out


def _loaded_graph(path: Path, folder: Path) -> onnx.ModelProto:
    """What ONNX Runtime makes of a graph before it does anything of its own: constants worked out."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "loaded.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(str(folder / "loaded.onnx"))


def test_it_answers_as_the_rounded_networks_do_and_nearly_as_the_trained(
    shipped: Path, model: Path, pictures: np.ndarray
) -> None:
    report = json.loads((shipped / "parity.json").read_text())
    assert report["passed"]
    assert report["decoder_mm"] is None
    assert {"e_m", "e_p", "z"} <= set(report["tensors"])
    ours, theirs = Model.load(shipped, 1), Model.load(model, 1)
    away = np.linalg.norm(ours.estimate(pictures).pose_mm - theirs.estimate(pictures).pose_mm, axis=-1)
    assert 0 < away.max() < 30
    ours.close()
    theirs.close()


def test_matrices_are_there_once_in_half_precision(shipped: Path, model: Path) -> None:
    def size(folder: Path, pattern: str) -> int:
        return sum(p.stat().st_size for p in folder.glob(pattern))

    assert size(shipped, "weights/*.safetensors") < 0.56 * size(model, "weights/*.safetensors")
    for file in ("g.onnx", "e_m.onnx"):
        inside = onnx.load(str(shipped / file), load_external_data=False).graph.initializer
        assert max(len(t.raw_data) for t in inside) <= 4096
        assert any(t.data_location == onnx.TensorProto.EXTERNAL for t in inside)
    assert [p.name for p in (shipped / "frozen").iterdir()] == ["e_p.onnx"]
    assert all((shipped / r.file).is_file() for r in read_contract(shipped).relations)


def test_nothing_is_left_to_widen_once_it_is_loaded(shipped: Path, model: Path, tmp_path: Path) -> None:
    def kinds(folder: Path) -> list[str]:
        return sorted(node.op_type for node in _loaded_graph(folder / "g.onnx", tmp_path).graph.node)

    stored = {node.op_type for node in onnx.load(str(shipped / "g.onnx")).graph.node}
    assert {"Cast", "Mul"} <= stored
    assert kinds(shipped) == kinds(model)


def test_adaptation_starts_from_the_very_weights_that_run(shipped: Path, model_set: ModelSet) -> None:
    found, trained = read_weights(shipped).g.state_dict(), model_set.g.state_dict()
    for name, weight in trained.items():
        wanted = weight.half().float() if weight.dim() >= 2 else weight
        assert torch.equal(found[name], wanted), name


def test_a_change_of_the_weights_is_found_by_the_runtime(shipped: Path, tmp_path: Path) -> None:
    shutil.copytree(shipped, tmp_path / "copy")
    path = tmp_path / "copy" / "weights" / "g.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"g\.safetensors is damaged or was exchanged"):
        Model.load(tmp_path / "copy")


def test_a_folded_matrix_is_what_was_stored_times_the_scale(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)).eval()
    with torch.no_grad():
        net[1].running_var.uniform_(0.5, 2)
        net[1].weight.uniform_(0.5, 2)
        net[0].weight.copy_(net[0].weight.half())
    save_weights(tmp_path / "w.safetensors", net, half=True)
    given = torch.randn(2, 2, 5, 5)
    graph = exported(folded(net), {"x": given}, ("y",))
    stored = in_half(graph, net.state_dict(), fold_scales(net), places(tmp_path, "w.safetensors"))
    (tmp_path / "g.onnx").write_bytes(stored.SerializeToString())
    loaded = onnx.load(str(tmp_path / "g.onnx"))
    (half,) = [t for t in loaded.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    np.testing.assert_array_equal(numpy_helper.to_array(half), net[0].weight.detach().half().numpy())
    session = ort.InferenceSession(str(tmp_path / "g.onnx"), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": given.numpy()})
    np.testing.assert_allclose(answer, net(given).detach().numpy(), atol=1e-5)


def test_what_half_precision_cannot_hold_stays_as_it_is_not_stored(tmp_path: Path) -> None:
    """Vectors keep full precision: a bias or a running variance may be small beyond half's reach."""
    net = nn.BatchNorm2d(3)
    net.running_var.fill_(1e-9)
    save_weights(tmp_path / "w.safetensors", net, half=True)
    assert places(tmp_path, "w.safetensors") == {}

"""Graphs whose weights keep their names, and compute what PyTorch computes at any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.estimator import Estimator
from export.folding import folded
from export.to_onnx import OPSET, exported, filled, form
from runtime.backends.onnx_runtime import OnnxBackend
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer


def _run(graph: onnx.ModelProto, path: Path, given: torch.Tensor) -> np.ndarray:
    path.write_bytes(graph.SerializeToString())
    backend = OnnxBackend(path)
    (answer,) = backend.infer({backend.inputs[0].name: given.numpy()}).values()
    backend.close()
    return answer


def test_folding_changes_no_answer(model_set: ModelSet) -> None:
    estimator = Estimator(model_set.g, model_set.d_p)
    plain = folded(estimator)
    assert any(isinstance(m, nn.BatchNorm2d) for m in estimator.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    image = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for before, after in zip(estimator(image), plain(image), strict=True):
        torch.testing.assert_close(before, after, atol=1e-2 if before.shape[1:] == (17, 3) else 1e-4, rtol=0)


def test_every_adapted_weight_is_in_the_file_under_its_name(model_set: ModelSet, model: Path) -> None:
    network = onnx.load(str(model / "g.onnx"))
    held = {t.name: numpy_helper.to_array(t) for t in network.graph.initializer}
    plain = folded(Estimator(model_set.g, model_set.d_p))
    layer2 = {k: v for k, v in plain.named_parameters() if k.startswith("g.backbone.layer2.")}
    assert {"g.backbone.layer2.0.conv1.weight", "g.backbone.layer2.0.conv1.bias"} <= set(layer2)
    adapted = {k for k, _ in model_set.g.named_parameters() if k.startswith("backbone.layer2.") and ".conv" in k}
    assert {f"g.{k}" for k in adapted} <= set(layer2)
    for name, value in layer2.items():
        np.testing.assert_array_equal(held[name], value.numpy())


def test_the_file_is_plain_onnx_without_notes(model: Path) -> None:
    for path in sorted(model.rglob("*.onnx")):
        network = onnx.load(str(path))
        assert [o.version for o in network.opset_import if o.domain == ""] == [OPSET]
        assert not any(node.metadata_props or node.doc_string for node in network.graph.node)
        assert b"site-packages" not in path.read_bytes()
        for value in (*network.graph.input, *network.graph.output):
            assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
            assert all(d.dim_value > 0 for d in value.type.tensor_type.shape.dim[1:])


def test_one_form_serves_every_network_of_its_kind(tmp_path: Path) -> None:
    torch.manual_seed(2)
    nets = [RelationTransformer(32), RelationTransformer(32)]
    graph = form(RelationTransformer(32), {"z": torch.zeros(2, 32)}, ("z_after",))
    given = torch.rand(5, 32)
    for net in nets:
        wanted = net(given).detach().numpy()
        np.testing.assert_allclose(_run(filled(graph, net), tmp_path / "t.onnx", given), wanted, atol=1e-6)


def test_equal_weights_are_not_merged() -> None:
    """A fresh network's biases are all zero, and each must still be found under its own name."""
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    names = {t.name for t in filled(form(net, {"x": torch.zeros(2, 4)}, ("y",)), net).graph.initializer}
    assert {name for name, _ in net.named_parameters()} <= names


def test_a_graph_of_another_form_is_refused() -> None:
    graph = form(nn.Linear(4, 4), {"x": torch.zeros(2, 4)}, ("y",))
    with pytest.raises(ModelError, match=r"no tensor weight of shape \(5, 4\)"):
        filled(graph, nn.Linear(4, 5))


@pytest.mark.parametrize("which", [0, 1])
def test_recurrent_networks_export_too(which: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = motion_autoencoder("lstm")[which].eval()
    name, size, answer = [("z_window", (30, 32), "v"), ("v", (128,), "z_window")][which]
    given = torch.rand(3, *size)
    graph = exported(net, {name: torch.zeros(2, *size)}, (answer,))
    assert [o.name for o in graph.graph.output] == [answer]
    wanted = net(given).detach().numpy()
    np.testing.assert_allclose(_run(graph, tmp_path / "m.onnx", given), wanted, atol=1e-5)
    np.testing.assert_allclose(_run(graph, tmp_path / "m.onnx", given[:1]), wanted[:1], atol=1e-5)

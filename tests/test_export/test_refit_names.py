"""What an engine is refitted with: every weight as it is in the graph, under a name that the next export has too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export.estimator import Estimator, output_names
from export.folding import fold_scales, folded
from export.half import in_half
from export.refit_names import check_names, refit_weights, write_refit
from export.to_onnx import exported, filled, form
from runtime.engines.refit import read_weights
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer


def estimator_graph(of: ModelSet) -> onnx.ModelProto:
    plain = folded(Estimator(of.g, of.d_p))
    return filled(form(plain, {"image": torch.zeros(2, 3, 64, 64)}, output_names(of.g)), plain)


@pytest.fixture(scope="module")
def graph(model_set: ModelSet) -> onnx.ModelProto:
    return estimator_graph(model_set)


def test_the_file_holds_every_weight_as_it_is_in_the_graph(graph: onnx.ModelProto, tmp_path: Path) -> None:
    names = write_refit(graph, tmp_path)
    read = read_weights(tmp_path / "refit.npz")
    assert tuple(read) == names
    floats = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer if t.data_type == TensorProto.FLOAT}
    assert set(read) == set(floats)
    assert len(read) > 40
    for name, array in floats.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    assert {"g.backbone.layer2.0.conv1.weight", "g.backbone.layer2.0.conv1.bias"} <= set(names)


def test_two_weight_sets_of_one_network_have_the_same_names(graph: onnx.ModelProto, model_set: ModelSet) -> None:
    chance = torch.Generator().manual_seed(77)
    before = [p.detach().clone() for p in model_set.g.parameters()]
    try:
        with torch.no_grad():
            for parameter in model_set.g.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.05)
        other = refit_weights(estimator_graph(model_set))
    finally:
        with torch.no_grad():
            for parameter, value in zip(model_set.g.parameters(), before, strict=True):
                parameter.copy_(value)
    first = refit_weights(graph)
    assert {n: a.shape for n, a in other.items()} == {n: a.shape for n, a in first.items()}
    moved = [name for name, array in first.items() if array.ndim > 1 and not np.array_equal(array, other[name])]
    assert len(moved) > 10


@pytest.mark.parametrize("network", ["relation", *(pytest.param(n, marks=pytest.mark.slow) for n in ("conv", "lstm"))])
def test_networks_of_two_seeds_have_the_same_names(network: str) -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        if network == "relation":
            net, given, answer = RelationTransformer(32), {"z": torch.zeros(2, 32)}, "z_after"
        else:
            net, given, answer = motion_autoencoder(network)[0], {"z_window": torch.zeros(2, 30, 32)}, "v"
        made = filled(form(net, given, (answer,)), net) if network == "relation" else exported(net, given, (answer,))
        if network == "lstm":
            with pytest.raises(ModelError, match="no initialisers as they stand: LSTM"):
                check_names(made)
            return
        found.append({name: array.shape for name, array in refit_weights(made).items()})
    assert found[0] == found[1]


def _linear(*before: onnx.NodeProto, weight: str) -> onnx.ModelProto:
    nodes = [*before, helper.make_node("Gemm", ["x", weight], ["y"], name="fc")]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 4]) for n in "xy")
    held = [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")]
    return helper.make_model(helper.make_graph(nodes, "small", [x], [y], held))


def test_a_weight_that_is_made_on_the_way_is_refused() -> None:
    assert list(refit_weights(_linear(weight="w"))) == ["w"]
    turned = helper.make_node("Transpose", ["w"], ["w_turned"])
    with pytest.raises(ModelError, match=r"no initialisers as they stand: Gemm fc \(w_turned\)"):
        check_names(_linear(turned, weight="w_turned"))
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.eye(4, dtype=np.float32)))
    with pytest.raises(ModelError, match=r"Gemm fc \(c\)"):
        check_names(_linear(constant, weight="c"))


def test_a_product_of_two_activations_has_no_weight() -> None:
    squared = helper.make_node("MatMul", ["x", "x_turned"], ["square"])
    turned = helper.make_node("Transpose", ["x"], ["x_turned"])
    check_names(_linear(turned, squared, weight="w"))


def test_graphs_in_half_precision_are_refused(graph: onnx.ModelProto, model_set: ModelSet) -> None:
    net = Estimator(model_set.g, model_set.d_p)
    weights = {name: value.half().float() for name, value in net.state_dict().items()}
    with pytest.raises(ModelError, match=r"(?s)no initialisers as they stand: .* more\nhint: .*full precision"):
        refit_weights(in_half(graph, weights, fold_scales(net)))

"""Half precision and INT8 lie in the graph, where they should and nowhere else, and are judged as a GPU has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import export.model_folder as model_folder
from export.as_gpu import answers_as_gpu, as_gpu
from export.fp16 import in_fp16, trunk
from export.give_back import give_back
from export.int8 import MOST, activation_scales, convolutions, in_int8
from export.lowered import lowered
from export.model_folder import write_model
from export.parity import BUDGETS
from runtime.engines.refit import read_weights
from runtime.model import Model
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.errors import ConfigError, ParityError
from sa3dhp_edge.networks.model_set import ModelSet

HALF = np.float16
STEM = "g.backbone.stem.0"


@pytest.fixture(scope="module")
def graph(model: Path) -> onnx.ModelProto:
    return onnx.load(str(model / "g.onnx"))


@pytest.fixture(scope="module")
def images(pictures: np.ndarray) -> np.ndarray:
    return normalise(pictures, (0.5,) * 3, (0.25,) * 3)


def through_ort(model: onnx.ModelProto, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True))


def three_products() -> onnx.ModelProto:
    """y = x * 3 * 0.333 in half precision, from float to float."""
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["h", "three"], ["m"]),
        helper.make_node("Mul", ["m", "third"], ["n"]),
        helper.make_node("Cast", ["n"], ["y"], to=TensorProto.FLOAT),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    held = [numpy_helper.from_array(np.array([v], HALF), k) for k, v in (("three", 3.0), ("third", 0.333))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_a_gpus_roundings_are_computed_where_onnx_runtime_drops_them() -> None:
    x = np.array([60000.0, 1.0001, 2049.7, -3.3], np.float32)
    with np.errstate(over="ignore"):
        wanted = (x.astype(HALF) * HALF(3.0) * HALF(0.333)).astype(np.float32)
    found = through_ort(as_gpu(three_products()), x=x)["y"]
    np.testing.assert_array_equal(found, wanted)
    assert np.isinf(found[0])
    assert np.isfinite(through_ort(three_products(), x=x)["y"]).all()  # why `as_gpu` is there


def test_a_float_graph_stays_what_it_is(graph: onnx.ModelProto, images: np.ndarray) -> None:
    plain, again = through_ort(graph, image=images), answers_as_gpu(graph, images)
    np.testing.assert_allclose(again["pose_mm"], plain["pose_mm"], atol=0.02)


def test_the_trunk_ends_with_the_last_convolution(graph: onnx.ModelProto) -> None:
    inside = trunk(graph.graph)
    kinds = {node.op_type for node in graph.graph.node if node.output[0] in inside}
    assert kinds == {"Conv", "Relu", "Add", "Resize"}
    assert all(node.output[0] in inside for node in graph.graph.node if node.op_type == "Conv")


def test_half_precision_is_the_trunk_alone(graph: onnx.ModelProto, images: np.ndarray) -> None:
    made = in_fp16(graph)
    held = {tensor.name: tensor.data_type for tensor in made.graph.initializer}
    of = {n.input[1]: n.op_type for n in made.graph.node if n.op_type in ("Conv", "Gemm")}
    assert {held[w] for w, kind in of.items() if kind == "Conv"} == {TensorProto.FLOAT16}
    assert {held[w] for w, kind in of.items() if kind == "Gemm"} == {TensorProto.FLOAT}
    assert [v.type.tensor_type.elem_type for v in (*made.graph.input, *made.graph.output)] == [TensorProto.FLOAT] * 6
    assert len([n for n in made.graph.node if n.op_type == "Cast"]) <= 4  # one at each border, none in between
    before, after = answers_as_gpu(graph, images), answers_as_gpu(made, images)
    away = np.linalg.norm(before["pose_mm"] - after["pose_mm"], axis=-1)
    assert 0 < away.mean() < 5


def test_int8_is_symmetric_on_inputs_of_convolutions_alone(graph: onnx.ModelProto, images: np.ndarray) -> None:
    layers = list(convolutions(graph.graph))
    made = in_int8(graph, activation_scales(graph, images), layers[1:3])
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    makers = {node.output[0]: node for node in made.graph.node}
    quantised = [node for node in made.graph.node if node.op_type == "Conv" and node.input[1] in makers]
    assert len(quantised) == 2
    for node in quantised:
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        assert held[node.input[2]].dtype == np.float32  # the bias
    pairs = [node for node in made.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert all((held[node.input[2]] == 0).all() and held[node.input[2]].dtype == np.int8 for node in pairs)
    readers = {name: node.op_type for node in made.graph.node for name in node.input}
    assert {readers[node.output[0]] for node in pairs if node.op_type == "DequantizeLinear"} == {"Conv"}


def test_int8_weights_are_within_half_a_step_of_their_own_channel(graph: onnx.ModelProto, images: np.ndarray) -> None:
    layer = next(iter(convolutions(graph.graph)))
    before = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}[f"{layer}.weight"]
    made = in_int8(graph, activation_scales(graph, images), [layer])
    held = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    scale = held[f"{layer}.weight.scale"].reshape(-1, 1, 1, 1)
    steps = held[f"{layer}.weight.int8"]
    assert np.abs(steps.reshape(len(steps), -1)).max(1).tolist() == [MOST] * len(steps)  # each channel uses its range
    assert (np.abs(steps * scale - before) <= scale / 2 + 1e-7).all()
    assert f"{layer}.weight" not in held


def test_scales_cut_off_what_is_rare_and_keep_what_is_common() -> None:
    conv = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1, "h", "w"]) for n in "xy"]
    weight = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w")
    model = helper.make_model(helper.make_graph([conv], "g", ends[:1], ends[1:], [weight]), ir_version=10)
    rng = np.random.default_rng(3)
    even = rng.uniform(-1, 1, (4, 1, 64, 64)).astype(np.float32)
    rare = rng.normal(0, 1, (4, 1, 256, 256)).astype(np.float32)
    rare[0, 0, 0, 0] = 20.0
    assert activation_scales(model, even)["x"] * MOST == pytest.approx(1.0, rel=0.03)
    assert 3 < activation_scales(model, rare)["x"] * MOST < 12


def test_the_worst_layers_are_given_back_until_it_fits() -> None:
    cost = {"a": 1.0, "b": 5.0, "c": 0.5, "d": 3.0}
    told: list[str] = []
    found = give_back(cost, lambda layers: sum(cost[layer] for layer in layers), 2.0, told.append)
    assert (found.kept, found.given_back) == (("a", "c"), ("b", "d"))
    assert found.path_mm == (9.5, 4.5, 1.5)
    assert found.worst() == ["b 5.0 mm", "d 3.0 mm", "a 1.0 mm", "c 0.5 mm"]
    assert len(told) == len(cost) + 3


def test_a_budget_that_nothing_meets_names_the_worst() -> None:
    with pytest.raises(ParityError, match=r"within 0\.1 mm; alone the worst are b 5\.0 mm, a 1\.0 mm"):
        give_back({"a": 1.0, "b": 5.0}, lambda layers: 5.0 if "b" in layers else 1.0, 0.1)


@pytest.mark.slow
def test_int8_is_within_its_budget_and_says_which_layers_it_has(graph: onnx.ModelProto, images: np.ndarray) -> None:
    made = lowered(graph, "int8", images)
    assert made.search is not None
    assert made.search.path_mm[-1] <= BUDGETS["int8"].mean_mm
    stored = {t.name.removesuffix(".weight.int8") for t in made.graph.graph.initializer if t.name.endswith(".int8")}
    assert stored == set(made.search.kept)
    assert set(made.search.kept) | set(made.search.given_back) == set(convolutions(graph.graph))
    assert not any(t.data_type == TensorProto.FLOAT for t in made.graph.graph.initializer if "backbone" in t.name)


def test_a_model_in_half_precision_serves_and_says_so(
    model_set: ModelSet, model: Path, pictures: np.ndarray, tmp_path: Path, no_new_graphs: None
) -> None:
    report = write_model(model_set, tmp_path / "m", name="half", pictures=pictures, precision="fp16")
    assert [(p.precision, p.computed) for p in report.poses] == [
        ("fp32", "ONNX Runtime"), ("fp32", "ONNX Runtime"),
        ("fp16", "ONNX Runtime"), ("fp16", "ONNX Runtime"), ("fp16", "as a GPU"),
    ]  # fmt: skip
    assert all(len(p.joints) == 17 for p in report.poses)
    contract = read_contract(tmp_path / "m")
    assert (contract.precision, contract.calibration_sha256) == ("fp16", "")
    assert json.loads((tmp_path / "m" / "parity.json").read_text())["passed"]
    poses = []
    for folder in (model, tmp_path / "m"):
        loaded = Model.load(folder)
        poses.append(loaded.estimate(pictures).pose_mm)
        loaded.close()
    assert 0 < np.linalg.norm(poses[0] - poses[1], axis=-1).mean() < BUDGETS["fp16"].mean_mm


def test_weights_for_a_refit_are_those_of_the_graph_and_in_the_contract(
    model_set: ModelSet, pictures: np.ndarray, tmp_path: Path, no_new_graphs: None
) -> None:
    write_model(model_set, tmp_path / "m", name="half", pictures=pictures, precision="fp16", refit=True)
    held = {t.name: t for t in onnx.load(str(tmp_path / "m" / "g.onnx")).graph.initializer}
    weights = read_weights(tmp_path / "m" / "refit.npz")
    assert {name for name in held if name.endswith(".weight")} <= set(weights)
    np.testing.assert_array_equal(weights[f"{STEM}.weight"], numpy_helper.to_array(held[f"{STEM}.weight"]))
    assert weights[f"{STEM}.weight"].dtype == HALF
    assert "refit.npz" in read_contract(tmp_path / "m").files
    with pytest.raises(ConfigError, match="INT8 has its scales"):
        write_model(model_set, tmp_path / "i", name="i", pictures=pictures, precision="int8", refit=True)


def test_a_lower_precision_beyond_its_budget_never_appears(
    model_set: ModelSet, pictures: np.ndarray, tmp_path: Path, no_new_graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUDGETS, "fp16", BUDGETS["fp32"])
    with pytest.raises(ParityError, match=r"fp16, .*allowed: most 0\.1 mm") as caught:
        write_model(model_set, tmp_path / "m", name="half", pictures=pictures, precision="fp16")
    assert caught.value.hint == "export with a higher precision"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_new_graphs(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the graphs of the exported model instead of making them, which is what takes the time."""
    files = sorted(p.relative_to(model).as_posix() for p in model.rglob("*.onnx"))
    graphs = {file: onnx.load(str(model / file)) for file in files}
    monkeypatch.setattr(model_folder, "_graphs", lambda _: iter(graphs.items()))

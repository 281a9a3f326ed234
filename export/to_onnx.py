"""A PyTorch network to an ONNX one: opset 18, a batch of any size, weights in the file.

Weights are tensors named as in PyTorch. `form` gives a network's graph with stand-in weights, `filled` puts a
network's own into it: one graph serves all networks of a form, and a new training result needs no new graph.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from sa3dhp_edge.errors import ModelError

OPSET = 18

_OURS = "ours."

_THIRD_PARTY_WARNINGS = (
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    (FutureWarning, "_check_is_size will be removed"),
    (UserWarning, r"The tensor attributes? .*_flat_weights"),
)
"""What torch.export says of its own insides and of nn.LSTM's."""


def exported(net: nn.Module, inputs: Mapping[str, Tensor], outputs: tuple[str, ...]) -> onnx.ModelProto:
    """A network's graph with its weights.

    Args:
        inputs: an example per input, in the order `forward` takes them; a batch of 2 or more.
        outputs: names, in the order `forward` gives them.
    """
    batch = torch.export.Dim("batch")
    with _quiet():
        program = torch.onnx.export(
            copy.deepcopy(net).eval().requires_grad_(False),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[_OURS + name for name in inputs],
            output_names=[_OURS + name for name in outputs],
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            verbose=False,
        )
    assert program is not None, "the dynamo exporter returns what it made"
    graph = program.model_proto
    _rename(graph.graph, (*inputs, *outputs))
    _strip(graph)
    onnx.checker.check_model(graph)
    return graph


def form(net: nn.Module, inputs: Mapping[str, Tensor], outputs: tuple[str, ...]) -> onnx.ModelProto:
    """A network's graph with stand-in weights, for `filled`; arguments as for `exported`.

    The exporter merges tensors that are equal, so every stand-in is another one.
    """
    stand_in = copy.deepcopy(net)
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stand_in.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=chance) * 0.05)
    return exported(stand_in, inputs, outputs)


def filled(graph: onnx.ModelProto, net: nn.Module) -> onnx.ModelProto:
    """A copy of a graph with a network's weights in it.

    Raises:
        ModelError: a weight has no tensor of its name and shape in the graph.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    tensors = {tensor.name: tensor for tensor in made.graph.initializer}
    for name, parameter in net.named_parameters():
        weight = parameter.detach().cpu().numpy()
        if name not in tensors or tuple(tensors[name].dims) != weight.shape:
            raise ModelError(f"the exported graph has no tensor {name} of shape {weight.shape}", "export it anew")
        tensors[name].CopyFrom(numpy_helper.from_array(weight, name))
    return made


def _rename(graph: onnx.GraphProto, names: tuple[str, ...]) -> None:
    """Give inputs and outputs their names; values between that the exporter happened to call the same step aside."""
    new = {_OURS + name: name for name in names} | {name: f"inner.{name}" for name in names}
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = new.get(value.name, value.name)


def _strip(graph: onnx.ModelProto) -> None:
    """Take out the exporter's notes: they name source files of the machine it ran on."""
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.initializer, *graph.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of packages and of methods that are not ours."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category, message in _THIRD_PARTY_WARNINGS:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        registry.setLevel(level)

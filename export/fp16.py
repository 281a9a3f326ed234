"""A graph whose convolutional trunk computes in half precision; heads and decoder stay in float32.

The precision is in the graph's types, so that an engine has nothing to choose: TensorRT 11 knows no other way. The
heads integrate maps and the decoder multiplies along a chain of bones; both lose more than they save. (ONNX Runtime's
own converter writes a cast to half and back between every two nodes that are to stay in float32, so nothing does.)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET_OF_HALF_SCALES = 19
"""From here on `QuantizeLinear` takes half-precision values and scales."""
_FLOAT_INPUTS = {"Resize": (1, 2, 3), "QuantizeLinear": (2,), "DequantizeLinear": (0, 2)}
"""Inputs that keep their type whatever the node computes in: sizes, and what is in integers."""


def trunk(graph: onnx.GraphProto) -> frozenset[str]:
    """Outputs of the nodes that a convolution needs, convolutions among them: pictures in, maps out."""
    makers = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    to_see = [node for node in graph.node if node.op_type == "Conv"]
    while to_see:
        node = to_see.pop()
        if node.output[0] not in found:
            found.update(node.output)
            to_see += [makers[name] for name in node.input if name in makers]
    return frozenset(found)


def in_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose trunk computes in half precision; inputs and outputs keep names and types."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, inside = made.graph, trunk(made.graph)
    held = {tensor.name: tensor for tensor in graph.initializer}
    outside = {name for node in graph.node if node.output[0] not in inside for name in node.input}
    typed: dict[str, str] = {}
    """Tensor -> its name in the other type."""
    nodes: list[onnx.NodeProto] = []

    def cast(name: str, kind: int) -> str:
        if name not in typed:
            typed[name] = f"{name}.{'half' if kind == TensorProto.FLOAT16 else 'float'}"
            nodes.append(helper.make_node("Cast", [name], [typed[name]], name=typed[name], to=kind))
        return typed[name]

    def halved(name: str) -> str:
        if name in inside or (name in held and held[name].data_type != TensorProto.FLOAT):
            return name
        if name not in held:
            return cast(name, TensorProto.FLOAT16)
        own = name if name not in outside else f"{name}.half"
        if own != name and own not in held:
            held[own] = graph.initializer.add()
        if held[own].data_type != TensorProto.FLOAT16:
            held[own].CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(held[name])), own))
        return own

    for node in graph.node:
        within, plain = node.output[0] in inside, _FLOAT_INPUTS.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if within and i not in plain and name:
                node.input[i] = halved(name)
            elif not within and name in inside:
                node.input[i] = cast(name, TensorProto.FLOAT)
        nodes.append(node)
    _replace(graph, nodes)
    if any(node.op_type == "QuantizeLinear" for node in nodes):
        _raise_opset(made)
    onnx.checker.check_model(made, full_check=True)
    return made


def _half(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    return np.clip(values, np.finfo(np.float16).min, np.finfo(np.float16).max).astype(np.float16)


def _replace(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Other nodes; what was known of the types between them is forgotten."""
    nodes = list(nodes)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def _raise_opset(model: onnx.ModelProto) -> None:
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = max(opset.version, OPSET_OF_HALF_SCALES)

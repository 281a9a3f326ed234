"""Convolutions in INT8 by explicit Q/DQ nodes, symmetric, in the form that TensorRT's parser takes.

A quantised convolution reads its input through `QuantizeLinear` and `DequantizeLinear` with one scale, and its weights
from int8 with a scale for each output channel; biases stay in float, and nothing stands between a convolution and the
activation after it, so that an engine fuses them. Scales lie in the graph: there is no calibration cache that could
belong to another machine or TensorRT.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

MOST = 127
_BINS = 2048
_CLIPS = np.linspace(0.2, 1.0, 33)
"""Shares of the largest value that are tried as the one that 127 stands for."""
_BATCH = 16
_FEW_VALUES = 200_000
"""Of a tensor and a batch, so many at most are counted."""


def convolutions(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """Layer -> its node, in the graph's order; a layer is called as its weights are, without `.weight`."""
    return {node.input[1].removesuffix(".weight"): node for node in graph.node if node.op_type == "Conv"}


def activation_scales(model: onnx.ModelProto, images: Floats) -> dict[str, float]:
    """What one step of int8 stands for, by the name of each tensor that a convolution reads.

    The scale is the one whose rounding and clipping together cost the least mean square error over the images.

    Args:
        images: (n, 3, S, S) what the model is given, normalised.

    Source: Choukroun et al. 2019, Low-bit Quantization of Neural Networks for Efficient Inference (MMSE).
    """
    names = list(dict.fromkeys(node.input[0] for node in convolutions(model.graph).values()))
    most = dict.fromkeys(names, 0.0)
    for values in _values(model, names, images):
        most = {name: max(most[name], float(np.abs(values[name]).max())) for name in names}
    counts = {name: np.zeros(_BINS) for name in names}
    for values in _values(model, names, images):
        for name in names:
            flat = np.abs(values[name]).ravel()
            flat = flat[:: max(len(flat) // _FEW_VALUES, 1)]
            counts[name] += np.histogram(flat, _BINS, (0.0, most[name] or 1.0))[0]
    return {name: _best_scale(counts[name], most[name]) for name in names}


def in_int8(model: onnx.ModelProto, scales: Mapping[str, float], layers: Collection[str]) -> onnx.ModelProto:
    """A copy of a float32 graph with these layers quantised.

    Args:
        scales: of activations, as `activation_scales` gives them.
        layers: of `convolutions`.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    chosen = {node.output[0]: node for layer, node in convolutions(graph).items() if layer in layers}
    nodes: list[onnx.NodeProto] = []
    read: set[str] = set()
    for node in graph.node:
        if node.output[0] in chosen:
            source, weight = node.input[0], node.input[1]
            if source not in read:
                read.add(source)
                _add(graph, f"{source}.scale", np.float32(scales[source]))
                _add(graph, f"{source}.zero", np.int8(0))
                nodes += _pair(source)
            _quantise_weight(graph, held[weight])
            of_weight = [f"{weight}.int8", f"{weight}.scale", f"{weight}.zero"]
            nodes.append(helper.make_node("DequantizeLinear", of_weight, [f"{weight}.seen"], f"{weight}.seen", axis=0))
            node.input[0], node.input[1] = f"{source}.seen", f"{weight}.seen"
        nodes.append(node)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(made)
    return made


def _values(model: onnx.ModelProto, names: list[str], images: Floats) -> Iterator[dict[str, Floats]]:
    """The named tensors, batch after batch."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    inputs = {value.name for value in watched.graph.input}
    inner = [name for name in names if name not in inputs]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = inputs
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        found = session.run(inner, {given: batch}) if inner else []
        yield {given: batch} | dict(zip(inner, found, strict=True))


def _best_scale(counts: NDArray[np.float64], most: float) -> float:
    """The scale with the least mean square error over a histogram of magnitudes from 0 to `most`."""
    if not most:
        return 1.0 / MOST
    middles = (np.arange(_BINS) + 0.5) * most / _BINS
    scales = _CLIPS * most / MOST
    steps = np.minimum(np.round(middles / scales[:, None]), MOST)
    errors = (counts * (steps * scales[:, None] - middles) ** 2).sum(1)
    return float(scales[errors.argmin()])


def _quantise_weight(graph: onnx.GraphProto, tensor: TensorProto) -> None:
    """Replace a float weight by int8 and a scale for each output channel."""
    name, weight = tensor.name, numpy_helper.to_array(tensor).astype(np.float32)
    scale = np.abs(weight.reshape(len(weight), -1)).max(1) / MOST
    scale = np.where(scale > 0, scale, 1.0 / MOST).astype(np.float32)
    steps = np.round(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    graph.initializer.remove(tensor)
    _add(graph, f"{name}.int8", np.clip(steps, -MOST, MOST).astype(np.int8))
    _add(graph, f"{name}.scale", scale)
    _add(graph, f"{name}.zero", np.zeros(len(weight), np.int8))


def _pair(source: str) -> list[onnx.NodeProto]:
    kept, scale, zero, seen = (f"{source}.{part}" for part in ("int8", "scale", "zero", "seen"))
    return [
        helper.make_node("QuantizeLinear", [source, scale, zero], [kept], kept),
        helper.make_node("DequantizeLinear", [kept, scale, zero], [seen], seen),
    ]


def _add(graph: onnx.GraphProto, name: str, values: np.generic | NDArray[np.generic]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))

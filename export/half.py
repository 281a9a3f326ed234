"""ONNX graphs whose matrices are kept in half precision, and lie in the weights' safetensors rather than once more.

A matrix becomes a half-precision initializer, an ONNX external tensor that points into a safetensors file, and a `Cast`
to float32; where a batch norm was folded into it, a `Mul` by the fold's scale. ONNX Runtime computes both once, when it
loads the graph, so that what runs is the plain float32 network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

_HALF = "F16"


class Place(NamedTuple):
    """Where a tensor's bytes lie: a file relative to the graph's own folder."""

    file: str
    offset: int
    length: int


def places(folder: Path, file: str) -> dict[str, Place]:
    """By name: where a safetensors file (8 bytes of length, a JSON header, the data) keeps what is in half precision.

    Args:
        folder: where the graph will be.
        file: the safetensors, relative to it; ONNX allows no way up.
    """
    with (folder / file).open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    spans = {name: tensor["data_offsets"] for name, tensor in header.items() if tensor["dtype"] == _HALF}
    return {name: Place(file, 8 + length + begin, end - begin) for name, (begin, end) in spans.items()}


def in_half(
    graph: onnx.ModelProto,
    weights: Mapping[str, Tensor],
    scales: Mapping[str, Tensor] | None = None,
    at: Mapping[str, Place] | None = None,
) -> onnx.ModelProto:
    """A copy of a graph with its matrices in half precision.

    Args:
        weights: by the name of an initializer what it is before folding; values that half precision holds exactly.
        scales: what folding multiplied it by.
        at: where it lies in half precision; one without a place lies in the graph.
    """
    made, before = onnx.ModelProto(), []
    made.CopyFrom(graph)
    held, scales, at = {tensor.name: tensor for tensor in made.graph.initializer}, scales or {}, at or {}
    for name, weight in weights.items():
        if weight.dim() < 2 or name not in held or tuple(held[name].dims) != tuple(weight.shape):
            continue
        half = numpy_helper.from_array(weight.numpy().astype(np.float16), f"{name}.half")
        if name in at:
            _point(half, at[name])
        held[name].CopyFrom(half)
        plain = f"{name}.plain" if name in scales else name
        before.append(helper.make_node("Cast", [half.name], [plain], to=TensorProto.FLOAT))
        if name in scales:
            made.graph.initializer.append(numpy_helper.from_array(scales[name].numpy(), f"{name}.scale"))
            before.append(helper.make_node("Mul", [plain, f"{name}.scale"], [name]))
    nodes = [*before, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def _point(tensor: TensorProto, place: Place) -> None:
    """Replace a tensor's bytes by where they lie."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place.file, "offset": place.offset, "length": place.length}.items():
        tensor.external_data.add(key=key, value=str(value))

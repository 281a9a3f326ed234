"""The weights of an exported graph under their names, for engines that take new weights without a new build.

`refit.npz` holds every float32 and float16 initialiser of a graph, exactly as it is there. An engine names its weights
by them, so two exports of one form must have the same names, and no weight may reach its operator in another shape than
it is stored: `check_names` sees to the latter.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from runtime.engines.refit import FILE
from sa3dhp_edge import atomic
from sa3dhp_edge.errors import ModelError

_WEIGHTED = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "Gemm": (0, 1, 2), "MatMul": (0, 1), "LSTM": (1, 2, 3), "GRU": (1, 2, 3),
}  # fmt: skip
"""Operators that weights belong to, and which of their inputs those can be."""
_KINDS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def write_refit(graph: onnx.ModelProto, folder: Path) -> tuple[str, ...]:
    """Write a graph's weights into its folder, as `refit.npz`; their names.

    Raises:
        ModelError: a weight has no stable name; see `check_names`.
        OutputError: the disk refuses.
    """
    weights: dict[str, Any] = refit_weights(graph)
    block = io.BytesIO()
    np.savez(block, **weights)
    atomic.write_bytes(folder / FILE, block.getvalue())
    return tuple(weights)


def refit_weights(graph: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Every float32 and float16 initialiser by its name.

    Raises:
        ModelError: a weight has no stable name, or its bytes lie in another file.
    """
    check_names(graph)
    held = [tensor for tensor in graph.graph.initializer if tensor.data_type in _KINDS]
    outside = [tensor.name for tensor in held if tensor.data_location == TensorProto.EXTERNAL]
    if outside:
        raise ModelError(
            f"the graph's weights {', '.join(outside[:3])} lie in another file", "export it with them in it"
        )
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in held}


def check_names(graph: onnx.ModelProto) -> None:
    """Stop unless every weight of a convolution or product is an initialiser as it stands.

    Raises:
        ModelError: names weights that are made from initialisers on the way, such as transposed or cast ones, or that
            stand in the graph as constants; an engine would know them under names that no other export has.
    """
    named = {tensor.name for tensor in graph.graph.initializer}
    made = _made_of_constants(graph) - named
    odd = [
        f"{node.op_type} {node.name or node.output[0]} ({node.input[i]})"
        for node in graph.graph.node
        for i in _WEIGHTED.get(node.op_type, ())
        if i < len(node.input) and node.input[i] in made
    ]
    if odd:
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise ModelError(
            f"weights are no initialisers as they stand: {', '.join(odd[:3])}{more}",
            "refit needs a graph in full precision, as `sa3dhp-edge export` writes it; a half one is rebuilt",
        )


def _made_of_constants(graph: onnx.ModelProto) -> set[str]:
    """Names of all values that depend on no input."""
    fixed = {tensor.name for tensor in graph.graph.initializer} | {""}
    for node in graph.graph.node:  # a graph's nodes stand in the order of computation
        if all(name in fixed for name in node.input):
            fixed |= set(node.output)
    return fixed - {""}

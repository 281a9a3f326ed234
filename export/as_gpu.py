"""What a graph in half precision answers on a processor that really has it, computed on one that has not.

ONNX Runtime on a CPU computes half-precision nodes in float32 and drops the rounding between them, so it answers
better than any GPU will: a parity taken from it would pass models that fail on the device. Here every value that the
graph keeps in half precision is rounded to it, overflow included, and the sums within an operator are float32, as
tensor cores have them.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

_BATCH = 16


def as_gpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 graph that rounds wherever the given one does; the same inputs and outputs.

    What `DequantizeLinear` gives is not rounded: integer convolutions scale their exact sums.
    """
    made = shape_inference.infer_shapes(model, strict_mode=True)
    graph = made.graph
    half = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), tensor.name))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        rounded = [name for name in node.output if name in half and node.op_type != "DequantizeLinear"]
        if node.op_type == "Cast" and rounded:
            nodes += _rounding(node.input[0], node.output[0])
            continue
        node.output[:] = [f"{name}.exact" if name in rounded else name for name in node.output]
        nodes.append(node)
        for name in rounded:
            nodes += _rounding(f"{name}.exact", name)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(made)
    return made


def answers_as_gpu(
    model: onnx.ModelProto, images: NDArray[np.float32], threads: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Every output by name, as a processor with half precision and INT8 has it.

    Nothing is fused: this processor's own INT8 kernels stay out of it.

    Args:
        images: (n, 3, S, S) normalised.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    exact = as_gpu(model).SerializeToString()
    session = ort.InferenceSession(exact, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    parts = [
        session.run(names, {session.get_inputs()[0].name: images[i : i + _BATCH]})
        for i in range(0, len(images), _BATCH)
    ]
    return {name: np.concatenate([part[k] for part in parts]) for k, name in enumerate(names)}


def _rounding(exact: str, name: str) -> list[onnx.NodeProto]:
    """To half precision and back; a pair that is written out is computed, unlike one that ONNX Runtime adds itself."""
    return [
        helper.make_node("Cast", [exact], [f"{name}.rounded"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", [f"{name}.rounded"], [name], to=TensorProto.FLOAT),
    ]

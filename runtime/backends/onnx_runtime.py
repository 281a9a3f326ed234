"""ONNX Runtime on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from runtime.backends.base import AbstractBackend, Arrays
from runtime.backends.promise import check_inputs, check_network
from sa3dhp_edge.contract import Tensor
from sa3dhp_edge.errors import ModelError

_LOG_ERRORS_ONLY = 3
_AGAIN = "export the model again from its run"
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}
_LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


@final
class OnnxBackend(AbstractBackend):
    """A `.onnx` file whose inputs and outputs are the promised ones.

    Args:
        path: the file.
        inputs: what the contract says goes in; None takes what the file says.
        outputs: what the contract says comes out, more are allowed and not computed; None takes all.
        threads: threads of one operator; 0 leaves the choice to ONNX Runtime.

    Raises:
        ModelError: no such file, or not an ONNX network.
        ContractMismatch: names, types or fixed sizes differ from the contract's.
    """

    def __init__(
        self,
        path: Path,
        inputs: tuple[Tensor, ...] | None = None,
        outputs: tuple[Tensor, ...] | None = None,
        threads: int = 0,
    ) -> None:
        if not path.is_file():
            raise ModelError(f"{path} is not there", _AGAIN)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _LOG_ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except _LOAD_ERRORS as e:
            raise ModelError(f"{path} cannot be loaded as an ONNX network: {e}", _AGAIN) from e
        goes_in, comes_out = _described(self._session.get_inputs()), _described(self._session.get_outputs())
        self.inputs = tuple(goes_in.values()) if inputs is None else inputs
        self.outputs = tuple(comes_out.values()) if outputs is None else outputs
        check_network(path, "input", self.inputs, goes_in)
        check_network(path, "output", self.outputs, comes_out)

    def infer(self, inputs: Arrays) -> Arrays:
        check_inputs(self.inputs, inputs)
        names = [t.name for t in self.outputs]
        return dict(zip(names, self._session.run(names, inputs), strict=True))

    def warm_up(self) -> None:
        self.infer({t.name: np.zeros([s if isinstance(s, int) else 1 for s in t.shape], t.dtype) for t in self.inputs})

    def close(self) -> None:
        del self._session


def _described(nodes: list[Any]) -> dict[str, Tensor]:
    """What the file says goes in or comes out, by name."""
    sizes = [tuple(s if isinstance(s, int) else str(s) for s in node.shape) for node in nodes]
    return {
        node.name: Tensor(node.name, size, _DTYPES.get(node.type, node.type))
        for node, size in zip(nodes, sizes, strict=True)
    }

"""A float32 graph of the estimator in the precision that was asked for, judged in mm on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.as_gpu import answers_as_gpu
from export.fp16 import in_fp16
from export.give_back import GivenBack, give_back
from export.int8 import activation_scales, convolutions, in_int8
from export.parity import BUDGETS

Floats = NDArray[np.float32]

_JUDGED = 64
"""Calibration images that a choice of layers is judged on."""
_MARGIN = 0.8
"""Share of the budget that a choice of layers may take, so that other pictures stay within all of it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lowered:
    """A graph in lower precision, and how its INT8 layers were chosen where it has some."""

    graph: onnx.ModelProto
    search: GivenBack | None = None


def lowered(graph: onnx.ModelProto, precision: str, calibration: Floats | None = None) -> Lowered:
    """The graph in "fp16" or "int8".

    FP16: the convolutional trunk. INT8: as many of its convolutions as the budget allows, the rest of it in FP16.

    Args:
        calibration: (n, 3, S, S) normalised images, for INT8.

    Raises:
        ParityError: no convolution can be in INT8 within the budget.
    """
    if precision == "fp16":
        return Lowered(in_fp16(graph))
    assert calibration is not None, "INT8 takes its scales from pictures"
    scales = activation_scales(graph, calibration)
    allowed_mm = BUDGETS["int8"].mean_mm
    assert allowed_mm is not None
    search = give_back(
        convolutions(graph.graph), _judge(graph, scales, calibration[:: -(-len(calibration) // _JUDGED)]),
        _MARGIN * allowed_mm, _log.info,
    )  # fmt: skip
    return Lowered(in_fp16(in_int8(graph, scales, search.kept)), search)


def _judge(graph: onnx.ModelProto, scales: dict[str, float], images: Floats) -> Callable[[tuple[str, ...]], float]:
    """Mean distance in mm between the joints of the graph and of the graph with some layers in INT8."""
    wanted = answers_as_gpu(graph, images)["pose_mm"]

    def away_mm(layers: tuple[str, ...]) -> float:
        found = answers_as_gpu(in_int8(graph, scales, layers), images)["pose_mm"]
        return float(np.linalg.norm(found - wanted, axis=-1).mean())

    return away_mm

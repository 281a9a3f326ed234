"""The figure of expected errors draws every test it is given, and none at all without an error."""

from __future__ import annotations

import cv2
import numpy as np

from sa3dhp_edge.report.canvas import SHARPNESS, WIDTH_PX
from sa3dhp_edge.report.risk import RiskPanel, risk_panels


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))


def test_a_row_for_each_test() -> None:
    curve = np.linspace(60, 110, 40)
    panel = RiskPanel("real", [(80, 70), (100, 105), (140, 150)], {"expected": curve, "oracle": curve - 20})
    one, two = (decoded(risk_panels([panel] * n, "PA-MPJPE")) for n in (1, 2))
    assert one.shape[1] == two.shape[1] == WIDTH_PX * SHARPNESS
    assert two.shape[0] == 2 * one.shape[0]
    steeper = panel._replace(curves={"expected": curve * 2, "oracle": curve - 20})
    assert (decoded(risk_panels([steeper], "PA-MPJPE")) != one).any()


def test_nothing_measured_is_said() -> None:
    assert (decoded(risk_panels([], "PA-MPJPE")) < 255).any()

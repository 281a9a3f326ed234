"""What an expected error is worth: expected against true error, and the error of the frames that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, GREEN, MUTED, RULE, VERMILION

_PANEL_PX = 330


class RiskPanel(NamedTuple):
    """One test.

    Attributes:
        title: names the test.
        bins: expected and true error in mm of groups of frames.
        curves: name -> (N,) mm, mean error of the 1, 2, ... N frames kept first; the last value is that of all frames.
    """

    title: str
    bins: Sequence[tuple[float, float]]
    curves: Mapping[str, NDArray[np.float64]]


def risk_panels(panels: Sequence[RiskPanel], figure_name: str) -> bytes:
    """A row for each test as PNG: reliability at the left, risk against coverage at the right.

    Args:
        figure_name: what the errors are, as "PA-MPJPE".
    """
    figure = blank(WIDTH_PX, max(1, len(panels)) * _PANEL_PX)
    grid = figure.subplots(max(1, len(panels)), 2, squeeze=False)
    if not panels:
        for axes in grid[0]:
            note(axes, "nothing was measured")
    for (left, right), panel in zip(grid, panels, strict=False):
        _reliability(left, panel, figure_name)
        _risk(right, panel, figure_name)
    return to_png(figure)


def _reliability(axes: Axes, panel: RiskPanel, figure_name: str) -> None:
    plain(axes, panel.title, "dashed: as promised")
    bins = np.array(panel.bins)
    low, high = float(bins.min()) * 0.9, float(bins.max()) * 1.05
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(bins[:, 0], bins[:, 1], color=BLUE, linewidth=1.2, marker="o", markersize=5)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    _named(axes, f"expected {figure_name}, mm", "true, mm")


def _risk(axes: Axes, panel: RiskPanel, figure_name: str) -> None:
    plain(axes, "", "kept first: the least expected error")
    ends = [float(curve[-1]) for curve in panel.curves.values()]
    axes.axhline(ends[0], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate("random", (0.02, ends[0]), xytext=(0, 3), textcoords="offset points", fontsize=8, color=MUTED)
    for (name, curve), colour in zip(panel.curves.items(), (BLUE, VERMILION, GREEN), strict=False):
        share = np.arange(1, len(curve) + 1) / len(curve)
        axes.plot(share, curve, color=colour, linewidth=1.8, label=f"{name}, area {curve.mean():.0f}")
    axes.legend(fontsize=8, frameon=False, labelcolor="linecolor", loc="lower right")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    _named(axes, "share of frames kept", f"their mean {figure_name}, mm")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))


def _named(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8, color=MUTED)
    axes.set_ylabel(y, fontsize=8, color=MUTED)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(color=RULE, linewidth=0.6)

"""Errors while a network sees more and more pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, MUTED, PALE, RULE, VERMILION

_HEIGHT_PX = 420


def growth_lines(pictures: Sequence[int], errors_mm: Mapping[str, Sequence[float]], own: str) -> bytes:
    """Lines over the number of pictures as PNG: the network's own kind, every other test, and their mean.

    Args:
        pictures: seen at each point, increasing.
        errors_mm: test -> an error for each point.
        own: the test on pictures of the kind the network learns from.
    """
    figure = blank(WIDTH_PX, _HEIGHT_PX)
    axes = figure.subplots()
    plain(axes, "PA-MPJPE, mm, against pictures learned from", "grey: each real clip")
    others = [name for name in errors_mm if name != own]
    for name in others:
        axes.plot(pictures, errors_mm[name], color=PALE, linewidth=1.2)
    _line(pictures, errors_mm[own], own, BLUE, -14, axes)
    if others:
        mean = np.mean([errors_mm[name] for name in others], 0).tolist()
        _line(pictures, mean, "real clips, mean", VERMILION, 7, axes)
    _name_ends(pictures, {name: errors_mm[name][-1] for name in others}, axes)
    axes.set_xlim(0, pictures[-1] * 1.3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / 1000:.0f} k" if x else "0"))
    axes.yaxis.set_major_locator(MaxNLocator(7))
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    return to_png(figure)


def _line(x: Sequence[int], y: Sequence[float], name: str, colour: str, above_pt: float, axes: Axes) -> None:
    """A line with its name beside its first point, so far above it."""
    axes.plot(x, y, color=colour, linewidth=2.2, marker="o", markersize=4)
    axes.annotate(
        name,
        (x[0], y[0]),
        xytext=(6, above_pt),
        textcoords="offset points",
        fontsize=9,
        color=colour,
        fontweight="bold",
    )


def _name_ends(x: Sequence[int], ends: Mapping[str, float], axes: Axes) -> None:
    """Each clip's name beside the end of its line, moved apart where two are near."""
    gap = 0.045 * (axes.get_ylim()[1] - axes.get_ylim()[0])
    at = -np.inf
    for name, end in sorted(ends.items(), key=lambda item: item[1]):
        at = max(end, at + gap)
        axes.annotate(
            f"{name}  {end:.0f}", (x[-1], end), xytext=(x[-1] * 1.02, at), fontsize=8, color=MUTED, va="center",
            arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.3},
        )  # fmt: skip

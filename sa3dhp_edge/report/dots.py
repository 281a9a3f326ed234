"""Changes against a baseline, each repetition a dot, so that what chance alone does is seen beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, MUTED, RULE, VERMILION
from sa3dhp_edge.report.tables import number

_ROW_PX, _HEAD_PX, _GAP = 23, 92, 0.6


class DotPanel(NamedTuple):
    """One place of measurement: name -> its change in every repetition; a name that is not there has no dots.

    Panels with the same `x_title` have the same scale.
    """

    title: str
    changes: Mapping[str, Sequence[float]]
    x_title: str


def change_dots(groups: Sequence[Sequence[str]], panels: Sequence[DotPanel]) -> bytes:
    """Dots from zero to both sides as PNG, a panel for each place, less is better and blue.

    Args:
        groups: the names from the top down, with a gap between two groups.
    """
    heights = _heights(groups)
    span = max(heights.values(), default=1.0) + 1
    figure = blank(WIDTH_PX, _HEAD_PX + round(_ROW_PX * max(3.0, span)))
    grid = figure.subplots(1, max(1, len(panels)), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=False):
        plain(axes, panel.title)
        alike = [v for p in panels if p.x_title == panel.x_title for each in p.changes.values() for v in each]
        rows = {heights[name]: values for name, values in panel.changes.items() if name in heights and values}
        _draw(axes, rows, min([0.0, *alike]), max([0.0, *alike]))
        axes.set_xlabel(panel.x_title, fontsize=8, color=MUTED)
    if not heights or not panels:
        note(grid[0], "nothing was measured")
        return to_png(figure)
    grid[0].set_ylim(span - 0.4, -0.6)
    grid[0].set_yticks(list(heights.values()), list(heights))
    for text in grid[0].get_yticklabels():
        text.set(color=INK, fontsize=8.5)
    return to_png(figure)


def _heights(groups: Sequence[Sequence[str]]) -> dict[str, float]:
    """Where each name stands."""
    heights, at = {}, 0.0
    for group in groups:
        for name in group:
            heights[name] = at
            at += 1
        at += _GAP if group else 0
    return heights


def _draw(axes: Axes, rows: Mapping[float, Sequence[float]], low: float, high: float) -> None:
    """A stroke at the mean, a dot for each repetition, and the mean in figures in a column at the right of `high`."""
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    room = (high - low) or 1.0
    for height, each in rows.items():
        mean = float(np.mean(each))
        colour = VERMILION if mean > 0 else BLUE
        axes.plot([0, mean], [height, height], color=RULE, linewidth=2, solid_capstyle="butt", zorder=1)
        axes.plot([mean, mean], [height - 0.3, height + 0.3], color=colour, linewidth=1.8, zorder=3)
        axes.scatter(each, [height] * len(each), s=13, color=colour, alpha=0.6, linewidths=0, zorder=2)
        axes.annotate(
            number(mean, 1, signed=True), (high + 0.30 * room, height), va="center", ha="right", fontsize=8, color=INK
        )
    axes.set_xlim(low - 0.06 * room, high + 0.32 * room)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))

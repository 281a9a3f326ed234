"""One figure against another, a named point for each thing compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, MUTED, PALE, RULE

_PANEL_PX = 390
_LETTER_PX, _LINE_PX = 6.0, 13.0
"""Size of a name's letters on the page."""
_AROUND = [(math.cos(a), math.sin(a)) for a in (0, math.pi, *(math.pi * k / 4 for k in (1, -1, 3, -3, 2, -2)))]
_Box = tuple[float, float, float, float]


class Point(NamedTuple):
    """A named point with one standard deviation to each side, nan where it has none; `strong` ones are filled."""

    name: str
    x: float
    y: float
    x_std: float = 0.0
    y_std: float = 0.0
    colour: str = BLUE
    strong: bool = False


class ScatterPanel(NamedTuple):
    """Points under a title, a remark beside it, and named horizontal lines."""

    title: str
    aside: str
    points: Sequence[Point]
    lines: Mapping[str, float]


def scatter_panels(panels: Sequence[ScatterPanel], x_title: str, y_title: str) -> bytes:
    """Panels one below the other as PNG; a point that is not finite is left out, names keep clear of each other."""
    figure = blank(WIDTH_PX, max(1, len(panels)) * _PANEL_PX)
    grid = figure.subplots(max(1, len(panels)), 1, squeeze=False)[:, 0]
    shown = []
    for axes, panel in zip(grid, panels, strict=False):
        plain(axes, panel.title, panel.aside)
        points = [p for p in panel.points if math.isfinite(p.x) and math.isfinite(p.y)]
        if not points:
            note(axes, "nothing was measured")
            continue
        _draw(axes, points, panel.lines)
        axes.set_xlabel(x_title, fontsize=8, color=MUTED)
        axes.set_ylabel(y_title, fontsize=8, color=MUTED)
        shown.append((axes, points, panel.lines))
    if not panels:
        note(grid[0], "nothing was measured")
    figure.draw_without_rendering()  # places the axes, so that names can be laid out in pixels
    for axes, points, lines in shown:
        _name(axes, points, lines)
    return to_png(figure)


def _draw(axes: Axes, points: Sequence[Point], lines: Mapping[str, float]) -> None:
    for name, y in lines.items():
        axes.axhline(y, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            name, (1, y), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
            fontsize=8, color=MUTED, ha="right",
        )  # fmt: skip
    for p in points:
        axes.errorbar(p.x, p.y, p.y_std, p.x_std, fmt="none", ecolor=PALE, elinewidth=1.2, zorder=2)
        axes.scatter(
            p.x, p.y, s=34, facecolor=p.colour if p.strong else "white", edgecolor=p.colour, linewidth=1.5, zorder=3
        )
    axes.margins(0.12, 0.08)
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.yaxis.set_major_locator(MaxNLocator(7))
    axes.grid(color=RULE, linewidth=0.6)


def _name(axes: Axes, points: Sequence[Point], lines: Mapping[str, float]) -> None:
    """Each name in the free place nearest to its point; a hairline leads to one that had to move away."""
    frame = axes.get_window_extent()
    heights = {name: float(axes.transData.transform((0, y))[1]) for name, y in lines.items()}
    at = [tuple(axes.transData.transform((p.x, p.y))) for p in points]
    taken: list[_Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in at]
    taken += [(frame.x1 - _LETTER_PX * len(name), y, frame.x1, y + _LINE_PX + 5) for name, y in heights.items()]
    for (x, y), p in sorted(zip(at, points, strict=True), key=lambda pair: not pair[1].strong):
        half = _LETTER_PX * len(p.name) * (1.12 if p.strong else 1.0) / 2
        boxes = []
        for gap in (8, 20, 34, 50, 70, 95, 125, 160):
            for dx, dy in _AROUND:
                cx, cy = x + dx * (gap + half), y + dy * (gap + _LINE_PX / 2 if abs(dx) < 0.1 else gap)
                boxes.append((gap, (cx - half, cy - _LINE_PX / 2, cx + half, cy + _LINE_PX / 2)))
        bounds = (frame.x0, frame.y0, frame.x1, frame.y1)
        gap, box = min(boxes, key=lambda g: (sum(_shared(g[1], t) for t in taken) + 9 * _outside(g[1], bounds), g[0]))
        taken.append(box)
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        axes.annotate(
            p.name, (p.x, p.y), xytext=tuple(axes.transData.inverted().transform(centre)), ha="center", va="center",
            fontsize=7.5, color=INK, fontweight="bold" if p.strong else "normal", zorder=4,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.4, "shrinkB": 4} if gap > 8 else None,
        )  # fmt: skip


def _shared(a: _Box, b: _Box) -> float:
    """Area that two boxes have in common, px²."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _outside(box: _Box, frame: _Box) -> float:
    """Area of a box outside of a frame, px²."""
    return (box[2] - box[0]) * (box[3] - box[1]) - _shared(box, frame)

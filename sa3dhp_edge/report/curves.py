"""How a training went: small multiples of its logged scalars, one panel a stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import NDArray

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import LINES, MUTED, RULE

Series = Mapping[str, Sequence[tuple[int, float]]]
"""Scalar name -> [(step, value)]."""

MOST_PANELS = 9
HEALTH = "health"
"""The stage whose scalars are errors and spreads in mm, not losses."""

_RELATION = "relation_"
_COUNTED_IN = {HEALTH: "cycle", "adapt": "cycle"}
_WORDS = {"adapt": "adaptation", "spread_mm": "pose spread"}
_SMOOTH_FROM = 60
_PANEL_PX, _LABEL_SHARE = 205, 0.095


def curves(stages: Mapping[str, Series]) -> bytes:
    """Training scalars over steps as PNG: losses on a log axis, the health of an adaptation in mm.

    Args:
        stages: stage -> scalar -> [(step, value)]. Stages named relation_z_RULE share one panel, as do those
            named relation_v_RULE. At most `MOST_PANELS` are drawn, the health always; the others are named below.
    """
    panels = _panels(stages)
    shown, left_out = _chosen(panels)
    if not shown:
        figure = blank(WIDTH_PX, 120)
        axes = figure.subplots()
        axes.axis("off")
        note(axes, "no training was logged")
        return to_png(figure)
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 3
    rows = -(-len(shown) // columns)
    figure = blank(WIDTH_PX, rows * _PANEL_PX + 20)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, name in zip(grid.flat, shown, strict=False):
        _panel(axes, name, panels[name])
    for axes in grid.flat[len(shown) :]:
        axes.axis("off")
    if left_out:
        figure.supxlabel(f"not shown: {', '.join(map(_words, left_out))}", fontsize=8, color=MUTED)
    return to_png(figure)


def _panels(stages: Mapping[str, Series]) -> dict[str, dict[str, Sequence[tuple[int, float]]]]:
    """Panel -> line -> points; the relation stages of one latent are the lines of one panel."""
    panels: dict[str, dict[str, Sequence[tuple[int, float]]]] = {}
    for stage, series in stages.items():
        if not stage.startswith(_RELATION):
            panels.setdefault(stage, {}).update(series)
            continue
        latent, _, rule = stage.removeprefix(_RELATION).partition("_")
        panel = panels.setdefault(f"relations of {latent}", {})
        panel.update({rule if name == "loss" else f"{rule} {name}": points for name, points in series.items()})
    return panels


def _chosen(panels: Collection[str]) -> tuple[list[str], list[str]]:
    """The panels to draw, the health last, and those there is no room for."""
    losses, health = [name for name in panels if name != HEALTH], [HEALTH] * (HEALTH in panels)
    room = MOST_PANELS - len(health)
    return losses[:room] + health, losses[room:]


def _panel(axes: Axes, stage: str, series: Series) -> None:
    log = stage != HEALTH
    lines = {name: np.array(points, np.float64).reshape(-1, 2) for name, points in series.items()}
    bad = sum(int((~np.isfinite(p[:, 1])).sum()) for p in lines.values())
    usable = {n: p[np.isfinite(p[:, 1]) & (p[:, 1] > 0 if log else True)] for n, p in lines.items()}
    usable = {name: points for name, points in usable.items() if len(points)}
    plain(axes, _words(stage).capitalize(), "log" if log else "mm")
    if not usable:
        note(axes, f"{bad} values, none finite" if bad else "nothing logged")
        return
    for i, points in enumerate(usable.values()):
        _line(axes, points, LINES[i % len(LINES)], ("-", "--", ":")[i // len(LINES) % 3])
    if log:
        axes.set_yscale("log")
        _log_ticks(axes, np.concatenate([p[:, 1] for p in usable.values()]))
    else:
        axes.set_ylim(bottom=0, top=1.08 * max(float(p[:, 1].max()) for p in usable.values()) or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    remark = f"   ({bad} not finite)" if bad else ""
    axes.set_xlabel(_COUNTED_IN.get(stage, "step") + remark, fontsize=8, color=MUTED)
    _end_labels(axes, usable)


def _line(axes: Axes, points: NDArray[np.float64], colour: str, style: str) -> None:
    """A line; a dot where there is one point; a pale line under its running median where there are many."""
    steps, values = points.T
    if len(points) == 1:
        axes.plot(steps, values, "o", color=colour, markersize=4)
        return
    if len(points) >= _SMOOTH_FROM:
        axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.28)
        half = max(2, len(values) // 60)
        values = np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])
    axes.plot(steps, values, color=colour, linewidth=1.6, linestyle=style)


def _log_ticks(axes: Axes, values: NDArray[np.float64]) -> None:
    decades = float(np.log10(values.max() / values.min()))
    many = LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.2 else (1.0,))
    axes.yaxis.set_major_locator(MaxNLocator(4) if decades < 0.7 else many)
    axes.yaxis.set_minor_locator(LogLocator(subs=()))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


def _end_labels(axes: Axes, lines: Mapping[str, NDArray[np.float64]]) -> None:
    """Each line's name at its right end, moved apart where they would touch."""
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [float(to_axes.transform((p[-1, 0], float(np.median(p[-5:, 1]))))[1]) for p in lines.values()]
    for i, (name, place) in enumerate(zip(lines, _apart(ends), strict=True)):
        axes.annotate(
            _words(name), (1.03, place), xycoords="axes fraction", va="center", fontsize=8,
            color=LINES[i % len(LINES)], annotation_clip=False,
        )  # fmt: skip


def _apart(places: Sequence[float]) -> list[float]:
    """The same heights (axes fractions) with room for a label each, in the same order from bottom to top."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    room = min(_LABEL_SHARE, 1.0 / max(1, len(places)))
    moved = list(places)
    for low, high in pairwise(order):
        moved[high] = max(moved[high], moved[low] + room)
    ceiling = 1.0
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - room
    return moved


def _words(name: str) -> str:
    """A scalar's or a stage's name as one reads it."""
    if name in _WORDS:
        return _WORDS[name]
    plain_name = name.removesuffix("_mm").replace("pa_mpjpe", "PA-MPJPE").replace("mpjpe", "MPJPE")
    return plain_name.replace("_", " ")

"""Figures one compares: non-localness of rules, errors of variants, milliseconds of stages."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, MUTED, PALE, RULE, VERMILION
from sa3dhp_edge.report.tables import number

_ROW_PX, _HEAD_PX = 25, 74
_TICKS = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
_LATENTS = {"z": "Poses (z)", "v": "Motions (v)"}


class ErrorRow(NamedTuple):
    """One variant's errors in mm, with their standard deviation over repeated runs where there were several."""

    name: str
    mpjpe_mm: float
    pa_mpjpe_mm: float
    mpjpe_std_mm: float | None = None
    pa_mpjpe_std_mm: float | None = None


class _Bar(NamedTuple):
    name: str
    value: float
    colour: str
    label: str
    spread: float = 0.0
    bold: bool = False


def non_localness_bars(
    study: Mapping[str, Mapping[str, Mapping[str, float]]], chosen: Mapping[str, Collection[str]]
) -> bytes:
    """How far each rule moves a latent, as PNG, farthest first; the chosen rules stand out.

    Args:
        study: "z" and "v" -> rule -> {"distance", "over_random"}; the latter, drawn here, is the distance over
            that of two random samples.
        chosen: "z" and "v" -> rules the run has learnt for that latent.
    """
    latents = [latent for latent in _LATENTS if study.get(latent)]
    figure = blank(WIDTH_PX, _HEAD_PX + _ROW_PX * max((len(study[latent]) for latent in latents), default=2))
    longest = max((len(study[latent]) for latent in latents), default=1)
    grid = figure.subplots(1, max(1, len(latents)), squeeze=False)[0]
    if not latents:
        plain(grid[0])
        note(grid[0], "no rule was studied")
    for axes, latent in zip(grid, latents, strict=False):
        found = {rule: figures.get("over_random", math.nan) for rule, figures in study[latent].items()}
        ranked = sorted(found, key=lambda rule: -found[rule] if math.isfinite(found[rule]) else math.inf)
        own = chosen.get(latent, ())
        bars = [_Bar(r, found[r], BLUE if r in own else PALE, number(found[r], 2), bold=r in own) for r in ranked]
        plain(axes, _LATENTS[latent], "blue: chosen")
        _draw(axes, bars, longest)
        axes.set_xlabel("moved distance / distance of random pairs", fontsize=8, color=MUTED)
    right = max(axes.get_xlim()[1] for axes in grid)
    for axes in grid:
        axes.set_xlim(0, right)
    return to_png(figure)


def errors_bars(rows: Sequence[ErrorRow], baseline: str = "") -> bytes:
    """MPJPE and PA-MPJPE of variants side by side as PNG, from zero, in the order given.

    Args:
        rows: before and after, or an ablation; mm.
        baseline: a row's name; it is drawn grey, with a line at its value, and the others state their change.
    """
    figure = blank(WIDTH_PX, _HEAD_PX + _ROW_PX * max(2, len(rows)))
    grid = figure.subplots(1, 2, sharey=True)
    for axes, title, kind in zip(grid, ("MPJPE", "PA-MPJPE"), ("mpjpe", "pa_mpjpe"), strict=True):
        start = next((_error(row, kind) for row in rows if row.name == baseline), math.nan)
        bars = [_error_bar(row, kind, start, row.name == baseline) for row in rows]
        plain(axes, title, "mm, lower is better")
        if not bars:
            note(axes, "nothing was measured")
            continue
        _draw(axes, bars, len(bars), column_after=0.0)
        if math.isfinite(start):
            axes.axvline(start, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    return to_png(figure)


def _error(row: ErrorRow, kind: str) -> float:
    return row.mpjpe_mm if kind == "mpjpe" else row.pa_mpjpe_mm


def _error_bar(row: ErrorRow, kind: str, start: float, is_baseline: bool) -> _Bar:
    value, spread = _error(row, kind), row.mpjpe_std_mm if kind == "mpjpe" else row.pa_mpjpe_std_mm
    label = number(value, 1)
    if math.isfinite(start) and math.isfinite(value) and not is_baseline:
        label += f"  ({number(value - start, 1, signed=True)})"
    return _Bar(row.name, value, PALE if is_baseline else BLUE, label, spread or 0.0)


def latency_bars(stages: Mapping[str, Mapping[str, float]], budget_ms: float | None = None) -> bytes:
    """Milliseconds a frame by stage as PNG: the bar ends at the median, the line at the 95th percentile.

    Args:
        stages: stage -> {"p50", "p95"} ms, drawn in the order given; "total" stands out.
        budget_ms: a vertical line, e.g. 33.3 for 30 frames a second.
    """
    figure = blank(WIDTH_PX, _HEAD_PX + _ROW_PX * max(2, len(stages)))
    axes = figure.subplots()
    plain(axes, "Latency of a frame", "bar: median, line: 95th percentile, ms")
    if not stages:
        note(axes, "nothing was timed")
        return to_png(figure)
    bars = []
    for name, figures in stages.items():
        p50, p95 = figures.get("p50", math.nan), figures.get("p95", math.nan)
        label = f"{number(p50, 1)}  /  {number(p95, 1)}"
        bars.append(_Bar(name, p50, BLUE if name == "total" else PALE, label, max(0.0, p95 - p50), name == "total"))
    _draw(axes, bars, len(bars), one_sided=True, column_after=budget_ms or 0.0)
    if budget_ms is not None:
        axes.axvline(budget_ms, color=VERMILION, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{number(budget_ms, 1)} ms", (budget_ms, 1), xycoords=("data", "axes fraction"), xytext=(-4, -4),
            textcoords="offset points", fontsize=8, color=VERMILION, ha="right", va="top",
        )  # fmt: skip
    return to_png(figure)


def _draw(
    axes: Axes, bars: Sequence[_Bar], places: int, *, one_sided: bool = False, column_after: float | None = None
) -> None:
    """Horizontal bars from the top down in `places` rows; no value, no bar.

    Labels stand at the bars' ends, or in a column of their own right of everything and of `column_after`.
    """
    rows = range(len(bars))
    values = [bar.value if math.isfinite(bar.value) else 0.0 for bar in bars]
    spreads = [bar.spread if math.isfinite(bar.spread) else 0.0 for bar in bars]
    ends = [value + spread for value, spread in zip(values, spreads, strict=True)]
    reach = max([*ends, column_after or 0.0]) or 1.0
    axes.barh(rows, values, height=0.66, color=[bar.colour for bar in bars])
    for row, bar, value, end in zip(rows, bars, values, ends, strict=True):
        if end > value:
            start = value if one_sided else 2 * value - end
            axes.plot([start, end], [row, row], color=INK, linewidth=1.1, solid_capstyle="butt")
        axes.annotate(
            bar.label, (end if column_after is None else reach, row), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=INK, fontweight="bold" if bar.bold else "normal",
        )  # fmt: skip
    longest = max(len(bar.label) for bar in bars)
    axes.set_xlim(0, reach * (1.06 + 0.022 * longest))
    axes.set_xticks([tick for tick in _TICKS.tick_values(0, reach) if tick <= 1.02 * reach])
    axes.set_ylim(places - 0.4, -0.6)
    axes.set_yticks(rows, [bar.name for bar in bars])
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    for text, bar in zip(axes.get_yticklabels(), bars, strict=False):  # a shared axis has none
        text.set(color=INK, fontsize=8.5, fontweight="bold" if bar.bold else "normal")

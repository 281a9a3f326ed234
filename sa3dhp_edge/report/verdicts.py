"""How well a score tells better models from worse: receiver operating curves, and expected against true gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, LINES, MUTED, OCHRE, PALE, RULE, VERMILION

_HEIGHT_PX = 430

Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """A receiver operating curve: shares of worse and of better things accepted, both rising from 0 to 1."""

    worse: Floats
    better: Floats
    area: float


class Judged(NamedTuple):
    """One model: what was expected of it, what came true, both mm, and what was said.

    Attributes:
        expected_mm: nan where it was refused before anything was expected.
        accepted: the answer.
        real: on real video rather than generated.
    """

    expected_mm: float
    gain_mm: float
    accepted: bool
    real: bool = False


def roc(score: Floats, better: NDArray[np.bool_]) -> Curve:
    """Of a score (n,) that should be higher for what is better; area nan where there is only one kind."""
    if not better.any() or better.all():
        return Curve(np.zeros(0), np.zeros(0), float("nan"))
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # ties are taken together
    hits, misses = (np.concatenate([[0], np.cumsum(x[order])[ends]]) for x in (better, ~better))
    rates = misses / misses[-1], hits / hits[-1]
    area = float((np.diff(rates[0]) * (rates[1][1:] + rates[1][:-1]) / 2).sum())
    return Curve(*rates, area)


def verdict_panels(curves: Mapping[str, Curve], judged: Sequence[Judged], margin_mm: float, reach_mm: float) -> bytes:
    """Both panels side by side as PNG.

    Args:
        curves: by name, the most important first.
        margin_mm: an expected gain from which on a model is accepted.
        reach_mm: what lies farther out is drawn at the edge.
    """
    figure = blank(WIDTH_PX, _HEIGHT_PX)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    _curves(left, {k: c for k, c in curves.items() if len(c.worse)})
    _gains(right, judged, margin_mm, reach_mm)
    return to_png(figure)


def _curves(axes: Axes, curves: Mapping[str, Curve]) -> None:
    plain(axes, "Better models accepted", "against worse ones accepted")
    if not curves:
        note(axes, "there are not both better and worse models")
        return
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1, linestyle=(0, (4, 3)))
    for i, (name, curve) in enumerate(curves.items()):
        colour = LINES[i % len(LINES)]
        axes.plot(curve.worse, curve.better, color=colour, linewidth=2.2 if i == 0 else 1.3)
        axes.annotate(
            f"{name}  {curve.area:.3f}", (0.98, 0.04 + 0.055 * (len(curves) - 1 - i)), xycoords="axes fraction",
            fontsize=8.5, color=colour, ha="right", fontweight="bold" if i == 0 else "normal",
        )  # fmt: skip
    axes.annotate(
        "area under the curve", (0.98, 0.04 + 0.055 * len(curves)), xycoords="axes fraction", fontsize=8, color=MUTED,
        ha="right",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
    axes.set_xlim(-0.01, 1)
    axes.set_ylim(0, 1.01)
    axes.grid(color=RULE, linewidth=0.6)


def _gains(axes: Axes, judged: Sequence[Judged], margin_mm: float, reach_mm: float) -> None:
    plain(axes, "True gain, mm", "against expected gain, mm")
    asked = [j for j in judged if np.isfinite(j.expected_mm)]
    if not asked:
        note(axes, "nothing was expected of any model")
        return
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.axvline(margin_mm, color=VERMILION, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"accepted from {margin_mm:.1f} on", (margin_mm, 0.02), xycoords=("data", "axes fraction"), xytext=(4, 0),
        textcoords="offset points", fontsize=8, color=VERMILION,
    )  # fmt: skip
    axes.plot([-reach_mm, reach_mm], [-reach_mm, reach_mm], color=PALE, linewidth=1, linestyle=(0, (4, 3)))
    for real, colour, name in ((False, BLUE, "generated"), (True, OCHRE, "real video")):
        some = [j for j in asked if j.real == real]
        if some:
            x, y = (np.clip([j[k] for j in some], -reach_mm, reach_mm) for k in (0, 1))
            axes.scatter(x, y, s=13, facecolor="none", edgecolor=colour, linewidth=0.9, label=f"{name}, {len(some)}")
    axes.legend(loc="upper left", fontsize=8, frameon=False, labelcolor=INK, handletextpad=0.2)
    axes.set_xlim(-1.04 * reach_mm, 1.04 * reach_mm)
    axes.set_ylim(-1.04 * reach_mm, 1.04 * reach_mm)
    axes.grid(color=RULE, linewidth=0.6)

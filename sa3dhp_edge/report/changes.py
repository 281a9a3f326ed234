"""How much each change to something moves several errors, beside what chance alone would move them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, MUTED, PALE, RULE, VERMILION
from sa3dhp_edge.report.tables import number

_ROW_PX, _HEAD_PX = 25, 106


class ChangePanel(NamedTuple):
    """One error's changes: a bar for each name.

    Attributes:
        title: where the error was measured.
        unit: of the error.
        digits: after the point.
        changes: one per name.
        chance: one standard deviation of such a change where nothing was changed but the seed; None if not known.
    """

    title: str
    unit: str
    digits: int
    changes: Sequence[float]
    chance: float | None


def change_bars(names: Sequence[str], panels: Sequence[ChangePanel]) -> bytes:
    """Changes as PNG, a panel for each error side by side, in the order given; worse is blue and to the right.

    Args:
        names: what was left out.
    """
    figure = blank(WIDTH_PX, _HEAD_PX + _ROW_PX * max(2, len(names)))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        plain(axes, panel.title)
        if not names:
            note(axes, "nothing was measured yet")
            continue
        _draw(axes, panel)
        chance = "" if panel.chance is None else f"\nby chance ±{number(panel.chance, panel.digits)}"
        axes.set_xlabel(f"{panel.unit} more without it{chance}", fontsize=8, color=MUTED)
        axes.set_ylim(len(names) - 0.4, -0.6)
    if names:
        grid[0].set_yticks(range(len(names)), list(names))
        for text in grid[0].get_yticklabels():
            text.set(color=INK, fontsize=8.5)
    return to_png(figure)


def _draw(axes: Axes, panel: ChangePanel) -> None:
    """Bars from zero to both sides over the band of chance, each with its number at its end."""
    if panel.chance is not None:
        axes.axvspan(-panel.chance, panel.chance, color=RULE, alpha=0.7, linewidth=0)
    axes.barh(
        range(len(panel.changes)), panel.changes, height=0.66,
        color=[BLUE if change > 0 else VERMILION if change < 0 else PALE for change in panel.changes],
    )  # fmt: skip
    for row, change in enumerate(panel.changes):
        axes.annotate(
            number(change, panel.digits, signed=True), (change, row), xytext=(4 if change >= 0 else -4, 0),
            textcoords="offset points", va="center", ha="left" if change >= 0 else "right", fontsize=8, color=INK,
        )  # fmt: skip
    low, high = min(0.0, *panel.changes), max(0.0, *panel.changes)
    chance = panel.chance or 0.0
    low, high = min(low, -chance), max(high, chance)
    room = 0.28 * ((high - low) or 1.0)
    axes.set_xlim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color=RULE, linewidth=0.6)

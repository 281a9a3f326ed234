"""What every figure shares: a canvas without global state, plain axes, and the way to PNG bytes or pixels."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sa3dhp_edge.report.palette import INK, MUTED, PAPER, RULE

WIDTH_PX, SHARPNESS = 900, 2
"""A figure's width on the page, and its PNG's pixels per page pixel."""

_PAGE_PX_PER_INCH = 100


def blank(width_px: int, height_px: int, *, tight: bool = True) -> Figure:
    """An empty figure of a size in page pixels; `tight` lets it lay its axes out itself."""
    size = width_px / _PAGE_PX_PER_INCH, height_px / _PAGE_PX_PER_INCH
    return Figure(figsize=size, facecolor=PAPER, layout="constrained" if tight else None)


def to_png(figure: Figure) -> bytes:
    """PNG bytes, `SHARPNESS` times the figure's size in page pixels."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_PAGE_PX_PER_INCH * SHARPNESS, metadata={"Software": None})
    return file.getvalue()


def to_rgb(figure: Figure, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """(height_px, width_px, 3) uint8 RGB; letters and lines grow with the height."""
    dpi = height_px / figure.get_figheight()
    figure.set_size_inches((width_px + 0.01) / dpi, (height_px + 0.01) / dpi)  # whole pixels when rounded down
    file = io.BytesIO()
    figure.savefig(file, format="rgba", dpi=dpi)
    return np.frombuffer(file.getvalue(), np.uint8).reshape(height_px, width_px, 4)[..., :3].copy()


def plain(axes: Axes, title: str = "", aside: str = "") -> None:
    """Left and bottom hairlines only, a bold title at the left and a muted remark at the right."""
    for place, spine in axes.spines.items():
        spine.set_visible(place in ("left", "bottom"))
        spine.set_color(RULE)
    axes.tick_params(colors=MUTED, labelsize=8, length=0, pad=4)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold", color=INK, pad=8)
    if aside:
        axes.set_title(aside, loc="right", fontsize=8, color=MUTED, pad=8)


def note(axes: Axes, text: str) -> None:
    """A remark where there is nothing to draw."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=MUTED)

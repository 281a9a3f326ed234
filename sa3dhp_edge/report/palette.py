"""The colours of plots, pictures and pages: told apart by colour-blind eyes, dark enough on white.

The hues are those of Okabe and Ito (2008), without the ones too pale for a line on white.
"""

from __future__ import annotations

INK, MUTED, RULE, PALE, PAPER = "#1b1f24", "#5b6570", "#d9dee4", "#c3cad2", "#ffffff"
"""Text, secondary text, hairlines, bars that are not spoken of, and the background."""

BLUE, VERMILION, GREEN, PURPLE, OCHRE, SLATE = "#0072b2", "#d55e00", "#008a68", "#a8518a", "#96700a", "#4a5560"

LINES: tuple[str, ...] = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, SLATE)
"""One per line of a plot, in this order."""

LEFT, RIGHT, MIDDLE = BLUE, VERMILION, GREEN
"""A skeleton's left, right and middle bones."""


def side_colour(joint: str) -> str:
    """The colour of the bone that ends in `joint`."""
    return {"left": LEFT, "right": RIGHT}.get(joint.partition("_")[0], MIDDLE)

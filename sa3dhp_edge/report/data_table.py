"""A checked folder of recordings in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from sa3dhp_edge.datasets.check import SkeletonFacts, SplitCount, largest
from sa3dhp_edge.report.tables import Column, number, terminal_table

_NAMED = 8
"""So many names are written out; more are counted."""


def splits_table(splits: Sequence[SplitCount]) -> RenderableType:
    """One row for each side of the protocol."""
    columns = (
        Column("split"), Column("takes", digits=0), Column("subjects", digits=0), Column("actions", digits=0),
        Column("frames", digits=0), Column("minutes", digits=1),
    )  # fmt: skip
    rows = [(s.split, float(s.takes), float(s.subjects), float(s.actions), float(s.frames), s.minutes) for s in splits]
    return terminal_table(columns, rows)


def skeleton_lines(facts: SkeletonFacts) -> Iterator[str]:
    """What is to be known of one skeleton, a line each."""
    yield f"skeleton: {facts.title} ({facts.name}), {counted(facts.takes, 'take')}"
    if facts.missing:
        yield f"  cannot be had: {', '.join(facts.missing)}"
    if not facts.residual_joint:
        stated = "its map has not been measured elsewhere"
    elif facts.residual_mm == 0:
        stated = "the joints are the project's own"
    else:
        stated = f"{facts.residual_joint} {number(facts.residual_mm, 0)} mm on {facts.residual_how}"
    joint, offset = largest(facts.offset_mm)
    here = f"{joint} {number(offset, 0)} mm here; " if joint else ""
    yield f"  most off the template's proportions: {here}{stated}"
    bone, spread = largest(facts.spread_mm)
    if bone:
        yield f"  a bone's length varies by up to {number(spread, 1)} mm within a take (to the {bone})"


def first_lines(what: str, lines: Sequence[str]) -> Iterator[str]:
    """The first few lines under one word, and how many more there are."""
    yield from (f"{what}: {line}" for line in lines[:_NAMED])
    if len(lines) > _NAMED:
        yield f"{what}: {len(lines) - _NAMED} more, all of them with --json"


def counted(count: int, thing: str) -> str:
    """`1 take`, `2 takes`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def names(values: Sequence[object]) -> str:
    """Some names and how many more; a dash for none."""
    shown = ", ".join(map(str, values[:_NAMED]))
    return (f"{shown} and {len(values) - _NAMED} more" if len(values) > _NAMED else shown) or "–"

"""Tables: what a number looks like, and rows for the terminal; `page` draws the same table in HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from sa3dhp_edge.errors import ShapeError

Cell = str | float | None
"""Text, a number, or nothing known; a number that is not finite counts as nothing known."""

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: what stands above it.
        unit: of its numbers ("mm", "ms"), written beside the title.
        digits: after the point; None for a column of text.
        signed: write the plus as well, as differences want it.
        best: the extreme that is set in bold, if any.
    """

    title: str
    unit: str = ""
    digits: int | None = None
    signed: bool = False
    best: Literal["", "low", "high"] = ""

    @property
    def numeric(self) -> bool:
        return self.digits is not None

    @property
    def heading(self) -> str:
        """Title and unit in one line."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def show(self, cell: Cell) -> str:
        """The text of one cell."""
        if cell is None or isinstance(cell, str):
            return cell or NOTHING
        return number(cell, 1 if self.digits is None else self.digits, signed=self.signed)


@dataclass(frozen=True)
class Table:
    """Columns and rows, each row as long as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ShapeError(f"a row has {len(row)} cells, the table has {len(self.columns)} columns: {row}")

    def best_cells(self) -> frozenset[tuple[int, int]]:
        """(row, column) of the cells set in bold; ties all, and none where there is nothing to compare."""
        cells: set[tuple[int, int]] = set()
        for c, column in enumerate(self.columns):
            known = {r: v for r, row in enumerate(self.rows) if (v := _value(row[c])) is not None}
            if column.best and len(known) > 1:
                extreme = (min if column.best == "low" else max)(known.values())
                cells |= {(r, c) for r, v in known.items() if v == extreme}
        return frozenset(cells)


def number(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A number as every table, figure and page writes it: true minus, commas from 10,000 on, a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(float(value), digits) + 0.0  # never "-0.0"
    text = f"{abs(rounded):,.{digits}f}" if abs(rounded) >= 10_000 else f"{abs(rounded):.{digits}f}"
    sign = "−" if rounded < 0 else "+" if signed and rounded > 0 else ""
    return sign + text


def terminal_table(columns: Sequence[Column], rows: Sequence[tuple[Cell, ...]], caption: str = "") -> RichTable:
    """The table for a rich console to print: text to the left, numerals to the right, the best in bold."""
    table = Table(tuple(columns), tuple(rows), caption)
    drawn = RichTable(box=box.SIMPLE_HEAD, title=Text(caption, "bold") if caption else None, title_justify="left")
    for column in columns:
        drawn.add_column(Text(column.heading), justify="right" if column.numeric else "left", no_wrap=column.numeric)
    best = table.best_cells()
    for r, row in enumerate(table.rows):
        texts = (column.show(cell) for column, cell in zip(columns, row, strict=True))
        drawn.add_row(*(Text(text, "bold" if (r, c) in best else "") for c, text in enumerate(texts)))
    return drawn


def _value(cell: Cell) -> float | None:
    return None if cell is None or isinstance(cell, str) or not math.isfinite(cell) else float(cell)


def markdown_table(columns: Sequence[Column], rows: Sequence[tuple[Cell, ...]]) -> str:
    """A table in Markdown, columns of text first, then numbers; the best of a column in bold where it has one."""
    best = {}
    for i, column in enumerate(columns):
        values = [v for row in rows if (v := _value(row[i])) is not None]
        if column.best and values:
            best[i] = min(values) if column.best == "low" else max(values)
    lines = []
    for row in rows:
        shown = [column.show(cell) for column, cell in zip(columns, row, strict=True)]
        shown = [f"**{s}**" if i in best and _value(row[i]) == best[i] else s for i, s in enumerate(shown)]
        lines.append(shown)
    return markdown_lines([c.heading for c in columns], lines, sum(not c.numeric for c in columns))


def markdown_lines(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table of texts in Markdown, its first `left` columns to the left and the others to the right."""
    rule = "|" + "---|" * left + "--:|" * (len(heads) - left)
    return "\n".join([_markdown_row(heads), rule, *map(_markdown_row, rows)]) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

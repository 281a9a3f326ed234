from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.report.tables import NOTHING, Column, Table, number, terminal_table

COLUMNS = (Column("variant"), Column("PA-MPJPE", "mm", 1, best="low"), Column("change", "mm", 1, signed=True))
ROWS = (("source", 141.27, None), ("full [method]", 128.04, -13.23), ("diverged", math.nan, math.inf))


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (128.04, 1, False, "128.0"),
        (-13.26, 1, True, "−13.3"),
        (13.26, 1, True, "+13.3"),
        (-0.04, 1, True, "0.0"),
        (9999, 0, False, "9999"),
        (12000, 0, False, "12,000"),
        (9999.96, 1, False, "10,000.0"),
        (math.nan, 1, False, NOTHING),
        (-math.inf, 1, True, NOTHING),
        (None, 1, False, NOTHING),
    ],
)
def test_numbers_are_written_one_way(value, digits, signed, text):
    assert number(value, digits, signed=signed) == text


def test_the_best_cell_ignores_what_is_not_known():
    assert Table(COLUMNS, ROWS).best_cells() == {(1, 1)}
    assert not Table(COLUMNS, ROWS[:1]).best_cells()


def test_ties_are_all_best():
    columns = (Column("a"), Column("b", digits=0, best="high"))
    assert Table(columns, (("x", 2.0), ("y", 2), ("z", 1.0))).best_cells() == {(0, 1), (1, 1)}


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ShapeError, match=r"2 cells.*3 columns"):
        Table(COLUMNS, (("source", 1.0),))


def test_the_terminal_shows_every_cell_and_takes_no_markup_from_names():
    out = io.StringIO()
    Console(file=out, width=80).print(terminal_table(COLUMNS, ROWS, "held-out target"))
    text = out.getvalue()
    for word in ("held-out target", "PA-MPJPE (mm)", "full [method]", "128.0", "−13.2", "141.3", NOTHING):
        assert word in text
    ends = {line.index(cell) + len(cell) for line in text.splitlines() for cell in ("141.3", "128.0") if cell in line}
    assert len(ends) == 1, "numerals are aligned at the right"

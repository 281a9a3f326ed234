"""Poses in time: as many looks as fit, at least one, and a word where not even that fits."""

import logging

import numpy as np
import pytest

from runtime.budget import LatencyBudget
from sa3dhp_edge.records import Frame

PICTURE = np.zeros((2, 2, 3), np.uint8)


class Machine:
    """A clock, and a network that takes so long for a square."""

    def __init__(self, look_ms: float) -> None:
        self.now_s, self.look_ms = 50.0, look_ms

    def frames(self, budget: LatencyBudget, count: int, wanted: int, waited_ms: float = 0.0) -> list[float]:
        """Ages of frames of which each would be looked at in `wanted` squares."""
        ages = []
        for n in range(count):
            budget.begin(Frame(PICTURE, n, n / 30, captured_s=self.now_s))
            self.now_s += waited_ms / 1000
            squares = budget.squares()
            squares = wanted if squares is None else min(wanted, squares)
            self.now_s += squares * self.look_ms / 1000
            budget.looked(squares, squares * self.look_ms)
            ages.append(budget.end())
            self.now_s += 0.001
        return ages


@pytest.mark.parametrize(("look_ms", "waited_ms"), [(3.0, 0.0), (7.0, 20.0), (40.0, 10.0)])
def test_as_much_is_looked_at_as_fits(look_ms, waited_ms):
    machine = Machine(look_ms)
    budget = LatencyBudget(100.0, clock=lambda: machine.now_s)
    ages = machine.frames(budget, 30, wanted=1000, waited_ms=waited_ms)
    assert max(ages) <= 100
    assert min(ages[1:]) > 100 - 0.15 * 100 - look_ms
    assert budget.late == 0


def test_one_look_is_always_allowed_and_lateness_is_counted_and_said_once(caplog):
    machine = Machine(250.0)
    budget = LatencyBudget(100.0, clock=lambda: machine.now_s)
    with caplog.at_level(logging.WARNING, logger="runtime.budget"):
        ages = machine.frames(budget, 400, wanted=5)
    assert ages == pytest.approx([250.0] * 400)
    assert budget.late == 400
    assert len(caplog.records) == 1
    assert "--latency-budget-ms" in caplog.text


def test_without_a_budget_everything_is_looked_at():
    machine = Machine(10.0)
    budget = LatencyBudget(None, clock=lambda: machine.now_s)
    assert machine.frames(budget, 3, wanted=50) == pytest.approx([500.0] * 3)
    assert budget.late == 0


def test_a_file_has_its_time_from_when_it_was_read():
    now_s = 10.0
    budget = LatencyBudget(100.0, clock=lambda: now_s)
    budget.begin(Frame(PICTURE, 0, 0.0, decode_ms=30.0))
    assert budget.age_ms() == pytest.approx(30.0)

"""Pairs of least cost, beside a well-known implementation."""

import numpy as np
import pytest

from runtime.assignment import cheapest_pairs


def test_the_total_is_as_small_as_scipy_makes_it():
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    for n in range(400):
        cost = rng.random(rng.integers(0, 7, 2))
        cost = np.round(3 * cost) if n % 2 else cost
        pairs = cheapest_pairs(cost)
        rows, columns = optimize.linear_sum_assignment(cost)
        assert len(pairs) == len(rows)
        assert sum(cost[p] for p in pairs) == pytest.approx(cost[rows, columns].sum())


def test_what_is_forbidden_is_not_paired_and_as_many_as_can_be_are():
    inf = np.inf
    assert cheapest_pairs(np.array([[1.0, inf], [2.0, inf]])) == [(0, 0)]
    assert cheapest_pairs(np.array([[0.1, 9.0], [0.2, inf]])) == [(0, 1), (1, 0)]
    assert cheapest_pairs(np.full((3, 2), inf)) == []
    assert cheapest_pairs(np.zeros((0, 4))) == []

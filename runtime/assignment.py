"""Who is who: the cheapest way to pair rows with columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FORBIDDEN = 1e6


def cheapest_pairs(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the least total cost, as many as there can be; an infinite cost forbids a pair.

    Source: Kuhn 1955, the Hungarian method, by shortest augmenting paths (Jonker and Volgenant 1987): O(n^3), for the
    few people before a camera. Leaving somebody unpaired costs more than any pair.

    Args:
        cost: (N, M), finite or inf.
    """
    rows, columns = cost.shape
    if rows > columns:
        return sorted((r, c) for c, r in cheapest_pairs(cost.T))
    square = np.where(np.isfinite(cost), cost, _FORBIDDEN)
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for row in range(rows):
        least, before = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, np.bool_)
        at, column = row, -1
        while True:
            reached = square[at] - row_price[at] - column_price
            nearer = ~done & (reached < least)
            least[nearer], before[nearer] = reached[nearer], column
            nearest = int(np.argmin(np.where(done, np.inf, least)))
            step = least[nearest]
            row_price[[row, *row_of[done]]] += step
            column_price[done] -= step
            least[~done] -= step
            done[nearest] = True
            column, at = nearest, int(row_of[nearest])
            if at < 0:
                break
        while column >= 0:
            back = int(before[column])
            row_of[column] = row if back < 0 else row_of[back]
            column = back
    return sorted((int(r), c) for c, r in enumerate(row_of) if r >= 0 and np.isfinite(cost[r, c]))

"""Which convolutions INT8 may have: as many as the poses allow, judged in mm.

Each layer is quantised alone first, which ranks them; then all are, and the worst is given back, one by one, until the
poses are within the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sa3dhp_edge.errors import ParityError

_WORST_NAMED = 5


@dataclass(frozen=True)
class GivenBack:
    """What the search found.

    Attributes:
        kept: the layers in INT8, in the graph's order.
        given_back: those that are not, the worst first.
        alone_mm: layer -> mean distance of the joints with it alone in INT8.
        path_mm: mean distance with all layers in INT8, with one given back, and so on.
    """

    kept: tuple[str, ...]
    given_back: tuple[str, ...]
    alone_mm: Mapping[str, float]
    path_mm: tuple[float, ...]

    def worst(self) -> list[str]:
        """The layers that cost most, with what each costs alone."""
        return _named(self.alone_mm)


def give_back(
    layers: Iterable[str], away_mm: Callable[[tuple[str, ...]], float], budget_mm: float,
    seen: Callable[[str], None] = lambda told: None,
) -> GivenBack:  # fmt: skip
    """The first set of layers within the budget, on the way from all to none.

    Args:
        layers: in the graph's order.
        away_mm: mean distance of the joints with these layers in INT8.
        budget_mm: to be reached.
        seen: told what was tried.

    Raises:
        ParityError: no set of layers is within the budget; names the worst.
    """
    order = tuple(layers)
    alone: dict[str, float] = {}
    for layer in order:
        alone[layer] = away_mm((layer,))
        seen(f"{layer} alone: {alone[layer]:.2f} mm")
    worst_first = _ranked(alone)
    path: list[float] = []
    for count in range(len(order)):
        back = tuple(worst_first[:count])
        kept = tuple(layer for layer in order if layer not in back)
        path.append(away_mm(kept))
        seen(f"{len(kept)} of {len(order)} in INT8: {path[-1]:.2f} mm")
        if path[-1] <= budget_mm:
            return GivenBack(kept, back, alone, tuple(path))
    raise ParityError(
        f"no convolution can be in INT8 within {budget_mm:g} mm; alone the worst are {', '.join(_named(alone))}",
        "export with --precision fp16",
    )


def _ranked(alone_mm: Mapping[str, float]) -> list[str]:
    """The layers, the worst first."""
    return sorted(alone_mm, key=lambda layer: -alone_mm[layer])


def _named(alone_mm: Mapping[str, float]) -> list[str]:
    """The worst few, with what each costs alone."""
    return [f"{layer} {alone_mm[layer]:.1f} mm" for layer in _ranked(alone_mm)[:_WORST_NAMED]]

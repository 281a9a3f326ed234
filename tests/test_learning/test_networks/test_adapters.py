"""Low-rank changes: nothing at first, small matrices move, and the network that comes out is an ordinary one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch

from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.networks.adapters import low_rank
from sa3dhp_edge.networks.trainable import snapshot, unfreeze_only
from sa3dhp_edge.training.held import Held

PART = ("backbone.layer2.*", "camera.*")


def test_small_matrices_move_and_are_folded_in(fresh_networks: Callable[..., Networks]) -> None:
    g, crops = fresh_networks().g, torch.randn(2, 3, 32, 32)
    before, said = snapshot(g), g(crops).z
    chosen = unfreeze_only(g, PART)
    torch.manual_seed(0)
    with low_rank(g, chosen, 3) as moving:
        assert torch.equal(g(crops).z, said), "the change is nothing at first"
        own = torch.optim.Adam(moving.values(), 0.1)
        for _ in range(2):  # the first step moves one factor of each product, the second both
            own.zero_grad()
            (g(crops).z.square().sum() + g(crops).camera.square().sum()).backward()
            own.step()
        moved = g(crops).z
    after = snapshot(g)
    assert after.keys() == before.keys()
    assert torch.allclose(g(crops).z, moved)
    assert not torch.allclose(moved, said)
    for name in before:
        change = after[name] - before[name]
        assert bool(change.any()) == (name in chosen), name
        if name in chosen and change.ndim > 1:
            assert torch.linalg.matrix_rank(change.flatten(1), rtol=1e-3) <= 3


def test_it_is_folded_in_whatever_happens(fresh_networks: Callable[..., Networks]) -> None:
    g = fresh_networks().g
    names = [name for name, _ in g.named_parameters()]
    chosen = unfreeze_only(g, PART)

    def broken_off() -> None:
        with low_rank(g, chosen, 2):
            deepcopy(g).load_state_dict(g.state_dict())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert sorted(name for name, _ in g.named_parameters()) == sorted(names)


def test_rank_nothing_lets_everything_move(fresh_networks: Callable[..., Networks]) -> None:
    g = fresh_networks().g
    chosen = unfreeze_only(g, PART)
    with low_rank(g, chosen, 0) as moving:
        assert moving == chosen


def test_a_part_near_the_end_holds_less_and_twice_the_pictures_twice_as_much(
    fresh_networks: Callable[..., Networks],
) -> None:
    def held_mb(patterns: tuple[str, ...], pictures: int) -> float:
        g = fresh_networks().g
        unfreeze_only(g, patterns)
        held = Held(g)
        with held.watching(True):
            g(torch.randn(pictures, 3, 32, 32))
        with held.watching(False):
            g(torch.randn(10 * pictures, 3, 32, 32))
        return held.most_mb

    assert 0 < held_mb(("camera.*",), 8) < held_mb(PART, 8) < held_mb(("*",), 8)
    assert held_mb(("*",), 16) == pytest.approx(2 * held_mb(("*",), 8), rel=0.05)

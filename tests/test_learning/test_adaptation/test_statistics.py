"""Source and target each through its own statistics."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sa3dhp_edge.adaptation.statistics import reading_with, reestimate_statistics, statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks


def test_the_source_is_read_as_before_and_gradients_go_through_both(
    fresh_networks: Callable[..., Networks], target: TargetClips
) -> None:
    g, crops = fresh_networks().g, torch.randn(2, 3, 32, 32)
    said, of_source = g(crops).z, statistics(g)
    reestimate_statistics(g, target, 32, seed=0, batches=2)
    there = g(crops).z
    with reading_with(g, of_source):
        here = g(crops).z
    assert torch.equal(here, said)
    assert not torch.allclose(there, said)
    assert torch.equal(g(crops).z, there), "the target's are back"
    (here.sum() + there.sum()).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in g.backbone.layer2.parameters())  # type: ignore[union-attr]


def test_without_others_it_reads_with_its_own(fresh_networks: Callable[..., Networks]) -> None:
    g, crops = fresh_networks().g, torch.randn(2, 3, 32, 32)
    said = g(crops).z
    with reading_with(g, None):
        assert torch.equal(g(crops).z, said)

"""Muon moves convolution weights as the matrices they are."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import nn

from sa3dhp_edge.config import SourceConfig
from sa3dhp_edge.training.optimizer import NEWTON_SCHULZ, ROUNDS, nearly_orthogonal, source_optimizers


def small_net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(16, 2))


def stepped(net: nn.Sequential, steps: int = 3) -> nn.Sequential:
    optimizers = source_optimizers(net, SourceConfig(lr=0.05))
    pictures = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        for own in optimizers.values():
            own.zero_grad()
        net(pictures.contiguous(memory_format=torch.channels_last)).square().mean().backward()
        for own in optimizers.values():
            own.step()
    return net


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_parameter_moves_and_the_layout_makes_no_difference(layout: torch.memory_format) -> None:
    before, after = small_net(), stepped(small_net().to(memory_format=layout))  # type: ignore[call-overload]
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        assert not torch.equal(old, new)
    plain = stepped(small_net())
    for a, b in zip(after.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=2e-3)


def test_a_step_is_near_orthogonal_and_of_adamw_size() -> None:
    net = small_net()
    before = next(net[2].parameters()).detach().clone()
    step = (next(stepped(net, 1)[2].parameters()).detach() - before).flatten(1)
    singular = torch.linalg.svdvals(step)
    assert singular.max() < 2.5 * singular.min()
    assert step.square().mean().sqrt() == pytest.approx(0.2 * 0.05, rel=0.3)


def test_no_gradient_stays_behind() -> None:
    net = stepped(small_net())
    for own in source_optimizers(net, SourceConfig()).values():
        own.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_adamw_takes_all_parameters() -> None:
    net = small_net()
    (own,) = source_optimizers(net, SourceConfig(optimizer="adamw")).values()
    assert sum(p.numel() for p in own.param_groups[0]["params"]) == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (16, 16)])
def test_the_rounds_on_the_square_matrix_are_those_on_the_matrix_itself(shape: tuple[int, int]) -> None:
    given = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x, (a, b, c) = given / given.norm(), NEWTON_SCHULZ
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    found = nearly_orthogonal(given)
    torch.testing.assert_close(found, x, rtol=1e-9, atol=1e-9)
    assert torch.linalg.svdvals(found).max() < 1.3
    assert torch.linalg.svdvals(found).min() > 0.5
    torch.testing.assert_close(nearly_orthogonal(given.float()), x.float(), rtol=1e-3, atol=1e-3)


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not nearly_orthogonal(torch.zeros(3, 5)).any()


def test_its_momentum_survives_a_checkpoint(same_weights: Callable[[nn.Module, nn.Module], bool]) -> None:
    net, other = small_net(), small_net()
    first = source_optimizers(net, SourceConfig())
    net(torch.ones(1, 3, 6, 6)).sum().backward()
    for own in first.values():
        own.step()
    again = source_optimizers(other, SourceConfig())
    for name, own in again.items():
        own.load_state_dict(deepcopy(first[name].state_dict()))
    other.load_state_dict(net.state_dict())
    for optimizers, module in ((first, net), (again, other)):
        for own in optimizers.values():
            own.zero_grad()
        module(torch.full((1, 3, 6, 6), 0.5)).sum().backward()
        for own in optimizers.values():
            own.step()
    assert same_weights(net, other)

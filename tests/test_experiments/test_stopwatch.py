"""The stopwatch: parts that add up, work counted by hand, loops timed without their first step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sa3dhp_edge.experiments import stopwatch
from sa3dhp_edge.experiments.stopwatch import OPTIMIZER, REST, Parts, StepLog, counted, instead


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that stands where it is put."""
    time = [0.0]
    monkeypatch.setattr(stopwatch, "now_s", lambda: time[0])

    def put(seconds: float) -> None:
        time[0] = seconds

    return put


def test_a_part_within_a_part_counts_for_itself_alone(at: Callable[[float], None]) -> None:
    parts = Parts()
    for when, what in (
        (0, "whole"),
        (1, "inner"),
        (3, None),
        (4, "inner"),
        (5, "deep"),
        (7, None),
        (8, None),
        (10, None),
    ):
        at(when)
        parts.begin(what) if what else parts.end()
    assert parts.seconds == {"whole": 4, "inner": 4, "deep": 2}


def test_an_undivided_part_keeps_what_is_within_it(at: Callable[[float], None]) -> None:
    parts = Parts(("guard",))
    for when, what in (
        (0, "step"),
        (1, "guard"),
        (2, "forward"),
        (5, None),
        (6, None),
        (7, "forward"),
        (9, None),
        (9, None),
    ):
        assert parts.in_undivided() == (2 <= when <= 6)
        at(when)
        parts.begin(what) if what else parts.end()
    assert parts.seconds == {"guard": 5, "forward": 2, "step": 2}


def test_functions_and_optimizers_are_timed_only_within_the_block(at: Callable[[float], None]) -> None:
    class Worker:
        def work(self, until: float) -> str:
            at(until)
            return "done"

    class Slow(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            at(10)

    parts, before = Parts(), Worker.work
    slow = Slow([nn.Parameter(torch.zeros(1))], 0.1)
    with parts.watching((Worker, "work", "working")):
        assert Worker().work(4) == "done"
        slow.step()
    Worker().work(100)
    slow.step()
    assert parts.seconds == {"working": 4, OPTIMIZER: 6}
    assert Worker.work is before


def test_another_value_goes_with_its_block_and_an_inherited_one_comes_back() -> None:
    class Base:
        name = "base"

    class Derived(Base):
        pass

    def failing(owner: type) -> None:
        with instead(owner, "name", "other"):
            raise KeyError(owner.name)  # type: ignore[attr-defined]

    for owner in (Base, Derived):
        with pytest.raises(KeyError, match="other"):
            failing(owner)
        assert owner.name == "base"
    assert "name" not in vars(Derived)


def work_of(module: nn.Module, given: Tensor) -> tuple[int, int]:
    with counted() as work:
        module(given)
    module(given)
    return work.forward, work.backward


def test_multiply_adds_are_those_counted_by_hand() -> None:
    picture = torch.zeros(2, 3, 8, 8)
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    adds = 2 * 8 * 8 * 4 * 3 * 3 * 3
    assert work_of(convolution, picture) == (adds, adds)
    assert work_of(convolution, picture.clone().requires_grad_()) == (adds, 2 * adds)
    assert work_of(convolution.requires_grad_(False), picture) == (adds, 0)
    assert work_of(convolution, picture.clone().requires_grad_()) == (adds, adds)
    assert work_of(nn.Conv2d(4, 6, 1, 2, groups=2), torch.zeros(1, 4, 8, 8)) == (16 * 6 * 2, 16 * 6 * 2)
    assert work_of(nn.Linear(5, 7), torch.zeros(3, 5)) == (105, 105)
    with torch.no_grad():
        assert work_of(nn.Linear(5, 7), torch.zeros(3, 5)) == (105, 0)
    assert work_of(nn.LSTM(5, 6, 2, batch_first=True), torch.zeros(3, 4, 5))[0] == 12 * 4 * 6 * (5 + 6 + 6 + 6)


def test_work_is_not_counted_while_something_else_goes_on() -> None:
    aside = [False]
    with counted(lambda: aside[0]) as work:
        nn.Linear(5, 7)(torch.zeros(1, 5))
        aside[0] = True
        nn.Linear(5, 7)(torch.zeros(1, 5))
    assert work.forward == 35


def test_a_loop_is_timed_without_its_first_step_and_without_what_is_beside_it(at: Callable[[float], None]) -> None:
    parts, clock = Parts(("guard",)), 0.0

    def spend(name: str, seconds: float) -> None:
        nonlocal clock
        parts.begin(name)
        clock += seconds
        at(clock)
        parts.end()

    with counted(parts.in_undivided) as work:
        log = StepLog(parts, work, ("guard",))
        for step in log.steps("some stage", 5, 8):
            nn.Linear(5, 7)(torch.zeros(1, 5)) if step else None
            spend("forward", 50 if step == 5 else 2)
            clock += 1
            at(clock)
            if step == 7:
                spend("guard", 1000)
        spend("guard", 1000)
    assert log.step is not None
    assert log.step.parts == {"forward": 2, REST: 1}
    assert (log.step.seconds, log.step.gflop) == (3, pytest.approx(2e-9 * 70))

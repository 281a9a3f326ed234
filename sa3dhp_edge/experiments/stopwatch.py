"""How long does a piece of work take, where does its time go, and how much is computed in it?"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG
from sa3dhp_edge.training.device import training_device
from sa3dhp_edge.training.log import Quiet

REST = "the rest"
OPTIMIZER = "optimizer"
Watched = tuple[Any, str, str]
"""(class or module, its function's name, the name of the part that the function's time belongs to)."""


def now_s() -> float:
    """A clock's time: on one CPU thread the time this process had, so that others beside it do not count."""
    if training_device().type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def least_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of some runs, after one that warms up."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = now_s()
        work()
        best = min(best, now_s() - start)
    return best


def matmul_gflops(dtype: torch.dtype, side: int = 2048) -> float:
    """The rate this machine attains: 10^9 operations a second of a large matrix product, on the training device."""
    a, b = (torch.randn(side, side, device=training_device()).to(dtype) for _ in range(2))
    return 2e-9 * side**3 / least_seconds(lambda: a @ b)


@dataclass
class Work:
    """What was computed while counting: multiply-adds of convolutions and linear layers, and pictures G read."""

    forward: int = 0
    backward: int = 0
    pictures: int = 0

    @property
    def gflop(self) -> float:
        """10^9 operations: a multiply-add is two."""
        return 2e-9 * (self.forward + self.backward)

    def seen(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Count one layer's pass; its way back, where there will be one, as soon as it is known."""
        if isinstance(module, EdgeG | PaperG):
            self.pictures += len(inputs[0])
        if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear | nn.LSTM):
            return
        adds = _multiply_adds(module, inputs[0], output)
        self.forward += adds
        if torch.is_grad_enabled():
            learns = any(p.requires_grad for p in module.parameters())
            self.backward += adds * (int(inputs[0].requires_grad) + int(learns))


def _multiply_adds(module: nn.Conv1d | nn.Conv2d | nn.Linear | nn.LSTM, given: Tensor, output: Any) -> int:
    if isinstance(module, nn.LSTM):
        weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
        return weights * (given.numel() // given.shape[-1])
    return int(output.numel() * module.weight[0].numel())


@contextmanager
def counted(unless: Callable[[], bool] = lambda: False) -> Iterator[Work]:
    """Count all layers' work within the block, but while `unless` says so."""
    work = Work()
    handle = register_module_forward_hook(lambda *seen: None if unless() else work.seen(*seen))
    try:
        yield work
    finally:
        handle.remove()


@dataclass
class _Open:
    """A part that is not over yet."""

    name: str
    start_s: float
    inner_s: float = 0.0


class Parts:
    """Seconds by part; a part within a part counts for itself alone, so all parts add up to the whole.

    Args:
        undivided: parts that keep what is within them.
    """

    def __init__(self, undivided: Collection[str] = ()) -> None:
        self.seconds: dict[str, float] = {}
        self._undivided, self._open = undivided, list[_Open]()

    def begin(self, name: str) -> None:
        self._open.append(_Open(self._open[-1].name if self.in_undivided() else name, now_s()))

    def end(self) -> None:
        part = self._open.pop()
        took = now_s() - part.start_s
        self.seconds[part.name] = self.seconds.get(part.name, 0.0) + took - part.inner_s
        if self._open:
            self._open[-1].inner_s += took

    def in_undivided(self) -> bool:
        return bool(self._open) and self._open[-1].name in self._undivided

    @contextmanager
    def watching(self, *watched: Watched) -> Iterator[None]:
        """Time some functions, and all optimizers' steps, wherever they are called from within the block."""
        with ExitStack() as undo:
            for owner, name, part in watched:
                undo.enter_context(instead(owner, name, self._timed(getattr(owner, name), part)))
            before = register_optimizer_step_pre_hook(lambda *_: self.begin(OPTIMIZER))
            undo.callback(before.remove)
            after = register_optimizer_step_post_hook(lambda *_: self.end())
            undo.callback(after.remove)
            yield

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.begin(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.end()

        return timed


@contextmanager
def instead(owner: Any, name: str, value: object) -> Iterator[None]:
    """Another value for a class's or a module's attribute within the block."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


@dataclass(frozen=True)
class StepTime:
    """A step's mean cost.

    Attributes:
        seconds: of the whole step.
        pictures: that G read in it.
        gflop: computed in it.
        parts: seconds by part, with `REST`; they add up to `seconds`.
    """

    seconds: float
    pictures: float
    gflop: float
    parts: dict[str, float]


class StepLog(Quiet):
    """The log of a training loop that times the loop's steps; the first one warms up and is not counted.

    Args:
        parts, work: what goes on counting while the loop runs.
        beside: parts that do not belong to a step, such as a guard's look after the last one.
    """

    def __init__(self, parts: Parts, work: Work, beside: Collection[str] = ()) -> None:
        super().__init__()
        self._parts, self._work, self._beside = parts, work, beside
        self.step: StepTime | None = None

    def steps(self, title: str, start: int, stop: int) -> Iterator[int]:
        yield start
        parts, work = dict(self._parts.seconds), replace(self._work)
        begun, count = now_s(), stop - start - 1
        yield from range(start + 1, stop)
        took = now_s() - begun
        spent = {k: v - parts.get(k, 0.0) for k, v in self._parts.seconds.items()}
        took -= sum(spent.pop(k, 0.0) for k in self._beside)
        own = {k: v / count for k, v in spent.items() if v > 0}
        self.step = StepTime(
            took / count, (self._work.pictures - work.pictures) / count, (self._work.gflop - work.gflop) / count,
            own | {REST: took / count - sum(own.values())},
        )  # fmt: skip

"""Several processes that train one network: who is who, what they share, and how one notices another's end.

`torchrun` starts the processes and says in the environment who each is. All hold the same weights; each computes its
parts of a batch, and gradients, batch statistics and logged figures are means over all. With one process nothing here
does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sa3dhp_edge.errors import ConfigError, TrainingError

LOST_AFTER = timedelta(minutes=5)
"""A process that does not answer within a step for so long is taken for dead; one that ends is noticed at once."""
PATIENCE = timedelta(days=2)
"""Waiting for stages that one process does alone, and for the first pictures."""

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process among those that train together.

    Attributes:
        rank, size: which of how many; the first leads: it alone logs, measures and writes.
        local_size: how many of them share this machine.
        patient: their group for waits of unknown length.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    patient: Any = None

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def parts(self, parts: int) -> tuple[int, ...]:
        """Which of a batch's parts this process computes.

        Raises:
            ConfigError: the parts cannot be divided evenly.
        """
        if parts % self.size:
            raise ConfigError(
                f"source.parts={parts} cannot be divided among {self.size} processes",
                f"--set source.parts={self.size}, or a multiple of it",
            )
        each = parts // self.size
        return tuple(range(self.rank * each, (self.rank + 1) * each))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            with noticing():
                dist.barrier(self.patient)

    def told(self, value: T) -> T:
        """The leader's value, in every process; waits for it as long as it takes."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        with noticing():
            dist.broadcast_object_list(box, 0, group=self.patient)
        return box[0]  # type: ignore[no-any-return]

    def same_weights(self, *nets: nn.Module) -> None:
        """Fill networks with the leader's weights."""
        if self.size > 1:
            states = self.told([_on_cpu(net.state_dict()) for net in nets] if self.leads else None)
            for net, state in zip(nets, states or (), strict=True):
                net.load_state_dict(state)

    def same_state(self, step: int, net: nn.Module, optimizers: Iterable[torch.optim.Optimizer]) -> int:
        """Go on from the leader's state; the step to go on from."""
        if self.size == 1:
            return step
        self.same_weights(net)
        for optimizer in optimizers:
            state = self.told(_on_cpu(optimizer.state_dict()["state"]))
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return self.told(step)

    def parallel(self, net: nn.Module) -> nn.Module:
        """The network whose gradients are means over all processes; itself where there is one."""
        return net if self.size == 1 else DistributedDataParallel(net, broadcast_buffers=False)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of figures over all processes."""
        if self.size == 1:
            return values
        values = values.detach().clone()
        dist.all_reduce(values)
        return values / self.size


ALONE = Team()


@contextmanager
def open_team() -> Iterator[Team]:
    """The processes that `torchrun` started; `ALONE` where it was not used."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    gpu = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if gpu:
        torch.cuda.set_device(local % torch.cuda.device_count())
    with noticing():
        dist.init_process_group("nccl" if gpu else "gloo", timeout=LOST_AFTER)
        patient = dist.new_group(backend="gloo", timeout=PATIENCE)
    yield Team(dist.get_rank(), size, int(os.environ.get("LOCAL_WORLD_SIZE", "1")), patient)
    dist.destroy_process_group()  # after an error not: it would wait for those who are gone


def refuse_team(what: str, instead: str) -> None:
    """Stop where several processes were started for work that one does."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(f"{what} runs in one process", instead)


@contextmanager
def noticing() -> Iterator[None]:
    """Around work with others: says in plain words that one of them is gone."""
    try:
        yield
    except RuntimeError as e:
        if not isinstance(e, dist.DistError) and not any(w in str(e).lower() for w in ("gloo", "nccl", "connection")):
            raise
        raise TrainingError(
            f"another process of this training is gone or does not answer ({str(e).splitlines()[0][:160]})",
            "its own output says why; start all of them again with --resume",
        ) from e


class TeamBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation whose statistics are those of all processes' pictures together, each having as many.

    `nn.SyncBatchNorm` does this on GPUs alone. Statistics are worked out in float32 whatever the pictures come in.
    """

    @staticmethod
    def of(layer: nn.BatchNorm2d) -> TeamBatchNorm2d:
        """A layer that shares another's parameters, statistics and mode."""
        momentum = layer.momentum
        made = TeamBatchNorm2d(layer.num_features, layer.eps, momentum, layer.affine, layer.track_running_stats)
        made._parameters, made._buffers, made.training = layer._parameters, layer._buffers, layer.training
        return made

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float()
        local = torch.stack([x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)])
        means, variances = _Gathered.apply(local).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1] * len(means))
        gain: Tensor = self.weight * (variance + self.eps).rsqrt()
        shift: Tensor = self.bias - mean * gain
        return (x * gain.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), share)


class _Gathered(torch.autograd.Function):
    """(...) of each process -> (processes, ...); the gradient goes back to where each part came from."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own.contiguous())
        return torch.stack(every)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total: Tensor = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]


@contextmanager
def shared_statistics(net: nn.Module, team: Team) -> Iterator[None]:
    """Batch statistics over all processes for a while; afterwards the network has its own layers again."""
    layers = [(p, name, m) for p in net.modules() for name, m in p.named_children() if isinstance(m, nn.BatchNorm2d)]
    if team.size > 1:
        for parent, name, layer in layers:
            setattr(parent, name, TeamBatchNorm2d.of(layer))
    try:
        yield
    finally:
        for parent, name, layer in layers:
            setattr(parent, name, layer)


def _on_cpu(values: Any) -> Any:
    """Tensors on the CPU, at any depth of dictionaries."""
    if isinstance(values, dict):
        return {k: _on_cpu(v) for k, v in values.items()}
    return values.detach().cpu() if isinstance(values, Tensor) else values

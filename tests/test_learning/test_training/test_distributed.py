"""Two processes train as one does; one that dies stops the other, and both go on as if nothing had been."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import sa3dhp_edge
from sa3dhp_edge.config import Settings, override
from sa3dhp_edge.errors import ConfigError, TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.training.distributed import ALONE, Team, noticing, open_team, refuse_team, shared_statistics

MEMBER = Path(__file__).parent / "team_member.py"
HOME = str(Path(sa3dhp_edge.__file__).resolve().parent.parent)


@pytest.fixture
def folder(stick_figures: Callable[..., FrameSet], tmp_path: Path) -> Path:
    stick_figures(clips=6, frames=4, fps=2, seed=6).save(tmp_path / "frames")
    return tmp_path / "frames"


@pytest.fixture
def alone(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What one process makes of the same steps."""
    from sa3dhp_edge.adaptation import source
    from sa3dhp_edge.training.resume import Keeper

    monkeypatch.setattr(source, "LOG_EVERY", source.LOG_EVERY)
    monkeypatch.setattr(source, "quick_bf16", source.quick_bf16)
    monkeypatch.setattr(Keeper.__init__, "__defaults__", Keeper.__init__.__defaults__)
    return runpy.run_path(str(MEMBER))["train"](folder, tmp_path / "alone")


def start(folder: Path, keep: Path, die_at: tuple[int, int] = (-1, -1)) -> list[subprocess.Popen[str]]:
    """Both processes; `die_at` is the step before which each is killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join((HOME, os.environ.get("PYTHONPATH", ""))),
    }  # fmt: skip
    line = [sys.executable, str(MEMBER), str(folder), str(keep)]
    return [
        subprocess.Popen(
            [*line, str(keep.with_name(f"{rank}.json")), str(die_at[rank])],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, text=True, stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]  # fmt: skip


def results(processes: list[subprocess.Popen[str]], keep: Path) -> list[dict[str, Any]]:
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    return [json.loads(keep.with_name(f"{rank}.json").read_text()) for rank in range(2)]


def same_curve(one: dict[str, Any], other: dict[str, Any], steps: range) -> None:
    for step in map(str, steps):
        assert one["curve"][step] == pytest.approx(other["curve"][step], rel=2e-4, abs=2e-5), step


def test_two_processes_train_as_one_does(folder: Path, alone: dict[str, Any], tmp_path: Path) -> None:
    leader, other = results(start(folder, tmp_path / "keep"), tmp_path / "keep")
    same_curve(leader, alone, range(6))
    assert leader["curve"] == other["curve"]
    assert leader["sums"] == pytest.approx(other["sums"], rel=1e-6)
    assert leader["sums"] == pytest.approx(alone["sums"], rel=1e-3, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_stops_the_other_and_both_resume(
    victim: int, folder: Path, alone: dict[str, Any], tmp_path: Path
) -> None:
    keep = tmp_path / "keep"
    die_at = (3, -1) if victim == 0 else (-1, 3)
    processes = start(folder, keep, die_at)
    processes[victim].communicate(timeout=60)
    assert processes[victim].returncode < 0
    died = time.monotonic()
    _, err = processes[1 - victim].communicate(timeout=60)
    assert time.monotonic() - died < 30
    assert processes[1 - victim].returncode == 1
    assert "another process of this training is gone" in err
    assert "--resume" in err
    leader, _ = results(start(folder, keep), keep)
    assert "2" not in leader["curve"]
    same_curve(leader, alone, range(3, 6))


def test_parts_are_dealt_in_order() -> None:
    assert [Team(rank, 3).parts(6) for rank in range(3)] == [(0, 1), (2, 3), (4, 5)]
    assert ALONE.parts(4) == (0, 1, 2, 3)
    with pytest.raises(ConfigError, match=r"source\.parts=1 cannot be divided among 2 processes\n.*source\.parts=2"):
        Team(0, 2).parts(1)


def test_a_batch_is_a_multiple_of_its_parts() -> None:
    assert override(Settings(), ("source.parts=4",)).source.parts == 4
    with pytest.raises(ConfigError, match=r"source\.batch=64 cannot be divided into source\.parts=5"):
        override(Settings(), ("source.parts=5",))


def test_one_process_is_a_team_of_its_own() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3))
    with open_team() as team, shared_statistics(net, team):
        assert team is ALONE
        assert type(net[0]) is nn.BatchNorm2d
        assert team.parallel(net) is net
        assert team.told(5) == 5
        assert torch.equal(team.mean(torch.arange(3.0)), torch.arange(3.0))


def test_work_for_one_process_is_refused_to_many(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_team("adapt", "pretrain first")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match="adapt runs in one process\nhint: pretrain first"):
        refuse_team("adapt", "pretrain first")


def test_only_a_lost_process_is_called_one() -> None:
    with pytest.raises(RuntimeError, match="shapes"), noticing():
        raise RuntimeError("shapes do not fit")
    with pytest.raises(TrainingError, match=r"is gone or does not answer[\s\S]*--resume"), noticing():
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")


def test_shared_statistics_are_those_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves whose statistics are exchanged by hand against the whole batch, values and gradients."""
    from sa3dhp_edge.training import distributed
    from sa3dhp_edge.training.distributed import TeamBatchNorm2d

    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(3, 2, (6, 4, 5, 5)).astype(np.float32)).requires_grad_()
    weight = torch.from_numpy(rng.normal(size=(6, 4, 5, 5)).astype(np.float32))
    plain = nn.BatchNorm2d(4)
    nn.init.uniform_(plain.weight)
    shared = nn.BatchNorm2d(4)
    shared.load_state_dict(plain.state_dict())
    (whole,) = torch.autograd.grad((plain(x) * weight).sum(), x)

    class Halves:
        """Stands for the exchange: what both halves would send is known here."""

        @staticmethod
        def apply(own: torch.Tensor) -> torch.Tensor:
            return torch.stack([torch.stack([h.mean((0, 2, 3)), h.var((0, 2, 3), correction=0)]) for h in x.split(3)])

    monkeypatch.setattr(distributed, "_Gathered", Halves)
    layer = TeamBatchNorm2d.of(shared)
    before = shared.running_mean.clone() if shared.running_mean is not None else None
    halves = [layer(h) for h in x.split(3)]
    torch.testing.assert_close(torch.cat(halves), plain(x), atol=1e-5, rtol=1e-5)
    (ours,) = torch.autograd.grad((torch.cat(halves) * weight).sum(), x)
    torch.testing.assert_close(ours, whole, atol=1e-5, rtol=1e-4)
    assert before is not None
    assert not torch.equal(before, shared.running_mean)  # type: ignore[arg-type]
    assert layer(x.to(torch.bfloat16)).dtype == torch.bfloat16
    shared.eval(), layer.eval()
    torch.testing.assert_close(layer(x), shared(x))

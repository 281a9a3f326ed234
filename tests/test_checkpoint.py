"""Weights and training states come back as they were, and damaged or foreign files are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sa3dhp_edge.checkpoint import load_training, load_weights, save_training, save_weights
from sa3dhp_edge.errors import TrainingError


def network(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def trained(steps: int = 3) -> tuple[nn.Sequential, torch.optim.Adam]:
    torch.manual_seed(0)
    net = network()
    own = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(steps):
        own.zero_grad()
        net(torch.rand(2, 3, 8, 8)).square().mean().backward()
        own.step()
    return net, own


def test_weights_and_buffers_round_trip(tmp_path: Path) -> None:
    net, _ = trained()
    save_weights(tmp_path / "net", net)
    other = network()
    load_weights(tmp_path / "net", other)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in other.state_dict().items())
    assert other[1].num_batches_tracked.item() == 3


def test_a_training_state_brings_back_step_weights_and_moments(tmp_path: Path) -> None:
    net, own = trained()
    save_training(tmp_path / "state", 3, {"net": net}, {"own": own})
    other = network()
    again = torch.optim.Adam(other.parameters(), 0.01)
    assert load_training(tmp_path / "state", {"net": other}, {"own": again}) == 3
    ours, theirs = own.state_dict(), again.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    assert ours["state"].keys() == theirs["state"].keys()
    for index, moments in ours["state"].items():
        assert all(torch.equal(v, theirs["state"][index][k]) for k, v in moments.items())
    for pair in ((net, own), (other, again)):
        pair[1].zero_grad()
        pair[0](torch.ones(2, 3, 8, 8) * torch.arange(8)).square().mean().backward()
        pair[1].step()
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in other.state_dict().items())


def test_nothing_saved_is_step_0(tmp_path: Path) -> None:
    net, own = trained(0)
    assert load_training(tmp_path / "none", {"net": net}, {"own": own}) == 0


def test_a_missing_or_truncated_file_is_named(tmp_path: Path) -> None:
    net, own = trained()
    save_training(tmp_path / "state", 3, {"net": net}, {"own": own})
    whole = (tmp_path / "state").read_bytes()
    with pytest.raises(TrainingError, match="none cannot be read"):
        load_weights(tmp_path / "none", net)
    for length in (0, 4, 200, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(TrainingError, match="cut cannot be read as weights"):
            load_training(tmp_path / "cut", {"net": net}, {"own": own})
        with pytest.raises(TrainingError, match="cut cannot be read as weights"):
            load_weights(tmp_path / "cut", net)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "net", network())
    for other in (network(6), nn.Linear(2, 2), network()[0]):
        before = {k: v.clone() for k, v in other.state_dict().items()}
        with pytest.raises(TrainingError, match="does not fit the network"):
            load_weights(tmp_path / "net", other)
        assert all(torch.equal(v, before[k]) for k, v in other.state_dict().items())


def test_a_state_of_other_networks_is_refused(tmp_path: Path) -> None:
    net, own = trained()
    save_training(tmp_path / "state", 3, {"net": net}, {"own": own})
    save_weights(tmp_path / "weights", net)
    wide = network(6)
    for path, modules in (
        ("state", {"net": wide}),
        ("state", {"other": net}),
        ("state", {"net": net, "more": wide}),
        ("weights", {"net": net}),
    ):
        with pytest.raises(TrainingError, match="no training state of these networks"):
            load_training(tmp_path / path, modules, {})

"""Whatever an engine depends on changes its name, and the difference is told in a line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from runtime.engines.api import PLAIN, RTX
from runtime.engines.fingerprint import (
    ANY,
    Fingerprint,
    Machine,
    differences,
    fingerprint,
    machine_differences,
    network_sha256,
)
from runtime.engines.onnx_file import OnnxFacts
from runtime.engines.request import EngineRequest
from sa3dhp_edge.errors import EngineError, MissingPackage, ModelError

FACTS = OnnxFacts(half=True, quantised=False, external=())
NETWORK = "ab" * 32


def made(machine: Machine, **asked: Any) -> Fingerprint:
    return fingerprint(NETWORK, FACTS, EngineRequest(**asked), machine)


def test_it_says_what_the_machine_and_the_request_are(orin: Machine) -> None:
    assert made(orin, refit=True, people=(1, 2, 3)) == Fingerprint(
        gpu="Orin", sm="sm87", flavour=PLAIN, tensorrt="10.3.0", cuda="12.6", driver="L4T 36.4.0", network=NETWORK,
        precision="fp16", people="1/2/3", flags="level 3, refit",
    )  # fmt: skip
    assert made(orin, dla=1, people=(2, 2, 2)).dla == "1"


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Fingerprint)])
def test_each_field_changes_the_name_and_is_told(orin: Machine, field: str) -> None:
    wanted = made(orin)
    stored = dataclasses.replace(wanted, **{field: "other"})
    assert stored.key() != wanted.key()
    assert not stored.serves(wanted)
    (line,) = differences(wanted, stored)
    assert "other -> " in line


def test_a_difference_is_said_from_old_to_new(orin: Machine) -> None:
    wanted = dataclasses.replace(made(orin), tensorrt="10.13.2", network="cd" * 32)
    assert differences(wanted, made(orin)) == ["TensorRT 10.3.0 -> 10.13.2", "network abababab -> cdcdcdcd"]
    assert differences(wanted, wanted) == []


def test_the_workspace_and_the_limit_change_nothing(orin: Machine) -> None:
    assert made(orin, workspace_mb=64, limit_s=9.0).key() == made(orin).key()


def test_an_engine_made_ahead_serves_every_gpu_of_its_capability(orin: Machine) -> None:
    rtx = Machine(None, {RTX: "1.7.1"})
    ahead = made(rtx, target="sm86")
    assert (ahead.gpu, ahead.cuda, ahead.driver, ahead.sm) == (ANY, ANY, ANY, "sm86")
    assert orin.gpu is not None
    card = Machine(dataclasses.replace(orin.gpu, name="RTX 3060", capability=(8, 6)), {RTX: "1.7.1"})
    assert ahead.serves(made(card))
    assert not made(card).serves(ahead)
    assert machine_differences(ahead, card) == []
    assert not ahead.serves(made(Machine(orin.gpu, {RTX: "1.7.1"})))
    assert machine_differences(ahead, rtx) == ["compute capability sm86 -> none"]


def test_another_machine_is_told_field_by_field(orin: Machine) -> None:
    assert orin.gpu is not None
    later = Machine(dataclasses.replace(orin.gpu, cuda="13.0", driver="L4T 38.2.0"), {PLAIN: "10.13.2"})
    told = machine_differences(made(orin), later)
    assert told == ["TensorRT 10.3.0 -> 10.13.2", "CUDA 12.6 -> 13.0", "driver L4T 36.4.0 -> L4T 38.2.0"]
    assert machine_differences(made(orin), orin) == []
    assert "TensorRT 10.3.0 -> none" in machine_differences(made(orin), Machine(orin.gpu, {}))


def test_without_a_gpu_and_without_a_named_one_there_is_no_engine() -> None:
    with pytest.raises(EngineError, match="no NVIDIA driver answers") as caught:
        made(Machine(None, {PLAIN: "10.3.0"}))
    assert "--for sm86" in caught.value.hint


def test_without_tensorrt_its_absence_is_said(orin: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.engines.api.findable", lambda _: False)
    with pytest.raises(MissingPackage, match="tensorrt or tensorrt_rtx is not installed") as plain:
        made(Machine(orin.gpu, {}))
    assert "--system-site-packages" in plain.value.hint
    with pytest.raises(MissingPackage, match="tensorrt_rtx is not installed") as rtx:
        made(Machine(orin.gpu, {}), target="sm86")
    assert rtx.value.hint == "pip install tensorrt-rtx-cu13"


def test_weights_beside_the_network_are_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    onnx, beside = tmp_path / "g.onnx", tmp_path / "weights" / "g.bin"
    onnx.write_bytes(b"network")
    beside.write_bytes(b"weights")
    facts = OnnxFacts(False, False, ("weights/g.bin",))
    before = network_sha256(onnx, facts)
    beside.write_bytes(b"Weights")
    after = network_sha256(onnx, facts)
    onnx.write_bytes(b"Network")
    assert len({before, after, network_sha256(onnx, facts)}) == 3
    beside.unlink()
    with pytest.raises(ModelError, match=r"keeps weights in weights/g.bin, which is not there"):
        network_sha256(onnx, facts)

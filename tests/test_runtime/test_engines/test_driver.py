"""The driver is asked by its own library, which here is one that we wrote."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.engines import driver
from runtime.engines.driver import Gpu, driver_release, find_gpu, need_gpu
from sa3dhp_edge.errors import EngineError

ATTRIBUTES = {75: 8, 76: 7, 18: 1}


class Cuda:
    """libcuda of a machine with one Orin; `fails` names a call that returns an error."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            if name == self.fails:
                return 100
            if name == "cuDeviceGetName":
                arguments[0].value = b"Orin"
            elif name == "cuDeviceGetAttribute":
                arguments[0]._obj.value = ATTRIBUTES[arguments[1]]
            elif name != "cuInit":
                values = {"cuDriverGetVersion": 12060, "cuDeviceTotalMem_v2": 7620 << 20, "cuDeviceGetCount": 2}
                arguments[0]._obj.value = values.get(name, 0)
            return 0

        return call


def test_a_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "driver_release", lambda: "L4T 36.4.0")
    gpu = find_gpu(lambda _: Cuda())
    assert gpu == Gpu("Orin", (8, 7), 7620, True, "12.6", "L4T 36.4.0", devices=2)
    assert gpu.sm == "sm87"


@pytest.mark.parametrize("call", ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName"])
def test_a_driver_that_does_not_work_is_none(call: str) -> None:
    assert find_gpu(lambda _: Cuda(fails=call)) is None


def test_no_library_is_no_driver() -> None:
    def load(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    assert find_gpu(load) is None


def test_without_a_gpu_the_purpose_and_the_way_on_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "find_gpu", lambda: None)
    with pytest.raises(EngineError, match="building an engine needs an NVIDIA GPU") as caught:
        need_gpu("building an engine")
    assert "--for sm86" in caught.value.hint


@pytest.mark.gpu
def test_this_machines_gpu_has_a_name_and_memory() -> None:
    gpu = find_gpu()
    assert gpu is not None
    assert gpu.name
    assert gpu.memory_mb > 0
    assert gpu.capability > (5, 0)


def test_a_jetsons_release_goes_before_the_kernel_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "version"
    monkeypatch.setattr(driver, "l4t_release", lambda: None)
    assert driver_release(module) == "unknown"
    module.write_text("550.54.14\n")
    assert driver_release(module) == "550.54.14"
    for release, said in (("unknown", "550.54.14"), ("36.4.0", "L4T 36.4.0")):
        monkeypatch.setattr(driver, "l4t_release", lambda release=release: release)
        assert driver_release(module) == said

"""What the two ways to a GPU say where something is missing, refused or left over."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runtime.device_memory import cuda_bindings, opening, pycuda
from runtime.device_memory.errors import DeviceError, WrongThread, cuda_error
from runtime.device_memory.host import HostMemory
from runtime.device_memory.opening import open_device_memory
from runtime.engines.driver import find_gpu
from sa3dhp_edge.errors import EngineError, MissingPackage
from sa3dhp_edge.extras import findable


@pytest.mark.parametrize("kind", ["cuda-bindings", "pycuda"])
def test_too_much_is_refused_in_words(stood_in, kind: str) -> None:
    memory, _ = stood_in(kind)
    with pytest.raises(EngineError, match="out of memory") as error:  # what makes "auto" turn to ONNX Runtime
        memory.allocate(1 << 50)
    assert error.value.hint
    if kind == "cuda-bindings":
        assert "cudaMalloc: cudaErrorMemoryAllocation" in error.value.message
    memory.close()


def test_pycuda_makes_its_context_current_once_and_takes_it_away(fake_pycuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pycuda, "_driver", lambda: fake_pycuda)
    memory = pycuda.PycudaMemory()
    memory.allocate(4)
    assert fake_pycuda.current == 1
    with ThreadPoolExecutor(1) as pool, pytest.raises(WrongThread):
        pool.submit(memory.close).result(10)
    assert fake_pycuda.current == 1
    memory.close()
    memory.close()
    assert fake_pycuda.current == 0


def test_pycudas_context_goes_even_where_something_is_not_given_back(
    fake_pycuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise cuda_error("cuMemFree", "CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr(pycuda, "_driver", lambda: fake_pycuda)
    memory = pycuda.PycudaMemory()
    memory.ledger.enter("memory", 1, refuse)
    with pytest.raises(DeviceError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        memory.close()
    assert fake_pycuda.current == 0


@pytest.mark.parametrize(
    ("there", "taken"),
    [({"cuda", "cuda.bindings", "pycuda"}, "CudaMemory"), ({"cuda", "pycuda"}, "PycudaMemory"), (set(), "CudaMemory")],
)
def test_pycuda_serves_where_it_alone_is_installed(
    monkeypatch: pytest.MonkeyPatch, there: set[str], taken: str
) -> None:
    monkeypatch.setattr(opening, "findable", lambda name: name in there)
    for kind in ("CudaMemory", "PycudaMemory"):
        monkeypatch.setattr(opening, kind, lambda kind=kind: kind)
    assert open_device_memory() == taken


def test_bindings_of_an_older_kind_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(name: str) -> None:
        raise ModuleNotFoundError("No module named 'cuda.bindings'")

    monkeypatch.setattr(cuda_bindings, "need", lambda *_: None)
    monkeypatch.setattr(cuda_bindings, "import_module", old)
    with pytest.raises(MissingPackage, match=r"No module named 'cuda\.bindings'") as error:
        open_device_memory("cuda-bindings")
    assert error.value.hint == "pip install 'sa3dhp-edge[tensorrt]'"


def test_the_stand_in_has_the_names_of_the_real_bindings(fake_cuda) -> None:
    if not findable("cuda"):
        pytest.skip("cuda-bindings is not installed")
    real: Any = pytest.importorskip("cuda.bindings.runtime")
    for name in (*vars(fake_cuda), *vars(type(fake_cuda))):
        if name.startswith("cuda"):
            assert hasattr(real, name), name
    for group in ("cudaStreamCaptureMode", "cudaMemcpyKind"):
        for name in vars(getattr(fake_cuda, group)):
            assert hasattr(getattr(real, group), name), name


def test_without_a_driver_cuda_says_so() -> None:
    if not findable("cuda"):
        pytest.skip("cuda-bindings is not installed")
    if find_gpu() is not None:
        pytest.skip("an NVIDIA driver answers")
    with pytest.raises(DeviceError, match=r"cudaErrorInsufficientDriver|no NVIDIA driver answers") as error:
        open_device_memory()
    assert error.value.hint == "sa3dhp-edge doctor"


def test_missing_packages_are_named_with_what_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sa3dhp_edge.extras.findable", lambda name: False)
    monkeypatch.setattr(pycuda, "findable", lambda name: False)
    with pytest.raises(MissingPackage, match="an engine on the GPU needs cuda") as error:
        open_device_memory()
    assert error.value.hint == "pip install 'sa3dhp-edge[tensorrt]'"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(MissingPackage, match="needs pycuda, which is not installed") as error:
        open_device_memory("pycuda")
    assert "PATH=/usr/local/cuda/bin" in error.value.hint
    assert "pip install 'sa3dhp-edge[pycuda]'" in error.value.hint


def test_a_pycuda_for_another_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def undefined(name: str) -> None:
        raise ImportError("undefined symbol: cuArrayCreate_v2")

    monkeypatch.setattr(pycuda, "findable", lambda name: True)
    monkeypatch.setattr(pycuda, "import_module", undefined)
    with pytest.raises(MissingPackage, match="does not fit this machine's driver: undefined symbol"):
        open_device_memory("pycuda")


def test_one_failure_at_the_end_does_not_keep_the_rest() -> None:
    memory = HostMemory()
    given_back: list[str] = []

    def refuse() -> None:
        raise cuda_error("cudaFree", "cudaErrorIllegalAddress")

    memory.ledger.enter("memory", 1, lambda: given_back.append("older"))
    memory.ledger.enter("memory", 2, refuse)
    with pytest.raises(DeviceError, match="cudaErrorIllegalAddress") as error:
        memory.close()
    assert given_back == ["older"]
    assert "restart" in error.value.hint

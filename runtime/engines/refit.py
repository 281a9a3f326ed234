"""New weights for an engine that is loaded already: milliseconds instead of the minutes of a build.

An engine that was built with REFIT takes weights by the names of the ONNX file's initialisers; `refit.npz`
(`export.refit_names`) holds them all. What others met on this way, and what keeps it from us:

names of PyTorch that do not reach the engine (NVIDIA/TensorRT#2555, #1496)   ours do: the export keeps them
an engine built without REFIT (NVIDIA/TensorRT#2783)                         asked before anything is tried
wrong counts (NVIDIA/TensorRT#639)                                           compared before anything is set
weights that were not given and stay as they were, while TensorRT-RTX reports none missing (pytorch/TensorRT#4198),
or a refit that does not cover every operator (pytorch/TensorRT#3200)        every weight of the engine must be given
wrong results after all (NVIDIA/TensorRT#1468, #1501, #1612)                 `FAULTS`, and the caller's canary
"""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from runtime.device_memory.errors import DeviceError
from runtime.engines.log_causes import complaints
from runtime.engines.logger import listening, shared_logger
from sa3dhp_edge.errors import EngineError, ModelError

FILE = "refit.npz"
_REBUILD = "build the engine anew from the model folder"
_KINDS = {"float32": "FLOAT", "float16": "HALF"}
_SHOWN = 5

Weights = Mapping[str, NDArray[Any]]


class RefitRefused(EngineError):
    """The weights do not fit the engine, or this TensorRT is known to refit wrongly; the engine is as it was."""


class RefitBroken(EngineError):
    """TensorRT failed in the midst of a refit; the engine must not be used again."""


@dataclass(frozen=True)
class Fault:
    """A TensorRT that refits wrongly, as far as is known.

    Attributes:
        flavour: the import name of the package.
        below: the first version without the fault.
        why: what is said of it.
        seen: where.
    """

    flavour: str
    below: tuple[int, ...]
    why: str
    seen: tuple[str, ...]


FAULTS = (
    Fault(
        "tensorrt",
        (8, 6),
        "engines without the expected results after a refit from ONNX, and without a refitter at all for several "
        "profiles, were reported up to 8.5",
        ("NVIDIA/TensorRT#1612", "NVIDIA/TensorRT#1501", "NVIDIA/TensorRT#3268"),
    ),
    Fault(
        "tensorrt",
        (10,),
        "the ONNX parser of 8 makes weights of its own (tmp_weight) that a refit has to set as well, and stores some "
        "weights transposed under the same name, which no count can tell, as was reported",
        ("NVIDIA/TensorRT#4299", "microsoft/onnxruntime#18643"),
    ),
)
"""Reports by users, read and not reproduced by us. The faults of weight streaming are left out: we do not use it."""


@dataclass(frozen=True)
class RefitOutcome:
    """How an engine came to its new weights.

    Attributes:
        way: "refitted", or "rebuilt" where that was impossible or did not pass the canary.
        why: in words.
        weights: how many were set; 0 for a rebuild.
        seconds: that it took, with the canary.
    """

    way: Literal["refitted", "rebuilt"]
    why: str
    weights: int
    seconds: float


def refit_or_rebuild(
    refit_it: Callable[[], int], rebuild_it: Callable[[], None], canary: Callable[[], None]
) -> RefitOutcome:
    """New weights the quick way; the slow one where that is refused, fails, or does not pass the canary.

    Args:
        refit_it: sets the weights and says how many, e.g. `with backend.paused() as engine: return refit(...)`.
        rebuild_it: builds the engine from the model folder.
        canary: raises an `EngineError` or `ModelError` where the engine does not compute what it should.

    Raises:
        EngineError, ModelError: the rebuild failed, or what it made does not pass the canary either.
        DeviceError: the GPU failed; nothing was rebuilt.
    """
    start = time.perf_counter()
    try:
        count = refit_it()
        canary()
    except DeviceError:  # no rebuild mends the GPU, or a call from another thread
        raise
    except (EngineError, ModelError) as e:
        why = e.message
    else:
        return RefitOutcome("refitted", f"{count} weights were set", count, time.perf_counter() - start)
    rebuild_it()
    canary()
    return RefitOutcome("rebuilt", why, 0, time.perf_counter() - start)


def refit(trt: Any, engine: Any, weights: Weights) -> int:
    """Give an engine new weights; nothing may be in flight on it, as within `TensorRtBackend.paused`.

    Args:
        trt: the module tensorrt or tensorrt_rtx that made the engine.
        engine: its `ICudaEngine`, built with REFIT.
        weights: by the names of the ONNX file's initialisers.

    Returns:
        How many were set: all that the engine has.

    Raises:
        RefitRefused: says why; the engine is as it was.
        RefitBroken: the engine must be rebuilt.
    """
    fault = known_fault(trt.__name__, trt.__version__)
    if fault is not None:
        raise RefitRefused(f"{trt.__name__} {trt.__version__} is not trusted to refit: {fault.why}", _REBUILD)
    if not engine.refittable:
        raise RefitRefused("the engine was built without REFIT", _REBUILD)
    said: list[str] = []
    with listening(lambda severity, text: said.append(f"{severity} {text}")):
        try:
            refitter = trt.Refitter(engine, shared_logger(trt))
        except TypeError as e:  # how the bindings say that the library gave none
            raise RefitRefused(f"TensorRT gives no refitter for this engine: {e}{_words(said)}", _REBUILD) from e
        kept = {name: np.ascontiguousarray(weights[name]) for name in _checked(refitter, weights)}
        refused = [name for name, array in kept.items() if not refitter.set_named_weights(name, trt.Weights(array))]
        if refused or (refused := list(refitter.get_missing_weights())):
            raise RefitRefused(f"TensorRT does not take or still misses {_listed(refused)}{_words(said)}", _REBUILD)
        if not refitter.refit_cuda_engine():  # reads what `kept` holds: it must live until here
            raise RefitBroken(f"TensorRT failed in the midst of a refit{_words(said)}", _REBUILD)
    return len(kept)


def known_fault(flavour: str, version: str) -> Fault | None:
    """What is known against refits by a version, such as ("tensorrt", "10.3.0"); None where nothing is."""
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return next((f for f in FAULTS if f.flavour == flavour and number < f.below), None)


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """What a `refit.npz` holds, by name.

    Raises:
        ModelError: it is missing, damaged, or holds something else than float32 and float16 arrays.
    """
    try:
        with path.open("rb") as block:
            if not zipfile.is_zipfile(block):
                raise ValueError("it is no archive of arrays")
            block.seek(0)
            with np.load(block, allow_pickle=False) as file:
                weights = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, ZlibError) as e:
        raise ModelError(f"{path} cannot be read as weights: {e}", "export the model again from its run") from e
    odd = [name for name, array in weights.items() if array.dtype.name not in _KINDS]
    if odd or not weights:
        what = f"no float32 or float16 in {_listed(odd)}" if odd else "nothing"
        raise ModelError(f"{path} holds {what}", "export the model again from its run")
    return weights


def _checked(refitter: Any, weights: Weights) -> list[str]:
    """The engine's weights, all of which are given, and fit.

    Raises:
        RefitRefused: lists what does not.
    """
    wanted = [name for name in refitter.get_all_weights() if name in weights or not _is_whole(refitter, name)]
    complaints = {
        "not given": [name for name in wanted if name not in weights],
        "unknown to the engine": [n for n, a in weights.items() if a.ndim > 1 and n not in set(wanted)],
        "of another size or type": [n for n in wanted if n in weights and not _fits(refitter, n, weights[n])],
    }
    found = [f"{what}: {_listed(names)}" for what, names in complaints.items() if names]
    if found or not wanted:
        raise RefitRefused(f"the weights do not fit the engine; {'; '.join(found) or 'it has none'}", _REBUILD)
    return wanted


def _fits(refitter: Any, name: str, array: NDArray[Any]) -> bool:
    prototype = refitter.get_weights_prototype(name)
    return bool(prototype.size == array.size and prototype.dtype.name == _KINDS.get(array.dtype.name))


def _is_whole(refitter: Any, name: str) -> bool:
    """Whether a constant is of whole numbers, such as a shape: no training changes it."""
    return refitter.get_weights_prototype(name).dtype.name in ("INT8", "UINT8", "INT32", "INT64", "BOOL")


def _words(said: list[str]) -> str:
    words = complaints("\n".join(said))
    return f"\n{words}" if words else ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

"""Which TensorRT is this, and how do we speak to every version alike?

One set of names serves TensorRT 8.6 (JetPack 6.0), 10.3 (6.2), 10.13 and newer, 11 (7.x) and TensorRT-RTX 1.7, whose
API is that of 11. `NAMES` lists those that every one of them has, `OPTIONAL` those that we ask for before use; a test
holds both against the names of the real bindings.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from runtime.engines.driver import need_gpu
from runtime.engines.log_causes import AGAIN, complaints, find_cause
from runtime.engines.logger import listening, shared_logger
from sa3dhp_edge.errors import EngineError, MissingPackage
from sa3dhp_edge.extras import findable

PLAIN, RTX = "tensorrt", "tensorrt_rtx"
"""The two flavours, by their import names; an engine of one is no engine for the other."""
FLAVOURS = (PLAIN, RTX)
_PLAIN_FIX = "see JetPack's TensorRT (`python3 -m venv --system-site-packages .venv`), or pip install tensorrt"
_RTX_FIX = "pip install tensorrt-rtx-cu13"

NAMES: dict[str, str] = {
    "Builder": "makes network, settings and engine",
    "Builder.create_network": "the network the parser fills",
    "Builder.create_builder_config": "the settings of a build",
    "Builder.create_optimization_profile": "smallest, usual and largest batch",
    "Builder.build_serialized_network": "the build itself; null when it failed",
    "Builder.num_DLA_cores": "how many accelerators a Jetson has",
    "IBuilderConfig.set_memory_pool_limit": "the cap on the workspace",
    "IBuilderConfig.set_flag": "REFIT, GPU_FALLBACK, and precision before 10",
    "IBuilderConfig.clear_flag": "TF32, so that single precision is what it says",
    "IBuilderConfig.add_optimization_profile": "see the profile",
    "IBuilderConfig.create_timing_cache": "what earlier builds measured",
    "IBuilderConfig.set_timing_cache": "the same",
    "IBuilderConfig.get_timing_cache": "to keep it",
    "IBuilderConfig.builder_optimization_level": "lower builds with less memory and time",
    "IBuilderConfig.default_device_type": "DLA",
    "IBuilderConfig.DLA_core": "which DLA",
    "ITimingCache.serialize": "to keep it",
    "IOptimizationProfile.set_shape": "see the profile",
    "INetworkDefinition.num_inputs": "the contract: one picture goes in",
    "INetworkDefinition.get_input": "its name and shape",
    "INetworkDefinition.num_outputs": "the contract: what comes out",
    "INetworkDefinition.get_output": "its name",
    "ITensor.name": "see above",
    "ITensor.shape": "see above",
    "OnnxParser": "ONNX to network",
    "OnnxParser.parse_from_file": "by path, so that external data is found",
    "OnnxParser.num_errors": "why it failed",
    "OnnxParser.get_error": "why it failed",
    "ParserError.code": "of what kind",
    "ParserError.desc": "in words",
    "ParserError.node": "at which node",
    "Runtime": "loads an engine; never made without a driver",
    "Runtime.DLA_core": "a DLA's engine runs on the core that is named when it is loaded",
    "Runtime.deserialize_cuda_engine": "the load itself; null when it failed",
    "ICudaEngine.num_io_tensors": "what goes in and comes out, by name",
    "ICudaEngine.get_tensor_name": "the same",
    "ICudaEngine.get_tensor_mode": "which of both",
    "ICudaEngine.get_tensor_shape": "held against the contract",
    "ICudaEngine.get_tensor_dtype": "the same",
    "ICudaEngine.get_tensor_profile_shape": "the batches it was built for",
    "ICudaEngine.create_execution_context": "one for each batch size with a graph; null when memory is short",
    "ICudaEngine.refittable": "asked before a refit",
    "IExecutionContext.set_input_shape": "the batch",
    "IExecutionContext.set_tensor_address": "where a tensor lies",
    "IExecutionContext.execute_async_v3": "the computation, on our stream",
    "Refitter": "new weights without a new build",
    "Refitter.get_all_weights": "every one must be given",
    "Refitter.get_missing_weights": "asked as well, and not trusted alone",
    "Refitter.set_named_weights": "by the names of the ONNX file",
    "Refitter.refit_cuda_engine": "the refit itself",
    "Weights": "an array for the refitter",
    "ILogger": "base of our logger, since a null object says nothing",
    "ILogger.log": "what we overwrite",
    "ILogger.Severity": "errors are told from the rest",
    "BuilderFlag.REFIT": "new weights without a new build",
    "BuilderFlag.GPU_FALLBACK": "layers that a DLA cannot take",
    "BuilderFlag.TF32": "cleared",
    "MemoryPoolType.WORKSPACE": "the pool that is capped",
    "DeviceType.DLA": "see above",
    "__version__": "part of an engine's name",
}
"""Names that every version has, and what each is for."""

OPTIONAL: dict[str, str] = {
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": "asked for before 10, gone in 11",
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": "from 10; the ONNX file's types are kept",
    "BuilderFlag.FP16": "precision before 10, and on a DLA before 11; gone in 11",
    "BuilderFlag.INT8": "the same",
    "Refitter.get_weights_prototype": "from 10, below which refits are refused",
    "ParserError.node_operator": "from 10: what the node computes",
    "IProgressMonitor": "from 10: progress",
    "IBuilderConfig.progress_monitor": "the same",
    "ComputeCapability": "RTX: builds for another machine's GPU",
    "IBuilderConfig.num_compute_capabilities": "the same",
    "IBuilderConfig.set_compute_capability": "the same",
}
"""Names that some versions lack; asked for before each use."""


@dataclass(frozen=True)
class TensorRt:
    """An imported TensorRT.

    Attributes:
        module: what was imported.
        flavour: `PLAIN` or `RTX`.
    """

    module: Any
    flavour: str

    @property
    def version(self) -> str:
        """Such as "10.3.0"."""
        return str(self.module.__version__)

    @property
    def major(self) -> int:
        """The major version of the API; TensorRT-RTX speaks that of 11."""
        return 11 if self.flavour == RTX else int(self.version.split(".")[0])

    def has(self, dotted: str) -> bool:
        """Whether this version has a name such as "BuilderFlag.FP16"."""
        found = self.module
        for part in dotted.split("."):
            found = getattr(found, part, None)
        return found is not None


def find_tensorrt(flavour: str | None = None) -> TensorRt:
    """Import TensorRT: the asked flavour, else TensorRT before TensorRT-RTX.

    Raises:
        MissingPackage: none is installed.
        EngineError: one is installed and does not import.
    """
    wanted = FLAVOURS if flavour is None else (flavour,)
    name = next((n for n in wanted if findable(n)), None)
    if name is None:
        raise MissingPackage(f"{' or '.join(wanted)} is not installed", _RTX_FIX if wanted == (RTX,) else _PLAIN_FIX)
    try:
        return TensorRt(importlib.import_module(name), name)
    except (ImportError, OSError) as e:
        cause = find_cause(str(e))
        raise EngineError(
            f"{name} does not import: {e}", cause.fix if cause else "match it with CUDA: see `sa3dhp-edge doctor`"
        ) from e


def load_engine(plan_bytes: bytes, flavour: str, dla: int | None = None) -> Any:
    """Deserialise an engine: an `ICudaEngine`, never null.

    Args:
        plan_bytes: the engine file's content.
        flavour: which TensorRT built it.
        dla: the accelerator that it was built for; None for the GPU.

    Raises:
        MissingPackage: that TensorRT is not installed.
        EngineError: no driver answers, or TensorRT refuses the engine; says why in its own words.
    """
    need_gpu("an engine")
    return deserialise(plan_bytes, find_tensorrt(flavour).module, dla)


def deserialise(plan_bytes: bytes, trt: Any, dla: int | None = None) -> Any:
    """As `load_engine`, where a driver is known to answer."""
    log: list[str] = []
    with listening(lambda severity, text: log.append(f"{severity} {text}")):
        try:
            runtime = trt.Runtime(shared_logger(trt))
        except TypeError as e:  # pybind's word for a null pointer
            raise EngineError("TensorRT's runtime does not start", "see `sa3dhp-edge doctor`") from e
        if dla is not None:
            runtime.DLA_core = dla
        engine = runtime.deserialize_cuda_engine(plan_bytes)
    if engine is not None:
        return engine
    said = complaints("\n".join(log))
    cause = find_cause(said)
    raise EngineError(
        f"TensorRT {trt.__version__} refuses the engine: {cause.says if cause else 'no known cause'}"
        f" ({said.splitlines()[0] if said else 'it logged nothing'})",
        cause.fix if cause else AGAIN,
    )

"""How does an ONNX file become a serialised engine, through the API that all versions share?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.engines.api import RTX, TensorRt
from runtime.engines.request import BuildOrder
from sa3dhp_edge.errors import EngineBuildError

Tell = Callable[[str, int, int], None]
"""Told of progress: a phase, steps done, steps in all."""

_MIB = 1 << 20
_TYPED_FROM = 10
_AGAIN = "export the model again from its run"


def assemble(library: TensorRt, order: BuildOrder, logger: Any, timing: bytes, tell: Tell) -> tuple[bytes, bytes]:
    """Build an engine.

    Args:
        library: TensorRT, with a driver that answers unless the order is for another machine.
        order: what to build.
        logger: see `shared_logger`.
        timing: what earlier builds measured; may be empty.
        tell: called as the build goes on, where TensorRT tells of it.

    Returns:
        the engine, and what this and earlier builds measured (empty where TensorRT keeps nothing).

    Raises:
        EngineBuildError: the network is not read or not the promised one, an accelerator is not there, or the build
            failed; the logger was told why.
    """
    trt = library.module
    try:
        builder = trt.Builder(logger)
    except TypeError as e:  # pybind's word for a null pointer
        raise EngineBuildError("TensorRT's builder does not start", "see `sa3dhp-edge doctor`") from e
    network = builder.create_network(_network_flags(library, order))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(order.onnx)):
        raise EngineBuildError(f"TensorRT does not read {order.onnx.name}: {_parser_words(parser)}", _AGAIN)
    _check_network(network, order)
    config = _settings(library, builder, network, order)
    measures = library.flavour != RTX  # which measures nothing, and warns of every call that speaks of it
    if measures:
        _use_timing(config, timing)
    if library.has("IProgressMonitor") and library.has("IBuilderConfig.progress_monitor"):
        monitor = _monitor(trt, tell)  # a name of its own keeps it alive while TensorRT calls it
        config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineBuildError("TensorRT built no engine", "see its log")
    return bytes(plan), _measured(config) if measures else b""


def weakly_typed(library: TensorRt, order: BuildOrder) -> bool:
    """Whether precision must be said by flags: before 10 always, and on a DLA as long as the flags exist."""
    flags = library.has("BuilderFlag.FP16")
    return flags and (library.major < _TYPED_FROM or order.request.dla is not None)


def _network_flags(library: TensorRt, order: BuildOrder) -> int:
    kinds = getattr(library.module, "NetworkDefinitionCreationFlag", None)
    wanted = []
    if library.major < _TYPED_FROM and library.has("NetworkDefinitionCreationFlag.EXPLICIT_BATCH"):
        wanted.append("EXPLICIT_BATCH")
    if not weakly_typed(library, order) and library.has("NetworkDefinitionCreationFlag.STRONGLY_TYPED"):
        wanted.append("STRONGLY_TYPED")
    return sum(1 << int(getattr(kinds, name)) for name in wanted)


def _parser_words(parser: Any) -> str:
    errors = [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)]
    return "; ".join(errors) or "it says nothing"


def _parser_error(error: Any) -> str:
    """One error on one line: of a long text the first two lines."""
    operator = f" ({error.node_operator()})" if hasattr(error, "node_operator") and error.node_operator() else ""
    return f"{error.code().name} at node {error.node()}{operator}: {': '.join(error.desc().splitlines()[:2])}"


def _check_network(network: Any, order: BuildOrder) -> None:
    side = order.crop_px
    found = [(t.name, tuple(t.shape)) for t in (network.get_input(i) for i in range(network.num_inputs))]
    if found != [("image", (-1, 3, side, side))]:
        raise EngineBuildError(
            f"{order.onnx.name} takes {found}; asked for is image (batch, 3, {side}, {side}) with a free batch", _AGAIN
        )
    names = {network.get_output(i).name for i in range(network.num_outputs)}
    if missing := [name for name in order.outputs if name not in names]:
        raise EngineBuildError(f"{order.onnx.name} gives no {', '.join(missing)}", _AGAIN)


def _settings(library: TensorRt, builder: Any, network: Any, order: BuildOrder) -> Any:
    trt, request = library.module, order.request
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, request.workspace_mb * _MIB)
    config.builder_optimization_level = request.level
    if not (order.half or order.quantised):
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default: 10 bits of mantissa are not single precision
    if weakly_typed(library, order):
        for name, wanted in (("FP16", order.half), ("INT8", order.quantised)):
            if wanted:
                config.set_flag(getattr(trt.BuilderFlag, name))
    if request.refit:
        config.set_flag(trt.BuilderFlag.REFIT)
    if request.dla is not None:
        _use_dla(library, builder, config, order)
    if request.target is not None:
        _aim_at(library, config, request.target)
    profile = builder.create_optimization_profile()
    side = order.crop_px
    profile.set_shape(network.get_input(0).name, *((n, 3, side, side) for n in request.people))
    config.add_optimization_profile(profile)
    return config


def _use_dla(library: TensorRt, builder: Any, config: Any, order: BuildOrder) -> None:
    trt, core, cores = library.module, order.request.dla, builder.num_DLA_cores
    if core is None or core >= cores:
        has = f"has {cores}, numbered from 0" if cores else "has none"
        raise EngineBuildError(f"DLA {core} is not there: this device {has}", "build without --dla")
    if not (order.half or order.quantised) or (order.quantised and weakly_typed(library, order)):
        kind = "INT8 by Q/DQ nodes" if order.quantised else "single precision"
        raise EngineBuildError(
            f"a DLA does not compute {kind} with TensorRT {library.version}",
            "build without --dla, or take a model in half precision",
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _aim_at(library: TensorRt, config: Any, target: str) -> None:
    kinds = getattr(library.module, "ComputeCapability", None)
    if kinds is None or library.flavour != RTX:
        raise EngineBuildError(
            f"{library.flavour} {library.version} builds for this machine's GPU only",
            "leave out --for, or install TensorRT-RTX: pip install tensorrt-rtx-cu13",
        )
    kind = getattr(kinds, target.upper(), None)
    if kind is None:
        known = ", ".join(sorted(n.lower() for n in dir(kinds) if n.startswith("SM")))
        raise EngineBuildError(
            f"{library.flavour} {library.version} does not build for {target}; it knows {known}",
            "build on the machine that will run it, without --for",
        )
    config.num_compute_capabilities = 1
    config.set_compute_capability(kind, 0)


def _use_timing(config: Any, measured: bytes) -> None:
    cache = config.create_timing_cache(measured)
    if cache is None and measured:  # damaged, or of another machine: begin anew
        cache = config.create_timing_cache(b"")
    if cache is not None:
        config.set_timing_cache(cache, False)


def _measured(config: Any) -> bytes:
    cache = config.get_timing_cache()
    serialised = None if cache is None else cache.serialize()
    return b"" if serialised is None else bytes(serialised)


def _monitor(trt: Any, tell: Tell) -> Any:
    """TensorRT's progress monitor; phases lie in one another, and each is told of under its own name."""
    steps: dict[str, int] = {}

    def begin(self: Any) -> None:
        trt.IProgressMonitor.__init__(self)

    def phase_start(_: Any, phase: str, parent: str | None, count: int) -> None:
        steps[phase] = count
        tell(phase, 0, count)

    def step_complete(_: Any, phase: str, step: int) -> bool:
        tell(phase, step + 1, steps.get(phase, 0))
        return True

    def phase_finish(_: Any, phase: str) -> None:
        tell(phase, steps.get(phase, 0), steps.pop(phase, 0))

    body = {"__init__": begin, "phase_start": phase_start, "step_complete": step_complete, "phase_finish": phase_finish}
    return type("Monitor", (trt.IProgressMonitor,), body)()

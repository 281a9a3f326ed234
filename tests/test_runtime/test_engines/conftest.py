"""Look-alikes of TensorRT's versions, which lack what those lack; a Jetson's words; builds without a builder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from runtime.engines.api import PLAIN, RTX, TensorRt
from runtime.engines.driver import Gpu
from runtime.engines.fingerprint import Machine
from runtime.engines.request import BuildOrder, EngineRequest
from sa3dhp_edge.contract import FILE, file_sha256

NAMES = Path(__file__).parent.parent / "tensorrt_api"
VERSIONS = tuple(sorted(p.stem for p in NAMES.glob("*.json")))
ORIN = Gpu("Orin", (8, 7), 7620, True, "12.6", "L4T 36.4.0")
PLAN = b"an engine"


class Member:
    """An enumeration's value."""

    def __init__(self, name: str, value: int) -> None:
        self.name, self.value = name, value

    def __int__(self) -> int:
        return self.value


def strict(name: str, allowed: list[str], body: dict[str, Any]) -> type:
    """A class with `body`'s names, of which those that are not `allowed` are not there."""

    def check(attribute: str) -> None:
        if not attribute.startswith("_") and attribute not in allowed:
            raise AttributeError(f"this version has no {name}.{attribute}")

    def get(self: Any, attribute: str) -> Any:
        check(attribute)
        return object.__getattribute__(self, attribute)

    def put(self: Any, attribute: str, value: Any) -> None:
        check(attribute)
        object.__setattr__(self, attribute, value)

    there = {a: body.get(a, "not in this look-alike") for a in allowed}
    private = {a: v for a, v in body.items() if a.startswith("_")}
    return type(name, (), there | private | {"__getattribute__": get, "__setattr__": put})


class Script:
    """What a look-alike does, and what was done to it."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, tuple[int, ...]]] = [("image", (-1, 3, 64, 64))]
        self.outputs = ["pose_mm", "z"]
        self.parses = True
        self.errors: list[tuple[str, int, str]] = []
        self.dla_cores = 0
        self.starts = True
        self.plan: bytes | None = PLAN
        self.engine: Any = object()
        self.says: list[tuple[str, str]] = []
        self.bad_cache: bytes | None = None
        self.network_flags = -1
        self.flags: set[str] = set()
        self.cleared: set[str] = set()
        self.pools: dict[str, int] = {}
        self.profiles: list[Any] = []
        self.shapes: dict[str, Any] = {}
        self.parsed = ""
        self.caches: list[bytes] = []
        self.config: Any = None
        self.capability: Any = None
        self.runtime: Any = None
        self.made: dict[str, Any] = {}


def look_alike(version: str) -> tuple[TensorRt, Script]:
    """A module with the names of a version, and its script."""
    names: dict[str, list[str]] = json.loads((NAMES / f"{version}.json").read_text())
    does = Script()
    bodies = _bodies(does, names)
    members = {n: Enumeration(n, found) for n, found in names.items() if {"name", "value"} <= set(found)}
    made = {n: strict(n, found, bodies.get(n, {})) for n, found in names.items() if n not in members}
    made["ILogger"] = type("ILogger", (), {"Severity": None, "__init__": lambda self: None})
    if "IProgressMonitor" in names:
        made["IProgressMonitor"] = type("IProgressMonitor", (), {"__init__": lambda self: None})
    does.made = made
    flavour, number = (RTX, version.split("-")[1]) if version.startswith("rtx") else (PLAIN, version)
    module = ModuleType(f"look_alike_{version}")
    vars(module).update(made | members | {"__version__": number})
    return TensorRt(module, flavour), does


class Enumeration:
    """Members by attribute."""

    def __init__(self, name: str, found: list[str]) -> None:
        for i, member in enumerate(n for n in found if n not in ("name", "value")):
            setattr(self, member, Member(member, i))


def _bodies(does: Script, names: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """What the classes do."""

    def make(kind: str, **values: Any) -> Any:
        made = does.made[kind]()
        for name, value in values.items():
            object.__setattr__(made, name, value)
        return made

    def tensor(name: str, shape: tuple[int, ...] = ()) -> Any:
        return make("ITensor", name=name, shape=shape)

    def start(self: Any, logger: Any) -> None:
        if not does.starts:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        object.__setattr__(self, "num_DLA_cores", does.dla_cores)
        object.__setattr__(self, "_logger", logger)

    def create_network(self: Any, flags: int) -> Any:
        does.network_flags = flags
        return make("INetworkDefinition", num_inputs=len(does.inputs), num_outputs=len(does.outputs))

    def create_config(self: Any) -> Any:
        does.config = make("IBuilderConfig", **({"progress_monitor": None} if "IProgressMonitor" in names else {}))
        return does.config

    def build(self: Any, network: Any, config: Any) -> bytes | None:
        for severity, text in does.says:
            self._logger.log(Member(severity, 0), text)
        monitor = getattr(config, "progress_monitor", None)
        if monitor is not None:
            monitor.phase_start("outer", None, 2)
            assert monitor.step_complete("outer", 0)
            monitor.phase_finish("outer")
        return does.plan

    def timing_cache(self: Any, data: bytes) -> Any:
        does.caches.append(data)
        return None if data == does.bad_cache else make("ITimingCache")

    def error(self: Any, i: int) -> Any:
        code, node, text = does.errors[i]
        return make(
            "ParserError", code=lambda: Member(code, 0), node=lambda: node, desc=lambda: text, node_operator=str
        )

    def parse(self: Any, path: str) -> bool:
        does.parsed = path
        return does.parses

    def deserialise(self: Any, plan: bytes) -> Any:
        does.runtime = self
        for severity, text in does.says:
            self._logger.log(Member(severity, 0), text)
        return does.engine

    return {
        "Builder": {
            "__init__": start,
            "create_network": create_network,
            "create_builder_config": create_config,
            "create_optimization_profile": lambda self: make("IOptimizationProfile"),
            "build_serialized_network": build,
        },
        "INetworkDefinition": {
            "get_input": lambda self, i: tensor(*does.inputs[i]),
            "get_output": lambda self, i: tensor(does.outputs[i]),
        },
        "IOptimizationProfile": {"set_shape": lambda self, name, *sizes: does.shapes.update({name: sizes})},
        "IBuilderConfig": {
            "set_memory_pool_limit": lambda self, pool, size: does.pools.update({pool.name: size}),
            "set_flag": lambda self, flag: does.flags.add(flag.name),
            "clear_flag": lambda self, flag: does.cleared.add(flag.name),
            "add_optimization_profile": lambda self, profile: does.profiles.append(profile),
            "create_timing_cache": timing_cache,
            "set_timing_cache": lambda self, cache, ignore: True,
            "get_timing_cache": lambda self: make("ITimingCache"),
            "set_compute_capability": lambda self, kind, i: setattr(does, "capability", kind.name),
        },
        "ITimingCache": {"serialize": lambda self: b"measured"},
        "OnnxParser": {
            "__init__": lambda self, network, logger: object.__setattr__(self, "num_errors", len(does.errors)),
            "parse_from_file": parse,
            "get_error": error,
        },
        "Runtime": {
            "__init__": lambda self, logger: object.__setattr__(self, "_logger", logger),
            "deserialize_cuda_engine": deserialise,
        },
    }


def write_precision(folder: Path, precision: str) -> Path:
    """Turn a model folder's g.onnx into one that passes its pictures through half precision or Q/DQ nodes."""
    network = onnx.load(str(folder / "g.onnx"))
    graph = network.graph
    for node in graph.node:
        node.input[:] = ["passed" if name == "image" else name for name in node.input]
    if precision == "fp16":
        first = [
            helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("Relu", ["half"], ["half2"]),
            helper.make_node("Cast", ["half2"], ["passed"], to=TensorProto.FLOAT),
        ]
    else:
        graph.initializer.append(helper.make_tensor("q_scale", TensorProto.FLOAT, [], [0.01]))
        graph.initializer.append(helper.make_tensor("q_point", TensorProto.INT8, [], [0]))
        first = [
            helper.make_node("QuantizeLinear", ["image", "q_scale", "q_point"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "q_scale", "q_point"], ["passed"]),
        ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*first, *rest])
    (folder / "g.onnx").write_bytes(network.SerializeToString())
    return agree(folder)


def agree(folder: Path) -> Path:
    """Make a contract's hashes those of the files that are there."""
    contract = json.loads((folder / FILE).read_text())
    contract["files"] = {name: file_sha256(folder / name) for name in contract["files"]}
    (folder / FILE).write_text(json.dumps(contract))
    return folder


class Builds:
    """Stands in for the builder's process: writes a file, or raises what it is told to, and remembers the orders."""

    def __init__(self) -> None:
        self.orders: list[BuildOrder] = []
        self.raises: list[BaseException] = []

    def __call__(self, order: BuildOrder, log: Path) -> float:
        self.orders.append(order)
        with log.open("a") as file:
            file.write("INFO a build\n")
        if self.raises:
            raise self.raises.pop(0)
        order.engine.write_bytes(PLAN)
        return 1.5


@pytest.fixture(params=VERSIONS)
def any_version(request: pytest.FixtureRequest) -> tuple[TensorRt, Script]:
    return look_alike(request.param)


@pytest.fixture(scope="session")
def version() -> Callable[[str], tuple[TensorRt, Script]]:
    return look_alike


@pytest.fixture
def orin() -> Machine:
    return Machine(ORIN, {PLAIN: "10.3.0"})


@pytest.fixture
def builds() -> Builds:
    return Builds()


@pytest.fixture(scope="session")
def in_precision() -> Callable[[Path, str], Path]:
    return write_precision


@pytest.fixture(scope="session")
def make_agree() -> Callable[[Path], Path]:
    return agree


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., BuildOrder]:
    """An order with defaults; keywords of the request are handed on to it."""

    def make(
        half: bool = False,
        quantised: bool = False,
        flavour: str = PLAIN,
        outputs: tuple[str, ...] = ("pose_mm",),
        **asked: Any,
    ) -> BuildOrder:
        return BuildOrder(
            request=EngineRequest(**asked),
            flavour=flavour,
            onnx=tmp_path / "g.onnx",
            crop_px=64,
            outputs=outputs,
            half=half,
            quantised=quantised,
            engine=tmp_path / "engine.plan",
            timing=tmp_path / "timing.cache",
        )

    return make


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No test but that of the memory check depends on how full this machine is."""
    if "test_memory" not in request.node.nodeid:
        monkeypatch.setattr("runtime.engines.build.check_memory", lambda *_: None)

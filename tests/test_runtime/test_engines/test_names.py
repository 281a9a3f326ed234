"""Every name that our code says to TensorRT is there in every version we claim, or asked for before."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
from pathlib import Path
from types import ModuleType

import pytest

from runtime.engines import api, assemble, logger
from runtime.engines.api import NAMES, OPTIONAL
from sa3dhp_edge.extras import findable

FOLDER = Path(__file__).parent.parent / "tensorrt_api"
FILES = sorted(FOLDER.glob("*.json"))
OBJECTS = {"trt", "builder", "config", "network", "parser", "profile", "error", "cache", "kinds", "monitor", "runtime"}
"""What our code calls TensorRT's module and objects."""


def has(path: Path, dotted: str) -> bool:
    names: dict[str, list[str]] = json.loads(path.read_text())
    kind, _, attribute = dotted.partition(".")
    return dotted == "__version__" or (kind in names and (not attribute or attribute in names[kind]))


def test_the_versions_we_claim_are_there() -> None:
    assert {p.stem for p in FILES} >= {"8.6.1", "10.3.0", "10.13.3", "10.16.1", "11.4.0", "rtx-1.7.1"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_version_has_every_name_that_is_used_unasked(path: Path) -> None:
    assert [name for name in NAMES if not has(path, name)] == []


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_name_is_in_some_versions_and_not_in_others(name: str) -> None:
    assert len({has(path, name) for path in FILES}) == 2


@pytest.mark.parametrize("module", [api, assemble, logger], ids=lambda m: m.__name__.split(".")[-1])
def test_our_code_says_no_name_that_is_not_in_the_tables(module: ModuleType) -> None:
    known = {*NAMES, *OPTIONAL}
    parts = {part for name in known for part in name.split(".")} | {"module", "ILogger", "__init__"}
    said = spoken(ast.parse(inspect.getsource(module)))
    assert said
    assert said - parts == set()


def test_a_name_outside_the_tables_would_be_seen() -> None:
    assert "num_bindings" in spoken(ast.parse("builder.num_bindings"))
    assert "FP8" in spoken(ast.parse("config.set_flag(trt.BuilderFlag.FP8)"))


def spoken(tree: ast.AST) -> set[str]:
    """Attributes of expressions that begin with one of `OBJECTS`, and the parts of names asked for by `has`."""
    said: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and root(node) in OBJECTS:
            said.add(node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "has":
            said |= set(str(ast.literal_eval(node.args[0])).split("."))
    return said


def root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.skipif(not findable("tensorrt_rtx"), reason="TensorRT-RTX is not installed")
def test_the_recorded_names_are_those_of_the_installed_version() -> None:
    import tensorrt_rtx

    if not tensorrt_rtx.__version__.startswith("1.7.1"):
        pytest.skip(f"recorded is 1.7.1, installed is {tensorrt_rtx.__version__}")
    spec = importlib.util.spec_from_file_location("make_names", FOLDER / "make_names.py")
    assert spec is not None
    assert spec.loader is not None
    make_names = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_names)
    assert make_names.names(tensorrt_rtx) == json.loads((FOLDER / "rtx-1.7.1.json").read_text())

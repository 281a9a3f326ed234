"""What is said to each version of TensorRT to build an engine; look-alikes refuse what their version does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.engines.api import RTX
from runtime.engines.assemble import assemble
from runtime.engines.logger import listening, shared_logger
from sa3dhp_edge.errors import EngineBuildError

Order = Callable[..., Any]
Version = Callable[[str], Any]


def build(library: Any, order: Any, timing: bytes = b"") -> tuple[bytes, bytes, list[tuple[str, int, int]]]:
    told: list[tuple[str, int, int]] = []
    engine, measured = assemble(
        library, order, shared_logger(library.module), timing, lambda *progress: told.append(progress)
    )
    return engine, measured, told


def bits(library: Any, *names: str) -> int:
    kinds = library.module.NetworkDefinitionCreationFlag
    return sum(1 << int(getattr(kinds, n)) for n in names)


def test_every_version_builds_with_batch_workspace_and_level(any_version: Any, order: Order) -> None:
    library, does = any_version
    asked = order(people=(1, 2, 6), workspace_mb=300, level=2)
    assert build(library, asked)[0] == b"an engine"
    assert does.parsed == str(asked.onnx)
    assert does.shapes == {"image": ((1, 3, 64, 64), (2, 3, 64, 64), (6, 3, 64, 64))}
    assert len(does.profiles) == 1
    assert does.pools == {"WORKSPACE": 300 << 20}
    assert does.config.builder_optimization_level == 2


@pytest.mark.parametrize(
    ("number", "flags"),
    [
        ("8.6.1", ["EXPLICIT_BATCH"]),
        ("10.3.0", ["STRONGLY_TYPED"]),
        ("10.13.3", ["STRONGLY_TYPED"]),
        ("10.16.1", ["STRONGLY_TYPED"]),
        ("11.4.0", ["STRONGLY_TYPED"]),
        ("rtx-1.7.1", ["STRONGLY_TYPED"]),
    ],
)
def test_a_network_is_typed_by_its_file_from_10_on(
    version: Version, order: Order, number: str, flags: list[str]
) -> None:
    library, does = version(number)
    build(library, order(half=True))
    assert does.network_flags == bits(library, *flags)


@pytest.mark.parametrize(
    ("half", "quantised", "flags"),
    [(False, False, set()), (True, False, {"FP16"}), (False, True, {"INT8"}), (True, True, {"FP16", "INT8"})],
)
def test_precision_is_said_by_flags_before_10_only(
    version: Version, order: Order, half: bool, quantised: bool, flags: set[str]
) -> None:
    for number, expected in (("8.6.1", flags), ("10.3.0", set()), ("11.4.0", set())):
        library, does = version(number)
        build(library, order(half=half, quantised=quantised))
        assert does.flags == expected


def test_single_precision_is_not_rounded_to_tf32(any_version: Any, order: Order) -> None:
    library, does = any_version
    build(library, order(half=True))
    assert does.cleared == set()
    build(library, order())
    assert does.cleared == {"TF32"}


def test_refit_is_a_flag(any_version: Any, order: Order) -> None:
    library, does = any_version
    build(library, order())
    assert "REFIT" not in does.flags
    build(library, order(refit=True))
    assert "REFIT" in does.flags


def test_progress_is_told_from_10_on(any_version: Any, order: Order) -> None:
    library, _ = any_version
    told = build(library, order())[2]
    assert told == ([] if library.major < 10 else [("outer", 0, 2), ("outer", 1, 2), ("outer", 2, 2)])


def test_measurements_are_taken_over_and_handed_back(any_version: Any, order: Order) -> None:
    library, does = any_version
    measured = build(library, order(), timing=b"earlier")[1]
    if library.flavour == RTX:
        assert (does.caches, measured) == ([], b"")
    else:
        assert (does.caches, measured) == ([b"earlier"], b"measured")


def test_damaged_measurements_are_begun_anew(version: Version, order: Order) -> None:
    library, does = version("10.3.0")
    does.bad_cache = b"damaged"
    assert build(library, order(), timing=b"damaged")[1] == b"measured"
    assert does.caches == [b"damaged", b""]


@pytest.mark.parametrize(("number", "typed", "flags"), [("10.3.0", False, {"FP16"}), ("11.4.0", True, set())])
def test_a_dla_falls_back_to_the_gpu_and_is_told_precision_as_its_version_wants_it(
    version: Version, order: Order, number: str, typed: bool, flags: set[str]
) -> None:
    library, does = version(number)
    does.dla_cores = 2
    build(library, order(half=True, people=(1, 1, 1), dla=1))
    assert does.flags == {"GPU_FALLBACK"} | flags
    assert does.network_flags == (bits(library, "STRONGLY_TYPED") if typed else 0)
    assert does.config.default_device_type.name == "DLA"
    assert does.config.DLA_core == 1


@pytest.mark.parametrize(
    ("cores", "kind", "words"),
    [
        (0, {"half": True}, "DLA 1 is not there: this device has none"),
        (1, {"half": True}, "DLA 1 is not there: this device has 1"),
        (2, {}, "does not compute single precision"),
        (2, {"quantised": True}, "does not compute INT8 by Q/DQ"),
    ],
)
def test_a_dla_that_cannot_is_refused(version: Version, order: Order, cores: int, kind: Any, words: str) -> None:
    library, does = version("10.3.0")
    does.dla_cores = cores
    with pytest.raises(EngineBuildError, match=words) as caught:
        build(library, order(people=(1, 1, 1), dla=1, **kind))
    assert "build without --dla" in caught.value.hint


def test_another_machines_gpu_is_aimed_at_by_rtx_alone(version: Version, order: Order) -> None:
    library, does = version("rtx-1.7.1")
    build(library, order(target="sm86", flavour=RTX))
    assert (does.capability, does.config.num_compute_capabilities) == ("SM86", 1)
    with pytest.raises(EngineBuildError, match=r"does not build for sm87; it knows .*sm86"):
        build(library, order(target="sm87", flavour=RTX))
    with pytest.raises(EngineBuildError, match="builds for this machine's GPU only") as caught:
        build(version("10.3.0")[0], order(target="sm86"))
    assert "tensorrt-rtx" in caught.value.hint


def test_what_the_parser_says_is_handed_on(any_version: Any, order: Order) -> None:
    library, does = any_version
    does.parses = False
    does.errors = [("INVALID_NODE", 3, "first line\nsecond line\nthird"), ("UNSUPPORTED_NODE", 5, "no")]
    words = "INVALID_NODE at node 3: first line: second line; UNSUPPORTED_NODE at node 5: no"
    with pytest.raises(EngineBuildError, match=f"TensorRT does not read g.onnx: {words}"):
        build(library, order())
    does.errors = []
    with pytest.raises(EngineBuildError, match="it says nothing"):
        build(library, order())


@pytest.mark.parametrize(
    "inputs",
    [
        [("image", (1, 3, 64, 64))],
        [("image", (-1, 3, 128, 128))],
        [("picture", (-1, 3, 64, 64))],
        [("image", (-1, 3, 64, 64)), ("more", (1,))],
        [],
    ],
)
def test_a_network_with_other_inputs_is_refused(version: Version, order: Order, inputs: Any) -> None:
    library, does = version("10.3.0")
    does.inputs = inputs
    with pytest.raises(EngineBuildError, match=r"asked for is image \(batch, 3, 64, 64\)"):
        build(library, order())


def test_a_network_without_a_promised_output_is_refused(version: Version, order: Order) -> None:
    with pytest.raises(EngineBuildError, match="gives no camera"):
        build(version("10.3.0")[0], order(outputs=("pose_mm", "camera")))


def test_a_null_engine_and_a_null_builder_are_errors(any_version: Any, order: Order) -> None:
    library, does = any_version
    does.plan, does.says = None, [("ERROR", "why"), ("INFO", "by the way")]
    heard: list[tuple[str, str]] = []
    with listening(lambda *said: heard.append(said)), pytest.raises(EngineBuildError, match="built no engine"):
        build(library, order())
    assert heard == does.says
    does.starts = False
    with pytest.raises(EngineBuildError, match="builder does not start"):
        build(library, order())

"""What does an ONNX file say of its precision and of the files beside it, read without the package `onnx`?

The wire format is that of Protocol Buffers (https://protobuf.dev/programming-guides/encoding), the field numbers are
those of onnx.proto. Only what is asked here is read; weights are stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sa3dhp_edge.errors import ModelError

_GRAPH = 7  # ModelProto
_NODE, _INITIALIZER = 1, 5  # GraphProto
_OP_TYPE, _ATTRIBUTE = 4, 5  # NodeProto
_ATTRIBUTE_NAME, _ATTRIBUTE_INT = 1, 3  # AttributeProto
_EXTERNAL = 13  # TensorProto
_KEY, _VALUE = 1, 2  # StringStringEntryProto
_FLOAT16 = 10  # TensorProto.DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_QUANTISED = (b"QuantizeLinear", b"DequantizeLinear")


@dataclass(frozen=True)
class OnnxFacts:
    """What an engine's build must know beforehand.

    Attributes:
        half: some of it computes in half precision: pictures come in single precision, so a cast to half tells.
        quantised: it holds Q/DQ nodes.
        external: files that hold weights, relative to the ONNX file's folder, in order of their names.
    """

    half: bool
    quantised: bool
    external: tuple[str, ...]

    @property
    def precision(self) -> str:
        """The lowest one: "int8", "fp16" or "fp32"."""
        return "int8" if self.quantised else "fp16" if self.half else "fp32"


def read_onnx(path: Path) -> OnnxFacts:
    """Read an ONNX file's facts.

    Raises:
        ModelError: it cannot be read, or is no ONNX file.
    """
    half, quantised, external, nodes = False, False, set[str](), 0
    try:
        for field, part in _graph_parts(path.read_bytes()):
            if field == _NODE:
                nodes += 1
                op = _first(part, _OP_TYPE)
                quantised |= op in _QUANTISED
                half |= op == b"Cast" and _casts_to_half(part)
            elif field == _INITIALIZER:
                external |= set(_location(part))
    except (OSError, ValueError, IndexError) as e:
        raise ModelError(f"{path} cannot be read as an ONNX file: {e}", "export the model again from its run") from e
    if nodes == 0:
        raise ModelError(f"{path} holds no network", "export the model again from its run")
    return OnnxFacts(half, quantised, tuple(sorted(external)))


def _graph_parts(model: bytes) -> Iterator[tuple[int, memoryview]]:
    for field, graph in _fields(memoryview(model)):
        if field == _GRAPH and isinstance(graph, memoryview):
            for inner, part in _fields(graph):
                if isinstance(part, memoryview):
                    yield inner, part


def _casts_to_half(node: memoryview) -> bool:
    attributes = [part for field, part in _fields(node) if field == _ATTRIBUTE and isinstance(part, memoryview)]
    return any(_first(a, _ATTRIBUTE_NAME) == b"to" and _first(a, _ATTRIBUTE_INT) == _FLOAT16 for a in attributes)


def _location(tensor: memoryview) -> Iterator[str]:
    for field, entry in _fields(tensor):
        if field == _EXTERNAL and isinstance(entry, memoryview) and _first(entry, _KEY) == b"location":
            value = _first(entry, _VALUE)
            if isinstance(value, bytes):
                yield value.decode()


def _first(message: memoryview, wanted: int) -> bytes | int | None:
    for field, value in _fields(message):
        if field == wanted:
            return bytes(value) if isinstance(value, memoryview) else value
    return None


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field: bytes as a view, a varint as a number; fixed sizes are stepped over."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            number, at = _varint(message, at)
            yield field, number
        elif kind == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("it ends too early")
            yield field, message[at : at + size]
            at += size
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at

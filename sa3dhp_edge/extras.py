"""The optional packages: which extra brings them, what they are for, and one clear error where they are missing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from sa3dhp_edge.errors import MissingPackage


@dataclass(frozen=True)
class Extra:
    """An optional group of packages: its name in `pip install 'sa3dhp-edge[name]'`, import names, and use."""

    name: str
    imports: tuple[str, ...]
    use: str

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install 'sa3dhp-edge[{self.name}]'"

    def missing(self) -> tuple[str, ...]:
        """Import names that Python cannot find; nothing is imported to learn it."""
        return tuple(name for name in self.imports if not findable(name))


CORE = Extra("", ("numpy", "cv2", "onnxruntime", "typer"), "everything")
_EXPORT = Extra("export", ("torch", "safetensors", "onnx", "onnxscript", "numba"), "export of a trained model")
EXTRAS: dict[str, Extra] = {
    extra.name: extra
    for extra in (
        Extra("adapt", (*_EXPORT.imports, "tensorboard", "matplotlib"), "training and adaptation"),
        _EXPORT,
        Extra("tensorrt", ("cuda",), "TensorRT engines; TensorRT itself comes with JetPack or pip"),
        Extra("pycuda", ("pycuda",), "TensorRT engines through PyCUDA"),
        Extra("synth-gpu", ("numba_cuda",), "drawing generated video on an NVIDIA GPU"),
        Extra("send", ("websockets", "pythonosc", "paho"), "poses sent to other programs"),
        Extra("serve", ("starlette", "uvicorn", "websockets", "prometheus_client"), "the page, health and metrics"),
        Extra("view", ("rerun",), "the 3D viewer"),
        Extra("bodies", ("anny",), "sampling body shapes anew"),
        Extra("data", ("scipy", "h5py", "cdflib"), "reading the field's data sets"),
    )
}


def need(name: str, purpose: str) -> None:
    """Stop unless all packages of an extra are there.

    Raises:
        MissingPackage: names them, and the command that installs them.
    """
    extra = EXTRAS[name]
    if missing := extra.missing():
        verb = "is" if len(missing) == 1 else "are"
        raise MissingPackage(f"{purpose} needs {', '.join(missing)}, which {verb} not installed", extra.command)


def findable(name: str) -> bool:
    """Whether `import name` would find something."""
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False

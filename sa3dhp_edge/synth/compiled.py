"""The decorators of machine-code loops: compiled once, kept on disk, for a core and, where asked for, for a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The function compiled by numba, single-threaded, so that pictures do not depend on the workers."""
    return cast(F, numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")(function))


def inner_loop(function: F) -> F:
    """As `compiled`, for functions that make no arrays: not counting references to them saves most of the time."""
    njit: Any = numba.njit
    wrap = njit(cache=True, fastmath=True, nogil=True, error_model="numpy", forceinline=True, _nrt=False)
    return cast(F, wrap(function))


@cache
def device_function(function: Any) -> Any:
    """An `inner_loop` as a function for kernels on a GPU, and with it all that it calls.

    It is the same Python code: of its names, those of compiled functions stand for their twins on the GPU. There it can
    use operators, `math`, and `min` and `max` of two numbers; NumPy's functions of scalars do not exist there.
    """
    jit: Any = import_module("numba.cuda").jit
    python = getattr(function, "py_func", function)
    called = {name: python.__globals__.get(name) for name in python.__code__.co_names}
    twins = {name: device_function(value) for name, value in called.items() if hasattr(value, "py_func")}
    # numba's own min and max do not compile for a GPU in every version
    own = {name: device_function(plain) for name, plain in (("min", _least), ("max", _most)) if name in called}
    twin = FunctionType(python.__code__, {**python.__globals__, **twins, **own}, python.__name__)
    twin.__module__, twin.__qualname__ = python.__module__, python.__qualname__
    return jit(device=True)(twin)


def kernel(function: Callable[..., None]) -> Any:
    """A function that many threads of a GPU run at once, for `kernel[blocks, threads](...)`; kept on disk."""
    jit: Any = import_module("numba.cuda").jit
    return jit(cache=True)(function)


def _least(a: float, b: float) -> float:
    return a if a < b else b


def _most(a: float, b: float) -> float:
    return a if a > b else b

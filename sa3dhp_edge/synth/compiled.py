"""One decorator for the machine-code loops: compiled once, kept on disk, safe for the type checker."""

from __future__ import annotations

from collections.abc import Callable
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

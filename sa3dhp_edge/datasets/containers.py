"""How the field's file formats are opened, so that a damaged or hostile file is an error and never a crash.

MATLAB up to version 7, MATLAB 7.3 (HDF5), CDF, and Python 2 pickles without running anything they hold. The packages
are those of the extra `data`; they are imported when a file of theirs is opened.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sa3dhp_edge.datasets.cdf_counts import check_counts
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.extras import need

Array = NDArray[np.float64]

_AGAIN = "copy or unpack this file again from the data set's archive"
_LARGEST_BYTES = 4 << 30
"""No table of these data sets is near this size; a file that claims more is damaged or hostile."""


def matlab(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Variables of a MATLAB file up to version 7; cells are object arrays.

    Raises:
        DataError: no such file, not such a file, or a variable is missing.
        MissingPackage: scipy is not installed.
    """
    need("data", f"reading {path.name}")
    import scipy.io

    _there(path)
    try:
        held = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
        _names_held(path, names, held)
        for name in names:
            _small_enough(path, name, 8 * math.prod(held[name]))
        loaded = scipy.io.loadmat(path, variable_names=names)
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - scipy's parsers raise anything on a damaged file
        raise _damaged(path, "a MATLAB file up to version 7", error) from None
    return {name: np.asarray(loaded[name]) for name in names}


def hdf5(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Data sets of an HDF5 file, such as MATLAB 7.3 writes; axes are in reverse of MATLAB's.

    Raises:
        DataError: no such file, not such a file, or a data set is missing.
        MissingPackage: h5py is not installed.
    """
    need("data", f"reading {path.name}")
    import h5py

    _there(path)
    try:
        with h5py.File(path, "r") as file:
            _names_held(path, names, dict.fromkeys(file))
            for name in names:
                _small_enough(path, name, math.prod(file[name].shape) * file[name].dtype.itemsize)
            return {name: np.asarray(file[name][()]) for name in names}
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - HDF5 raises anything on a damaged file
        raise _damaged(path, "a MATLAB 7.3 (HDF5) file", error) from None


def cdf(path: Path, name: str) -> NDArray[Any]:
    """One variable of a CDF file.

    Raises:
        DataError: no such file, not such a file, or the variable is missing.
        MissingPackage: cdflib is not installed.
    """
    need("data", f"reading {path.name}")
    import cdflib

    _there(path)
    try:
        check_counts(path)
        file = cdflib.CDF(path)
        info = file.cdf_info()
        _names_held(path, (name,), dict.fromkeys((*info.zVariables, *info.rVariables)))
        about = file.varinq(name)
        _small_enough(path, name, 8 * max(about.Last_Rec + 1, 1) * math.prod(about.Dim_Sizes))
        return np.asarray(file.varget(name))
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - cdflib raises anything on a damaged file
        raise _damaged(path, "a CDF file", error) from None


def python2_pickle(path: Path) -> Any:
    """What a pickle of Python 2 holds: dictionaries, lists, texts, numbers and NumPy arrays; text is latin-1.

    Nothing of the file is run: NumPy's constructors are replaced by inert ones, every other name is refused.

    Raises:
        DataError: no such file, not such a file, or it holds anything else.
    """
    _there(path)
    try:
        with path.open("rb") as file:
            return _plain(_Inert(file, encoding="latin1").load())
    except DataError:
        raise
    except _Refused as refused:
        raise DataError(
            f"{path} asks for {refused}, which is no array, list, dictionary, text or number; it was not run",
            "this is not the data set's own file: " + _AGAIN,
        ) from None
    except Exception as error:  # noqa: BLE001 - a damaged pickle raises anything
        raise _damaged(path, "a pickle of arrays, lists and texts", error) from None


def shaped(path: Path, name: str, value: ArrayLike, *shape: int | None) -> Array:
    """A table as float64, checked.

    Args:
        path, name: for the error.
        value: what was read.
        shape: what it must be; None stands for any length.

    Raises:
        DataError: it holds no numbers, or has another shape.
    """
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{path}: {name} holds no numbers", _AGAIN) from None
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise DataError(f"{path}: {name} is {array.shape}, expected ({wanted})", _AGAIN)
    return array


def _there(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path} is not there", "unpack this part of the data set")


def _names_held(path: Path, names: tuple[str, ...], held: Mapping[str, object]) -> None:
    if missing := [name for name in names if name not in held]:
        raise DataError(f"{path} holds no {', '.join(missing)}; it has {', '.join(held) or 'nothing'}", _AGAIN)


def _small_enough(path: Path, name: str, size_bytes: int) -> None:
    """No compression in use is stronger than deflate's 1032 to 1."""
    if size_bytes > _LARGEST_BYTES or size_bytes > max(1 << 24, 1100 * path.stat().st_size):
        raise DataError(f"{path}: {name} claims {size_bytes >> 20} MiB", _AGAIN)


def _damaged(path: Path, wanted: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(f"{path} is not {wanted}, or is damaged ({type(error).__name__}: {reason})", _AGAIN)


class _Refused(Exception):
    """A pickle names something that is not data."""


class _Type:
    """Stands in for numpy.dtype: a kind and a width, and later its byte order."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?([biufcSUVO]\d{0,4}|\?)", code):
            raise _Refused(f"the array type {code!r}")
        self._order, self._code = "=", code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[2:5] != (None, None, None):
            raise _Refused("an array of records")
        if state[1] not in ("<", ">", "|", "="):
            raise _Refused(f"the byte order {state[1]!r}")
        self._order = state[1]

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._code) if self._order == "=" else np.dtype(f"{self._order}{self._code.lstrip('<>|=')}")


class _Block:
    """Stands in for numpy.ndarray while its pickle is read."""

    array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, column_first, content = state
        if isinstance(content, list):
            self.array = np.empty(len(content), object)
            self.array[:] = [_plain(item) for item in content]
        else:
            self.array = np.frombuffer(_raw(content), kind.dtype())
        self.array = self.array.reshape(shape, order="F" if column_first else "C")


def _raw(content: object) -> bytes:
    """Python 2 had no bytes: what it wrote as text is bytes in latin-1."""
    return content.encode("latin1") if isinstance(content, str) else bytes(content)  # type: ignore[call-overload]


def _new_block(*_: object) -> _Block:
    return _Block()


def _scalar(kind: _Type, content: object) -> object:
    return np.frombuffer(_raw(content), kind.dtype(), 1)[0].item()


def _encode(text: object, coding: object = "latin1") -> bytes:
    """How Python 3 writes bytes for a reader of Python 2."""
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise _Refused(f"text in {coding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How Python 3 writes empty bytes for a reader of Python 2; takes no length, which could be any."""
    return b""


_ALLOWED: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): "ndarray",  # only ever an argument of _reconstruct; not callable on purpose
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _new_block for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class _Inert(pickle.Unpickler):
    """Knows the names above and no other."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def persistent_load(self, pid: object) -> Any:
        raise _Refused(f"the outside object {pid!r}")


def _plain(value: Any, done: dict[int, Any] | None = None) -> Any:
    """The same without stand-ins; what is shared is turned once, or a small file could ask for endless work."""
    done = {} if done is None else done
    if isinstance(value, _Block):
        if value.array is None:
            raise _Refused("an array without content")
        return value.array
    if not isinstance(value, dict | list | tuple):
        return value
    if id(value) not in done:
        if isinstance(value, dict):
            done[id(value)] = {key: _plain(item, done) for key, item in value.items()}
        else:
            done[id(value)] = [_plain(item, done) for item in value]
    return done[id(value)]

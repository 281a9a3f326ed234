"""Named arrays of an .npz file, of which nothing is run and anything may be damaged."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError


def arrays(path: Path, wanted: tuple[str, ...], hint: str, optional: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """The wanted arrays and those of the optional ones that are there.

    Raises:
        DataError: the file is missing or damaged, lacks a wanted array, or holds one as Python objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            if not hasattr(data, "files"):
                raise DataError(f"{path} holds a single array, expected an .npz with {', '.join(wanted)}", hint)
            lacking = [name for name in wanted if name not in data.files]
            if lacking:
                raise DataError(f"{path} has no {', '.join(lacking)}; it has {', '.join(data.files)}", hint)
            return {name: np.asarray(data[name]) for name in (*wanted, *optional) if name in data.files}
    except (OSError, EOFError, ValueError, KeyError, TypeError, MemoryError, zipfile.BadZipFile, zlib.error) as e:
        raise DataError(f"{path} cannot be read: {' '.join(str(e).split())[:200]}", hint) from e
    except (NotImplementedError, RuntimeError, SyntaxError) as e:  # damaged headers of the archive or of an array
        raise DataError(f"{path} is damaged: {' '.join(str(e).split())[:200]}", hint) from e

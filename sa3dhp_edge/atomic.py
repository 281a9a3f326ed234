"""Files and folders that appear whole or not at all, whenever the power goes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sa3dhp_edge.errors import OutputError


def refuse_existing(path: Path, hint: str = "name another path, or remove this one first") -> None:
    """Stop before anything is overwritten; an empty folder is no obstacle."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise OutputError(f"{path} exists already", hint)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content in one step."""
    write_bytes(path, text.encode())


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """A small JSON file, replaced in one step."""
    write_text(path, json.dumps(values, indent=1) + "\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content in one step; the old content stays if the disk refuses."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as e:
        with suppress(OSError):
            temporary.unlink()
        raise OutputError(f"{path} cannot be written: {e.strerror}", "free some space or name another path") from e


@contextmanager
def publish_file(path: Path) -> Iterator[Path]:
    """Write the yielded file in pieces; it takes `path`'s name when the block ends well, and goes when it does not."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as e:
        raise OutputError(f"{path} cannot be written: {e.strerror}", "free some space or name another path") from e
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def publish_folder(folder: Path) -> Iterator[Path]:
    """Fill the yielded folder; it takes `folder`'s name when the block ends well, and goes when it does not."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        new.chmod(0o755)
    except OSError as e:
        raise OutputError(f"{folder} cannot be created: {e.strerror}", "name a folder you may write to") from e
    try:
        yield new
        if folder.exists():
            old = new.with_name(new.name + ".old")
            folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old)
        else:
            new.rename(folder)
    except OSError as e:
        shutil.rmtree(new, ignore_errors=True)
        raise OutputError(
            f"{folder} cannot be written: {e.strerror or f'is the disk full? {e}'}",
            "free some space or name another path",
        ) from e
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise

"""Settings in a TOML file: read with the line of each mistake, and written with a comment on each key."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.settings import Key, WrongSetting, checked, described, hints_of, words_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_WIDTH = 120
_WORDS = "`sa3dhp-edge run --print-config` shows all settings and what they mean"


class SettingsFileError(ConfigError):
    """A settings file that is not there, is no TOML, or holds what cannot be: wrong usage, and no new try mends it."""

    exit_status = 2


def read_settings(path: Path, kind: type) -> dict[str, Any]:
    """What a file says of a record, by name, each value of the type that the record wants.

    Args:
        path: TOML; relative paths in it are relative to its folder.
        kind: the record's class.

    Raises:
        SettingsFileError: no such file, no TOML, an unknown key, or a wrong value; with the line.
    """
    text = _text(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise SettingsFileError(f"{path} is no TOML: {e}", "texts stand in quotes, tables are [named]") from e
    try:
        return checked(kind, values, path.resolve().parent)
    except WrongSetting as e:
        raise SettingsFileError(f"{_place(path, text, e.key)}: {e.message}", e.hint or _WORDS) from e


def refused(path: Path, wrong: WrongSetting) -> SettingsFileError:
    """The error for values that a record refused, which were read from there."""
    place = f"{path}, [{'.'.join(wrong.key)}]" if wrong.key else str(path)
    return SettingsFileError(f"{place}: {wrong.message}", wrong.hint or _WORDS)


def toml_of(record: Any) -> str:
    """All settings of a record as TOML, each below the words of its class; what is None is a comment.

    Raises:
        ConfigError: a text or path that is no Unicode.
    """
    return "\n".join(_table(record, ())) + "\n"


def line_of(text: str, key: Key) -> int | None:
    """Number of the line where a key, or the nearest table around it, begins.

    A key is where the text up to some line has it, and the text up to the line that last could be read has not.
    """
    lines = text.splitlines()
    found: tuple[int, int] | None = None
    depth_before, whole = 0, 0
    for number in range(1, len(lines) + 1):
        try:
            values = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        depth = _depth(values, key)
        if depth > depth_before:
            found, depth_before = (whole + 1, depth), depth
        whole = number
    return None if found is None else found[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise SettingsFileError(f"{path} is not UTF-8 text: byte {e.start} cannot be read", "save it as UTF-8") from e
    except OSError as e:
        hint = "`sa3dhp-edge run --print-config > run.toml` makes one"
        raise SettingsFileError(f"{path} cannot be read: {e.strerror}", hint) from e


def _place(path: Path, text: str, key: Key) -> str:
    line = line_of(text, key)
    return str(path) if line is None else f"{path}, line {line}"


def _depth(values: Any, key: Key) -> int:
    depth = 0
    for name in key:
        if not isinstance(values, Mapping) or name not in values:
            break
        values, depth = values[name], depth + 1
    return depth


def _table(record: Any, at: Key) -> Iterator[str]:
    hints, words = hints_of(type(record)), words_of(type(record))
    inner = []
    for field in dataclasses.fields(record):
        name, value = field.name, getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            inner.append((name, value))
            continue
        what = described(hints[name])
        comment = f"{words.get(name, '')} ({what})" if value is None or "one of" in what else words.get(name, "")
        yield from textwrap.wrap(comment, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield f"# {name} =" if value is None else f"{name} = {_literal(value, (*at, name))}"
        yield ""
    for name, value in inner:
        about = (cast(str, type(value).__doc__) or "").split("\n")[0]
        yield from textwrap.wrap(about, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield f"[{'.'.join((*at, name))}]"
        yield from _table(value, (*at, name))


def _literal(value: Any, key: Key) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_literal(item, key) for item in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise ConfigError(f"{'.'.join(key)} is no Unicode text: {text!r}", "name another file") from e
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

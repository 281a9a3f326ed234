"""Frozen records as settings: made of plain values, each checked by name and type, and told about in words."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from sa3dhp_edge.errors import ConfigError

R = TypeVar("R")
Key = tuple[str, ...]
"""Where a setting stands: ("input", "rotate_deg")."""
_NONE = type(None)
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


class WrongSetting(ConfigError):
    """A setting that cannot be; `key` says where it stands, for who knows the file's lines."""

    def __init__(self, key: Key, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.key = key


def record_of(kind: type[R], values: Mapping[str, Any]) -> R:
    """A record of plain values: numbers, texts, lists, and mappings for the records within it.

    Raises:
        WrongSetting: see `checked` and `built`.
    """
    return built(kind, checked(kind, values))


def checked(kind: type, values: Mapping[str, Any], base: Path | None = None, at: Key = ()) -> dict[str, Any]:
    """The values with the types that a record wants; records within it stay mappings.

    Args:
        kind: the record's class.
        values: by name; any may be left out.
        base: folder that relative paths are relative to; None leaves them as they are.
        at: where the record itself stands.

    Raises:
        WrongSetting: an unknown name, with the nearest known one, or a value of another type.
    """
    hints = hints_of(kind)
    if unknown := sorted(set(values) - set(hints)):
        key = (*at, unknown[0])
        raise WrongSetting(key, f"unknown setting {'.'.join(key)}", nearest(unknown[0], hints))
    return {name: _value(hints[name], value, base, (*at, name)) for name, value in values.items()}


def built(kind: type[R], values: Mapping[str, Any], at: Key = ()) -> R:
    """A record of checked values; what is left out takes its default.

    Raises:
        WrongSetting: a value that must be given, or what the record refuses.
    """
    hints, made = hints_of(kind), dict(values)
    for name, value in values.items():
        if isinstance(value, Mapping):
            made[name] = built(cast(type, hints[name]), value, (*at, name))
    for field in dataclasses.fields(cast(Any, kind)):
        if field.name not in made and field.default is field.default_factory is dataclasses.MISSING:
            raise WrongSetting(at, f"{'.'.join((*at, field.name))} must be given")
    try:
        return kind(**made)
    except ConfigError as e:
        raise WrongSetting(at, e.message, e.hint) from e


def plain_of(record: Any) -> dict[str, Any]:
    """The inverse of `record_of`; what is None is left out."""
    return {
        field.name: _plain(value)
        for field in dataclasses.fields(record)
        if (value := getattr(record, field.name)) is not None
    }


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table; what is above wins."""
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def keys_of(kind: type) -> Iterator[Key]:
    """Every setting of a record and of the records within it, the outer ones first."""
    inner = []
    for name, hint in hints_of(kind).items():
        if dataclasses.is_dataclass(hint):
            inner.append((name, cast(type, hint)))
        else:
            yield (name,)
    for name, record in inner:
        yield from ((name, *rest) for rest in keys_of(record))


def hint_at(kind: type, key: Key) -> Any:
    """The type of the setting that stands there."""
    hint = hints_of(kind)[key[0]]
    return hint if len(key) == 1 else hint_at(cast(type, hint), key[1:])


def described(hint: Any) -> str:
    """What a setting may be, in words."""
    if dataclasses.is_dataclass(hint):
        return "a table"
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        one, *more = typing.get_args(hint)
        return f"a list, each {described(one)}" if more == [Ellipsis] else f"a list of {len(more) + 1} numbers"
    if (members := _members(hint)) is not None:
        return " or ".join(described(m) for m in members if m is not _NONE)
    return _WORDS.get(hint, str(hint))


def beside(text: str | Path, base: Path | None) -> Path:
    """A path that is relative to a folder; None leaves it as it is."""
    path = Path(text)
    if base is not None:
        with suppress(RuntimeError):  # there is no such user: the path says so itself when it is used
            path = path.expanduser()
        path = base / path
    return path


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for who mistyped a name."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def hints_of(kind: type) -> dict[str, Any]:
    """Types of a record's fields by name."""
    return typing.get_type_hints(kind)


def words_of(kind: type) -> dict[str, str]:
    """The text below each field of a record's class, in one line."""
    (made,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body
    body = cast(ast.ClassDef, made).body
    words = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            words[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return words


def _members(hint: Any) -> tuple[Any, ...] | None:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else None


def _value(hint: Any, value: Any, base: Path | None, key: Key) -> Any:
    """The value as the record wants it; a record within it stays a mapping.

    Raises:
        WrongSetting: it is of another type.
    """
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return checked(cast(type, hint), value, base, key)
    if (members := _members(hint)) is not None:
        if {Path, str} <= set(members) and isinstance(value, str) and value:
            return _path_or_name(value, base)
        for member in members:
            try:
                return _value(member, value, base, key)
            except WrongSetting as e:
                if e.key != key:  # within a record: it was the right member
                    raise
    elif typing.get_origin(hint) is Literal:
        if any(value == known and type(value) is type(known) for known in typing.get_args(hint)):
            return value
    elif typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        one, *more = typing.get_args(hint)
        kinds = [one] * len(value) if more == [Ellipsis] else [one, *more]
        if len(kinds) == len(value):
            return tuple(_value(kind, item, base, key) for kind, item in zip(kinds, value, strict=True))
    elif _is_a(hint, value):
        return beside(value, base) if hint is Path else float(value) if hint is float else value
    raise WrongSetting(key, f"{'.'.join(key)} is {value!r}, not {described(hint)}")


def _is_a(hint: Any, value: Any) -> bool:
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is Path:
        return isinstance(value, Path) or (isinstance(value, str) and value != "")
    return isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _path_or_name(text: str, base: Path | None) -> Path | str:
    """A path if it looks like one, or lies there; else the name of something that is no file."""
    if base is None or "://" in text:
        return text
    return beside(text, base) if "/" in text or (base / text).exists() else text


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain_of(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value

"""Records as settings: types are checked, mistakes named with their place, and a written file reads back the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.settings import WrongSetting, described, hint_at, keys_of, merged, plain_of, record_of, words_of
from sa3dhp_edge.settings_file import SettingsFileError, line_of, read_settings, toml_of


@dataclass(frozen=True)
class Inner:
    """What lies within."""

    share: float = 0.5
    """A share
    on two lines."""
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ConfigError("a share is at most 1", "give less")


@dataclass(frozen=True)
class Outer:
    """What holds it."""

    name: str
    count: int | None = None
    on: bool = False
    files: Path | tuple[Path, ...] | None = None
    box: tuple[float, float] = (1.0, 2.0)
    model: Path | str = "shipped"
    inner: Inner = field(default_factory=Inner)


def test_values_become_a_record_and_back() -> None:
    values = {"name": "n", "count": 3, "on": True, "files": ["a", "b"], "box": [1, 2.5], "inner": {"kind": "b"}}
    record = record_of(Outer, values)
    assert record == Outer("n", 3, True, (Path("a"), Path("b")), (1.0, 2.5), inner=Inner(kind="b"))
    assert record_of(Outer, plain_of(record)) == record


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nmae": "n"}, r"unknown setting nmae[\s\S]*did you mean 'name'"),
        ({"name": "n", "inner": {"knid": 1}}, r"unknown setting inner.knid[\s\S]*'kind'"),
        ({"name": 3}, "name is 3, not a text"),
        ({"name": "n", "count": 1.5}, "count is 1.5, not a whole number"),
        ({"name": "n", "count": True}, "count is True, not a whole number"),
        ({"name": "n", "on": 1}, "on is 1, not true or false"),
        ({"name": "n", "files": 3}, "files is 3, not a path or a list, each a path"),
        ({"name": "n", "files": ""}, "not a path"),
        ({"name": "n", "box": [1]}, r"box is \[1\], not a list of 2 numbers"),
        ({"name": "n", "box": [1, "x"]}, "box is 'x', not a number"),
        ({"name": "n", "inner": 3}, "inner is 3, not a table"),
        ({"name": "n", "inner": {"kind": "c"}}, "inner.kind is 'c', not one of a, b"),
        ({"name": "n", "inner": {"share": float("nan")}}, "inner.share is nan, not a number"),
        ({"name": "n", "inner": {"share": 2}}, r"at most 1[\s\S]*give less"),
        ({}, "name must be given"),
    ],
)
def test_a_wrong_value_says_which_key_what_was_expected_and_what_was_found(values: dict, words: str) -> None:
    with pytest.raises(WrongSetting, match=words):
        record_of(Outer, values)


def test_keys_types_and_words_of_a_record() -> None:
    assert list(keys_of(Outer))[-2:] == [("inner", "share"), ("inner", "kind")]
    assert described(hint_at(Outer, ("inner", "kind"))) == "one of a, b"
    assert words_of(Inner) == {"share": "A share on two lines."}


def test_what_is_above_wins_table_by_table() -> None:
    below = {"name": "n", "inner": {"share": 0.1, "kind": "b"}}
    assert merged(below, {"inner": {"share": 0.2}}) == {"name": "n", "inner": {"share": 0.2, "kind": "b"}}
    assert below["inner"] == {"share": 0.1, "kind": "b"}


TEXT = """name = "n"  # a comment

files = [
  "a",
  "b",
]
text = '''
[inner]
share = 3
'''
[inner]
share = 7
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [(("name",), 1), (("files",), 3), (("text",), 7), (("inner",), 11), (("inner", "share"), 12), (("inner", "x"), 11)],
)
def test_the_line_of_a_key(key: tuple[str, ...], line: int) -> None:
    assert line_of(TEXT, key) == line


def test_an_absent_key_has_no_line() -> None:
    assert line_of(TEXT, ("other",)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'name = "n"\n\n[inner]\nshare = "x"\n',
            r"s.toml, line 4: inner.share is 'x', not a number[\s\S]*--print-config",
        ),
        ('name = "n"\ncuont = 3\n', r"s.toml, line 2: unknown setting cuont[\s\S]*did you mean 'count'"),
        ("inner.kind = 'c'\n", r"s.toml, line 1: inner.kind is 'c'"),
        ("name = n\n", r"s.toml is no TOML: .*line 1[\s\S]*quotes"),
        (b"name = '\xff'\n", "is not UTF-8"),
    ],
)
def test_a_mistake_in_a_file_has_its_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsFileError, match=words):
        read_settings(path, Outer)


def test_a_file_that_is_not_there_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match=r"cannot be read: No such file[\s\S]*--print-config"):
        read_settings(tmp_path / "s.toml", Outer)


def test_paths_in_a_file_are_relative_to_it_and_names_stay(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('files = ["a", "/b"]\nmodel = "shipped"\n')
    assert read_settings(path, Outer) == {"files": (tmp_path / "a", Path("/b")), "model": "shipped"}
    path.write_text('files = "~nobody-of-that-name/a"\n')
    assert read_settings(path, Outer) == {"files": tmp_path / "~nobody-of-that-name/a"}
    path.write_text('files = "a"\nmodel = "models/hall"\n')
    assert read_settings(path, Outer) == {"files": tmp_path / "a", "model": tmp_path / "models/hall"}
    (tmp_path / "hall").mkdir()
    path.write_text('model = "hall"\n')
    assert read_settings(path, Outer) == {"model": tmp_path / "hall"}


def test_a_written_file_says_what_each_setting_means() -> None:
    text = toml_of(Outer("n", inner=Inner(kind="b")))
    assert '# (one of a, b)\nkind = "b"\n' in text.replace("#  (", "# (")
    assert "# A share on two lines.\nshare = 0.5\n" in text
    assert "# What lies within.\n[inner]\n" in text
    assert "# count =\n" in text


def test_a_path_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ConfigError, match="files is no Unicode text"):
        toml_of(Outer("n", files=Path("a\udcff")))

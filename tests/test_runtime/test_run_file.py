"""The settings of a run: every one can be written and read back; what was said beside a file wins."""

from __future__ import annotations

import typing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.config import RuntimeConfig
from runtime.run_file import run_config
from runtime.run_start import as_of_now
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.settings import built, hint_at, keys_of, merged, plain_of, words_of
from sa3dhp_edge.settings_file import SettingsFileError, toml_of

KEYS = list(keys_of(RuntimeConfig))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
PATH = TEXT.map(lambda text: Path("/") / text)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a setting's type, but None, which a file says by leaving it out."""
    if typing.get_origin(hint) is Literal:
        return st.sampled_from(typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        one, *more = typing.get_args(hint)
        if more == [Ellipsis]:
            return st.lists(values_of(one), max_size=3).map(tuple)
        return st.tuples(*(values_of(kind) for kind in (one, *more)))
    if members := [m for m in typing.get_args(hint) if m is not type(None)]:
        return st.one_of([values_of(m) for m in members])
    floats = st.floats(0, 1e6) | st.floats(allow_nan=False, allow_infinity=False)
    plain = {bool: st.booleans(), int: st.integers(0, 2000) | st.integers(), float: floats, str: TEXT, Path: PATH}
    return plain[hint]


def strategy(key: tuple[str, ...]) -> st.SearchStrategy[Any]:
    special = {"model": st.just("shipped") | PATH, "source": st.sampled_from(["0", "-", "rtsp://u:p@c/s", "/v.mp4"])}
    return special[key[-1]] if key[-1] in special else values_of(hint_at(RuntimeConfig, key))


@st.composite
def run_configs(draw: st.DrawFn) -> RuntimeConfig:
    """Some settings of a run, those left out that the record refuses beside the others."""
    values: dict[str, Any] = draw(st.sampled_from(({"camera": 3}, {"video": Path("/v.mp4")}, {"source": "rtsp://c/s"})))
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True)):
        said = draw(strategy(key))
        for part in reversed(key):
            said = {part: said}
        try:
            built(RuntimeConfig, merged(values, said))
        except ConfigError:
            continue
        values = merged(values, said)
    return built(RuntimeConfig, values)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(run_configs())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, cfg: RuntimeConfig) -> None:
    path = tmp_path_factory.mktemp("settings") / "run.toml"
    path.write_text(toml_of(cfg), encoding="utf-8", newline="")
    assert run_config(file=path) == cfg


def test_every_setting_has_words_and_can_be_left_out() -> None:
    """A file says None by leaving a setting out, so None must be what it then is."""
    assert len(KEYS) > 50
    for key in KEYS:
        record: Any = RuntimeConfig(camera=0)
        for part in key[:-1]:
            record = getattr(record, part)
        assert words_of(type(record)).get(key[-1]), f"{'.'.join(key)} has no words"
        if type(None) in typing.get_args(hint_at(RuntimeConfig, key)) and key != ("camera",):
            assert getattr(record, key[-1]) is None, f"{'.'.join(key)} cannot be set to None in a file"


def test_what_was_said_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('camera = 2\nheight_mm = 1800\nbox = [1, 2, 3, 4]\n[input]\nrotate_deg = 90\nflip = "vertical"\n')
    cfg = run_config({"video": Path("v.mp4"), "detector": "d.onnx", "input": {"rotate_deg": 180}}, path)
    assert (cfg.camera, cfg.video, cfg.box, cfg.detector) == (None, Path("v.mp4"), None, Path("d.onnx"))
    assert (cfg.height_mm, cfg.input.rotate_deg, cfg.input.flip) == (1800.0, 180, "vertical")
    assert plain_of(cfg)["input"] == {"rotate_deg": 180, "flip": "vertical", "realtime": False}


def test_the_height_said_replaces_the_files_subject(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('camera = 0\nsubject = "me.json"\n')
    assert run_config(file=path).subject == tmp_path / "me.json"
    said = run_config({"height_mm": 1600}, path)
    assert (said.subject, said.height_mm) == (None, 1600.0)


@pytest.mark.parametrize(
    ("source", "path"),
    [("hall.mp4", True), ("pictures/", True), ("rtsp://c/s", False), ("0", False), ("-", False), ("raw:4x4@3", False)],
)
def test_an_address_that_is_a_path_is_relative_to_the_file(tmp_path: Path, source: str, path: bool) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f'source = "{source}"\n')
    assert run_config(file=file).source == (str(tmp_path / source) if path else source)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("threads = 1\n", r"run.toml: name exactly one input"),
        ("camera = 0\n[input]\nrotate_deg = 45\n", r"run.toml, \[input\]: a picture cannot be turned by 45"),
        ("camera = 0\n[tracker]\npatience = 45\n", r"run.toml, line 3: unknown setting tracker.patience"),
    ],
)
def test_what_cannot_be_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(SettingsFileError, match=words):
        run_config(file=path)


def test_a_run_that_begins_again_writes_other_files() -> None:
    cfg = RuntimeConfig(camera=0, out=(Path("o/poses-{start}.jsonl"), Path("p.csv")), overlay=Path("{start}.mp4"))
    first, second = (as_of_now(cfg, datetime(2026, 12, 1, 7, 0, s, tzinfo=timezone.utc)) for s in (1, 2))
    assert first.outs == (Path("o/poses-20261201T070001Z.jsonl"), Path("p.csv"))
    assert first.overlay == Path("20261201T070001Z.mp4")
    assert first.outs[0] != second.outs[0]
    assert replace(first, out=cfg.outs, overlay=cfg.overlay) == cfg

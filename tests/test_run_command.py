"""`run` with a settings file: each option reaches its setting, wins over the file, and all can be printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from runtime.config import InputConfig, RuntimeConfig
from sa3dhp_edge.cli import app
from sa3dhp_edge.commands.run import NO_SETTINGS
from sa3dhp_edge.settings import keys_of

Shell = Callable[..., Any]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[RuntimeConfig]:
    """What `run` hands to the device's side."""
    import runtime.service

    configs: list[RuntimeConfig] = []
    monkeypatch.setattr(runtime.service, "run_stream", lambda cfg: configs.append(cfg) or {})
    return configs


def test_every_option_is_named_as_its_setting() -> None:
    names = {p.name for p in typer.main.get_command(app).commands["run"].params}  # type: ignore[attr-defined]
    assert names - {*NO_SETTINGS, "help"} <= {key[-1] for key in keys_of(RuntimeConfig)}


def test_all_options_reach_the_settings(shell: Shell, ran: list[RuntimeConfig]) -> None:
    line = (
        "run --model m --input rtsp://c/s --rotate 90 --flip horizontal --camera-format MJPG --camera-size 640x480"
        " --camera-fps 15 --realtime --camera-timeout-s 9 --out a.jsonl --out b.csv --overlay o.mp4 --max-frames 5"
        " --box 1,2,3,4 --intrinsics c.json --height-mm 1800 --smoothing raw --threads 2 --backend onnx --engines e"
        " --overwrite"
    )
    assert shell(*line.split()).code == 0
    assert ran == [
        RuntimeConfig(
            model="m", source="rtsp://c/s", out=(Path("a.jsonl"), Path("b.csv")), overlay=Path("o.mp4"),
            overwrite=True, box=(1.0, 2.0, 3.0, 4.0), intrinsics=Path("c.json"), height_mm=1800.0, max_frames=5,
            threads=2, backend="onnx", engines=Path("e"), smoothing="raw", camera_timeout_s=9.0,
            input=InputConfig(90, "horizontal", "MJPG", (640, 480), 15.0, True),
        )
    ]  # fmt: skip


def test_an_option_wins_over_the_file_also_with_its_default(shell: Shell, ran: list[RuntimeConfig]) -> None:
    Path("run.toml").write_text("camera = 1\nthreads = 4\noverwrite = true\n[input]\nrotate_deg = 90\n")
    assert shell("run", "--config", "run.toml").code == 0
    assert (ran[0].camera, ran[0].threads, ran[0].overwrite, ran[0].input.rotate_deg) == (1, 4, True, 90)
    said = "run --config run.toml --video v.mp4 --threads 0 --no-overwrite --rotate 0"
    assert shell(*said.split()).code == 0
    assert ran[1] == RuntimeConfig(video=Path("v.mp4"))


def test_what_is_printed_begins_a_file_that_runs_the_same(shell: Shell, ran: list[RuntimeConfig]) -> None:
    first = shell("run", "--print-config")
    assert (first.code, first.err) == (0, "")
    Path("run.toml").write_text(first.out)
    said = "run --config run.toml --input hall.mp4 --out p.jsonl --rotate 180"
    again = shell(*said.split(), "--print-config")
    Path("elsewhere").mkdir()
    Path("elsewhere/run.toml").write_text(again.out)
    assert not ran
    assert shell("run", "--config", "elsewhere/run.toml").code == 0
    here = Path.cwd()
    assert ran[0] == RuntimeConfig(
        source=str(here / "hall.mp4"), out=(here / "p.jsonl",), input=InputConfig(rotate_deg=180)
    )


def test_a_mistake_in_the_file_is_wrong_usage_and_names_the_line(shell: Shell) -> None:
    Path("run.toml").write_text("camera = 0\nthraeds = 4\n")
    outcome = shell("run", "--config", "run.toml")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "error: run.toml, line 2: unknown setting thraeds\nhint: did you mean 'threads'?\n"


@pytest.mark.parametrize("said", ["--height-mm 1700 --subject s", "--box 1,2,3,4 --detector d", "--video v"])
def test_options_that_exclude_each_other_are_wrong_usage(shell: Shell, said: str) -> None:
    outcome = shell("run", "--camera", "0", *said.split())
    assert (outcome.code, "one of them" in outcome.err) == (2, True)

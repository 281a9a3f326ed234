"""The command line: help, parsing, what is printed where, and the exit status. Jobs are stand-ins."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sa3dhp_edge
from calib import session
from runtime.run_start import as_of_now
from runtime.world import load_world
from sa3dhp_edge import extras
from sa3dhp_edge.cli import app, main
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM

COMMANDS = (
    "demo",
    "pretrain",
    "adapt",
    "export",
    "run",
    "convert",
    "schema",
    "eval",
    "bench",
    "calib camera",
    "calib floor",
    "calib subject",
    "engine build",
    "engine list",
    "engine prune",
    "doctor",
    "service print",
    "data check",
    "experiment ablation",
    "experiment settings",
    "experiment levers",
    "experiment relations",
    "experiment images",
    "experiment acceptance",
    "experiment confidence",
    "experiment joints",
    "experiment alternatives",
    "experiment speed",
)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]
Install = Callable[[str, Callable[..., Any]], list[dict[str, Any]]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the command line in this process as a shell would, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sa3dhp-edge", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Outcome(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a stand-in where a command will import its job; returns what it was called with."""

    def put(where: str, answer: Callable[..., Any]) -> list[dict[str, Any]]:
        module, name = where.rsplit(".", 1)
        calls: list[dict[str, Any]] = []

        def job(*args: Any, **kwargs: Any) -> Any:
            calls.append(kwargs | {"args": args} if args else kwargs)
            return answer()

        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: job}))
        return calls

    return put


def help_of(command: str) -> str:
    result = CliRunner().invoke(app, [*command.split(), "--help"], terminal_width=100)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example_that_exists(command: str) -> None:
    text = help_of(command)
    examples = re.findall(rf"^ +(sa3dhp-edge {command}.*)$", text, re.MULTILINE)
    assert examples
    for example in examples:
        for word in shlex.split(example):
            assert not word.startswith("--") or re.search(rf"^  {word}\b", text, re.MULTILINE), f"{word} in {example}"


def test_the_list_of_commands_is_complete() -> None:
    text = help_of("")
    for command in COMMANDS:
        line = re.search(rf"^  {command.split()[0]} .*$", text, re.MULTILINE)
        assert line, command
        assert not line[0].endswith("..."), "the first sentence is too long for the list"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("schema", "service print")])
def test_every_result_can_be_read_by_a_program(command: str) -> None:
    assert "--json" in help_of(command)


def test_version(call: Call) -> None:
    assert call("--version") == Outcome(0, f"{sa3dhp_edge.__version__}\n", "")


def test_it_runs_as_a_module_from_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sa3dhp_edge", "--version"]
    where = os.environ | {"PYTHONPATH": str(Path(sa3dhp_edge.__file__).parent.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=where, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, sa3dhp_edge.__version__, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command"),
        (["adapt", "--out", "r"], "--target"),
        (["adapt", "--target", "t", "--out", "r", "--box", "1,2,3"], "3 numbers, not 4"),
        (["adapt", "--target", "t", "--out", "r", "--box", "1,2,x,4"], "is not 4 numbers"),
        (["adapt", "--target", "t", "--out", "r", "--box", "5,2,3,4"], "x0 < x1"),
        (["experiment", "ablation", "--out", "o", "--seeds", "0,1.5"], "not whole"),
        (["experiment", "levers", "--out", "o", "--seeds", "one"], "is not numbers"),
        (["calib", "camera", "--pictures", "p", "--out", "c", "--size", "9"], "1 numbers, not 2"),
        (["calib", "camera", "--pictures", "p", "--camera", "0", "--out", "c"], "only one"),
        (["calib", "camera", "--pictures", "p"], "camera.json to write"),
        (["calib", "camera", "--pictures", "p", "--out", "c", "--board", "circles"], "chessboard"),
        (["run", "--camera", "0", "--height-mm", "1700", "--subject", "s"], "one of them"),
        (["run", "--model", "m"], "only one"),
        (["run", "--model", "m", "--camera", "0", "--video", "v"], "only one"),
        (["run", "--camera", "0", "--camera-size", "1280"], "1 numbers, not 2"),
        (["run", "--camera", "0", "--rotate", "45"], "is not one of"),
        (["bench", "--model", "m", "--threads", "two"], "is not numbers"),
        (["bench", "--people", "0"], "below 1"),
        (["bench", "--threads", "-1"], "below 0"),
        (["bench", "--backend", "magic"], "is not one of"),
        (["bench", "--peer", "openpose=x"], "not blazepose=PYTHON or trtexec=ENGINE"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(call: Call, arguments: list[str], words: str) -> None:
    outcome = call(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err


def test_an_error_is_two_lines_on_stderr(call: Call, install: Install) -> None:
    def fail() -> None:
        raise InputError("hall.mp4 cannot be read", "convert it")

    install("sa3dhp_edge.jobs.demo.demo", fail)
    assert call("demo") == Outcome(1, "", "error: hall.mp4 cannot be read\nhint: convert it\n")


def test_debug_shows_where_an_error_comes_from(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise InputError("hall.mp4 cannot be read")

    install("sa3dhp_edge.jobs.demo.demo", fail)
    monkeypatch.setenv("SA3DHP_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["sa3dhp-edge", "demo"])
    with pytest.raises(InputError):
        main()


def test_json_is_alone_on_stdout_and_strict(call: Call, install: Install) -> None:
    def answer() -> dict[str, object]:
        print("a package that prints")  # noqa: T201
        logging.getLogger("sa3dhp_edge.jobs").info("a log line")
        return {
            "before_mm": np.float32(100.5),
            "after_mm": float("nan"),
            "run": Path("runs/a"),
            "seeds": (0, 1),
            "spread": np.array([1.0, np.inf]),
            "config": Outcome(0, "o", "e"),
        }

    calls = install("sa3dhp_edge.jobs.demo.demo", answer)
    outcome = call("demo", "--out", "d", "--seed", "3", "--json")
    assert calls == [{"args": (Path("d"), 3)}]
    assert json.loads(outcome.out, parse_constant=pytest.fail) == {
        "before_mm": 100.5,
        "after_mm": None,
        "run": "runs/a",
        "seeds": [0, 1],
        "spread": [1.0, None],
        "config": {"code": 0, "out": "o", "err": "e"},
    }
    assert "a package that prints" in outcome.err


def test_a_person_reads_names_and_rounded_numbers(call: Call, install: Install) -> None:
    rows = [{"name": "l1z", "mm": 91.23456}, {"name": "l1v", "mm": None}]
    install(
        "sa3dhp_edge.jobs.demo.demo", lambda: {"report": Path("demo/report.html"), "mm": {"a": 1234.5}, "rows": rows}
    )
    assert call("demo").out == (
        "report: demo/report.html\nmm:\n  a: 1234\nrows:\n  - name l1z, mm 91.23\n  - name l1v, mm -\n"
    )


def test_adapt_hands_everything_over(call: Call, install: Install) -> None:
    calls = install("sa3dhp_edge.jobs.adapt.adapt", dict)
    line = (
        "adapt --target a.mp4 --from m --poses p --preset demo --set seed=2 --set adapt.cycles=3 --out r --resume"
        " --box 1,2,30.5,40 --detector d.onnx --labelled s1 --labelled s2"
    )
    assert call(*line.split()).code == 0
    assert calls == [
        {
            "target": Path("a.mp4"),
            "source": "synth",
            "poses": Path("p"),
            "start": "m",
            "preset": "demo",
            "overrides": ("seed=2", "adapt.cycles=3"),
            "out": Path("r"),
            "resume": True,
            "box": (1.0, 2.0, 30.5, 40.0),
            "detector": Path("d.onnx"),
            "beside": ("s1", "s2"),
        }
    ]


@pytest.mark.parametrize(
    ("line", "job", "wanted"),
    [
        (
            "pretrain --out r",
            "sa3dhp_edge.jobs.pretrain.pretrain",
            {
                "source": "synth",
                "poses": None,
                "start": None,
                "preset": None,
                "overrides": (),
                "out": Path("r"),
                "resume": False,
            },
        ),
        (
            "export runs/a --out m --name hall",
            "sa3dhp_edge.jobs.export.export_model",
            {
                "run": "runs/a",
                "out": Path("m"),
                "name": "hall",
                "crops": None,
                "precision": "fp32",
                "refit": False,
                "engine": False,
            },
        ),
        (
            "eval --model m --data c",
            "sa3dhp_edge.jobs.evaluate.evaluate",
            {"model": "m", "data": Path("c"), "box": None},
        ),
        (
            "experiment ablation --out o --seeds 4 --variants lcr,exact --targets real --clips c --from r --grounds g",
            "sa3dhp_edge.experiments.ablation.ablation",
            {
                "out": Path("o"),
                "grounds": Path("g"),
                "seeds": (4,),
                "table": "paper",
                "variants": ("lcr", "exact"),
                "targets": ("real",),
                "clips": Path("c"),
                "start": "r",
                "poses": None,
                "preset_name": None,
                "overrides": (),
            },
        ),
        (
            "experiment settings --out o --settings semi,unseen --preset edge",
            "sa3dhp_edge.experiments.settings_study.settings_study",
            {
                "out": Path("o"),
                "grounds": None,
                "seeds": (0, 1, 2),
                "chosen": ("semi", "unseen"),
                "preset_name": "edge",
                "overrides": (),
            },
        ),
        (
            "experiment relations --out o --rules z,v:flip --seeds 3 --domain park",
            "sa3dhp_edge.experiments.relations_study.relations",
            {
                "out": Path("o"),
                "grounds": None,
                "rules": ("z", "v:flip"),
                "seeds": (3,),
                "domain": "park",
                "preset_name": None,
                "overrides": (),
            },
        ),
        (
            "experiment confidence --model m --source f --clips c --out o",
            "sa3dhp_edge.experiments.confidence_study.confidence",
            {"model": "m", "source": Path("f"), "clips": Path("c"), "out": Path("o")},
        ),
        (
            "experiment speed --out o --from m --threads 2 --no-compile",
            "sa3dhp_edge.experiments.speed_study.speed",
            {
                "out": Path("o"),
                "start": "m",
                "preset_name": None,
                "overrides": (),
                "threads": 2,
                "compiled": False,
            },
        ),
        (
            "experiment images --run r --out o --clips c",
            "sa3dhp_edge.experiments.learning_curve.learning_curve",
            {"run": Path("r"), "clips": Path("c"), "out": Path("o")},
        ),
        (
            "experiment levers --out o --clips c --from r --variant-seeds 2 --set threads=1",
            "sa3dhp_edge.experiments.levers.levers",
            {
                "out": Path("o"),
                "clips": Path("c"),
                "poses": None,
                "start": Path("r"),
                "seeds": (0, 1, 2),
                "variant_seeds": 2,
                "overrides": ("threads=1",),
            },
        ),
        (
            "bench --model m --threads 1,2 --people 1,4 --soak-s 9 --pin --peer blazepose=p --out o --json",
            "sa3dhp_edge.jobs.bench.bench",
            {
                "args": (Path("o"),),
                "model": "m",
                "video": None,
                "frames": 200,
                "threads": (1, 2),
                "people": (1, 4),
                "backend": "onnx",
                "engines": None,
                "soak_s": 9.0,
                "pin": True,
                "peers": {"blazepose": Path("p")},
                "command": "sa3dhp-edge bench --model m --threads 1,2 --people 1,4 --soak-s 9 --pin --peer blazepose=p "
                "--out o --json",
            },
        ),
    ],
)
def test_a_command_is_one_call(call: Call, install: Install, line: str, job: str, wanted: dict[str, Any]) -> None:
    calls = install(job, dict)
    assert call(*line.split()).code == 0
    assert calls == [wanted]


def test_the_schema_is_printed_whole(call: Call) -> None:
    outcome = call("schema")
    assert (outcome.code, json.loads(outcome.out)["title"]) == (0, "sa3dhp-edge/poses/1")


def test_convert_is_one_call_and_an_unknown_suffix_a_clear_error(call: Call, install: Install) -> None:
    Path("p.jsonl").write_text("")
    outcome = call("convert", "p.jsonl", "--out", "w.fbx")
    assert outcome.code == 1
    assert "w.fbx: no format is called .fbx" in outcome.err
    assert "known are .csv, .npz, .bvh, .trc, .c3d" in outcome.err
    calls = install("runtime.outputs.formats.convert", dict)
    assert call("convert", "p.jsonl", "--out", "w.bvh", "--out", "w.trc", "--overwrite").code == 0
    assert calls == [{"args": (Path("p.jsonl"), [Path("w.bvh"), Path("w.trc")], True)}]


def test_run_makes_one_config(call: Call, install: Install) -> None:
    calls = install("runtime.service.run_stream", dict)
    line = (
        "run --model m --video v.mp4 --out p.jsonl --out w.bvh --overlay o.mp4 --max-frames 9 --overwrite --threads 2"
    )
    assert call(*line.split()).code == 0
    (config,) = calls[0]["args"]
    assert config.model == "m"
    assert (config.video, config.overlay) == (Path("v.mp4"), Path("o.mp4"))
    assert config.outs == (Path("p.jsonl"), Path("w.bvh"))
    assert (config.max_frames, config.overwrite, config.threads, config.camera) == (9, True, 2, None)
    assert config.height_mm == TEMPLATE_HEIGHT_MM
    assert config.camera_timeout_s is None


def test_run_passes_on_how_the_input_is_opened(call: Call, install: Install) -> None:
    calls = install("runtime.service.run_stream", dict)
    line = "run --input /dev/video2 --rotate 270 --flip vertical --camera-format MJPG --camera-size 1280x720"
    assert call(*line.split(), "--camera-fps", "60", "--realtime", "--camera-timeout-s", "20").code == 0
    (config,) = calls[0]["args"]
    opened = config.input
    assert (config.source, config.camera_timeout_s) == ("/dev/video2", 20.0)
    assert (opened.rotate_deg, opened.flip, opened.camera_format) == (270, "vertical", "MJPG")
    assert (opened.camera_size_wh, opened.camera_fps, opened.realtime) == ((1280, 720), 60.0, True)


@pytest.mark.parametrize(
    ("line", "job", "name", "model"),
    [
        ("bench --json", "sa3dhp_edge.jobs.bench.bench", "model", "shipped"),
        ("eval --data c", "sa3dhp_edge.jobs.evaluate.evaluate", "model", "shipped"),
        ("adapt --target t --out r", "sa3dhp_edge.jobs.adapt.adapt", "start", "shipped"),
        ("adapt --target t --out r --from nothing", "sa3dhp_edge.jobs.adapt.adapt", "start", None),
        ("pretrain --out r", "sa3dhp_edge.jobs.pretrain.pretrain", "start", None),
    ],
)
def test_where_no_model_is_named(call: Call, install: Install, line: str, job: str, name: str, model: object) -> None:
    calls = install(job, dict)
    assert call(*line.split()).code == 0
    assert calls[0][name] == model


def test_a_camera_is_calibrated_with_the_board_that_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def measure(board: Any, out: Path, **how: Any) -> Any:
        asked.extend((board, out, how))
        how["say"]("3 views, taken: show it top left")
        return SimpleNamespace(
            rms_px=0.31, intrinsics=Intrinsics((700.0, 701.0), (320.0, 240.0)), focal_sd_px=(1.0, 1.1), views=(1, 2),
            left_out=(), coverage=SimpleNamespace(to_dict=lambda: {"cells": 0.9}),
        )  # fmt: skip

    monkeypatch.setattr(session, "calibrate_camera", measure)
    line = "calib camera --pictures pics --board chessboard --size 8x5 --square-mm 30 --out c.json --picture p.png"
    outcome = call(*line.split(), "--json")
    board, out, how = asked
    assert (board.kind, board.corners_wh, board.square_mm, out) == ("chessboard", (8, 5), 30.0, Path("c.json"))
    given = {name: value for name, value in how.items() if value and name != "say"}
    assert given == {"pictures": Path("pics"), "picture": Path("p.png")}
    assert json.loads(outcome.out)["rms_px"] == 0.31
    assert "3 views, taken: show it top left\n" in outcome.err


def test_a_board_is_printed_with_its_paper_and_resolution(call: Call, tmp_path: Path) -> None:
    said = json.loads(call("calib", "camera", "--print-board", "board.pdf", "--json").out)
    assert (said["paper"], said["paper_mm"], said["px_per_mm"]) == ("A4", [297.0, 210.0], 11.8)
    assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")
    again = call("calib", "camera", "--print-board", "board.pdf")
    assert (again.code, "--overwrite" in again.err) == (1, True)


def test_a_subject_is_noted_and_run_reads_it(call: Call, install: Install) -> None:
    assert call("calib", "subject", "--height-cm", "183", "--out", "me.json").code == 0
    calls = install("runtime.service.run_stream", dict)
    assert call("run", "--camera", "0", "--subject", "me.json").code == 0
    assert as_of_now(calls[0]["args"][0]).height_mm == 1830.0
    wrong = call("calib", "subject", "--height-cm", "1.83", "--out", "you.json")
    assert (wrong.code, "50 to 250" in wrong.err) == (1, True)


def test_a_floor_that_is_given_is_noted_and_run_reads_it(call: Call, install: Install) -> None:
    to = ("--out", "w.json", "--json")
    said = json.loads(
        call("calib", "floor", "--tilt-deg", "12", "--roll-deg", "-3", "--camera-height-mm", "2200", *to).out
    )
    assert (said["tilt_deg"], said["roll_deg"], said["camera_height_mm"]) == (
        pytest.approx(12),
        pytest.approx(-3),
        2200,
    )
    again = call("calib", "floor", "--gravity=-0.0,9.81,0", "--camera-height-mm", "2000", "--overwrite", *to)
    assert (json.loads(again.out)["tilt_deg"], json.loads(again.out)["roll_deg"]) == (0, 0)
    calls = install("runtime.service.run_stream", dict)
    assert call("run", "--camera", "0", "--world", "w.json").code == 0
    assert load_world(calls[0]["args"][0].world).camera_mm[2] == 2000


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "--tilt-deg, --gravity"),
        ("--camera 0 --tilt-deg 3 --intrinsics c.json", "name one of them"),
        ("--camera 0", "calib camera"),
        ("--camera 0 --intrinsics c.json --camera-height-mm 2000", "the board says it"),
        ("--tilt-deg 12", "--camera-height-mm"),
        ("--gravity 0,1,0 --roll-deg 3 --camera-height-mm 2000", "gravity says it already"),
        ("--gravity 0,1 --camera-height-mm 2000", "--gravity"),
    ],
)
def test_a_floor_that_is_asked_for_wrongly_is_refused(call: Call, line: str, words: str) -> None:
    outcome = call("calib", "floor", "--out", "w.json", *line.split())
    assert outcome.code == 2
    assert words in outcome.err


@pytest.mark.parametrize("line", ["adapt --target t --out runs/a", "pretrain --out runs/a"])
def test_interrupted_training_says_how_to_go_on(call: Call, install: Install, line: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    install("sa3dhp_edge.jobs.{0}.{0}".format(line.split()[0]), interrupt)
    outcome = call(*line.split())
    assert (outcome.code, outcome.out) == (130, "")
    assert "--resume continues runs/a" in outcome.err


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("adapt --target t --out r", "adapt"),
        ("pretrain --out r", "adapt"),
        ("experiment ablation --out o", "adapt"),
        ("experiment settings --out o", "adapt"),
        ("experiment levers --out o", "adapt"),
        ("experiment relations --out o", "adapt"),
        ("experiment confidence --source f --out o", "adapt"),
        ("experiment images --run r --out o", "adapt"),
        ("export r --out m", "export"),
        ("demo", "adapt"),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    call: Call, monkeypatch: pytest.MonkeyPatch, line: str, extra: str
) -> None:
    there = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else there(name))
    outcome = call(*line.split())
    assert outcome.code == 1
    assert re.search(r"error: .* needs torch, which is not installed", outcome.err)
    assert f"hint: pip install 'sa3dhp-edge[{extra}]'" in outcome.err

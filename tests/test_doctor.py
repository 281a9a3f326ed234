"""The doctor finds what is wrong, survives what crashes, and says what mends it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from runtime.engines.driver import Gpu
from sa3dhp_edge import doctor
from sa3dhp_edge.cli import app
from sa3dhp_edge.doctor import Finding, devices, examine, machine, models, nvidia, packages, torch_build
from sa3dhp_edge.doctor.ask import Answer, Question, ask, ask_all
from sa3dhp_edge.doctor.torch_build import has_code_for
from sa3dhp_edge.doctor.torch_build import questions as torch_questions

ORIN = Gpu("Orin", (8, 7), 7620, True, "12.6", "540.4.0")
SOUND = {
    "opencv": "/v/cv2/__init__.py\n  GStreamer:   NO\n  FFMPEG:   YES",
    "onnxruntime": "CPUExecutionProvider",
    "torch": "2.13.0 - - - -",
    "shipped": "ok edge, 128 px, every file as it was made",
    "engines": "",
}


@pytest.fixture(scope="session")
def owners() -> Mapping[str, list[str]]:
    """Who brings which import name: slow to find out, and always the same."""
    return metadata.packages_distributions()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, owners: Mapping[str, list[str]]) -> dict[str, Answer]:
    """What the native packages say, by the question's name; starts with a sound workstation without a GPU."""
    monkeypatch.setattr(metadata, "packages_distributions", lambda: owners)
    said = {name: Answer(words) for name, words in SOUND.items()}
    monkeypatch.setattr(doctor, "ask_all", lambda questions: said)
    monkeypatch.setattr(nvidia, "find_gpu", lambda: None)
    jetson(monkeypatch, None)
    return said


def jetson(monkeypatch: pytest.MonkeyPatch, release: str | None) -> None:
    for module in (machine, nvidia, packages):
        monkeypatch.setattr(module, "l4t_release", lambda: release)


def find(name: str) -> Finding:
    (found,) = [f for f in examine() if f.name == name]
    return found


def test_this_machine_can_run_the_program(answers: dict[str, Answer]) -> None:
    for name in ("python", "machine", "packages", "opencv", "onnxruntime", "torch"):
        assert find(name).status == "ok"
    assert not [f for f in examine() if f.name in ("import names", "engine", "engines", "TensorRT")]


def test_what_is_not_well_has_a_way_out(answers: dict[str, Answer]) -> None:
    answers["opencv"] = Answer("", "libGL.so.1 is missing")
    answers["onnxruntime"] = Answer("", "stopped by signal 4")
    for name, words in (("opencv", "libGL.so.1"), ("onnxruntime", "signal 4")):
        found = find(name)
        assert found.status == "problem"
        assert words in found.detail
        assert "pip install" in found.fix


def test_the_shipped_model_is_looked_at(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find("shipped model").status == "ok"
    answers["shipped"] = Answer("bad g.onnx is damaged")
    assert (find("shipped model").status, find("shipped model").detail) == ("problem", "g.onnx is damaged")
    answers["shipped"] = Answer("", "no numpy")
    assert "cannot be read: no numpy" in find("shipped model").detail
    del answers["shipped"]
    assert (find("shipped model").status, "--model" in find("shipped model").fix) == ("note", True)
    monkeypatch.setattr(models, "FOLDER", tmp_path / "none")
    assert "shipped" not in models.questions()


def test_what_is_asked_of_our_own_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    answers = ask_all(models.questions())
    assert answers["shipped"].said.startswith("ok "), answers["shipped"].failed
    assert answers["engines"] == Answer("")


def test_engines_are_listed_with_their_state(answers: dict[str, Answer]) -> None:
    answers["engines"] = Answer("usable\thall-fp16-1a\t\nstale\thall-fp16-2b\tTensorRT 10.3.0 -> 10.13.2")
    usable, stale = (f for f in examine() if f.name == "engine")
    assert (usable.status, usable.detail) == ("ok", "hall-fp16-1a, usable")
    assert (stale.status, "10.3.0 -> 10.13.2" in stale.detail) == ("note", True)
    assert "engine build" in stale.fix
    answers["engines"] = Answer("", "no such module")
    assert (find("engines").status, find("engines").fix) == ("note", "sa3dhp-edge engine list")


def test_two_builds_of_opencv_are_a_problem(answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", lambda name: "contrib" not in name)
    two = next(f for f in examine() if f.name == "opencv")
    assert two.status == "problem"
    assert "overwrite each other" in two.detail


def test_an_opencv_without_video_is_noted(answers: dict[str, Answer]) -> None:
    answers["opencv"] = Answer("/v/cv2.so\n  GStreamer:   NO\n  FFMPEG:   NO")
    found = find("opencv")
    assert (found.status, found.detail) == ("note", "/v/cv2.so, FFMPEG no, GStreamer no: few videos open")
    answers["opencv"] = Answer("/v/cv2.so\n  GStreamer:   YES (1.20)\n  FFMPEG:   NO")
    assert find("opencv").status == "ok"


def test_a_jetson_without_gstreamer_is_told_of_jetpacks_own(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    jetson(monkeypatch, "36.4.3")
    found = find("opencv")
    assert (found.status, "CSI" in found.detail, "--system-site-packages" in found.fix) == ("note", True, True)


@pytest.mark.parametrize(
    ("release", "python", "status", "words"),
    [
        ("36.4.3", (3, 10), "ok", "JetPack 6.2"),
        ("36.4.3", (3, 11), "note", "for Python 3.10"),
        ("38.2.1", (3, 12), "ok", "JetPack 7.0"),
        ("35.4.1", (3, 10), "problem", "too old"),
        ("99.1.0", (3, 10), "note", "unknown here"),
    ],
)
def test_a_jetson_is_recognised(
    answers: dict[str, Answer],
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    python: tuple[int, int],
    status: str,
    words: str,
) -> None:
    jetson(monkeypatch, release)
    monkeypatch.setattr(machine.sys, "version_info", (*python, 0))
    found = find("machine")
    assert found.status == status
    assert f"L4T {release}" in found.detail
    assert words in found.detail
    assert bool(found.fix) == (status != "ok")


def test_tensorrt_without_a_driver_is_only_named(answers: dict[str, Answer]) -> None:
    answers["tensorrt"] = Answer("10.3.0")
    assert "CPU" in find("NVIDIA GPU").detail
    assert (find("TensorRT").status, "no driver" in find("TensorRT").detail) == ("note", True)


def test_a_jetson_without_tensorrt_is_told_where_it_is(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    jetson(monkeypatch, "36.4.3")
    assert "--system-site-packages" in find("TensorRT").fix


def test_a_driver_and_tensorrt_are_reported(answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "find_gpu", lambda: ORIN)
    monkeypatch.setattr(nvidia, "cuda_toolkit", lambda: "12.6.68")
    answers.update(tensorrt=Answer("10.3.0"), drawing=Answer(""))
    assert find("NVIDIA GPU").detail == "Orin, sm87, driver 540.4.0 for CUDA 12.6"
    monkeypatch.setattr(nvidia, "find_gpu", lambda: replace(ORIN, devices=3))
    assert "Orin and 2 more" in find("NVIDIA GPU").detail
    assert find("CUDA").detail.startswith("12.6.68")
    assert (find("TensorRT").status, find("TensorRT").detail) == ("ok", "10.3.0")
    assert "passes" in find("generated video").detail
    answers["drawing"] = Answer("numba finds no NVIDIA GPU")
    assert "on the CPU: numba finds no" in find("generated video").detail
    assert "synth-gpu" in find("generated video").fix
    answers["tensorrt"] = Answer("", "libnvinfer.so.10: cannot open")
    assert (find("TensorRT").status, "libnvinfer" in find("TensorRT").detail) == ("note", True)


@pytest.mark.parametrize(("installed", "problem"), [("13.0.3", True), ("12.9.10", False)])
def test_cuda_bindings_must_not_be_newer_than_the_driver(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch, installed: str, problem: bool
) -> None:
    monkeypatch.setattr(nvidia, "find_gpu", lambda: ORIN)
    monkeypatch.setattr(nvidia.metadata, "version", lambda name: installed)
    found = [f for f in examine() if f.name == "cuda-bindings"]
    assert bool(found) == problem
    assert all(f.status == "problem" and f.fix == "pip install 'cuda-bindings<13'" for f in found)


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ("2.8.0 12.6 8.7 sm_87 -", "ok", "trains on the GPU, compute capability 8.7"),
        ("2.13.0 13.0 8.7 sm_80,sm_90 -", "problem", "no code: only sm_80,sm_90"),
        ("2.3.0 12.6 8.7 sm_87 no-arrays", "problem", "NumPy 1"),
    ],
)
def test_a_torch_that_was_not_built_for_this_machine(
    answers: dict[str, Answer], said: str, status: str, words: str
) -> None:
    answers["torch"] = Answer(said)
    found = find("torch")
    assert (found.status, words in found.detail, bool(found.fix)) == (status, True, status != "ok")


@pytest.mark.parametrize(
    ("gpu", "compiled", "runs"),
    [
        ((8, 7), ["sm_87"], True),
        ((8, 7), ["sm_80", "sm_86"], False),  # a Jetson wants its own
        ((8, 6), ["sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "compute_80"], True),
        ((8, 9), ["sm_87"], False),
        ((12, 0), ["sm_100", "sm_120"], True),
        ((10, 3), ["sm_100a"], False),
        ((9, 0), ["sm_90a"], True),
        ((7, 5), ["gfx90a", "-"], False),
    ],
)
def test_which_gpu_runs_which_code(gpu: tuple[int, int], compiled: list[str], runs: bool) -> None:
    assert has_code_for(gpu, compiled) == runs


def test_what_torch_is_asked_is_answered() -> None:
    answer = ask(torch_questions()["torch"]) if torch_questions() else pytest.skip("PyTorch is not installed")
    version, *rest = answer.said.split()
    assert (version, len(rest)) == (metadata.version("torch"), 4), answer.failed


@pytest.mark.parametrize("cuda", ["cuda: Optional[str] = '12.6'", "cuda = '12.6'", "cuda: Optional[str] = None"])
def test_torch_is_imported_only_where_a_gpu_would_run_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cuda: str
) -> None:
    (tmp_path / "version.py").write_text(f"__all__ = ['cuda']\n__version__ = '2.8.0+x'\ndebug = False\n{cuda}\n")
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    loaded: list[str] = []
    monkeypatch.setattr(torch_build, "find_spec", lambda name: spec)
    monkeypatch.setattr(torch_build.ctypes, "CDLL", loaded.append)
    monkeypatch.setattr(torch_build, "_on_the_gpu", lambda: "8.7 sm_87 -")
    built = "12.6" if "12.6" in cuda else "-"
    monkeypatch.setattr(torch_build, "find_gpu", lambda: None)
    assert torch_build.describe() == f"2.8.0+x {built} - - -"
    assert loaded == [str(tmp_path / "lib" / "libtorch_python.so")]
    monkeypatch.setattr(torch_build, "find_gpu", object)
    assert torch_build.describe() == f"2.8.0+x {built} {'- - -' if built == '-' else '8.7 sm_87 -'}"


def test_libraries_that_do_not_load_leave_the_word_to_torchs_own_import(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "version.py").write_text("__version__ = '2.8.0'\ncuda = None\n")
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(doctor.__file__).parents[2]}")
    assert ask(Question(torch_build._ASK)) == Answer("", "ImportError: libgomp.so.1 is missing")


def test_a_package_built_for_numpy_1_is_told_apart(answers: dict[str, Answer]) -> None:
    code = "import sys; print('AttributeError: _ARRAY_API not found', file=sys.stderr); raise ImportError('x')"
    answers["opencv"] = answers["torch"] = ask(Question(code))
    for name in ("opencv", "torch"):
        assert "NumPy 1" in find(name).detail
        assert "numpy<2" in find(name).fix


def test_clocks(answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for core, lowest in (("cpu0", "1500000"), ("cpu1", "1500000")):
        folder = tmp_path / core / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_min_freq").write_text(lowest)
        (folder / "scaling_max_freq").write_text("1500000")
    assert machine.moving_clocks(tmp_path) is False
    (tmp_path / "cpu1" / "cpufreq" / "scaling_min_freq").write_text("115200")
    assert machine.moving_clocks(tmp_path) is True
    assert machine.moving_clocks(tmp_path / "none") is None
    monkeypatch.setattr(machine, "moving_clocks", lambda: True)
    monkeypatch.setattr(machine, "power_mode", lambda: "15W")
    jetson(monkeypatch, "36.4.3")
    assert (find("clocks").status, "power mode 15W" in find("clocks").detail) == ("note", True)
    assert "jetson_clocks" in find("clocks").fix


def test_memory(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2000000 kB\nSwapTotal:  0 kB\n")
    assert machine.memory_gb_of("MemAvailable", tmp_path / "meminfo") == pytest.approx(2.048)
    assert machine.memory_gb_of("SwapTotal", tmp_path / "meminfo") == 0
    assert machine.memory_gb_of("MemAvailable", tmp_path / "absent") is None


def test_little_memory_is_noted_and_little_swap_on_a_jetson(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory_gb_of", lambda kind: 0.5)
    assert (find("memory").status, find("memory").fix != "") == ("note", True)
    assert find("swap").status == "ok"
    jetson(monkeypatch, "36.4.3")
    assert (find("swap").status, "swapon" in find("swap").fix) == ("note", True)


def test_a_camera_that_is_closed_to_the_user(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "video0").write_text("")
    monkeypatch.setattr(devices, "DEV", tmp_path)
    assert find("cameras").status == "ok"
    monkeypatch.setattr(devices.os, "access", lambda *_: False)
    assert (find("cameras").status, "group video" in find("cameras").fix or "-aG video" in find("cameras").fix) == (
        "problem",
        True,
    )


def test_a_package_that_crashes_or_hangs_is_an_answer() -> None:
    assert ask(Question("print('fine')")) == Answer("fine")
    assert ask(Question("raise ImportError('no libfoo')")) == Answer("", "ImportError: no libfoo")
    assert ask(Question("import os, signal; os.kill(os.getpid(), signal.SIGILL)")).failed.startswith(
        "stopped by signal 4"
    )
    assert ask(Question("import time; time.sleep(9)", 0.2)).failed == "no answer within 0.2 s"


def test_questions_are_asked_at_once() -> None:
    start = time.monotonic()
    asked = {name: Question("import time; time.sleep(2); print(1)") for name in "abcd"}
    assert ask_all(asked) == dict.fromkeys("abcd", Answer("1"))
    assert time.monotonic() - start < 6
    assert ask_all({}) == {}


def test_a_foreign_package_of_our_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "__init__.py").write_text("")
    code = "from sa3dhp_edge.doctor.packages import own_names; print([f.detail for f in own_names({})])"
    root = Path(doctor.__file__).parents[2]
    set_up = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]; "
    done = subprocess.run([sys.executable, "-c", set_up + code], capture_output=True, text=True, timeout=60)
    assert "export is a foreign package" in done.stdout, done.stderr


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("note", 0), ("problem", 1)])
def test_the_command_ends_with_1_on_a_problem(monkeypatch: pytest.MonkeyPatch, status: str, code: int) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("disk", status, "1 GB", "free some")])  # type: ignore[arg-type]
    text = CliRunner().invoke(app, ["doctor"])
    assert text.exit_code == code
    assert "hint: free some" in text.stdout
    answer = CliRunner().invoke(app, ["doctor", "--json"])
    assert answer.exit_code == code
    assert json.loads(answer.stdout)["findings"][0]["name"] == "disk"

"""The doctor finds what is wrong, survives what crashes, and says what mends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sa3dhp_edge import doctor
from sa3dhp_edge.cli import app
from sa3dhp_edge.doctor import Finding, ask, available_memory_gb, examine, l4t_release


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """What the native packages say, by name; starts with a sound workstation."""
    said = {
        "cv2": ("/v/cv2/__init__.py\n  GStreamer:   NO\n  FFMPEG:   YES", ""),
        "onnxruntime": ("CPUExecutionProvider", ""),
        "torch": ("2.13.0 - False", ""),
        "tensorrt": ("10.3.0", ""),
        "sa3dhp_edge.contract": ("ok edge, 128 px, every file as it was made", ""),
        "sa3dhp_edge.synth.canvas": ("", ""),
    }
    monkeypatch.setattr(doctor, "ask", lambda code: said[code.split()[1].rstrip(";")])
    return said


def find(name: str) -> Finding:
    (found,) = [f for f in examine() if f.name == name]
    return found


def test_this_machine_can_run_the_program(answers: dict[str, tuple[str, str]]) -> None:
    for name in ("python", "machine", "packages", "opencv", "onnxruntime"):
        assert find(name).status == "ok"
    assert not [f for f in examine() if f.name == "import names"]


def test_what_is_not_well_has_a_way_out(answers: dict[str, tuple[str, str]]) -> None:
    answers.update(cv2=("", "libGL.so.1 is missing"), onnxruntime=("", "stopped by signal 4"))
    for name, words in (("opencv", "libGL.so.1"), ("onnxruntime", "signal 4")):
        found = find(name)
        assert found.status == "problem"
        assert words in found.detail
        assert "pip install" in found.fix


def test_the_shipped_model_is_looked_at(
    answers: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find("shipped model").status == "ok"
    answers["sa3dhp_edge.contract"] = ("bad g.onnx is damaged", "")
    assert (find("shipped model").status, find("shipped model").detail) == ("problem", "g.onnx is damaged")
    answers["sa3dhp_edge.contract"] = ("", "no numpy")
    assert "cannot be read: no numpy" in find("shipped model").detail
    monkeypatch.setattr(doctor, "FOLDER", tmp_path / "none")
    assert (find("shipped model").status, "--model" in find("shipped model").fix) == ("note", True)


def test_what_reads_the_shipped_model_reads_it() -> None:
    answer, failed = ask(doctor._READ_SHIPPED)
    assert answer.startswith("ok "), failed


def test_two_builds_of_opencv_are_a_problem(
    answers: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: "contrib" not in name)
    two = next(f for f in examine() if f.name == "opencv")
    assert two.status == "problem"
    assert "overwrite each other" in two.detail


def test_an_opencv_without_video_is_noted(answers: dict[str, tuple[str, str]]) -> None:
    answers["cv2"] = ("/v/cv2.so\n  GStreamer:   YES (1.20)\n  FFMPEG:   NO", "")
    found = find("opencv")
    assert (found.status, found.detail) == ("note", "/v/cv2.so, FFMPEG no, GStreamer yes: few videos open")


def test_a_jetson_is_recognised(answers: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "l4t_release", lambda: "36.4.0")
    assert "Jetson with L4T 36.4.0" in find("machine").detail


def test_tensorrt_is_not_touched_without_a_driver(
    answers: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    del answers["tensorrt"]  # asking would be a KeyError
    monkeypatch.setattr(doctor, "nvidia_driver", lambda: None)
    monkeypatch.setattr(doctor, "findable", lambda name: True)
    assert "CPU" in find("NVIDIA GPU").detail


def test_a_driver_and_tensorrt_are_reported(
    answers: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "nvidia_driver", lambda: (12060, 1))
    monkeypatch.setattr(doctor, "findable", lambda name: True)
    assert "CUDA 12.6" in find("NVIDIA GPU").detail
    assert find("TensorRT").detail == "10.3.0"
    assert "passes" in find("generated video").detail
    answers["sa3dhp_edge.synth.canvas"] = ("numba finds no NVIDIA GPU", "")
    assert "on the CPU: numba finds no" in find("generated video").detail
    assert "synth-gpu" in find("generated video").fix


@pytest.mark.parametrize(
    ("text", "release"),
    [("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic", "36.4.3"), ("something else", "unknown")],
)
def test_l4t_release(tmp_path: Path, text: str, release: str) -> None:
    (tmp_path / "nv_tegra_release").write_text(text)
    assert l4t_release(tmp_path / "nv_tegra_release") == release
    assert l4t_release(tmp_path / "absent") is None


def test_available_memory(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2000000 kB\n")
    assert available_memory_gb(tmp_path / "meminfo") == pytest.approx(2.048)
    assert available_memory_gb(tmp_path / "absent") is None


def test_little_memory_is_noted(answers: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_memory_gb", lambda: 0.5)
    assert (find("memory").status, find("memory").fix != "") == ("note", True)


def test_a_package_that_crashes_or_hangs_is_an_answer() -> None:
    assert ask("print('fine')") == ("fine", "")
    assert ask("raise ImportError('no libfoo')") == ("", "ImportError: no libfoo")
    assert ask("import os, signal; os.kill(os.getpid(), signal.SIGILL)")[1].startswith("stopped by signal 4")
    assert ask("import time; time.sleep(9)", timeout_s=0.2)[1].startswith("no answer within")


def test_a_foreign_package_of_our_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "__init__.py").write_text("")
    code = "from sa3dhp_edge.doctor import _own_names; print([f.detail for f in _own_names()])"
    root = Path(doctor.__file__).parent.parent
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

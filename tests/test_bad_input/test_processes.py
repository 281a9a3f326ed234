"""What happens to a real process: Ctrl-C, a kill, a full disk, packages that are not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sa3dhp_edge
from runtime.outputs import read_poses

Shell = Callable[..., Any]
HOME = str(Path(sa3dhp_edge.__file__).resolve().parent.parent)
BLOCKER = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
TRAINING = ("torch", "numba", "onnx", "onnxscript", "safetensors", "matplotlib", "tensorboard")


def start(folder: Path, *words: object, path: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """The command line as a process of its own, in a folder."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((*path, HOME)), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "sa3dhp_edge", *map(str, words)], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if there():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("it never came so far")


def mentions(path: Path, words: str) -> bool:
    return path.exists() and words in path.read_text()


@pytest.fixture
def without_training(tmp_path: Path) -> str:
    """A folder for PYTHONPATH that hides everything that trains."""
    folder = tmp_path / "blocker"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=TRAINING))
    return str(folder)


def test_a_device_needs_nothing_that_trains(
    tmp_path: Path, tiny_model: Path, tiny_run: Path, person_video: Path, without_training: str
) -> None:
    commands = {
        "run": ("--model", tiny_model, "--video", person_video, "--box", "40,0,280,240", "--max-frames", 3),
        "bench": ("--model", tiny_model, "--frames", 2),
        "eval": ("--model", tiny_model, "--data", tiny_run / "source_held_out"),
        "doctor": (),
    }
    started = {c: start(tmp_path, c, *words, "--json", path=(without_training,)) for c, words in commands.items()}
    for command, process in started.items():
        code, out, err = ended(process)
        assert code == 0 or command == "doctor", err
        assert json.loads(out), command


@pytest.mark.parametrize("command", ["adapt --target v --out r", "pretrain --out r", "export r --out m", "demo"])
def test_training_without_its_packages_names_them(tmp_path: Path, command: str, without_training: str) -> None:
    code, out, err = ended(start(tmp_path, *command.split(), path=(without_training,)))
    assert (code, out) == (1, "")
    assert "needs torch" in err
    assert "hint: pip install 'sa3dhp-edge[" in err
    assert {p.name for p in tmp_path.iterdir()} == {"blocker"}


@pytest.fixture
def long_video(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    frame = np.full((240, 320, 3), 90, np.uint8)
    return write_video(tmp_path / "long.mp4", [frame] * 20_000, 30.0)


def test_ctrl_c_ends_a_run_with_whole_outputs(tmp_path: Path, tiny_model: Path, long_video: Path) -> None:
    outputs = ("--out", "p.jsonl", "--overlay", "o.mp4", "--json")
    process = start(tmp_path, "run", "--model", tiny_model, "--video", long_video, "--box", "40,0,280,240", *outputs)
    wait_for(lambda: mentions(tmp_path / "p.jsonl", '"frame":20,'), process)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, "Traceback" in err) == (0, False)
    report, records = json.loads(out), read_poses(tmp_path / "p.jsonl")
    assert report["stopped"] is True
    assert 20 < report["frames"] == len(records) - 1 < 20_000
    assert round(cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == report["frames"]


def test_a_disk_that_is_full(shell: Shell, tiny_model: Path, person_video: Path) -> None:
    line = ("run", "--model", tiny_model, "--video", person_video, "--box", "40,0,280,240")
    outcome = shell(*line, "--out", "/dev/full", "--overwrite")
    assert (outcome.code, outcome.out) == (1, "")
    assert "/dev/full cannot be written: No space left on device" in outcome.err
    assert "hint: free some space" in outcome.err


def test_a_recording_on_a_disk_that_fills_up_is_whole_so_far(
    shell: Shell, tiny_model: Path, person_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.write, [5_000]

    def write(fd: int, data: bytes) -> int:
        done = real(fd, data[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr("runtime.outputs.jsonl.os.write", write)
    line = ("run", "--model", tiny_model, "--video", person_video, "--box", "40,0,280,240")
    outcome = shell(*line, "--out", "p.jsonl", "--overlay", "o.mp4")
    assert outcome.code == 1
    assert "error: p.jsonl cannot be written: the disk is full; the lines so far are whole" in outcome.err
    records = read_poses(Path("p.jsonl"))
    assert len(records) > 2
    assert cv2.VideoCapture("o.mp4").get(cv2.CAP_PROP_FRAME_COUNT) >= len(records) - 1


def test_an_overlay_that_lacks_frames_does_not_take_its_name(
    shell: Shell, tiny_model: Path, person_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """Takes two frames and says nothing of the others, as OpenCV does on a full disk."""

        fourcc = staticmethod(cv2.VideoWriter.fourcc)
        real = cv2.VideoWriter

        def __init__(self, *arguments: Any) -> None:
            self.video, self.left = self.real(*arguments), 2

        def write(self, image: np.ndarray) -> None:
            if self.left:
                self.video.write(image)
                self.left -= 1

        def __getattr__(self, name: str) -> Any:
            return getattr(self.video, name)

    monkeypatch.setattr("runtime.overlay.cv2.VideoWriter", Full)
    line = ("run", "--model", tiny_model, "--video", person_video, "--box", "40,0,280,240", "--overlay", "o.mp4")
    outcome = shell(*line)
    assert (outcome.code, outcome.out) == (1, "")
    assert "error: o.mp4 could not be written whole" in outcome.err
    assert list(Path().iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("stage", ["pose_autoencoder", "relation_z_flip", "source"])
def test_training_stopped_by_a_signal_goes_on_to_the_same_weights(
    tmp_path: Path, tiny_run: Path, tiny_settings: tuple[str, ...], stage: str, number: signal.Signals
) -> None:
    settings = [word for setting in tiny_settings for word in ("--set", setting)]
    line = ("pretrain", "--preset", "demo", *settings, "--out", "r")
    process = start(tmp_path, *line)
    wait_for(lambda: mentions(tmp_path / "r" / "log.jsonl", f'"{stage}"'), process)
    os.killpg(process.pid, number)
    code, _, err = ended(process)
    if number == signal.SIGINT:
        assert code == 130
        assert "--resume continues r" in err
        assert "Traceback" not in err
    assert ended(start(tmp_path, *line, "--resume"))[0] == 0
    for path in (tiny_run / "weights").glob("*.safetensors"):
        assert (tmp_path / "r" / "weights" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_an_export_that_is_killed_leaves_no_model(tmp_path: Path, tiny_run: Path) -> None:
    process = start(tmp_path, "export", tiny_run, "--out", "m")
    wait_for(lambda: any(tmp_path.glob(".m.*/g.onnx")), process)
    os.killpg(process.pid, signal.SIGKILL)
    ended(process)
    assert not (tmp_path / "m").exists()
    assert ended(start(tmp_path, "export", tiny_run, "--out", "m"))[0] == 0
    assert (tmp_path / "m" / "contract.json").exists()

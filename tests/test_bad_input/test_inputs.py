"""Cameras, videos, boxes and models that cannot be used: one clear error, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.outputs import read_poses
from sa3dhp_edge import shipped

Shell = Callable[..., Any]
Change = Callable[[Path, dict[str, Any]], object]
EXPORT_AGAIN = "export the model again from its run"


def fails(outcome: Any, error: str, hint: str) -> None:
    """Exit status 1, nothing on stdout, and the two lines at the end of stderr."""
    assert (outcome.code, outcome.out) == (1, ""), outcome.err
    assert "Traceback" not in outcome.err
    last = outcome.err.strip().splitlines()[-2:]
    assert last[0].startswith("error: ")
    assert error in last[0]
    assert last[1].startswith("hint: ")
    assert hint in last[1]


@pytest.fixture
def video(tmp_path: Path, person_video: Path) -> Callable[[str], Path]:
    """An input by what is wrong with it."""

    def make(wrong: str) -> Path:
        path = tmp_path / f"{wrong}.mp4"
        if wrong == "text":
            path.write_text("not a video")
        elif wrong == "empty":
            path.touch()
        elif wrong == "truncated":
            path.write_bytes(person_video.read_bytes()[:20_000])
        elif wrong == "folder":
            path.mkdir()
        return path

    return make


@pytest.mark.parametrize(
    ("wrong", "error", "hint"),
    [
        ("absent", "absent.mp4 is not there", "check the path"),
        ("text", "text.mp4 is not a video that can be read", "check that it plays"),
        ("empty", "empty.mp4 is not a video that can be read", "check that it plays"),
        ("truncated", "truncated.mp4 is not a video that can be read", "check that it plays"),
        ("folder", "folder.mp4 holds no picture", "put .jpg"),
    ],
)
def test_a_video_that_cannot_be_read(
    shell: Shell, video: Callable[[str], Path], tiny_model: Path, wrong: str, error: str, hint: str
) -> None:
    outputs = ("--out", "p.jsonl", "--overlay", "o.mp4")
    fails(shell("run", "--model", tiny_model, "--video", video(wrong), *outputs), error, hint)
    assert {p.suffix for p in Path().iterdir()} <= {".mp4"}
    assert not Path("o.mp4").exists()


@pytest.mark.parametrize("named", [("--camera", 63), ("--input", "/dev/video63")])
def test_a_camera_that_is_not_there(shell: Shell, tiny_model: Path, named: tuple[object, ...]) -> None:
    fails(shell("run", "--model", tiny_model, *named), "63 cannot be opened", "check that it is connected")


def test_nobody_in_a_video_is_recorded_and_said(shell: Shell, doubting_model: Path, noise_video: Path) -> None:
    line = ("run", "--model", doubting_model, "--video", noise_video, "--out", "p.jsonl", "--overlay", "o.mp4")
    fails(shell(*line), "nobody was found in", "--box or --detector")
    kinds = [record["record"] for record in read_poses(Path("p.jsonl"))]
    assert kinds == ["header"] + 12 * ["empty"]
    assert Path("o.mp4").stat().st_size > 1000
    fails(shell(*line), "p.jsonl exists already", "--overwrite")
    assert len(read_poses(Path("p.jsonl"))) == 13


def test_a_box_outside_the_frames(shell: Shell, tiny_model: Path, noise_video: Path) -> None:
    line = ("run", "--model", tiny_model, "--video", noise_video, "--box", "5000,5000,6000,6000")
    fails(shell(*line), "the box 5000,5000,6000,6000 lies outside the frames of 320 x 240", "--box")


@pytest.mark.parametrize("box", ["0,0,inf,inf", "nan,0,1,1"])
def test_a_box_without_numbers_is_wrong_usage(shell: Shell, box: str) -> None:
    outcome = shell("run", "--model", "m", "--video", "v", "--box", box)
    assert (outcome.code, outcome.out) == (2, "")


def test_a_detector_that_is_none(shell: Shell, tiny_model: Path, noise_video: Path) -> None:
    line = ("run", "--model", tiny_model, "--video", noise_video, "--detector")
    fails(shell(*line, "none.onnx"), "the detector none.onnx is not there", "YOLOX")
    fails(shell(*line, tiny_model / "e_m.onnx"), "a YOLOX takes one (1, 3, H, W)", "export the detector")


@pytest.mark.parametrize("command", ["run --video v.mp4 --model", "bench --model", "eval --data d --model"])
@pytest.mark.parametrize(
    ("model", "error"),
    [("none", "none is not there"), ("empty", "is no model folder"), ("file", "is no model folder")],
)
def test_a_model_that_is_none(shell: Shell, tmp_path: Path, command: str, model: str, error: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    fails(shell(*command.split(), model), error, "sa3dhp-edge export RUN --out MODEL")


@pytest.mark.parametrize(
    "command", ["run --video v.mp4", "bench", "eval --data d", "adapt --target v.mp4 --out r", "export shipped --out m"]
)
def test_a_program_that_came_without_its_model(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_video: Path, command: str
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "none")
    shutil.copy(noise_video, "v.mp4")
    fails(shell(*command.split()), f"is not there: {tmp_path / 'none'}", "name another model folder")
    assert not Path("r").exists()


def _rehashed(model: Path, raw: dict[str, Any], file: str) -> None:
    raw["files"][file] = hashlib.sha256((model / file).read_bytes()).hexdigest()


def _swapped(model: Path, raw: dict[str, Any]) -> None:
    shutil.copy(model / "e_m.onnx", model / "frozen" / "e_p.onnx")
    _rehashed(model, raw, "frozen/e_p.onnx")


def _trash(model: Path, raw: dict[str, Any]) -> None:
    (model / "g.onnx").write_text("trash")
    _rehashed(model, raw, "g.onnx")


def _image(side: int) -> list[dict[str, Any]]:
    return [{"name": "image", "shape": ["batch", 3, side, side], "dtype": "float32"}]


DAMAGE: dict[str, tuple[Change, str, str]] = {
    "other g": (lambda m, _: (m / "g.onnx").write_bytes(b"x"), "g.onnx is damaged or was exchanged", "export RUN"),
    "no weights": (lambda m, _: (m / "weights/e_p.safetensors").unlink(), "e_p.safetensors is missing", "export RUN"),
    "older": (lambda _, c: c.update(format=0), "has model format 0, this version reads 1", EXPORT_AGAIN),
    "newer": (lambda _, c: c.update(format=9), "has model format 9, this version reads 1", "update sa3dhp-edge"),
    "format is a word": (lambda _, c: c.update(format="new"), "cannot be read as a contract", "export RUN"),
    "crop is a word": (lambda _, c: c.update(crop_px="wide"), "is incomplete", EXPORT_AGAIN),
    "mean is a word": (lambda _, c: c.update(mean="abc"), "is incomplete", EXPORT_AGAIN),
    "mean of one": (lambda _, c: c.update(mean=[0.5]), "is incomplete", EXPORT_AGAIN),
    "files is a list": (lambda _, c: c.update(files=["g.onnx"]), "is incomplete", EXPORT_AGAIN),
    "cycle is a word": (lambda _, c: c["confidence"].update(cycle="abc"), "is incomplete", EXPORT_AGAIN),
    "no inputs": (lambda _, c: c.update(inputs=[]), "its crops have 32 px", EXPORT_AGAIN),
    "other crop": (lambda _, c: c.update(crop_px=64), "its crops have 64 px", EXPORT_AGAIN),
    "other size": (lambda _, c: c.update(inputs=_image(64), crop_px=64), "the contract says", EXPORT_AGAIN),
    "other output": (lambda _, c: c["outputs"][0].update(name="q"), "lists no output z", EXPORT_AGAIN),
    "swapped networks": (_swapped, "e_p.onnx has no input pose_mm", EXPORT_AGAIN),
    "trash with its hash": (_trash, "cannot be loaded as an ONNX network", EXPORT_AGAIN),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_model(shell: Shell, tiny_model: Path, noise_video: Path, tmp_path: Path, name: str) -> None:
    damage, error, hint = DAMAGE[name]
    model = tmp_path / "bad"
    shutil.copytree(tiny_model, model)
    raw = json.loads((model / "contract.json").read_text())
    damage(model, raw)
    (model / "contract.json").write_text(json.dumps(raw))
    fails(shell("run", "--model", model, "--video", noise_video, "--out", "p.jsonl"), error, hint)
    assert not Path("p.jsonl").exists()


@pytest.mark.parametrize("content", [b"", b'{"format": 1', b"[1]", b"\xff\xfe"])
def test_a_contract_that_is_no_json(shell: Shell, tiny_model: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(tiny_model, tmp_path / "bad")
    (tmp_path / "bad" / "contract.json").write_bytes(content)
    fails(shell("bench", "--model", "bad"), "cannot be read as a contract", "export RUN")


def test_a_frame_set_that_is_damaged(shell: Shell, tiny_model: Path, tiny_run: Path, tmp_path: Path) -> None:
    def score(file: str, content: bytes) -> Any:
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        shutil.copytree(tiny_run / "source_held_out", tmp_path / "set")
        (tmp_path / "set" / file).write_bytes(content)
        return shell("eval", "--model", tiny_model, "--data", "set")

    again = "make the frame set again"
    for content in (b"", b"{", b"[]", b"{}"):
        fails(score("set.json", content), "set is no frame set", "a frame set holds")
    fails(score("set.json", b'{"format": 7}'), "set has frame set format 7", again)
    fails(score("set.json", b'{"format": 1}'), "set is incomplete", again)
    for file in ("images.npy", "frames.npz"):
        whole = (tiny_run / "source_held_out" / file).read_bytes()
        for content in (b"", b"trash", whole[: len(whole) // 2]):
            fails(score(file, content), "set is damaged", again)


def test_pictures_of_another_kind_are_no_frame_set(shell: Shell, tiny_model: Path, tiny_run: Path) -> None:
    shutil.copytree(tiny_run / "source_held_out", "set")
    np.save("set/images.npy", np.load("set/images.npy").astype(np.float32))
    fails(shell("eval", "--model", tiny_model, "--data", "set"), "images are float32", "")

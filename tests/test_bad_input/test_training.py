"""Training that cannot begin, or that is broken off: refused before the work, resumed to the same weights."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sa3dhp_edge.training.log import Log

Shell = Callable[..., Any]


@pytest.fixture
def tiny(tiny_settings: tuple[str, ...]) -> list[str]:
    """The options of the tiny run."""
    return ["--preset", "demo", *(word for setting in tiny_settings for word in ("--set", setting))]


def fails(outcome: Any, error: str, hint: str = "") -> None:
    assert (outcome.code, outcome.out) == (1, ""), outcome.err
    assert "Traceback" not in outcome.err
    text = " ".join(outcome.err.split())
    assert f"error: {error}" in text or error in text.split("error: ")[-1]
    assert hint in text.split("hint: ")[-1]


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        ("--set adapt.cycels=3", "unknown setting 'adapt.cycels'", "did you mean 'cycles'?"),
        ("--set adapt=3", "'adapt' is a section", "adapt.cycles"),
        ("--set adapt.cycles=many", "adapt.cycles='many' is not", ""),
        ("--set adapt.cycles", "has no value", "--set section.key=value"),
        ("--preset fast", "there is no preset 'fast'", "edge, paper, demo"),
        ("--set image.backbone=vit", "is not known", ""),
        ("--set source.domain=moon", "there is no domain 'moon'", "studio"),
        ("--set relations.rules_z=flip_up", "rule 'flip_up' has an unknown part 'up'", "parts: flip"),
        ("--set relations.rules_v=slow@30", "rule 'slow@30'", ""),
        ("--preset paper --set image.imagenet_weights=none.pth", "no ImageNet weights at none.pth", "ResNet-50"),
        ("--resume", "there is no run at r", "leave --resume out"),
        ("--source none", "none is no frame set", "set.json"),
        ("--poses none", "none is no folder", "name the folder"),
        ("--poses empty", "empty has no motion capture", "name the folder"),
        ("--poses damaged", "walk.bvh", ""),
    ],
)
def test_what_cannot_be_trained_leaves_nothing(
    shell: Shell, tmp_path: Path, options: str, error: str, hint: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "walk.bvh").write_text("HIERARCHY\nROOT hip\n{\n  OFFSET a b c\n")
    fails(shell("pretrain", "--out", "r", *options.split()), error, hint)
    assert not Path("r").exists()


def test_an_output_below_a_file_is_an_output_error(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(shell("pretrain", "--out", "file/r"), "file/r/settings.json cannot be written", "another path")
    fails(shell("pretrain", "--out", "file"), "file exists already", "--resume")


def test_a_labelled_source_of_another_kind(shell: Shell, tiny_run: Path, tiny: list[str]) -> None:
    line = ("pretrain", "--out", "r", "--preset", "demo", "--source")
    fails(shell(*line, tiny_run / "source"), "has crops of 32 px, the network takes 64 px", "image.crop_px=32")
    shutil.copytree(tiny_run / "source", "plain")
    columns = _columns(Path("plain"))
    _rewrite(Path("plain"), {k: v for k, v in columns.items() if not k.startswith("joints")})
    fails(shell("pretrain", "--out", "r", *tiny, "--source", "plain"), "plain has no labels", "labelled frame set")
    _rewrite(Path("plain"), columns | {"clip": columns["clip"] * 0})
    fails(shell("pretrain", "--out", "r", *tiny, "--source", "plain"), "fewer than two clips", "divide it")
    assert not Path("r").exists()


def _columns(folder: Path) -> dict[str, Any]:
    import numpy as np

    with np.load(folder / "frames.npz") as data:
        return dict(data)


def _rewrite(folder: Path, columns: dict[str, Any]) -> None:
    import numpy as np

    np.savez(folder / "frames.npz", **columns)


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        ("--target none.mp4", "there is no video, folder or frame set at none.mp4", "name a video"),
        ("--target empty", "empty holds no video", ".mp4"),
        ("--target text.mp4", "text.mp4 is not a video", "check that it plays"),
        ("--target {video} --detector none.onnx", "the detector none.onnx is not there", "YOLOX"),
        ("--target {video} --set pose_autoencoder.steps=5", "changes what the model was trained with", "adapt.*"),
        ("--target {video} --set source.domain=moon", "there is no domain 'moon'", "studio"),
        ("--target {video} --source empty", "empty is no frame set", "set.json"),
        ("--target {video} --resume", "there is no run at r", "leave --resume out"),
    ],
)
def test_what_cannot_be_adapted_to_leaves_nothing(
    shell: Shell, tmp_path: Path, tiny_run: Path, noise_video: Path, options: str, error: str, hint: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    words = options.format(video=noise_video).split()
    fails(shell("adapt", "--from", tiny_run, "--out", "r", *words), error, hint)
    assert not Path("r").exists()


@pytest.mark.parametrize("start", ["none", "empty"])
def test_a_start_that_is_no_model(shell: Shell, tmp_path: Path, noise_video: Path, start: str) -> None:
    (tmp_path / "empty").mkdir()
    outcome = shell("adapt", "--target", noise_video, "--from", start, "--out", "r")
    fails(outcome, start, "")
    assert not Path("r").exists()


def _interrupt_in(stage: str, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def scalars(self: Log, name: str, step: int, values: dict[str, float]) -> None:
        if name == stage:
            raise error

    monkeypatch.setattr(Log, "scalars", scalars)


def _weights(run: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((run / "weights").glob("*.safetensors"))}


def test_training_broken_off_in_every_stage_ends_as_one_that_was_not(
    shell: Shell, tiny: list[str], tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line: list[object] = ["pretrain", "--out", "r", *tiny]
    for stage in ("pose_autoencoder", "motion_autoencoder", "relation_z_flip", "relation_v_slow_backward", "source"):
        with monkeypatch.context() as patch:
            _interrupt_in(stage, patch, KeyboardInterrupt())
            outcome = shell(*line)
        assert (outcome.code, outcome.out) == (130, ""), stage
        assert "interrupted: the same command with --resume continues r" in outcome.err
        fails(shell(*line[: len(line) - ("--resume" in line)]), "r exists already", "--resume")
        line = [*line, *([] if "--resume" in line else ["--resume"])]
    outcome = shell(*line, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["run"] == "r"
    assert _weights(Path("r")) == _weights(tiny_run)
    fails(
        shell("pretrain", "--out", "r", "--resume", "--set", "seed=5"), "seed was 0, now 5", "resume it without --set"
    )


def test_a_full_disk_in_training_is_said_and_resumed_from(
    shell: Shell, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _interrupt_in("motion_autoencoder", patch, OSError(errno.ENOSPC, "No space left on device"))
        fails(shell("pretrain", "--out", "r", *tiny), "No space left on device", "free some space")
    assert Path("r/stages/pose_autoencoder.json").exists()
    assert not Path("r/stages/motion_autoencoder.json").exists()

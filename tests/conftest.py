"""What all tests share: seeded chance, one tiny model trained once, and no test that this machine cannot run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.engines.driver import find_gpu
from sa3dhp_edge.extras import findable

TINY = (
    "threads=1", "motion.procedural_seconds=30", "image.width=8", "image.crop_px=32",
    "pose_autoencoder.steps=40", "pose_autoencoder.batch=32",
    "motion_autoencoder.steps=4", "motion_autoencoder.batch=4",
    "relations.rules_z=flip", "relations.rules_v=flip_backward_tilt50,slow_backward",
    "relations.steps=4", "relations.batch=16", "relations.study_samples=8",
    "source.clips=8", "source.frames_per_clip=4", "source.held_out_clips=3",
    "source.steps=160", "source.batch=16", "source.lr=0.01",
    "adapt.cycles=2", "adapt.clips_per_step=2", "adapt.frames_per_clip=4", "adapt.replay_batch=4",
    "adapt.check_every=1", "adapt.collapse_floor=0", "adapt.forgetting_ceiling=1000",
)  # fmt: skip
"""Settings over the demo's that train every stage in seconds; the result follows a box and knows no poses."""


@dataclass(frozen=True)
class Outcome:
    """Exit status and what a command printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def tiny_settings() -> tuple[str, ...]:
    return TINY


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of every training stage; tests must not change it."""
    from sa3dhp_edge.jobs.pretrain import pretrain

    out = tmp_path_factory.mktemp("runs") / "tiny"
    pretrain(source="synth", poses=None, preset="demo", overrides=TINY, out=out, resume=False)
    return out


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run exported, and sure of itself: it finds somebody wherever it looks; tests must not change it."""
    from sa3dhp_edge.jobs.export import export_model

    out = tmp_path_factory.mktemp("models") / "tiny"
    export_model(run=str(tiny_run), out=out, name=None, crops=None)
    return _believing(out, cycle=10.0, joint_score=1e-6)


@pytest.fixture(scope="session")
def doubting_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, sure of nothing: it finds nobody anywhere."""
    out = tmp_path_factory.mktemp("models") / "doubting"
    shutil.copytree(tiny_model, out)
    return _believing(out, cycle=1e-12)


def _believing(model: Path, **references: float) -> Path:
    """A model folder with other references for its confidence."""
    contract = json.loads((model / "contract.json").read_text())
    contract["confidence"] |= references | {"mpjpe": None, "pa_mpjpe": None}
    (model / "contract.json").write_text(json.dumps(contract))
    return model


@pytest.fixture(scope="session")
def person_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a rendered person, 320 x 240 at 30 FPS."""
    from sa3dhp_edge.motion.load import unpaired_motion
    from sa3dhp_edge.synth.domain import DOMAINS
    from sa3dhp_edge.synth.render import render_video

    made = render_video(
        DOMAINS["site"], unpaired_motion(None, 20, 1), seconds=2.0, fps=30.0, size_wh=(320, 240), seed=1
    )
    return save_video(tmp_path_factory.mktemp("video") / "person.mp4", list(made.frames()), made.fps)


@pytest.fixture(scope="session")
def noise_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames without a person."""
    chance = np.random.default_rng(0)
    frames = [chance.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(12)]
    return save_video(tmp_path_factory.mktemp("video") / "noise.mp4", frames, 30.0)


@pytest.fixture(scope="session")
def write_video() -> Callable[[Path, list[np.ndarray], float], Path]:
    return save_video


def save_video(path: Path, frames: list[np.ndarray], fps: float) -> Path:
    h, w = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (w, h))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Outcome]:
    """Run the command line in this process as a shell would, in a folder of its own."""
    from sa3dhp_edge.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sa3dhp-edge", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Outcome(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def pytest_runtest_setup(item: pytest.Item) -> None:
    wants_gpu = item.get_closest_marker("gpu") or item.get_closest_marker("tensorrt")
    if wants_gpu and find_gpu() is None:
        pytest.skip("no NVIDIA driver answers")
    if item.get_closest_marker("tensorrt") and not findable("tensorrt"):
        pytest.skip("TensorRT is not installed")

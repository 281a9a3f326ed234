"""Real clips as a ground: what is cut and what is scored are two things, and a clip that serves no loss says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from sa3dhp_edge.errors import ConfigError, NobodyFound
from sa3dhp_edge.experiments import real_ground as job
from sa3dhp_edge.experiments.real_ground import real_ground
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.evaluate import COMMON


def write_clip(folder: Path, seed: int, frames: int = 5) -> None:
    """A grey video and 13 joints of nobody, seen by a pinhole camera."""
    xyz = np.random.default_rng(seed).uniform((-500, -500, 3000), (500, 500, 4000), (frames, 13, 3))
    folder.mkdir(parents=True)
    writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
    for _ in range(frames):
        writer.write(np.full((240, 320, 3), 90, np.uint8))
    writer.release()
    np.savez(
        folder / "gt_joints.npz", joints=np.array(list(COMMON.values())), xyz_cam_mm=xyz, fps=25.0,
        uv_px=200 * xyz[..., :2] / xyz[..., 2:] + [160, 120], in_mocap_range=np.ones(frames, bool),
    )  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(("lab/walk", "lab/empty")):
        write_clip(folder / name, seed)
    return folder


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch, tiny_run: Path) -> list[tuple[Path, dict[str, Any]]]:
    """In place of the runtime's cutter: one clip of the source's pictures, nobody in the second video; its calls."""
    calls: list[tuple[Path, dict[str, Any]]] = []

    def cutter(video: Path, model: object, crop_px: int, **options: Any) -> FrameSet:
        calls.append((video, options))
        if video.parent.name == "empty":
            raise NobodyFound("nobody was found in it")
        source = FrameSet.load(tiny_run / "source")
        return source.take(source.clips()[0]).without_labels()

    monkeypatch.setattr(job, "cut_clips", cutter)
    monkeypatch.setattr(job, "write_model", lambda *_, **__: None)
    monkeypatch.setattr(job.Model, "load", lambda _: SimpleNamespace(close=lambda: None))
    return calls


def test_what_is_cut_is_adapted_to_and_the_truth_scored(
    clips: Path, cut: list[tuple[Path, dict[str, Any]]], tiny_run: Path, tmp_path: Path
) -> None:
    given: Any = (tmp_path / "real", clips, str(tiny_run), None, None, ("adapt.cycles=1",), tmp_path / "trials")
    with real_ground(*given) as ground:
        assert sorted(ground.tests) == ["lab/empty", "lab/walk"]
        assert list(ground.clips) == ["lab/walk"]
        assert ground.left_out == {"lab/empty": "nobody was found in it"}
        cfg = ground.settings.adapt
        source = ground.trial("source", "lab/walk", None, 3)
        replayed = ground.trial("continued", "lab/walk", replace(cfg, losses=("replay",)), 3)
        contrast = ground.trial("lcr", "lab/walk", replace(cfg, losses=("lcr",)), 3)
        assert not ground.clips["lab/walk"].labelled
    assert {video for video, _ in cut} == {clips / name / "video.mp4" for name in ("lab/walk", "lab/empty")}
    assert all(set(options) == {"seed", "finder", "max_frames"} for _, options in cut)
    assert replayed["pa_mpjpe"] != source["pa_mpjpe"]
    assert "no loss can be computed" in contrast["impossible"]
    assert {k: contrast[k] for k in ("mpjpe", "pa_mpjpe", "auc")} == {
        k: source[k] for k in ("mpjpe", "pa_mpjpe", "auc")
    }
    assert (source["target"], source["seed"]) == ("real/lab/walk", 3)
    kept = sorted(path.name for path in (tmp_path / "trials" / "seed3").iterdir())
    assert kept == [f"real_lab_walk-{name}.json" for name in ("continued", "lcr", "source")]

    with real_ground(*given) as again:
        assert again.trial("source", "lab/walk", None, 3) == source
    assert sorted(video.parent.name for video, _ in cut) == ["empty", "empty", "walk"]
    with pytest.raises(ConfigError, match=r"adapt\.cycles was 1, now 2"), real_ground(*given[:5], (), given[6]):
        pass

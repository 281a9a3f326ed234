"""Errors of a model in mm: on a labelled frame set and on a clip with its truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from runtime.model import Model
from sa3dhp_edge.errors import DataError, NobodyFound
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.evaluate import COMMON, evaluate, on_frame_set
from sa3dhp_edge.jobs.run_folder import RunFolder

BOX = (40.0, 0.0, 280.0, 240.0)


@pytest.fixture
def clip(person_video: Path, tmp_path: Path) -> Path:
    """A clip folder of 60 frames, of which 40 have truth: everybody 3 m away."""
    folder = tmp_path / "clip"
    folder.mkdir()
    shutil.copy(person_video, folder / "video.mp4")
    chance = np.random.default_rng(3)
    names = ["nose", *COMMON.values()]
    xyz = chance.normal(0, 300, (60, len(names), 3)) + np.array([0, 0, 3000])
    scored = np.arange(60) < 40
    np.savez(folder / "gt_joints.npz", joints=np.array(names), xyz_cam_mm=xyz, in_mocap_range=scored)
    return folder


def test_the_exported_model_errs_as_the_trained_one(tiny_run: Path, tiny_model: Path) -> None:
    report = evaluate(model=str(tiny_model), data=tiny_run / "source_held_out", box=None)
    trained = RunFolder(tiny_run, None).report("source")  # type: ignore[arg-type]
    assert report["frames"] == 12
    for name in ("mpjpe", "pa_mpjpe", "pck_150", "auc"):
        assert report[name] == pytest.approx(trained[name], abs=0.02), name


def test_batches_change_nothing(tiny_run: Path, tiny_model: Path) -> None:
    frames, model = FrameSet.load(tiny_run / "source_held_out"), Model.load(tiny_model, threads=1)
    whole, parts = on_frame_set(model, frames), on_frame_set(model, frames, batch=5)
    assert parts == pytest.approx(whole, rel=1e-4)


def test_a_clip_is_scored_where_it_has_truth(clip: Path, tiny_model: Path) -> None:
    report = evaluate(model=str(tiny_model), data=clip, box=BOX)
    assert report["frames"] == 40
    assert 0 < report["found"] <= 1
    assert 0 < report["pa_mpjpe"] <= report["mpjpe"]
    assert 0 <= report["auc"] <= report["pck_150"] <= 1


def test_nobody_in_a_clip_is_said(clip: Path, doubting_model: Path) -> None:
    with pytest.raises(NobodyFound, match=r"nobody was found in .*video.mp4[\s\S]*--box"):
        evaluate(model=str(doubting_model), data=clip, box=None)


def test_what_cannot_be_scored_is_named(clip: Path, tiny_model: Path, tiny_run: Path, tmp_path: Path) -> None:
    model = str(tiny_model)
    held = FrameSet.load(tiny_run / "source_held_out")
    FrameSet(np.asarray(held.images), held.crop_px, held.clip, held.time_s).save(tmp_path / "unlabelled")
    with pytest.raises(DataError, match=r"has no labels[\s\S]*evaluate on a labelled one"):
        evaluate(model=model, data=tmp_path / "unlabelled", box=None)
    with pytest.raises(DataError, match=r"neither a labelled frame set nor a clip[\s\S]*video.mp4 and gt_joints.npz"):
        evaluate(model=model, data=tmp_path, box=None)
    np.savez(clip / "gt_joints.npz", joints=np.array(["nose"]), xyz_cam_mm=np.zeros((1, 1, 3)), in_mocap_range=[True])
    with pytest.raises(DataError, match="neither a labelled frame set nor a clip with its truth: 'mid_hip'"):
        evaluate(model=model, data=clip, box=None)


def test_truth_without_a_scored_frame_is_named(clip: Path, tiny_model: Path) -> None:
    with np.load(clip / "gt_joints.npz") as data:
        truth = dict(data)
    np.savez(clip / "gt_joints.npz", **truth | {"in_mocap_range": np.zeros(60, bool)})
    with pytest.raises(DataError, match="has no frame with truth"):
        evaluate(model=str(tiny_model), data=clip, box=BOX)

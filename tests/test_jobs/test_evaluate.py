"""Errors of a model in mm: on a labelled frame set and on a clip with its truth."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.model import Model
from sa3dhp_edge.errors import DataError, NobodyFound
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.evaluate import COMMON, clip_figures, evaluate, in_picture, of_root, on_frame_set
from sa3dhp_edge.jobs.run_folder import RunFolder

SCORER = Path(__file__).resolve().parents[2] / "../shared/checks/score_poses.py"
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
    assert report["pa_mpjpe"] <= report["mpjpe_rigid"] <= report["mpjpe"]
    assert not {"px", "root"} & set(report), "nothing tells of the camera and of the picture"


def test_a_clip_with_its_camera_is_scored_in_the_picture_and_in_the_room(clip: Path, tiny_model: Path) -> None:
    with np.load(clip / "gt_joints.npz") as data:
        truth = dict(data)
    k = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])
    px = truth["xyz_cam_mm"] @ k.T
    np.savez(clip / "gt_joints.npz", **truth, uv_px=px[..., :2] / px[..., 2:])
    (clip / "camera.json").write_text(json.dumps({"K": k.tolist(), "dist": []}))
    report = evaluate(model=str(tiny_model), data=clip, box=BOX)
    assert 0 < report["px"] < 400
    assert 0 <= report["pck_torso"] <= 1
    assert max(report["root_depth"], report["root_lateral"]) <= report["root"]
    assert report["root"] <= report["root_depth"] + report["root_lateral"]


def test_joints_in_the_picture_and_the_root_by_hand() -> None:
    names = tuple(COMMON)
    truth = np.zeros((2, 13, 2))
    corners = {"right_shoulder": (-30, -40), "left_shoulder": (30, -40), "right_hip": (-30, 40), "left_hip": (30, 40)}
    for name, place in corners.items():
        truth[:, names.index(name)] = place  # both diagonals are 100 px
    guess = truth.copy()
    guess[:, :3, 0] += [[19.0, 21.0, 0.0], [19.0, 21.0, 0.0]]
    truth[1, 5] = np.nan
    report = in_picture(guess, truth, names)
    assert report["px"] == pytest.approx(80 / 25)
    assert report["pck_torso"] == pytest.approx(23 / 25)
    root = of_root(np.array([[3.0, 4.0, 1012.0]]), np.array([[0.0, 0.0, 1000.0]]))
    assert root == pytest.approx({"root": 13.0, "root_depth": 12.0, "root_lateral": 5.0})


def test_a_frame_set_is_scored_in_the_picture_and_in_the_room(tiny_run: Path, tiny_model: Path) -> None:
    report = evaluate(model=str(tiny_model), data=tiny_run / "source_held_out", box=None)
    trained = RunFolder(tiny_run, None).report("source")  # type: ignore[arg-type]
    assert report["px"] == pytest.approx(trained["uv"] * 16, rel=0.02), "half of 32 px to a unit"
    assert report["root"] > max(report["root_depth"], report["root_lateral"]) > 0


@pytest.mark.skipif(not SCORER.is_file(), reason="the independent scorer is not here")
def test_an_independent_scorer_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(4)
    truth = chance.normal(0, 250, (40, 13, 3)) + chance.normal(0, 20, (40, 1, 1)) + np.array([0, 0, 4000.0])
    turn, _ = np.linalg.qr(chance.normal(size=(3, 3)))
    poses = ((truth - truth[:, :1]) @ (turn * np.linalg.det(turn)) * 1.1 + chance.normal(0, 30, truth.shape)).round(2)
    poses[[0, 5, 6, 30]] = np.nan
    scored = np.arange(40) < 35
    np.savez(tmp_path / "gt_joints.npz", joints=np.array(list(COMMON.values())), xyz_cam_mm=truth,
             in_mocap_range=scored, uv_px=np.zeros((40, 13, 2)))  # fmt: skip
    lines = [{"record": "header", "joints": list(COMMON)}]
    lines += [
        {"record": "pose", "frame": n, "joints_mm": pose.tolist(), "joints_px": np.zeros((13, 2)).tolist()}
        for n, pose in enumerate(poses)
        if np.isfinite(pose).all()
    ]
    (tmp_path / "poses.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setattr(sys, "argv", ["score", str(tmp_path / "poses.jsonl"), str(tmp_path), "--json"])
    runpy.run_path(str(SCORER), run_name="__main__")
    theirs, ours = json.loads(capsys.readouterr().out), clip_figures(poses, truth, scored)
    assert ours["mpjpe"] > 2 * ours["mpjpe_rigid"], "the invented poses are turned"
    pairs = {"frames": "frames", "found": "found", "pa_mpjpe": "pa_mpjpe", "mpjpe_rigid": "mpjpe_rigid",
             "mpjpe_camera": "mpjpe", "jitter": "jitter", "jitter_truth": "jitter_truth"}  # fmt: skip
    for their_name, name in pairs.items():
        assert ours[name] == pytest.approx(theirs[their_name], abs=0.06), name


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

"""Parity passes on an honest export, and on nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export.parity import POSE_BUDGET_MM, ParityReport, PoseDifference, parity
from runtime.model import Model
from sa3dhp_edge.errors import ParityError
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.skeleton import JOINTS

STEM = "g.backbone.stem.0.weight"


def test_an_export_is_well_within_budget(model_set: ModelSet, model: Path, pictures: np.ndarray) -> None:
    report = parity(model_set, model, pictures)
    report.check()
    assert report.pictures == len(pictures)
    assert [p.batch for p in report.poses] == [1, len(pictures)]
    assert all(0 < p.mean_mm <= p.p99_mm <= p.max_mm < POSE_BUDGET_MM / 5 for p in report.poses)
    assert set(report.tensors) == {
        "z", "camera", "joints_uv", "joint_score", "e_p", "e_m", "d_m",
        "t_z_flip_tilt50", "t_z_tilt-30", "t_v_slow_backward@60",
    }  # fmt: skip
    assert json.loads(json.dumps(report.to_dict()))["passed"] is True


def test_the_pictures_tell_poses_apart(model: Path, pictures: np.ndarray) -> None:
    """Parity on answers that are all alike would prove little."""
    loaded = Model.load(model)
    pose = loaded.estimate(pictures).pose_mm
    loaded.close()
    assert np.linalg.norm(pose - pose.mean(0), axis=-1).max() > 10 * POSE_BUDGET_MM


def test_one_picture_is_answered_as_in_a_batch(model: Path, pictures: np.ndarray) -> None:
    loaded = Model.load(model)
    together = loaded.estimate(pictures)
    single = loaded.estimate(pictures[3:4])
    loaded.close()
    np.testing.assert_allclose(single.pose_mm[0], together.pose_mm[3], atol=0.01)
    np.testing.assert_allclose(single.joints_uv[0], together.joints_uv[3], atol=1e-5)


@pytest.mark.parametrize(
    ("file", "weight", "complaint"),
    [
        ("g.onnx", STEM, r"\w+ is [\d.e+]+ mm away at batch 1 .* mm away at batch 6"),
        ("e_m.onnx", "layers.0.weight", "e_m is"),
        ("frozen/e_p.onnx", "upper.weight", "e_p is"),
        ("frozen/d_p.onnx", "upper.weight", "d_p is [0-9.e+]+ mm away"),
        ("frozen/d_m.onnx", "start.weight", "d_m is"),
        ("frozen/t_v_slow_backward@60.onnx", "layers.2.weight", "t_v_slow_backward@60 is"),
    ],
)
def test_a_changed_weight_is_caught_in_every_network(
    file: str,
    weight: str,
    complaint: str,
    model_set: ModelSet,
    model: Path,
    pictures: np.ndarray,
    tmp_path: Path,
    tamper: Callable[..., None],
) -> None:
    shutil.copytree(model, tmp_path / "m")
    tamper(tmp_path / "m", file, weight, lambda w: w * 1.05)
    with pytest.raises(ParityError, match=complaint):
        parity(model_set, tmp_path / "m", pictures).check()


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning:runtime.*")
def test_not_a_number_never_passes(
    model_set: ModelSet, model: Path, pictures: np.ndarray, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    shutil.copytree(model, tmp_path / "m")
    tamper(tmp_path / "m", "g.onnx", STEM, lambda w: np.full_like(w, np.nan))
    report = parity(model_set, tmp_path / "m", pictures)
    assert all(np.isnan(p.max_mm) for p in report.poses)
    with pytest.raises(ParityError, match="is nan mm away"):
        report.check()


def test_the_worst_joint_is_named() -> None:
    good = PoseDifference(1, 1e-4, 2e-4, 3e-4, "pelvis")
    report = ParityReport(4, (good, dataclasses.replace(good, batch=4, max_mm=0.4, worst_joint=JOINTS[5])), 0.0, {})
    with pytest.raises(ParityError, match=f"{JOINTS[5]} is 0.4 mm away at batch 4") as caught:
        report.check()
    assert "batch 1" not in str(caught.value)
    assert report.to_dict()["failures"] == report.failures()


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_difference_that_is_no_number_fails_wherever_it_is(lost: float) -> None:
    good = PoseDifference(1, 1e-4, 2e-4, 3e-4, "pelvis")
    with pytest.raises(ParityError, match="d_p is"):
        ParityReport(1, (good,), lost, {}).check()
    with pytest.raises(ParityError, match="camera is"):
        ParityReport(1, (good,), 0.0, {"z": 0.0, "camera": lost}).check()

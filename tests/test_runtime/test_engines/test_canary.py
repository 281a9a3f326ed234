"""A few pictures tell whether an engine answers as ONNX Runtime does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime.engines.canary import (
    BUDGET_MM,
    Canary,
    canary_pictures,
    check_canary,
    make_canary,
    read_canary,
    save_canary,
)
from runtime.model import Model
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import CanaryError, EngineError, ModelError, ShapeError
from sa3dhp_edge.skeleton import JOINTS


@pytest.fixture(scope="module")
def canary() -> Canary:
    chance = np.random.default_rng(3)
    return Canary(canary_pictures(32), chance.normal(0, 400, (4, 17, 3)).astype(np.float32))


def test_pictures_are_the_same_each_time_and_differ_among_themselves() -> None:
    pictures = canary_pictures(64)
    assert pictures.shape == (4, 64, 64, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures, canary_pictures(64))
    spread = pictures.reshape(4, -1).std(1)
    assert (spread[:3] > 30).all()
    assert spread[3] == 0
    smooth = np.abs(np.diff(pictures[:3].astype(int), axis=2)).mean()
    assert smooth < 20  # noise that was not blurred has 60 and more
    assert len({p.tobytes() for p in pictures}) == 4


def test_the_expected_answers_are_those_of_the_model(fake_model: Path) -> None:
    made = make_canary(fake_model, read_contract(fake_model))
    expected = Model.load(fake_model, threads=1).estimate(made.pictures_rgb).pose_mm
    np.testing.assert_allclose(made.pose_mm, expected, atol=1e-3)


def test_a_model_without_an_answer_is_refused(fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"pose_mm": np.full((4, 17, 3), np.nan, np.float32)}
    monkeypatch.setattr("runtime.engines.canary.OnnxBackend.infer", lambda *_: nothing)
    with pytest.raises(ModelError, match="no finite pose_mm"):
        make_canary(fake_model, read_contract(fake_model))


@pytest.mark.parametrize("precision", BUDGET_MM)
def test_the_budget_is_the_mean_distance_in_mm(canary: Canary, precision: str) -> None:
    budget = BUDGET_MM[precision]
    aside = np.array([0.6, 0.0, 0.8], np.float32)
    near = canary.pose_mm + aside * budget * 0.99
    assert check_canary(near, canary, budget) == pytest.approx(0.99 * budget, rel=1e-3)
    with pytest.raises(CanaryError, match="mm from ONNX Runtime's"):
        check_canary(canary.pose_mm + aside * budget * 1.01, canary, budget)


def test_the_worst_joint_is_named(canary: Canary) -> None:
    answer = canary.pose_mm.copy()
    answer[2, JOINTS.index("left_wrist"), 1] += 500
    with pytest.raises(
        CanaryError, match=r"7\.35 mm .* 5 are allowed; worst is left_wrist in picture 2 with 500\.0 mm"
    ):
        check_canary(answer, canary, 5.0)


def test_an_answer_that_is_not_finite_is_wrong(canary: Canary) -> None:
    answer = canary.pose_mm.copy()
    answer[1, JOINTS.index("neck")] = np.nan
    with pytest.raises(CanaryError, match="worst is neck in picture 1"):
        check_canary(answer, canary, 1e9)


def test_outputs_in_another_order_are_noticed(canary: Canary) -> None:
    with pytest.raises(CanaryError):
        check_canary(canary.pose_mm[::-1], canary, BUDGET_MM["int8"])
    with pytest.raises(ShapeError, match=r"\(4, 32\)"):
        check_canary(np.zeros((4, 32)), canary, 5.0)


def test_it_is_stored_and_read(canary: Canary, tmp_path: Path) -> None:
    save_canary(tmp_path / "canary.npz", canary)
    again = read_canary(tmp_path / "canary.npz")
    np.testing.assert_array_equal(again.pictures_rgb, canary.pictures_rgb)
    np.testing.assert_array_equal(again.pose_mm, canary.pose_mm)


def test_a_damaged_one_is_an_error(canary: Canary, tmp_path: Path) -> None:
    path = tmp_path / "canary.npz"
    with pytest.raises(EngineError, match="cannot be read"):
        read_canary(path)
    save_canary(path, canary)
    whole = path.read_bytes()
    for damaged in (b"", b"junk", whole[: len(whole) // 2], whole[:100] + bytes(200) + whole[300:]):
        path.write_bytes(damaged)
        with pytest.raises(EngineError, match="cannot be read"):
            read_canary(path)

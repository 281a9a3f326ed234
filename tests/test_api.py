"""The same verbs from Python, on a tiny model."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.api import PoseModel, adapt, export, load_model
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.errors import ModelError, OutputError, ShapeError
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame, Pose

BOX = (40.0, 0.0, 280.0, 240.0)


@pytest.fixture(scope="module")
def model(tiny_model: Path):
    loaded = load_model(tiny_model, threads=1)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def picture(person_video: Path) -> np.ndarray:
    return cv2.VideoCapture(str(person_video)).read()[1]


def test_a_model_says_what_it_is(model: PoseModel) -> None:
    assert isinstance(model.contract, ModelContract)
    assert (model.contract.name, model.contract.crop_px) == ("tiny", 32)


def test_a_picture_gives_a_pose(model: PoseModel, picture: np.ndarray) -> None:
    pose = model.estimate(picture, BOX)
    assert isinstance(pose, Pose)
    assert (pose.joints_mm.shape, pose.joints_px.shape, pose.z.shape) == ((17, 3), (17, 2), (32,))
    assert np.isfinite(pose.joints_mm).all()
    assert pose.box_xyxy_px == BOX
    assert 0 <= pose.confidence <= 1
    assert pose.root_mm is None


def test_a_taller_person_is_larger_and_a_known_camera_places_him(model: PoseModel, picture: np.ndarray) -> None:
    camera = Intrinsics((300.0, 300.0), (160.0, 120.0))
    small = model.estimate(picture, BOX, intrinsics=camera, height_mm=1000.0)
    tall = model.estimate(picture, BOX, intrinsics=camera, height_mm=2000.0)
    np.testing.assert_allclose(tall.joints_mm, 2 * small.joints_mm, rtol=1e-4, atol=1e-3)
    assert tall.root_mm is not None
    assert small.root_mm is not None
    assert tall.root_mm[2] == pytest.approx(2 * small.root_mm[2], rel=1e-3)


@pytest.mark.parametrize("shape", [(240, 320), (240, 320, 4)])
def test_what_is_no_picture_is_refused(model: PoseModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="uint8, got"):
        model.estimate(np.zeros(shape, np.uint8), BOX)


@pytest.mark.parametrize("box", [(10, 10, 10, 50), (50, 10, 10, 50), (0, 0, np.nan, 9)])
def test_what_is_no_box_is_refused(model: PoseModel, picture: np.ndarray, box: tuple[float, ...]) -> None:
    with pytest.raises(ShapeError, match="x0 < x1"):
        model.estimate(picture, box)


def test_every_frame_of_a_video_comes_in_order(model: PoseModel, person_video: Path) -> None:
    seen = list(islice(model.iterate(person_video, box=BOX), 5))
    assert [frame.index for frame, _ in seen] == [0, 1, 2, 3, 4]
    for frame, pose in seen:
        assert isinstance(frame, Frame)
        assert pose is None or isinstance(pose, Pose)


def test_no_model_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        load_model(tmp_path / "none")


def test_export_answers_with_its_parity_and_never_replaces(tiny_run: Path, tiny_model: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        export(tiny_run, tiny_model)


@pytest.mark.slow
def test_adapt_and_export_make_a_model_that_loads(tiny_model: Path, tiny_run: Path, tmp_path: Path) -> None:
    report = adapt(tiny_run / "source", tmp_path / "run", start=tiny_model)
    assert report["cycles"] == 2
    parity = export(tmp_path / "run", tmp_path / "model", name="hall")
    assert parity["passed"]
    hall = load_model(tmp_path / "model")
    assert hall.contract.name == "hall"
    assert len(hall.contract.lineage) == 2
    hall.close()

"""The same poses wherever crops are cut, and never on the GPU where the lens must be straightened first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import pytest

from runtime.backends.base import AbstractBackend, Arrays
from runtime.estimator import Estimator
from runtime.model import Model
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.crop import CropCamera, cut, normalise
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Frame

SIZE_WH = (640, 480)
BOXES = [(100.0, 40.0, 320.0, 460.0), (300.0, 100.0, 520.0, 400.0)]


@final
class CuttingBackend(AbstractBackend):
    """A network that cuts its crops itself, on the processor."""

    cuts_crops = True

    def __init__(self, inner: AbstractBackend, model: Model) -> None:
        self.inner, self.model, self.frames = inner, model, 0

    def infer(self, inputs: Arrays) -> Arrays:
        return self.inner.infer(inputs)

    def infer_crops(self, frame_bgr: np.ndarray, crops: Sequence[CropCamera]) -> Arrays:
        self.frames += 1
        contract = self.model.contract
        pictures = np.stack([cut(frame_bgr, crop, contract.crop_px) for crop in crops])
        return self.infer({"image": normalise(pictures, contract.mean, contract.std)})

    def warm_up(self) -> None:
        self.inner.warm_up()

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def frame() -> Frame:
    coarse = np.random.default_rng(8).integers(0, 256, (48, 64, 3), np.uint8)
    return Frame(coarse.repeat(10, 0).repeat(10, 1), 0, 0.0)


def test_a_pose_is_the_same_wherever_its_crop_is_cut(fake_model: Path, frame: Frame) -> None:
    plain = Model.load(fake_model)
    cutting = CuttingBackend(plain.network, plain)
    there = Model(read_contract(fake_model), fake_model, 1, cutting)
    camera = Intrinsics.guess(SIZE_WH)
    wanted = Estimator(plain, camera).poses(frame, BOXES)
    found = Estimator(there, camera).poses(frame, BOXES)
    assert cutting.frames == 1  # both people out of one frame
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one.joints_mm, other.joints_mm, atol=2.0)
        assert one.box_xyxy_px == other.box_xyxy_px
    plain.close()


def test_a_lens_that_bends_is_straightened_on_the_processor(fake_model: Path, frame: Frame) -> None:
    plain = Model.load(fake_model)
    cutting = CuttingBackend(plain.network, plain)
    there = Model(read_contract(fake_model), fake_model, 1, cutting)
    guess = Intrinsics.guess(SIZE_WH)
    bent = Intrinsics(guess.focal_px, guess.center_px, (-0.2, 0.05, 0.0, 0.0))
    poses = Estimator(there, bent).poses(frame, BOXES)
    assert (len(poses), cutting.frames) == (2, 0)
    plain.close()

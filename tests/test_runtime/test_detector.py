"""The person detector: what its maps say, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.config import FinderConfig
from runtime.detector import PersonDetector, peaks, without_doubles
from runtime.finder import Candidate, PeopleFinder, overlap, squared
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.experiments.scored_clips import with_head
from sa3dhp_edge.records import Frame

WALK = Path(__file__).resolve().parents[2] / "../shared/data/gt3d/opencap_walk"
WALKS_AT = 40


def maps_with(people: list[tuple[int, int, float, float, float, float]], size_hw: tuple[int, int] = (20, 32)):
    """Maps (4, h, w) with nobody but at (row, column): logit, way x, way y in px, side in px."""
    maps = np.zeros((4, *size_hw), np.float32)
    maps[0] = -9
    for row, column, logit, dx, dy, side in people:
        maps[:, row, column] = logit, dx / 64, dy / 64, np.log(side / 64)
    return maps


def test_a_peak_is_a_square_about_its_cells_centre_and_way() -> None:
    (only,) = peaks(maps_with([(10, 16, 2.0, 5.0, -3.0, 80.0)]), 0.3)
    assert only.box == pytest.approx((137 - 40, 81 - 40, 137 + 40, 81 + 40), abs=1e-3)
    assert only.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_a_cell_beside_a_surer_one_and_one_below_the_least_score_are_no_peaks() -> None:
    maps = maps_with([(5, 5, 2.0, 0, 0, 60.0), (5, 6, 1.0, 0, 0, 60.0), (15, 25, -2.0, 0, 0, 60.0)])
    assert [c.score for c in peaks(maps, 0.3)] == pytest.approx([1 / (1 + np.exp(-2))])
    assert len(peaks(maps, 0.1)) == 2


def test_of_nearly_equal_squares_the_surest_stays() -> None:
    a, b, c = (0.0, 0.0, 100.0, 100.0), (10.0, 5.0, 110.0, 105.0), (60.0, 0.0, 160.0, 100.0)
    kept = without_doubles([Candidate(a, "found", 0.5), Candidate(b, "found", 0.9), Candidate(c, "found", 0.4)])
    assert [k.box for k in kept] == [b, c]


def test_a_network_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx is not there"):
        PersonDetector(FinderConfig(), tmp_path / "none.onnx")


@pytest.mark.parametrize("size_hw", [(240, 320), (320, 240), (90, 400), (1080, 1920), (7, 9)])
def test_frames_of_any_form_are_searched_and_an_empty_wall_holds_nobody(size_hw: tuple[int, int]) -> None:
    assert PersonDetector(FinderConfig()).find(np.full((*size_hw, 3), 99, np.uint8)) == []


def walking() -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A real frame and the walker's true square."""
    if not WALK.is_dir():
        pytest.skip("the real clips are not on this machine")
    with np.load(WALK / "gt_joints.npz") as truth:
        joints = truth["uv_px"][WALKS_AT]
    capture = cv2.VideoCapture(str(WALK / "video.mp4"))
    for _ in range(WALKS_AT + 1):
        _, image = capture.read()
    capture.release()
    return np.asarray(image, np.uint8), square_box(with_head(joints[np.isfinite(joints).all(-1)]))


def test_a_walker_is_found_in_the_picture_and_in_its_mirror_image() -> None:
    image, truth = walking()
    w = image.shape[1]
    detector = PersonDetector(FinderConfig())
    mirrored = (w - truth[2], truth[1], w - truth[0], truth[3])
    for picture, true in ((image, truth), (np.ascontiguousarray(image[:, ::-1]), mirrored)):
        assert max(overlap(c.box, true) for c in detector.find(picture)) > 0.5


def test_who_stands_beside_an_empty_place_is_found_where_he_is() -> None:
    image, truth = walking()
    wide = cv2.copyMakeBorder(image, 0, 0, 400, 200, cv2.BORDER_CONSTANT, value=(120, 120, 120))
    there = (truth[0] + 400, truth[1], truth[2] + 400, truth[3])
    found = PersonDetector(replace(FinderConfig(), max_people=1)).find(np.asarray(wide, np.uint8))
    assert len(found) == 1
    assert overlap(found[0].box, there) > 0.4
    assert found[0].box == pytest.approx(squared(found[0].box))


def test_the_finder_confirms_the_walker_and_not_the_floor() -> None:
    image, truth = walking()
    finder = PeopleFinder(FinderConfig(), PersonDetector(FinderConfig()))
    frame = Frame(image, 0, 0.0)
    assert finder.confirms(frame, truth)
    h, w = image.shape[:2]
    assert not finder.confirms(frame, (w - 200.0, h - 200.0, w - 20.0, h - 20.0))

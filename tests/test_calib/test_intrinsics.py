"""A known camera is found again, from views of a board and through its file."""

import json
import logging

import cv2
import numpy as np
import pytest

from calib.board import Board
from calib.detection import Sighting, finder_of
from calib.intrinsics import calibrate
from calib.picture import WIDTH_PX
from calib.session import calibrate_camera
from calib.views import View, Views
from runtime.intrinsics import load_camera, load_intrinsics
from runtime.lens import Lens
from sa3dhp_edge.errors import InputError, OutputError
from sa3dhp_edge.geometry import Intrinsics


@pytest.mark.parametrize("kind", ["charuco", "chessboard"])
def test_a_known_camera_is_found(studio, charuco, chessboard, pictures, seen, kind):
    board = {"charuco": charuco, "chessboard": chessboard}[kind]
    made = calibrate(board, seen(board, pictures(board)))
    assert len(made.views) >= 12
    assert made.rms_px < 0.15
    assert made.intrinsics.focal_px == pytest.approx(studio.focal_px, rel=0.01)
    assert made.intrinsics.center_px == pytest.approx(studio.center_px, abs=3)
    assert made.intrinsics.distortion[:2] == pytest.approx(studio.distortion[:2], abs=0.03)
    assert made.intrinsics.distortion[2:] == pytest.approx(studio.distortion[2:], abs=2e-3)
    assert not made.intrinsics.assumed
    assert 0 < made.focal_sd < 2e-3
    mean_square = sum((r**2).sum() for r in made.residuals_px) / sum(len(r) for r in made.residuals_px)
    assert mean_square**0.5 == pytest.approx(made.rms_px, rel=0.01), "residuals and rms are of the same fit"


def test_a_charuco_board_may_be_seen_in_part_and_a_chessboard_may_not(studio, charuco, chessboard):
    aside = studio.place(-0.95, -0.4, 420)
    part = finder_of(charuco).find(studio.photograph(charuco, aside))
    assert part is not None
    assert 8 <= len(part.ids) < 54
    assert finder_of(chessboard).find(studio.photograph(chessboard, aside)) is None
    covered = studio.photograph(charuco, studio.place(0, 0, 420))
    assert len(finder_of(charuco).find(covered).ids) >= 50
    covered[200:300, 280:420] = 128  # a hand before the middle
    assert 20 < len(finder_of(charuco).find(covered).ids) < 45


def test_corners_are_where_the_camera_puts_them(studio, charuco, chessboard):
    place, turn = studio.place(0.1, 0, 430), (0.3, -0.2, 0.1)
    for board in (charuco, chessboard):
        found = finder_of(board).find(studio.photograph(board, place, turn))
        middle = np.array([*(np.array(board.squares_wh) * board.square_mm / 2), 0])
        points = board.points_mm[found.ids] - middle
        wanted, _ = cv2.projectPoints(points, np.array(turn), np.array(place), studio.k, np.array(studio.distortion))
        off = np.linalg.norm(found.corners_px - wanted[:, 0], axis=1)
        if board.kind == "chessboard" and np.median(off) > 5:  # a half turn of a chessboard looks the same
            off = np.linalg.norm(found.corners_px - wanted[::-1, 0], axis=1)
        assert np.median(off) < 0.15, board.kind
        assert off.max() < 0.6, board.kind


def test_a_view_that_contradicts_the_others_is_left_out_and_named(charuco, pictures, seen, caplog):
    good = seen(charuco, pictures(charuco))
    bent = good.views[3].sighting
    wave = np.stack([np.zeros(len(bent.ids)), 4 * np.sin(bent.corners_px[:, 0] / 20)], 1).astype(np.float32)
    odd = View("3", Sighting(bent.ids, bent.corners_px + wave, bent.sharpness))
    views = Views(good.source, good.size_wh, (*good.views, odd), good.account)
    with caplog.at_level(logging.INFO, "calib"):
        made = calibrate(charuco, views)
    assert made.left_out == ("3",), "not the good one of the same name"
    assert [v.sighting is bent for v in made.views].count(True) == 1
    assert "3 is left out" in caplog.text
    assert made.intrinsics.focal_px == pytest.approx(calibrate(charuco, good).intrinsics.focal_px, rel=1e-6)


def drawn_views(studio, board, lens, noise_px, reach, seed=1):
    """Views whose corners are computed; the board's middle stays within `reach` of the picture's."""
    rng, views = np.random.default_rng(seed), []
    points = board.points_mm - board.points_mm.mean(0)
    for i in range(14):
        place = np.array(studio.place(*rng.uniform(-reach, reach, 2), rng.uniform(400, 600)))
        drawn, _ = cv2.projectPoints(points, rng.uniform(-0.5, 0.5, 3), place, studio.k, np.array(lens))
        px = (drawn[:, 0] + rng.normal(0, noise_px, (54, 2))).astype(np.float32)
        ids = np.flatnonzero(((px > 0) & (px < studio.size_wh)).all(1))
        views.append(View(str(i), Sighting(ids, px[ids], 1.0)))
    return Views("drawn", studio.size_wh, tuple(views), "")


@pytest.mark.parametrize(
    ("lens", "terms"),
    [
        ((-0.15, 0, 0, 0, 0), 1),
        ((-0.15, 0.2, 0, 0, 0), 2),
        ((-0.15, 0.2, 0.004, -0.004, 0), 4),
        ((-0.2, 0.2, 0.004, -0.004, -1.0), 5),
    ],
)
def test_the_lens_has_as_many_terms_as_the_views_tell(studio, charuco, lens, terms):
    found = calibrate(charuco, drawn_views(studio, charuco, lens, noise_px=0.05, reach=0.7)).intrinsics.distortion
    assert [d != 0 for d in found] == [i < terms for i in range(5)]
    assert found == pytest.approx(lens, abs=0.15)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_does_not_bend_the_picture_where_no_corner_was_seen(studio, charuco, seed):
    truth = Intrinsics(studio.focal_px, studio.center_px, (-0.05, 0, 0, 0, 0))
    views = drawn_views(studio, charuco, truth.distortion, noise_px=0.3, reach=0.25, seed=seed)
    found = calibrate(charuco, views).intrinsics
    corners = np.array([[0, 0], [639, 0], [639, 479], [0, 479]], np.float64)
    rays = [
        np.column_stack([Lens(lens).points_to_straight(corners), np.ones(4)]) @ np.linalg.inv(lens.matrix()).T
        for lens in (found, truth)
    ]
    assert np.abs(rays[0] - rays[1]).max() * 620 < 4, "with all five terms it is up to 18 px"


def test_the_file_says_everything_and_is_read_again(charuco, folder, tmp_path):
    out, sheet = tmp_path / "camera.json", tmp_path / "coverage.png"
    made = calibrate_camera(charuco, out, pictures=folder, picture=sheet)
    assert load_intrinsics(out, (640, 480)) == made.intrinsics
    assert load_camera(out).size_wh == (640, 480)
    said = json.loads(out.read_text())
    assert said["views"] == len(said["view_errors_px"]) == 14
    assert said["board"]["dictionary"] == "DICT_5X5_100"
    assert said["coverage"]["cells"] > 0.8
    assert said["rms_px"] == made.rms_px
    drawn = cv2.imread(str(sheet))
    assert drawn.shape[1] == WIDTH_PX
    assert drawn.mean() > 200, "dark on light"
    assert 0.02 < (drawn != 255).any(2).mean() < 0.95
    with pytest.raises(OutputError, match="exists already"):
        calibrate_camera(charuco, out, pictures=folder)
    calibrate_camera(charuco, out, pictures=folder, overwrite=True)


def test_nothing_is_written_for_views_that_are_refused(studio, charuco, tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    for i in range(8):
        cv2.imwrite(str(shots / f"{i}.png"), studio.photograph(charuco, (0, 0, 420), seed=i))
    sheet = tmp_path / "coverage.png"
    with pytest.raises(InputError, match=r"do not suffice") as refused:
        calibrate_camera(charuco, tmp_path / "camera.json", pictures=shots, picture=sheet)
    assert "coverage.png shows what was seen" in refused.value.hint
    assert sheet.exists()
    assert not (tmp_path / "camera.json").exists()


def test_nothing_is_written_for_a_calibration_that_is_refused(charuco, pictures, tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    for i, picture in enumerate(pictures(charuco)):  # as a player shows them that stretches the picture
        cv2.imwrite(str(shots / f"{i}.png"), cv2.resize(picture, (720, 480), interpolation=cv2.INTER_AREA))
    sheet = tmp_path / "coverage.png"
    with pytest.raises(InputError, match=r"cannot be trusted: the focal lengths 69\d and 62\d px differ") as refused:
        calibrate_camera(charuco, tmp_path / "camera.json", pictures=shots, picture=sheet)
    assert "must be square" in refused.value.hint
    assert sheet.exists()
    assert not (tmp_path / "camera.json").exists()


def test_a_coverage_picture_is_a_png(charuco, folder, tmp_path):
    with pytest.raises(OutputError, match=r"must end in \.png"):
        calibrate_camera(charuco, tmp_path / "c.json", pictures=folder, picture=tmp_path / "coverage.jpg")


def test_boards_that_cannot_be_are_refused():
    for wrong, words in (
        ({"corners_wh": (1, 8)}, "cannot be used"),
        ({"square_mm": 0.0}, "cannot be used"),
        ({"square_mm": float("nan")}, "cannot be used"),
        ({"kind": "circles"}, "no kind of board"),
        ({"marker_mm": 30.0}, "do not fit"),
        ({"dictionary": "DICT_9X9"}, "no dictionary"),
        ({"corners_wh": (19, 19)}, "200 markers, DICT_5X5_100 has 100"),
    ):
        with pytest.raises(InputError, match=words):
            Board(**wrong)
    assert Board.of("charuco", (9, 6), 40.0, None, "DICT_4X4_50").marker_mm == 28.8

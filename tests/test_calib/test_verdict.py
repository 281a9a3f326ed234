"""Views and calibrations that cannot be trusted are refused, with what is wrong and what to show."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.coverage import LEAST, Coverage
from calib.intrinsics import calibrate
from calib.verdict import check_calibration, check_views
from calib.views import Views, views_of_pictures
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics


def only(views: Views, count: int) -> Views:
    return replace(views, views=views.views[:count])


@pytest.fixture(scope="module")
def good(charuco, pictures, seen):
    return seen(charuco, pictures(charuco))


@pytest.fixture(scope="module")
def made(charuco, good):
    return calibrate(charuco, good)


def test_good_views_and_what_comes_of_them_pass(charuco, good, made):
    check_views(charuco, good)
    check_calibration(made, "studio")


def test_too_few_views_are_refused(charuco, good):
    with pytest.raises(InputError, match="4 views, 6 are needed") as refused:
        check_views(charuco, only(good, 4))
    assert "2 more views" in refused.value.hint


def test_many_views_of_one_place_and_tilt_are_refused_with_all_that_lacks(studio, charuco, seen):
    views = seen(charuco, [studio.photograph(charuco, studio.place(-0.3, -0.3, 600), seed=i) for i in range(8)])
    with pytest.raises(InputError) as refused:
        check_views(charuco, views)
    for words in ("of 36 parts of the picture, 60% are needed", "degrees about the vertical", "about the horizontal"):
        assert words in refused.value.message
    assert "distances differ by a factor of 1.0" in refused.value.message
    assert refused.value.hint.startswith("show it top right; ")
    assert "tilt it" in refused.value.hint
    assert "closer" in refused.value.hint


def test_tilts_about_one_axis_are_not_enough(studio, charuco, seen):
    turns = (-0.5, -0.3, 0.3, 0.5, -0.4, 0.4, 0.2, -0.2, 0.1)
    pictures = [
        studio.photograph(charuco, studio.place((i % 3 - 1) * 0.5, (i // 3 - 1) * 0.45, 350 + 20 * i), (0, turn, 0))
        for i, turn in enumerate(turns)
    ]
    with pytest.raises(InputError, match="about the horizontal") as refused:
        check_views(charuco, seen(charuco, pictures))
    assert "about the vertical" not in refused.value.message
    assert refused.value.hint == "tilt it: its upper and lower edge towards the camera in turn"


def test_pictures_without_the_board_are_refused_with_its_name(charuco, tmp_path):
    for i in range(7):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((240, 320), 200, np.uint8))
    with pytest.raises(InputError, match=r"no view of charuco --size 9x6.*in 0 of 7 pictures") as refused:
        check_views(charuco, views_of_pictures(tmp_path, charuco))
    assert "inner corners: squares less one" in refused.value.hint


def test_a_board_of_another_size_is_not_taken_for_the_right_one(charuco, chessboard, pictures, seen):
    for board, other in ((chessboard, (8, 6)), (charuco, (8, 6))):
        wrong = replace(board, corners_wh=other)
        with pytest.raises(InputError, match=r"no view|suffice|cannot be trusted"):
            judged(wrong, seen(wrong, pictures(board)))


def judged(board, views):
    check_views(board, views)
    check_calibration(calibrate(board, views), "studio")


def test_pictures_of_two_sizes_are_refused_by_name(charuco, tmp_path):
    for i, side in enumerate((40, 50)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((side, side), np.uint8))
    with pytest.raises(InputError, match=r"two sizes: 0\.png is 40 x 40, 1\.png is 50 x 50"):
        views_of_pictures(tmp_path, charuco)


def test_folders_that_hold_nothing_are_refused(charuco, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        views_of_pictures(tmp_path / "none", charuco)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture that can be read"):
        views_of_pictures(tmp_path, charuco)


@pytest.mark.parametrize(
    ("change", "wrong", "show"),
    [
        ({"rms_px": 1.4}, r"1\.40 px off \(rms\), 1\.00 px are allowed", "flat"),
        ({"focal_sd_px": (3.0, 13.0)}, r"sure to 2\.1% only, 1% is needed", "tilted by 30 to 45"),
        ({"focal_sd_px": (float("nan"), 1.0)}, "sure to nan", "close views"),
        ({"intrinsics": Intrinsics((90.0, 90.0), (320.0, 240.0))}, "no ordinary camera's", "tilt"),
        ({"intrinsics": Intrinsics((620.0, 680.0), (320.0, 240.0))}, "620 and 680 px differ", "square"),
        ({"intrinsics": Intrinsics((620.0, 620.0), (480.0, 240.0))}, r"\(480, 240\) px is far", "all corners"),
        ({"intrinsics": Intrinsics((620.0, 620.0), (320.0, 240.0), (-1.0, 0, 0, 0, 0))}, "folds", "four corners"),
    ],
)
def test_a_calibration_no_camera_has_is_refused(made, change, wrong, show):
    with pytest.raises(InputError, match=wrong) as refused:
        check_calibration(replace(made, **change), "studio")
    assert show in refused.value.hint


@pytest.mark.parametrize("distortion", [(), (-0.3, 0.1, 0, 0, 0), (0.4, 0, 0, 0, 0), (-0.18, 0.06, 0.001, 0, 0)])
def test_ordinary_distortion_does_not_fold(made, distortion):
    check_calibration(replace(made, intrinsics=Intrinsics((620.0, 620.0), (320.0, 240.0), distortion)), "studio")


def test_few_but_different_views_are_less_sure_than_many(charuco, good):
    spread = [calibrate(charuco, only(good, count)).focal_sd for count in (6, 14)]
    assert spread[0] > 1.2 * spread[1]


def test_coverage_grows_with_every_view(charuco, good):
    measured = [Coverage.of(charuco, [v.sighting for v in good.views[:n]], good.size_wh) for n in range(0, 15, 2)]
    shares = [c.share for c in measured]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    assert measured[0].wishes(LEAST)[0].show == "show it top left"

"""What the device makes of a calibration file: old ones, new ones, and those of pictures of another size."""

import json
import logging

import cv2
import numpy as np
import pytest

from runtime.intrinsics import load_camera, load_intrinsics
from runtime.lens import Lens
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import Intrinsics

FULL = Intrinsics((1240.0, 1244.0), (652.0, 472.0), (-0.18, 0.06, 0.001, -0.0008, 0.0))


@pytest.fixture
def camera(tmp_path):
    """A calibration made at 1280 x 960."""
    path = tmp_path / "camera.json"
    path.write_text(
        json.dumps({"K": FULL.matrix().tolist(), "dist": FULL.distortion, "image_size": [1280, 960], "rms_px": 0.2})
    )
    return path


def test_at_its_own_size_it_is_taken_as_it_is(camera, caplog):
    assert load_intrinsics(camera, (1280, 960)) == load_intrinsics(camera) == FULL
    assert load_camera(camera).size_wh == (1280, 960)
    assert not caplog.records


@pytest.mark.parametrize("size_wh", [(640, 480), (320, 240), (2560, 1920)])
def test_a_smaller_copy_of_the_picture_shows_every_point_where_the_scaled_camera_puts_it(camera, size_wh, caplog):
    with caplog.at_level(logging.WARNING, "runtime"):
        scaled = load_intrinsics(camera, size_wh)
    assert f"is scaled to {size_wh[0]} x {size_wh[1]}" in caplog.text
    points = np.random.default_rng(0).uniform((-400, -300, 1500), (400, 300, 4000), (50, 3))
    full, small = (
        cv2.projectPoints(points, np.zeros(3), np.zeros(3), k.matrix(), np.array(k.distortion))[0][:, 0]
        for k in (FULL, scaled)
    )
    factor = size_wh[0] / 1280
    assert small == pytest.approx((full + 0.5) * factor - 0.5, abs=1e-6)


def test_a_root_is_the_same_seen_at_half_the_resolution(camera):
    """The ray and the size in the picture, from which the root is made, are the same."""
    half = load_intrinsics(camera, (640, 480))
    body = np.array([[100.0, -800.0, 3000.0], [120.0, 20.0, 3020.0], [90.0, 800.0, 2990.0]])
    directions = []
    for lens, factor in ((Lens(FULL), 1.0), (Lens(half), 0.5)):
        drawn, _ = cv2.projectPoints(body, np.zeros(3), np.zeros(3), FULL.matrix(), np.array(FULL.distortion))
        straight = lens.points_to_straight((drawn[:, 0] + 0.5) * factor - 0.5)
        rays = np.concatenate([straight, np.ones((3, 1))], 1) @ np.linalg.inv(lens.intrinsics.matrix()).T
        directions.append(rays)
    assert directions[1] == pytest.approx(directions[0], abs=1e-9)
    assert directions[0] == pytest.approx(body / body[:, 2:], abs=1e-5)


@pytest.mark.parametrize("size_wh", [(1280, 720), (960, 1280), (640, 640)])
def test_another_shape_is_refused_with_the_reason(camera, size_wh):
    with pytest.raises(InputError, match="another shape, so another part of the lens") as refused:
        load_intrinsics(camera, size_wh)
    assert "1280 x 960" in refused.value.message
    assert refused.value.hint == "calibrate at the resolution of the input"


def test_sizes_rounded_to_whole_blocks_are_of_one_shape(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"fx": 1400, "fy": 1400, "cx": 959.5, "cy": 539.5, "image_size": [1920, 1080]}))
    scaled = load_intrinsics(path, (848, 480))
    assert scaled.focal_px == pytest.approx((1400 * 848 / 1920, 1400 * 480 / 1080))
    assert scaled.center_px == pytest.approx((423.5, 239.5))


def test_files_that_do_not_tell_their_size_are_judged_by_their_centre(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"fx": 900, "fy": 901, "cx": 320, "cy": 240}))
    assert load_camera(path).size_wh is None
    assert load_intrinsics(path, (640, 480)).focal_px == (900, 901)
    with pytest.raises(InputError, match="the frames are 1920 x 1080"):
        load_intrinsics(path, (1920, 1080))


@pytest.mark.parametrize("size", [[0, 480], [640], "640x480", [640, "wide"], 640])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"fx": 900, "fy": 901, "cx": 320, "cy": 240, "image_size": size}))
    with pytest.raises(InputError, match="is not a calibration"):
        load_camera(path)

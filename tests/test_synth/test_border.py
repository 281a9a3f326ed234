"""The frame's border: repeated pixels are those that cutting from a real frame would repeat, and joints go unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sa3dhp_edge.crop import FIELD, CropCamera, cut
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.border import Border, draw_border, repeat_border, within
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips

PERSON = np.array([[10.0, 10], [20, 110], [50, 60], [15, 40], [30, 90], [22, 20]] * 3)[:17]


def test_pixels_beyond_the_border_are_those_the_product_repeats() -> None:
    """A smooth frame cut with its border, against the same scene drawn without one and then cut off."""
    w, h, big = 160, 120, 400
    y, x = np.mgrid[0:big, 0:big].astype(float)
    scene = np.stack([128 + 90 * np.sin(x / 17), 128 + 90 * np.cos(y / 13), 128 + 60 * np.sin((x + y) / 21)], -1)
    scene_bgr = scene.round().astype(np.uint8)
    left, top = 120, 140
    camera = Intrinsics((150.0, 150.0), ((w - 1) / 2, (h - 1) / 2))
    crop = CropCamera.looking_at((100.0, 30.0, 170.0, 110.0), camera)  # reaches over the right and the lower border
    wanted = cut(scene_bgr[top : top + h, left : left + w], crop, 96, FIELD)
    wide = Intrinsics((150.0, 150.0), ((w - 1) / 2 + left, (h - 1) / 2 + top))
    whole = cut(scene_bgr, CropCamera.looking_at((220.0, 170.0, 290.0, 250.0), wide), 96, FIELD)
    found = repeat_border(whole, crop, np.array([0, 0, w - 1, h - 1], np.float32))
    off = np.abs(found.astype(int) - wanted).max(-1)
    assert (off <= 3).mean() > 0.99, "but for places whose border pixel lies outside the stored picture"
    assert np.abs(whole.astype(int) - wanted).mean() > 5


def test_a_border_never_leaves_less_than_half_of_the_joints() -> None:
    rng = np.random.default_rng(0)
    cut_all = replace(DOMAINS["wide"], truncation=1.0)
    for _ in range(200):
        border = draw_border(rng, cut_all)
        assert border is not None
        joints = rng.uniform(0, 1, (17, 2)) * rng.uniform(50, 400, 2) + 100
        inside = within(joints, border.window_px(joints))
        assert 9 <= inside.sum() <= 17


def test_a_window_is_measured_on_the_person() -> None:
    window = Border(np.array([-1, -1, 1, 0.5], np.float32), False).window_px(PERSON)
    np.testing.assert_allclose(window, [-30, -90, 50, 60], atol=1e-4)
    assert within(PERSON, window).tolist() == (PERSON[:, 1] <= 60).tolist()


def test_joints_outside_the_frame_are_not_visible(motion: MotionSet) -> None:
    quiet = replace(DOMAINS["wide"], occluder=0.0, others=0.0, seen_box=0.0, near_border=0.0)
    sets = [
        render_clips(replace(quiet, truncation=p), motion, clips=10, frames_per_clip=2, fps=5, crop_px=32, seed=2)
        for p in (0.0, 1.0)
    ]
    seen = [found.visible.mean() for found in sets if found.visible is not None]
    assert seen[1] < seen[0] - 0.05

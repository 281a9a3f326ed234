"""Colours tell people apart, and the same clothes in other light do not."""

import numpy as np
import pytest

from runtime.appearance import alike, blended, colours_of

JOINTS = {"right_shoulder": (40, 30), "left_shoulder": (60, 30), "right_hip": (43, 60), "left_hip": (57, 60),
          "right_knee": (43, 90), "left_knee": (57, 90)}  # fmt: skip


def joints_px() -> np.ndarray:
    from sa3dhp_edge.skeleton import JOINTS as NAMES

    return np.array([JOINTS.get(name, (50, 50)) for name in NAMES], np.float32)


def dressed(
    shirt: tuple[int, int, int], trousers: tuple[int, int, int], light: float = 1.0, seed: int = 0
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((120, 100, 3), 128.0)
    image[28:60, 36:64], image[60:95, 36:64] = shirt, trousers
    return np.clip(light * image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


RED, BLUE, GREY, GREEN = (40, 40, 200), (190, 70, 40), (90, 90, 90), (60, 150, 60)


def test_the_same_clothes_are_more_alike_than_others_whatever_the_light():
    seen = colours_of(dressed(RED, GREY), joints_px())
    assert seen.sum(1) == pytest.approx(1, abs=1e-5)
    for light in (0.8, 1.0, 1.2):
        same = alike(seen, colours_of(dressed(RED, GREY, light, seed=1), joints_px()))
        for other in ((BLUE, GREY), (RED, GREEN), (GREEN, BLUE)):
            assert same > alike(seen, colours_of(dressed(*other, light, seed=2), joints_px())) + 0.1
        assert same > 0.7


def test_who_is_outside_the_picture_is_like_everybody_and_changes_no_memory():
    seen, outside = colours_of(dressed(RED, GREY), joints_px()), colours_of(dressed(RED, GREY), joints_px() + 500)
    assert not outside.any()
    assert alike(seen, outside) == 1.0
    assert (blended(seen, outside, 0.5) == seen).all()
    assert (blended(outside, seen, 0.1) == seen).all()

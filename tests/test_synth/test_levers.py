"""Every lever of the wide domain changes pictures, alone, and can be taken out without touching the rest."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.errors import ConfigError, DataError
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.backgrounds import Backgrounds
from sa3dhp_edge.synth.domain import DOMAINS, Domain
from sa3dhp_edge.synth.levers import LEVERS, without
from sa3dhp_edge.synth.render import render_clips

LOUD = replace(
    DOMAINS["wide"], others=1.0, occluder=1.0, truncation=1.0, defocus=1.0, banding=1.0, video_blocks=1.0,
    low_resolution=1.0, limb_blur=1.0, clutter=(6, 9), shadow=(0.8, 1), noise=(0.02, 0.05), jpeg_quality=(20, 50),
    sharpen=(0.4, 0.8), white_balance=0.4, photo=1.0, defects=0.2, blur_px=(1, 3), outdoor=0.5, bald=0.5, cap=0.5,
)  # fmt: skip
"""The wide domain with every lever pulled, so that few clips show each."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Backgrounds:
    folder = tmp_path_factory.mktemp("photos")
    cv2.imwrite(str(folder / "green.png"), np.full((90, 160, 3), (40, 160, 40), np.uint8))
    return Backgrounds.of_folder(folder)


def pictures(domain: Domain, motion: MotionSet, backgrounds: Backgrounds | None) -> np.ndarray:
    return render_clips(
        domain, motion, clips=6, frames_per_clip=1, fps=5, crop_px=32, seed=3, backgrounds=backgrounds
    ).images  # fmt: skip


@pytest.mark.parametrize("lever", [name for name in LEVERS if name not in ("mesh_body", "video_blocks", "seat")])
def test_a_lever_taken_out_changes_pictures(lever: str, motion: MotionSet, photos: Backgrounds) -> None:
    loud = replace(LOUD, video_blocks=0.0) if lever == "jpeg" else LOUD
    backgrounds = photos if lever == "photo" else None
    before, after = (pictures(d, motion, backgrounds) for d in (loud, without(loud, lever)))
    assert (before != after).any()


def test_a_video_codec_keeps_less_colour_than_brightness(motion: MotionSet) -> None:
    clean = replace(without(DOMAINS["wide"], "noise", "low_resolution", "sharpening"), jpeg_quality=(96, 96))
    coded, plain = (pictures(replace(clean, video_blocks=p), motion, None) for p in (1.0, 0.0))
    assert 0 < np.abs(coded.astype(int) - plain).mean() < 20
    detail = []
    for images in (coded, plain):
        red = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 1] for image in images]).astype(int)
        detail.append(np.abs(red[:, :, ::2][:, :, :-1] - red[:, :, 1::2][:, :, :-1]).mean())
    assert detail[0] < 0.97 * detail[1]


def test_every_lever_names_fields_of_a_domain() -> None:
    known = {field.name for field in fields(Domain)}
    assert all(set(overrides) <= known for overrides in LEVERS.values())


def test_taking_out_what_is_not_there_changes_nothing(motion: MotionSet) -> None:
    quiet = without(DOMAINS["wide"], *LEVERS)
    again = without(quiet, "noise", "others", "truncation")
    assert quiet == again


def test_a_lever_leaves_the_labels_of_what_it_does_not_concern(motion: MotionSet) -> None:
    """The light, the sensor, the room and other people have random streams of their own."""
    base = replace(DOMAINS["wide"], occluder=0.0, others=0.0)
    one = render_clips(base, motion, clips=4, frames_per_clip=1, fps=5, crop_px=32, seed=3)
    for lever in ("lights", "clutter", "noise", "background", "low_resolution"):
        other = render_clips(without(base, lever), motion, clips=4, frames_per_clip=1, fps=5, crop_px=32, seed=3)
        np.testing.assert_array_equal(one.joints_mm, other.joints_mm)


def test_an_unknown_lever_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="no lever 'nose'"):
        without(DOMAINS["wide"], "nose")


def test_a_photo_is_seen_behind_the_person(motion: MotionSet, photos: Backgrounds) -> None:
    levers = ("others", "occluders", "clutter", "white_balance", "noise", "truncation")
    green = replace(without(DOMAINS["wide"], *levers), photo=1.0, saturation=(1, 1))
    for image in pictures(green, motion, photos)[:, :6, :6].astype(int):
        assert (image[..., 1] > image[..., 0] + 20).all()


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photos"):
        Backgrounds.of_folder(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        Backgrounds.of_folder(tmp_path).draw(np.random.default_rng(0), (64, 48))

"""Labels lie on the body, cameras agree, seeds decide everything, levers and domains change the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sa3dhp_edge.crop import CropCamera, square_box
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.frameset import BY_BODY, BY_BORDER, BY_THING, NOT_HIDDEN, FrameSet, picture_px
from sa3dhp_edge.geometry import fit_weak_perspective, project
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import JOINTS, bone_lengths_mm
from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.domain import DOMAINS, Domain
from sa3dhp_edge.synth.levers import without
from sa3dhp_edge.synth.picture import SAMPLES_PER_PX
from sa3dhp_edge.synth.raster import NOTHING, View
from sa3dhp_edge.synth.render import render_clips, render_video
from sa3dhp_edge.synth.staging import draw_frame, draw_stage

CROP = 64


def clips(domain: Domain, motion: MotionSet, seed: int = 1, workers: int = 1, count: int = 4) -> FrameSet:
    return render_clips(
        domain, motion, clips=count, frames_per_clip=3, fps=5, crop_px=CROP, seed=seed, workers=workers
    )  # fmt: skip


@pytest.mark.parametrize("name", DOMAINS)
def test_a_labelled_frame_set_comes_out(name: str, motion: MotionSet) -> None:
    done: list[tuple[int, int]] = []
    found = render_clips(
        DOMAINS[name],
        motion,
        clips=3,
        frames_per_clip=2,
        fps=2,
        crop_px=CROP,
        seed=4,
        progress=lambda *n: done.append(n),
    )
    assert found.images.shape == (6, picture_px(CROP), picture_px(CROP), 3)
    assert found.labelled
    assert found.visible is not None
    assert found.visible.mean() > 0.5
    assert found.clip.tolist() == [0, 0, 1, 1, 2, 2]
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert len(found.origin) == 3


def test_a_subject_keeps_its_bones_and_the_joints_fill_the_nominal_crop(motion: MotionSet) -> None:
    found = clips(without(DOMAINS["wide"], "truncation"), motion)
    assert found.joints_mm is not None
    assert found.joints_uv is not None
    bones = bone_lengths_mm(found.joints_mm).reshape(4, 3, -1)
    assert np.ptp(bones, axis=1).max() < 0.1
    left = [JOINTS.index(j) - 1 for j in JOINTS if j.startswith("left")]
    right = [JOINTS.index(j) - 1 for j in JOINTS if j.startswith("right")]
    np.testing.assert_allclose(bones[..., left], bones[..., right], atol=0.1)
    assert np.abs(found.joints_mm[:, 0]).max() == 0
    assert 0.5 < np.abs(found.joints_uv).max() < 1
    fit = fit_weak_perspective(found.joints_mm, found.joints_uv)
    guess = fit[:, None, :1] * found.joints_mm[..., :2] / 1000 + fit[:, None, 1:]
    assert np.abs(guess - found.joints_uv).mean() < 0.06


def test_joints_in_the_picture_are_the_projection_of_the_joints_in_space(motion: MotionSet) -> None:
    video = render_video(DOMAINS["wide"], motion, seconds=0.4, fps=10, size_wh=(320, 240), seed=3)
    np.testing.assert_allclose(project(video.joints_mm, video.camera.matrix()), video.joints_px, atol=1e-3)
    for joints, px in zip(video.joints_mm, video.joints_px, strict=True):
        crop = CropCamera.looking_at(square_box(px), video.camera)
        inside = crop.pose_to_crop(joints)
        uv = crop.focal_uv * inside[:, :2] / inside[:, 2:]
        np.testing.assert_allclose(crop.px_to_uv(px), uv, atol=1e-3)


@pytest.mark.parametrize("name", DOMAINS)
def test_joints_land_on_the_body(name: str, motion: MotionSet) -> None:
    on_body = []
    for seed in range(4):
        bare = without(DOMAINS[name], "occluders", "clutter", "others")
        stage = draw_stage(np.random.default_rng(seed), bare, motion, 2, 2, (320, 320), whole=True)
        camera, k = stage.camera, SAMPLES_PER_PX
        view = View(camera.rotation, camera.position, camera.intrinsics.focal_px[0], *camera.intrinsics.center_px)
        drawn = draw_frame(stage, 1, view, 320, 320)
        px = project(camera.to_camera(stage.joints_mm[1]), camera.intrinsics.matrix())
        x, y = np.round(k * px + (k - 1) / 2).astype(int).T
        face = drawn.samples.face[y, x]
        on_body += [f != NOTHING and drawn.face_part[f] < len(PARTS) for f in face]
    assert np.mean(on_body) > 0.95


def test_visible_joints_show_a_figure_and_hidden_ones_do_not(motion: MotionSet) -> None:
    open_set = clips(replace(DOMAINS["studio"], occluder=0.0), motion, count=8)
    shut = clips(replace(DOMAINS["studio"], occluder=1.0), motion, count=8)
    assert open_set.visible is not None
    assert shut.visible is not None
    assert shut.visible.mean() < open_set.visible.mean() - 0.02


def test_the_crops_camera_carries_the_joints_onto_the_picture(motion: MotionSet) -> None:
    found = clips(DOMAINS["wide"], motion, count=4)
    assert found.joints_mm is not None
    assert found.root_mm is not None
    assert found.focal_uv is not None
    absolute = found.joints_mm + found.root_mm[:, None]
    uv = found.focal_uv[:, None, None] * absolute[..., :2] / absolute[..., 2:]
    np.testing.assert_allclose(uv, found.joints_uv, atol=1e-4)


def test_it_is_known_what_hides_a_joint(motion: MotionSet) -> None:
    plain = replace(DOMAINS["studio"], occluder=0.0)
    in_the_open = clips(plain, motion, count=8).hidden_by
    behind_things = clips(replace(plain, occluder=1.0), motion, count=8).hidden_by
    cut = clips(replace(plain, truncation=1.0, seen_box=0.0), motion, count=8)
    assert in_the_open is not None
    assert behind_things is not None
    assert cut.hidden_by is not None
    assert (in_the_open == BY_BODY).any()
    assert not (in_the_open == BY_BORDER).any()
    assert (behind_things == BY_THING).mean() > (in_the_open == BY_THING).mean() + 0.02
    assert (cut.hidden_by == BY_BORDER).mean() > 0.02
    np.testing.assert_array_equal(cut.visible, cut.hidden_by == NOT_HIDDEN)


def test_the_same_seed_gives_the_same_pictures_whatever_the_workers(motion: MotionSet) -> None:
    one, again, two = (clips(DOMAINS["wide"], motion, workers=w, count=2) for w in (1, 1, 2))
    for other in (again, two):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.joints_mm, other.joints_mm)
        np.testing.assert_array_equal(one.visible, other.visible)
        assert one.origin == other.origin
    assert (clips(DOMAINS["wide"], motion, seed=2, count=2).images != one.images).mean() > 0.5


@pytest.mark.parametrize(
    "lever",
    [
        {"noise": (0.05, 0.05)}, {"blur_px": (2.0, 2.0)}, {"jpeg_quality": (20, 20)}, {"key_strength": (2.0, 2.0)},
        {"build": (1.0, 1.0)}, {"cloth_brightness": (0.0, 0.1)}, {"loose": 1.0}, {"white_balance": 0.5},
        {"wall_brightness": (0.0, 0.2)}, {"shadow": (1.0, 1.0)}, {"pack": 1.0}, {"focal": (0.6, 0.7)},
    ],
    ids=lambda lever: next(iter(lever)),
)  # fmt: skip
def test_a_lever_changes_the_picture(lever: dict[str, object], motion: MotionSet) -> None:
    plain = clips(DOMAINS["studio"], motion, count=1).images
    moved = clips(replace(DOMAINS["studio"], **lever), motion, count=1).images  # type: ignore[arg-type]
    assert np.abs(plain.astype(int) - moved).mean() > 0.1


def test_the_site_looks_unlike_the_studio(motion: MotionSet) -> None:
    studio, site = (clips(DOMAINS[name], motion, count=8).images.astype(float) for name in ("studio", "site"))
    assert studio.mean() > site.mean() + 20
    texture = [np.abs(np.diff(images, axis=2)).mean() for images in (studio, site)]
    assert texture[1] > 1.5 * texture[0]


def test_a_video_keeps_the_person_in_view_and_is_repeatable(motion: MotionSet) -> None:
    video = render_video(DOMAINS["site"], motion, seconds=0.5, fps=6, size_wh=(160, 120), seed=8)
    frames = list(video.frames())
    assert len(frames) == len(video) == 3
    assert frames[0].shape == (120, 160, 3)
    assert frames[0].dtype == np.uint8
    assert (video.joints_px > 0).all()
    assert (video.joints_px < np.array([160, 120])).all()
    np.testing.assert_array_equal(frames[2], list(video.frames())[2])


def test_no_clips_is_refused(motion: MotionSet) -> None:
    with pytest.raises(ConfigError, match="at least one clip"):
        clips(DOMAINS["studio"], motion, count=0)

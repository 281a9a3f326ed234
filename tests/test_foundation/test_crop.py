"""A crop is a pinhole camera: its pictures, coordinates and poses agree with one another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sa3dhp_edge.crop import CropCamera, cut, normalise, square_box
from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.geometry import Intrinsics, fit_weak_perspective, project

CAMERA = Intrinsics((700, 700), (319.5, 239.5))
BOXES = [(100, 60, 260, 400), (0, 0, 200, 200), (500, 300, 639, 479), (300, 220, 330, 260)]


@pytest.mark.parametrize("box", BOXES)
def test_uv_and_pixels_go_back_and_forth(box, rng: np.random.Generator) -> None:
    crop = CropCamera.looking_at(box, CAMERA)
    uv = rng.uniform(-1.5, 1.5, (20, 2))
    np.testing.assert_allclose(crop.px_to_uv(crop.uv_to_px(uv)), uv, atol=1e-9)


@pytest.mark.parametrize("box", BOXES)
def test_the_middle_of_the_box_is_the_middle_of_the_crop(box) -> None:
    crop = CropCamera.looking_at(box, CAMERA)
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    np.testing.assert_allclose(crop.px_to_uv(middle), 0, atol=1e-9)


def test_the_side_of_the_box_is_the_side_of_the_crop() -> None:
    crop = CropCamera.looking_at((219.5, 139.5, 419.5, 339.5), CAMERA)
    corners = crop.px_to_uv(np.array([[219.5, 139.5], [419.5, 339.5]]))
    np.testing.assert_allclose(corners, [[-1, -1], [1, 1]], atol=1e-9)


@pytest.mark.parametrize("box", BOXES)
def test_an_off_centre_crop_has_the_scale_of_its_box(box) -> None:
    """Across the direction to the picture's centre nothing is foreshortened, so there the scale is exact."""
    crop = CropCamera.looking_at(box, CAMERA)
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    outward = (middle - CAMERA.center_px) / np.linalg.norm(middle - CAMERA.center_px)
    step_px = 0.01 * np.array([-outward[1], outward[0]])
    side_px = max(box[2] - box[0], box[3] - box[1])
    moved_uv = np.linalg.norm(crop.px_to_uv(middle + step_px))
    assert moved_uv == pytest.approx(2 / side_px * 0.01, rel=1e-4)


@pytest.mark.parametrize("box", BOXES)
def test_the_virtual_camera_sees_what_the_homography_says(box, rng: np.random.Generator) -> None:
    crop = CropCamera.looking_at(box, CAMERA)
    points = rng.normal((0, 0, 4000), 400, (30, 3))
    virtual = project(crop.pose_to_crop(points), np.diag([crop.focal_uv, crop.focal_uv, 1.0]))
    np.testing.assert_allclose(crop.px_to_uv(project(points, CAMERA.matrix())), virtual, atol=1e-9)


@pytest.mark.parametrize("box", BOXES)
def test_poses_turn_and_return(box, rng: np.random.Generator) -> None:
    crop = CropCamera.looking_at(box, CAMERA)
    pose = rng.normal(0, 300, (17, 3))
    np.testing.assert_allclose(crop.pose_to_camera(crop.pose_to_crop(pose)), pose, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(crop.pose_to_crop(pose), axis=-1), np.linalg.norm(pose, axis=-1))


@pytest.mark.parametrize("box", BOXES)
def test_a_far_person_is_found_where_he_stands(box, rng: np.random.Generator) -> None:
    crop = CropCamera.looking_at(box, CAMERA)
    root = crop.pose_to_camera(np.array([200.0, -100.0, 9000.0]))
    pose = rng.normal(0, 60, (17, 3))
    uv = crop.px_to_uv(project(root + crop.pose_to_camera(pose), CAMERA.matrix()))
    found = crop.root_mm(fit_weak_perspective(pose, uv))
    np.testing.assert_allclose(found, root, atol=0.02 * 9000)
    np.testing.assert_allclose(crop.root_mm(fit_weak_perspective(pose, uv), 1.1), 1.1 * found)


@pytest.mark.parametrize("size_px", [64, 128, 400])
@pytest.mark.parametrize("field", [1.0, 1.5])
@pytest.mark.parametrize("box", BOXES[:3])
def test_a_drawn_dot_lands_at_its_uv(box, field: float, size_px: int) -> None:
    crop = CropCamera.looking_at(box, CAMERA)
    px = np.array([box[0] + 0.6 * (box[2] - box[0]), box[1] + 0.45 * (box[3] - box[1])])
    frame = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(frame, tuple(round(v * 16) for v in px), 5 * 16, (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    picture = cut(frame, crop, size_px, field)
    assert picture.shape == (size_px, size_px, 3)
    assert picture.dtype == np.uint8
    weight = picture[..., 0].astype(float)
    rows, columns = np.mgrid[:size_px, :size_px]
    seen_px = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    seen_uv = ((seen_px + 0.5) / (size_px / 2) - 1) * field
    np.testing.assert_allclose(seen_uv, crop.px_to_uv(px), atol=0.6 * field / size_px)


def test_pictures_are_rgb_and_repeat_the_border() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:] = (10, 20, 30)
    picture = cut(frame, CropCamera.looking_at((-80, -80, 60, 60), Intrinsics.guess((100, 100))), 32)
    assert (picture == (30, 20, 10)).all()


def test_square_box_holds_the_joints_with_a_margin(rng: np.random.Generator) -> None:
    joints = rng.uniform(50, 300, (17, 2))
    x0, y0, x1, y1 = square_box(joints, margin=1.5)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert x1 - x0 == pytest.approx(1.5 * np.ptp(joints, axis=0).max())
    assert ((joints > [x0, y0]) & (joints < [x1, y1])).all()


@pytest.mark.parametrize("box", [(10, 10, 10, 10), (20, 20, 10, 10), (0, 0, float("nan"), 5)])
def test_a_box_without_area_is_refused(box) -> None:
    with pytest.raises(ShapeError, match="x0 < x1 and y0 < y1"):
        CropCamera.looking_at(box, CAMERA)


def test_normalise_gives_planes_of_unit_scale() -> None:
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    pictures[..., 0] = 255
    planes = normalise(pictures, (0.5, 0.25, 0.0), (0.5, 0.5, 1.0))
    assert planes.shape == (2, 3, 4, 4)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[1, :, 2, 2], [1.0, -0.5, 0.0])

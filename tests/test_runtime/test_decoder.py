import dataclasses

import cv2
import numpy as np
import pytest

from runtime.decoder import confidence, decode
from runtime.estimator import Estimator
from runtime.lens import Lens
from runtime.model import Model, ModelOutput
from runtime.region import part_around
from sa3dhp_edge.contract import Confidence, ErrorModel
from sa3dhp_edge.crop import CropCamera, cut, square_box
from sa3dhp_edge.geometry import Intrinsics, project
from sa3dhp_edge.records import Frame

REFERENCE = Confidence(cycle=0.1, joint_score=0.8)
CAMERA = Intrinsics((800.0, 800.0), (319.5, 239.5))
DISTORTED = Intrinsics((800.0, 800.0), (319.5, 239.5), (-0.2, 0.05, 0.001, -0.001, 0.0))


def person(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A root-relative pose and its place in the camera frame, mm, small against its distance."""
    return rng.normal(0, 60, (17, 3)).astype(np.float32) * (np.arange(17)[:, None] > 0), np.array(
        [900.0, -300.0, 8000.0]
    )


def output_for(pose_crop: np.ndarray, camera: np.ndarray, uv: np.ndarray, score: float = 0.8) -> ModelOutput:
    return ModelOutput(
        z=np.zeros((1, 32), np.float32),
        pose_mm=pose_crop[None].astype(np.float32),
        camera=camera[None].astype(np.float32),
        joints_uv=uv[None].astype(np.float32),
        joint_score=np.full((1, 17), score, np.float32),
        cycle=np.array([0.05], np.float32),
    )


@pytest.mark.parametrize("intrinsics", [CAMERA, DISTORTED])
@pytest.mark.parametrize("height_mm", [1700.0, 1200.0])
def test_a_known_person_comes_back_from_the_crop(intrinsics, height_mm):
    pose, place = person(np.random.default_rng(0))
    lens, ratio = Lens(intrinsics), height_mm / 1700
    straight_px = project(pose + place, intrinsics.matrix())
    frame_px = lens.points_to_frame(straight_px)
    box = square_box(frame_px)
    crop = CropCamera.looking_at(lens.box_to_straight(box), intrinsics)
    uv = crop.px_to_uv(straight_px)
    root_uv = crop.px_to_uv(project(place, intrinsics.matrix()))
    depth = float(crop.pose_to_crop(place)[2])
    weak = np.array([1000 * crop.focal_uv / depth * ratio, *root_uv])
    made = decode(output_for(crop.pose_to_crop(pose / ratio), weak, uv), 0, crop, box, lens, REFERENCE, height_mm)
    assert np.allclose(made.joints_mm, pose, atol=0.05)
    assert np.allclose(made.root_mm, place, atol=0.5)
    assert np.allclose(made.joints_px, frame_px, atol=0.02)
    assert made.confidence == pytest.approx(1.0)
    assert made.box_xyxy_px == box


def test_without_a_calibration_there_is_no_place():
    pose, place = person(np.random.default_rng(1))
    guess = Intrinsics.guess((640, 480))
    px = project(pose + place, guess.matrix())
    crop = CropCamera.looking_at(square_box(px), guess)
    out = output_for(pose, np.array([1.0, 0, 0]), crop.px_to_uv(px))
    assert decode(out, 0, crop, square_box(px), Lens(guess), REFERENCE).root_mm is None


def seen_with(score: float | None, cycle: float) -> ModelOutput:
    pose, _ = person(np.random.default_rng(3))
    uv = pose[:, :2] / 1000
    made = output_for(pose, np.array([1.0, 0, 0]), uv, 0.0 if score is None else score)
    joint_score = None if score is None else made.joint_score
    return dataclasses.replace(made, cycle=np.array([cycle], np.float32), joint_score=joint_score)


def test_without_a_calibration_confidence_falls_with_score_and_with_distance_from_the_prior():
    said = {
        (0.8, 0.1): 1, (0.4, 0.1): 0.5, (0.8, 0.2): np.exp(-1), (None, 0.1): 1, (0.8, float("nan")): 0, (0.8, 1e9): 0
    }  # fmt: skip
    for (score, cycle), wanted in said.items():
        assert confidence(seen_with(score, cycle), 0, REFERENCE) == pytest.approx(wanted)


def test_a_calibrated_model_promises_millimetres_that_grow_with_every_cue():
    model = ErrorModel(np.log(50), (2.0, 0.3, 0.1), least_mm=60, typical_mm=100, most_mm=250, useless_mm=300)
    aligned = dataclasses.replace(model, offset=np.log(25), least_mm=30)
    reference = dataclasses.replace(REFERENCE, mpjpe=model, pa_mpjpe=aligned)
    crop, lens = CropCamera.looking_at((0, 0, 100, 100), CAMERA), Lens(CAMERA)

    def made(out: ModelOutput, height_mm: float = 1700.0):
        return decode(out, 0, crop, (0, 0, 100, 100), lens, reference, height_mm)

    good, doubtful, nobody = (seen_with(score, 0.02) for score in (0.8, 0.5, 0.0))
    off = dataclasses.replace(good, joints_uv=good.joints_uv + np.float32(0.1))
    strange = dataclasses.replace(good, cycle=good.cycle * 5)
    poses = [made(out) for out in (good, doubtful, nobody)]
    errors = [p.expected_error_mm for p in poses]
    assert errors == sorted(errors)
    assert errors[0] == pytest.approx(50 * np.exp(0.4 + 0.1 * np.log(21)), rel=1e-3)
    assert all(made(out).expected_error_mm > errors[0] for out in (off, strange))
    assert poses[0].expected_pa_error_mm == pytest.approx(errors[0] / 2, rel=1e-3)
    assert [p.confidence for p in poses] == sorted((p.confidence for p in poses), reverse=True)
    assert poses[0].confidence > 0.9
    assert made(good, 850.0).expected_error_mm == pytest.approx(errors[0] / 2), "a child is misjudged by less"
    for broken in (float("nan"), float("inf")):
        worst = made(dataclasses.replace(good, cycle=np.array([broken], np.float32)))
        assert (worst.expected_error_mm, worst.confidence) == (250, 0)


def test_confidence_is_1_at_a_typical_frame_and_0_where_a_pose_is_useless():
    model = ErrorModel(0.0, (1.0, 0.0, 0.0), least_mm=60, typical_mm=100, most_mm=250, useless_mm=300)
    cues = np.log([[10.0, 1, 1], [100, 1, 1], [200, 1, 1], [300, 1, 1], [9000, 1, 1]])
    assert model.confidence(cues) == pytest.approx([1, 1, 0.5, 0, 0])
    assert model.expected_mm(cues) == pytest.approx([60, 100, 200, 250, 250])


def test_a_joint_is_doubted_where_its_2d_and_3d_places_are_apart():
    model = ErrorModel(np.log(50), (2.0, 0.5, 0.1), least_mm=60, typical_mm=100, most_mm=1900, useless_mm=2000)
    reference = dataclasses.replace(REFERENCE, mpjpe=model)
    crop, lens = CropCamera.looking_at((0, 0, 100, 100), CAMERA), Lens(CAMERA)
    plain = seen_with(0.8, 0.02)
    moved = plain.joints_uv.copy()
    moved[0, 4] += 0.05
    pose = decode(dataclasses.replace(plain, joints_uv=moved), 0, crop, (0, 0, 100, 100), lens, reference)
    assert pose.joint_confidence.argmin() == 4
    assert pose.joint_confidence[4] < pose.joint_confidence[3] - 0.02
    promised = 2000 * (1 - pose.joint_confidence.astype(float))
    assert promised.mean() == pytest.approx(pose.expected_error_mm, rel=1e-4), "joints share their pose's error"
    blind = dataclasses.replace(REFERENCE, mpjpe=dataclasses.replace(model, weights=(2.0, 0.0, 0.1)))
    for unknown in (REFERENCE, blind):
        assert decode(plain, 0, crop, (0, 0, 100, 100), lens, unknown).joint_confidence is None


def test_joints_of_a_broken_output_are_worth_nothing():
    model = ErrorModel(0.0, (1.0, 0.5, 0.0), least_mm=60, typical_mm=100, most_mm=250, useless_mm=300)
    for bad in (float("nan"), float("inf")):
        found = model.joint_confidence(np.array([[bad, 1.0, 1.0]]), np.full((1, 17), bad))
        assert found == pytest.approx(np.zeros((1, 17)))


def test_lens_points_go_to_the_frame_and_back():
    lens = Lens(DISTORTED)
    px = np.random.default_rng(2).uniform((50, 50), (590, 430), (40, 2))
    back = lens.points_to_frame(lens.points_to_straight(px))
    assert np.abs(back - px).max() < 0.05
    assert np.abs(lens.points_to_straight(px) - px).max() > 1, "this lens does distort"


def test_straightened_frames_show_a_point_where_the_points_say():
    lens = Lens(DISTORTED)
    straight_px = np.array([[520.0, 400.0]])
    frame_px = lens.points_to_frame(straight_px)
    frame = np.zeros((480, 640, 3), np.uint8)
    x, y = frame_px[0].round().astype(int)
    frame[y - 2 : y + 3, x - 2 : x + 3] = 255
    ys, xs = np.nonzero(lens.straighten(frame, (100, 50, 640, 480))[..., 0] > 100)
    assert np.allclose([xs.mean() + 100, ys.mean() + 50], straight_px[0], atol=1)


@pytest.mark.parametrize("box", [(200, 100, 300, 200), (-80, -60, 140, 160), (500, 300, 720, 520), (100, 20, 560, 480)])
def test_a_crop_cut_from_a_part_is_the_crop_cut_from_the_whole(fake_model, box):
    estimator = Estimator(Model.load(fake_model), CAMERA)
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    image = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)
    crop = CropCamera.looking_at(box, CAMERA)
    part, whole = estimator._picture(Frame(image, 0, 0.0), crop), cut(image, crop, 64)
    assert np.abs(part.astype(int) - whole).mean() < 3


def test_a_part_is_never_empty_and_never_outside():
    for points in ([[-90, -90], [-50, -40]], [[900, 900], [950, 999]], [[10, 20], [30, 60]]):
        x0, y0, x1, y1 = part_around(np.array(points, float), 2, (64, 48))
        assert 0 <= x0 < x1 <= 64
        assert 0 <= y0 < y1 <= 48

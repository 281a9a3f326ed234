from __future__ import annotations

import cv2
import numpy as np
import pytest

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.report.palette import LEFT, PALE, RIGHT
from sa3dhp_edge.report.pictures import contact_sheet, panel_width_px, png_bytes, pose_panel
from sa3dhp_edge.skeleton import JOINTS, TEMPLATE_BONE_MM, pose_from_directions

SIZE = 240
DARK = np.full((90, 90, 3), 30, np.uint8)


def standing() -> np.ndarray:
    """(17, 3) mm: upright, seen from the front, the person's left at the right of the picture."""
    sideways = {"right_shoulder": -1, "left_shoulder": 1, "right_hip": -1, "left_hip": 1}
    up = {"neck", "head_top"}
    names = JOINTS[1:]
    directions = np.array([[sideways.get(n, 0), 0 if n in sideways else -1 if n in up else 1, 0] for n in names])
    return pose_from_directions(directions.astype(np.float32), TEMPLATE_BONE_MM)


def is_colour(picture: np.ndarray, colour: str, tolerance: int = 40) -> np.ndarray:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(picture.astype(int) - wanted) < tolerance).all(-1)


def test_the_skeleton_lies_on_the_joints():
    pose = standing()
    uv = pose[:, :2] / 1000
    panel = pose_panel(DARK, uv, pose, None, SIZE, field=1.0)
    assert panel.shape == (SIZE, panel_width_px(SIZE), 3)
    assert panel.dtype == np.uint8
    for name, colour in (("left_knee", LEFT), ("right_knee", RIGHT), ("left_elbow", LEFT), ("right_elbow", RIGHT)):
        x, y = np.round((uv[JOINTS.index(name)] + 1) / 2 * SIZE - 0.5).astype(int)
        assert is_colour(panel[y - 2 : y + 3, x - 2 : x + 3], colour).any(), name
    drawn = (panel[:, :SIZE] != 30).any(-1)
    assert 0.005 < drawn.mean() < 0.2


def test_the_camera_view_has_the_left_at_the_right():
    pose = standing()
    views = pose_panel(DARK, pose[:, :2] / 1000, pose, None, SIZE)[:, SIZE:]
    front = views[:, : views.shape[1] // 2]
    assert np.nonzero(is_colour(front, LEFT))[1].mean() > np.nonzero(is_colour(front, RIGHT))[1].mean() + 5


def test_the_truth_is_grey_and_laid_on_the_pose_by_the_pelvis():
    pose = standing()

    def grey(truth: np.ndarray | None) -> int:
        return int(is_colour(pose_panel(DARK, pose[:, :2] / 1000, pose, truth, SIZE)[:, SIZE:], PALE, 6).sum())

    leaning = pose + pose[:, 1:2] * np.array([0, 0, 0.3], np.float32)
    assert grey(None) < grey(pose) < grey(leaning) - 50
    assert grey(pose + 500) == pytest.approx(grey(pose), abs=5)


def test_what_is_not_finite_is_left_out():
    nothing = pose_panel(DARK, np.full((17, 2), np.nan), np.full((17, 3), np.nan), None, SIZE)
    assert (nothing[:, :SIZE] == 30).all()
    assert not is_colour(nothing, LEFT).any()
    part = standing()
    part[JOINTS.index("left_wrist")] = np.nan
    assert pose_panel(DARK, part[:, :2] / 1000, part, part, SIZE).shape == nothing.shape


@pytest.mark.parametrize("size", [97, 220, 341])
def test_a_panel_has_the_size_asked_for(size):
    pose = standing()
    assert pose_panel(DARK, pose[:, :2], pose, None, size).shape == (size, panel_width_px(size), 3)


def test_a_pose_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"pose to draw is \(16, 3\)"):
        pose_panel(DARK, np.zeros((17, 2)), np.zeros((16, 3)))


def test_a_contact_sheet_places_panels_row_by_row():
    panels = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = contact_sheet(panels, 2, gap_px=3)
    assert sheet.shape == (4 + 3 + 4, 6 + 3 + 6, 3)
    assert (sheet[:4, :6] == 10).all()
    assert (sheet[:4, 9:] == 20).all()
    assert (sheet[7:, :6] == 30).all()
    assert (sheet[7:, 9:] == 255).all()
    assert (sheet[4:7] == 255).all()
    assert contact_sheet(panels[:1], 5).shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("panels", "columns"), [([], 2), ([DARK], 0), ([DARK, DARK[:5]], 2), ([DARK[..., 0], DARK[..., 0]], 2)]
)
def test_a_contact_sheet_refuses_what_it_cannot_place(panels, columns):
    with pytest.raises(ShapeError):
        contact_sheet(panels, columns)


def test_png_bytes_keep_every_pixel(rng):
    picture = rng.integers(0, 256, (11, 13, 3), dtype=np.uint8)
    back = cv2.imdecode(np.frombuffer(png_bytes(picture), np.uint8), cv2.IMREAD_COLOR)
    assert (cv2.cvtColor(back, cv2.COLOR_BGR2RGB) == picture).all()

import numpy as np
import pytest

from runtime.claim import claim, examined, shifted
from sa3dhp_edge.records import Box, Frame, Pose

FRAME = Frame(np.zeros((240, 320, 3), np.uint8), 0, 0.0)


def pose(centre_x: float, size: float = 80.0, confidence: float = 0.8, box: Box | None = None) -> Pose:
    joints = np.linspace(-0.5, 0.5, 17)[:, None] * np.array([0.4, 1.0]) * size + np.array([centre_x, 120])
    box = box or (centre_x - 0.6 * size, 120 - 0.6 * size, centre_x + 0.6 * size, 120 + 0.6 * size)
    return Pose(np.zeros((17, 3), np.float32), None, joints.astype(np.float32), box, confidence, 0, np.zeros(32))


def test_joints_that_stay_count_fully_and_joints_that_go_along_not_at_all():
    first = pose(100)
    moved = shifted(first.box_xyxy_px)
    by = moved[0] - first.box_xyxy_px[0]
    assert examined(first, pose(100, box=moved)) == pytest.approx(0.8)
    assert examined(first, pose(100 + by, box=moved)) == pytest.approx(0.0, abs=1e-5)
    assert examined(first, pose(100 - 3 * by, box=moved)) == 0.0
    assert examined(first, pose(100 + by / 2, confidence=0.4, box=moved)) == pytest.approx(0.3)


def test_the_claim_grows_with_size_and_motion_and_counts_only_what_is_in_view():
    def of(p: Pose, *movers: Box) -> float:
        return claim(FRAME, p, p, movers)

    assert of(pose(150, 120)) == pytest.approx(1.5 * of(pose(150, 80)))
    assert of(pose(150, 400)) == of(pose(150, 240))
    around = (134.0, 80.0, 166.0, 160.0)
    assert of(pose(150), around) == pytest.approx(3 * of(pose(150)))
    assert of(pose(150), (250.0, 80.0, 280.0, 160.0)) == of(pose(150))
    assert of(pose(900)) == 0

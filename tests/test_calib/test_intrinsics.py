import cv2
import numpy as np
import pytest

from calib.intrinsics import calibrate, picture_size, save_intrinsics
from runtime.intrinsics import load_intrinsics
from sa3dhp_edge.errors import InputError, OutputError

K = np.array([[620.0, 0, 318], [0, 622, 242], [0, 0, 1]])
BOARD, SQUARE = (7, 5), 40


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Eight pictures of a chessboard through a known pinhole."""
    folder = tmp_path_factory.mktemp("board")
    rng = np.random.default_rng(0)
    wide, high = (BOARD[0] + 3) * SQUARE, (BOARD[1] + 3) * SQUARE
    board = np.full((high, wide), 255, np.uint8)
    for row in range(BOARD[1] + 1):
        for column in range(row % 2, BOARD[0] + 1, 2):
            y, x = (row + 1) * SQUARE, (column + 1) * SQUARE
            board[y : y + SQUARE, x : x + SQUARE] = 0
    for i in range(8):
        turn, _ = cv2.Rodrigues(rng.uniform(-0.5, 0.5, 3))
        place = np.array([0, 0, rng.uniform(550, 800)])
        to_middle = np.array([[1, 0, -wide / 2], [0, 1, -high / 2], [0, 0, 0]])
        flat = K @ (turn @ to_middle + np.outer(place, [0, 0, 1]))
        picture = cv2.warpPerspective(board, flat, (640, 480), flags=cv2.INTER_AREA, borderValue=128)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.GaussianBlur(picture, (3, 3), 0))
    return folder


def test_a_known_camera_is_found_saved_and_read_again(views, tmp_path):
    made, rms_px = calibrate(views, BOARD, SQUARE)
    assert rms_px < 0.5
    assert made.focal_px == pytest.approx((620, 622), rel=0.02)
    assert made.center_px == pytest.approx((318, 242), abs=6)
    assert not made.assumed
    assert picture_size(views) == (640, 480)
    path = tmp_path / "camera.json"
    save_intrinsics(path, made, (640, 480), rms_px)
    assert load_intrinsics(path) == made
    with pytest.raises(OutputError, match="exists already"):
        save_intrinsics(path, made, (640, 480), rms_px)


def test_a_video_of_the_board_does_too(views, tmp_path):
    path = tmp_path / "board.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for picture in sorted(views.iterdir()):
        writer.write(cv2.imread(str(picture)))
    writer.release()
    made, _ = calibrate(path, BOARD, SQUARE)
    assert made.focal_px == pytest.approx((620, 622), rel=0.02)


def test_what_cannot_be_calibrated_is_said(views, tmp_path):
    with pytest.raises(InputError, match="is not there"):
        calibrate(tmp_path / "none", BOARD)
    with pytest.raises(InputError, match="no picture"):
        calibrate(tmp_path, BOARD)
    with pytest.raises(InputError, match="seen in 0 of 8"):
        calibrate(views, (11, 8))
    with pytest.raises(InputError, match="cannot be used"):
        calibrate(views, (1, 8))
    for i, side in enumerate((40, 50)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((side, side), np.uint8))
    with pytest.raises(InputError, match="2 sizes"):
        calibrate(tmp_path, BOARD)

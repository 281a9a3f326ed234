"""A printed board has the millimetres it names: it is found again in the drawn page, and measured."""

import re
import struct
import zlib

import cv2
import numpy as np
import pytest

from calib.board import Board
from calib.detection import finder_of
from calib.printing import PAPERS_MM, board_page, draw_board, save_page
from sa3dhp_edge.errors import OutputError

BOARDS = (
    Board("charuco", (9, 6), 25.0, 18.0),
    Board("chessboard", (9, 6), 25.0),
    Board("chessboard", (6, 9), 23.7),
    Board("charuco", (9, 7), 40.0, 30.0, "DICT_4X4_50"),
)


def steps_mm(board: Board, page) -> np.ndarray:
    """Distances between neighbouring corners, measured in the picture."""
    shrunk = cv2.resize(page.grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = finder_of(board).find(shrunk)
    columns, rows = board.corners_wh
    assert len(found.ids) == columns * rows
    grid = found.corners_px.reshape(rows, columns, 2)
    along = np.linalg.norm(np.diff(grid, axis=1), axis=-1).ravel()
    down = np.linalg.norm(np.diff(grid, axis=0), axis=-1).ravel()
    return np.concatenate([along, down]) * 2 / page.px_per_mm


@pytest.mark.parametrize("board", BOARDS, ids=lambda b: f"{b.kind} {b.corners_wh} {b.square_mm}")
def test_the_squares_of_a_page_are_as_large_as_they_should_be(board):
    page = board_page(board)
    assert steps_mm(board, page) == pytest.approx(board.square_mm, abs=0.05)
    height, width = page.grey.shape
    assert (width / page.px_per_mm, height / page.px_per_mm) == pytest.approx(page.size_mm, abs=0.1)
    assert sorted(page.size_mm) == sorted(PAPERS_MM[page.paper])
    assert page.grey[0].min() == page.grey[:, 0].min() == 255, "the board keeps off the paper's edge"


def test_the_smallest_paper_that_is_enough_is_taken_or_the_one_that_is_named():
    assert board_page(BOARDS[0]).paper == "A4"
    assert board_page(BOARDS[3]).paper == "A2"
    assert board_page(BOARDS[0], "a3").paper == "A3"
    with pytest.raises(OutputError, match="400 x 320 mm does not fit on A4"):
        board_page(BOARDS[3], "A4")
    with pytest.raises(OutputError, match="no paper"):
        board_page(BOARDS[0], "B5")


def test_a_png_says_how_large_it_is(tmp_path):
    page = board_page(BOARDS[0])
    save_page(tmp_path / "board.png", page)
    data = (tmp_path / "board.png").read_bytes()
    at = data.index(b"pHYs")
    across, down, unit = struct.unpack(">IIB", data[at + 4 : at + 13])
    assert unit == 1
    assert across == down == pytest.approx(1000 * page.px_per_mm, rel=1e-4)
    assert struct.unpack(">I", data[at + 13 : at + 17])[0] == zlib.crc32(data[at : at + 13])
    assert np.array_equal(cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE), page.grey)


def test_a_pdf_has_the_papers_size_and_the_whole_picture(tmp_path):
    page = board_page(BOARDS[1])
    save_page(tmp_path / "board.pdf", page)
    data = (tmp_path / "board.pdf").read_bytes()
    box = [float(v) for v in re.search(rb"/MediaBox \[([^\]]+)\]", data)[1].split()]
    assert box == pytest.approx([0, 0, *(72 / 25.4 * side for side in page.size_mm)], abs=0.3)
    drawn = [float(v) for v in re.search(rb"([\d.]+) 0 0 ([\d.]+) 0 0 cm", data).groups()]
    assert drawn == box[2:], "the picture fills the page"
    width, height = (int(re.search(rb"/%b (\d+)" % side, data)[1]) for side in (b"Width", b"Height"))
    assert width / drawn[0] * 72 / 25.4 == pytest.approx(page.px_per_mm, rel=1e-5)
    start = data.index(b"stream\n", data.index(b"/FlateDecode")) + 7
    assert zlib.decompressobj().decompress(data[start:]) == page.grey.tobytes()
    assert (height, width) == page.grey.shape
    starts = [int(line) for line in re.findall(rb"(\d{10}) 00000 n", data)]
    assert [data[at:].split(b" ", 1)[0] for at in starts] == [b"1", b"2", b"3", b"4", b"5"]
    assert data[int(re.search(rb"startxref\n(\d+)", data)[1]) :].startswith(b"xref")


def test_a_page_goes_where_it_is_asked_to_and_nowhere_else(tmp_path):
    page = board_page(BOARDS[1])
    with pytest.raises(OutputError, match=r"must end in \.png or \.pdf"):
        save_page(tmp_path / "board.jpg", page)
    save_page(tmp_path / "board.png", page)
    with pytest.raises(OutputError, match="exists already"):
        save_page(tmp_path / "board.png", page)
    save_page(tmp_path / "board.png", page, overwrite=True)


def test_a_board_of_the_pattern_before_opencv_4_6_is_found_as_well():
    board = Board("charuco", (7, 5), 25.0, 18.0)  # six rows of squares: there the patterns differ
    old = board.charuco(legacy=True).generateImage((8 * 60, 6 * 60), marginSize=0)
    assert not np.array_equal(old, draw_board(board, 60))
    found = finder_of(board).find(cv2.copyMakeBorder(old, *[60] * 4, cv2.BORDER_CONSTANT, value=255))
    assert len(found.ids) == 35
    assert found.corners_px[0] == pytest.approx((119.5, 119.5), abs=0.2)

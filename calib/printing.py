"""A page with a board on it, at its true size: PNG that knows its resolution, or PDF."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.board import Board
from sa3dhp_edge.atomic import refuse_existing, write_bytes
from sa3dhp_edge.errors import OutputError

PAPERS_MM = {
    "A4": (210.0, 297.0), "Letter": (215.9, 279.4), "A3": (297.0, 420.0), "A2": (420.0, 594.0), "A1": (594.0, 841.0),
    "A0": (841.0, 1189.0),
}  # fmt: skip
"""Short and long side, the smallest first."""
_MARGIN_MM = 10.0
_CAPTION_MM = 5.0
_DOTS_PER_MM = 300 / 25.4
_MOST_DOTS = 40e6
_POINTS_PER_MM = 72 / 25.4


@dataclass(frozen=True)
class Page:
    """A page to print.

    Attributes:
        grey: (H, W) uint8, 255 is paper.
        paper: name of its size.
        size_mm: width and height of the paper.
        px_per_mm: of the picture, along both sides.
    """

    grey: NDArray[np.uint8]
    paper: str
    size_mm: tuple[float, float]
    px_per_mm: float


def board_page(board: Board, paper: str | None = None) -> Page:
    """The board in the middle of the smallest paper it fits on, or of a named one.

    Raises:
        OutputError: it does not fit.
    """
    name, size_mm = _paper_for(board, paper)
    wanted = min(_DOTS_PER_MM, (_MOST_DOTS / (size_mm[0] * size_mm[1])) ** 0.5)
    square_px = int(wanted * board.square_mm)  # whole, so that every square is as large as every other
    px_per_mm = square_px / board.square_mm
    page = np.full([round(side * px_per_mm) for side in reversed(size_mm)], 255, np.uint8)
    drawn = draw_board(board, square_px)
    top, left = ((page.shape[i] - drawn.shape[i]) // 2 for i in range(2))
    page[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    _caption(page, board, left, page.shape[0] - round(_MARGIN_MM / 2 * px_per_mm), px_per_mm)
    return Page(page, name, size_mm, px_per_mm)


def draw_board(board: Board, square_px: int) -> NDArray[np.uint8]:
    """The board alone, without margin: (rows * square_px, columns * square_px) uint8."""
    columns, rows = board.squares_wh
    if board.kind == "charuco":
        drawn = board.charuco().generateImage((columns * square_px, rows * square_px), marginSize=0)
        return np.asarray(drawn, np.uint8)
    squares = (np.indices((rows, columns)).sum(0) % 2 * 255).astype(np.uint8)
    return np.kron(squares, np.ones((square_px, square_px), np.uint8))


def save_page(path: Path, page: Page, overwrite: bool = False) -> None:
    """Write .png or .pdf.

    Raises:
        OutputError: another suffix, the file exists, or it cannot be written.
    """
    writers = {".png": _png, ".pdf": _pdf}
    if path.suffix.lower() not in writers:
        raise OutputError(f"{path} must end in .png or .pdf", "a PDF keeps its size in every program")
    if not overwrite:
        refuse_existing(path, "name another path, or replace it with --overwrite")
    write_bytes(path, writers[path.suffix.lower()](page))


def _paper_for(board: Board, paper: str | None) -> tuple[str, tuple[float, float]]:
    named = {name: size for name, size in PAPERS_MM.items() if paper is None or name.lower() == paper.lower()}
    if not named:
        raise OutputError(f"{paper!r} is no paper", f"name one of {', '.join(PAPERS_MM)}")
    wide, high = (n * board.square_mm for n in board.squares_wh)
    for name, (short, long) in named.items():
        for size in ((long, short), (short, long)):
            if wide + 2 * _MARGIN_MM <= size[0] and high + 2 * (_MARGIN_MM + _CAPTION_MM) <= size[1]:
                return name, size
    largest = paper or list(PAPERS_MM)[-1]
    raise OutputError(
        f"a board of {wide:g} x {high:g} mm does not fit on {largest} with {_MARGIN_MM:g} mm of margin",
        "take a smaller --square-mm or --size, or a larger --paper",
    )


def _caption(page: NDArray[np.uint8], board: Board, left: int, bottom: int, px_per_mm: float) -> None:
    wide = board.squares_wh[0] * board.square_mm
    text = f"{board.words()}. Print at 100 %: the squares of a row measure {wide:g} mm together."
    height_px, thick = 2.5 * px_per_mm, max(1, round(px_per_mm / 6))
    (drawn, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, thick)
    size = min(height_px / high, (page.shape[1] - 2 * left) / drawn)
    cv2.putText(page, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, size, 0, thick, cv2.LINE_AA)


def _png(page: Page) -> bytes:
    """With a pHYs chunk, pixels per metre.

    Source: PNG specification, third edition, sec. 11.3.4.3.
    """
    _, encoded = cv2.imencode(".png", page.grey)
    plain = encoded.tobytes()
    per_metre = round(1000 * page.px_per_mm)
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    header_end = 8 + 25  # signature, then IHDR: length, name, 13 bytes, checksum
    return plain[:header_end] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body)) + plain[header_end:]


def _pdf(page: Page) -> bytes:
    """One page that is one picture.

    Source: ISO 32000-1:2008, sec. 7.5 and 8.9.
    """
    height, width = page.grey.shape
    box = " ".join(f"{side * _POINTS_PER_MM:.4f}" for side in (width / page.px_per_mm, height / page.px_per_mm))
    wide, high = box.split()
    place = f"{wide} 0 0 {high} 0 0 cm /Board Do".encode()
    picture = zlib.compress(page.grey.tobytes(), 9)
    about = f"/Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray /BitsPerComponent 8"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {box}] /Contents 4 0 R "
        "/Resources << /XObject << /Board 5 0 R >> >> >>".encode(),
        _stream(place, ""),
        _stream(picture, f"/Type /XObject {about} /Filter /FlateDecode "),
    )
    made, starts = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        starts.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = "".join(f"{start:010d} 00000 n \n" for start in starts).encode()
    count = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n%b%b" % (count, table, end)


def _stream(content: bytes, about: str) -> bytes:
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (about.encode(), len(content), content)

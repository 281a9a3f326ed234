"""The person detector that comes with the program: a small network that saw generated people alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.backends.onnx_runtime import OnnxBackend
from runtime.config import FinderConfig
from runtime.finder import AbstractSearch, Candidate, overlap, squared
from sa3dhp_edge.crop import normalise

FILE = Path(__file__).resolve().with_name("person_net.onnx")
"""Made by `python -m sa3dhp_edge.jobs.train_detector`; its card is `person_net.md` beside it."""
_MEAN, _STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
_STRIDE, _UNIT_PX = 8, 64.0
_WHOLE = 16
"""The network's pictures have sides of multiples of so many pixels."""
_SAME = 0.55
"""Squares that overlap by more are one person."""
_LARGEST = 3.0
"""A square's side over the picture's longer side, at most."""


@final
class PersonDetector(AbstractSearch):
    """Square crops around the persons of a picture, in one pass of a network over all of it.

    Source: Zhou et al. 2019, Objects as Points: each person is a peak of one map; others tell of the square there.

    Args:
        cfg: size of the picture, and who counts as found.
        path: the network.

    Raises:
        ModelError: no such file, or no network.
    """

    def __init__(self, cfg: FinderConfig, path: Path = FILE) -> None:
        self._backend = OnnxBackend(path, threads=1)
        self._cfg = cfg

    def find(self, image_bgr: NDArray[np.uint8]) -> list[Candidate]:
        h, w = image_bgr.shape[:2]
        scale = self._cfg.long_side_px / max(h, w)
        small = _shrunk(image_bgr, (max(round(w * scale), 1), max(round(h * scale), 1)))
        below, beside = -small.shape[0] % _WHOLE, -small.shape[1] % _WHOLE
        padded = cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_REPLICATE)
        picture = normalise(np.ascontiguousarray(padded[None, ..., ::-1]), _MEAN, _STD)
        maps = self._backend.infer({"image": picture})["maps"][0]
        fx, fy = w / small.shape[1], h / small.shape[0]
        found = [
            Candidate(squared((c.box[0] * fx, c.box[1] * fy, c.box[2] * fx, c.box[3] * fy)), "found", c.score)
            for c in peaks(maps, self._cfg.min_score)
        ]
        return without_doubles(found)[: self._cfg.max_people]


def peaks(maps: NDArray[np.float32], min_score: float) -> list[Candidate]:
    """Cells of maps (4, h, w) that are surer than all around them, as squares in pixels of the network's picture.

    The maps: logit of a person, way from the cell's centre to the square's in units of 64 px (x, y), logarithm of the
    square's side in the same unit.
    """
    score = 1 / (1 + np.exp(-maps[0].astype(np.float64)))
    rows, columns = np.nonzero((score >= min_score) & (score >= cv2.dilate(score, np.ones((3, 3), np.uint8))))
    widest = float(np.log(_LARGEST * max(maps.shape[1:]) * _STRIDE / _UNIT_PX))
    made = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        dx, dy, log_side = (float(v) for v in maps[1:, row, column])
        cx, cy = (column + 0.5) * _STRIDE + dx * _UNIT_PX, (row + 0.5) * _STRIDE + dy * _UNIT_PX
        half = 0.5 * _UNIT_PX * math.exp(min(log_side, widest))
        made.append(Candidate((cx - half, cy - half, cx + half, cy + half), "found", float(score[row, column])))
    return made


def without_doubles(found: Sequence[Candidate]) -> list[Candidate]:
    """The surest first, and none that is nearly the same square as a surer one."""
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda c: -c.score):
        if all(overlap(one.box, other.box) <= _SAME for other in kept):
            kept.append(one)
    return kept


def _shrunk(image_bgr: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture at another size; much larger ones first by a whole factor, which is quick and skips no pixel."""
    k = image_bgr.shape[1] // size_wh[0]
    if k >= 2:
        h, w = image_bgr.shape[0] // k, image_bgr.shape[1] // k
        image_bgr = np.asarray(cv2.resize(image_bgr[: h * k, : w * k], (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image_bgr, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)

"""A YOLOX-style detector that the user brings along."""

from __future__ import annotations

from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.backends.onnx_runtime import OnnxBackend
from runtime.finder import AbstractFinder, Candidate, overlap, squared
from sa3dhp_edge.crop import BOX_MARGIN
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.records import Box, Frame

_STRIDES = (8, 16, 32)
_GREY = 114
_PERSON = 0
_MIN_SCORE = 0.3
_NMS_OVERLAP = 0.5


@final
class YoloxDetector(AbstractFinder):
    """Persons of a YOLOX network exported without decoding, as its own export script does.

    Source: Ge et al. 2021, YOLOX, arXiv:2107.08430, and its ONNX demo: letterbox with grey 114 at the top left,
    BGR 0..255; rows (dx, dy, log w, log h, objectness, classes) for strides 8, 16, 32; class 0 is a person.

    Raises:
        ModelError: a network of another shape.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        if not path.is_file():
            raise ModelError(
                f"the detector {path} is not there", "name a YOLOX network in ONNX, or leave --detector out"
            )
        self._backend = OnnxBackend(path, threads=threads)
        inputs, outputs = self._backend.inputs, self._backend.outputs
        shape = inputs[0].shape if len(inputs) == 1 else ()
        if len(shape) != 4 or shape[1] != 3 or not all(isinstance(s, int) and s % 32 == 0 for s in shape[2:]):
            raise ModelError(
                f"{path} takes {[t.shape for t in inputs]}, a YOLOX takes one (1, 3, H, W) with multiples of 32",
                "export the detector with a fixed input size",
            )
        self._size_hw = (int(shape[2]), int(shape[3]))
        self._grid = _grid(self._size_hw)
        rows = outputs[0].shape
        if len(outputs) != 1 or len(rows) != 3 or rows[1] != len(self._grid) or int(rows[2]) < 6:
            raise ModelError(
                f"{path} gives {[t.shape for t in outputs]}, expected one (1, {len(self._grid)}, 5 + classes)",
                "export the detector with raw outputs (not decoded, without suppression)",
            )

    def candidates(self, frame: Frame) -> list[Candidate]:
        h, w = self._size_hw
        scale = min(h / frame.image_bgr.shape[0], w / frame.image_bgr.shape[1])
        small = cv2.resize(frame.image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        canvas = np.full((h, w, 3), _GREY, np.float32)
        canvas[: small.shape[0], : small.shape[1]] = small[:h, :w]
        picture = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])
        rows = self._backend.infer({self._backend.inputs[0].name: picture})[self._backend.outputs[0].name][0]
        return [Candidate(_crop_around(box), "found", score) for box, score in self._persons(rows, scale)]

    def confirms(self, frame: Frame, box: Box) -> bool:
        return any(overlap(box, c.box) > 0.3 for c in self.candidates(frame))

    def _persons(self, rows: NDArray[np.float32], scale: float) -> list[tuple[Box, float]]:
        scores = rows[:, 4] * rows[:, 5 + _PERSON]
        kept = np.flatnonzero(scores >= _MIN_SCORE)
        stride = self._grid[kept, 2:]
        centre = (rows[kept, :2] + self._grid[kept, :2]) * stride / scale
        size = np.exp(rows[kept, 2:4]) * stride / scale
        boxes = np.concatenate([centre - size / 2, size], 1)
        order = cv2.dnn.NMSBoxes(boxes.tolist(), scores[kept].tolist(), _MIN_SCORE, _NMS_OVERLAP)
        return [
            ((float(x), float(y), float(x + w), float(y + h)), float(scores[kept[i]]))
            for i in np.ravel(order).astype(int)
            for x, y, w, h in (boxes[i],)
        ]


def _grid(size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """(N, 3): column, row and stride of each of the network's cells."""
    made = []
    for stride in _STRIDES:
        ys, xs = np.mgrid[: size_hw[0] // stride, : size_hw[1] // stride]
        made.append(np.stack([xs.ravel(), ys.ravel(), np.full(xs.size, stride)], 1))
    return np.concatenate(made).astype(np.float32)


def _crop_around(box: Box) -> Box:
    """The square crop; a detector's box is a little wider than the joints, so less margin than around these."""
    x0, y0, x1, y1 = squared(box)
    grow = (x1 - x0) * (0.92 * BOX_MARGIN - 1) / 2
    return x0 - grow, y0 - grow, x1 + grow, y1 + grow

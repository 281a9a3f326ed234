"""Boxes in a frame to poses: crop, network, decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from runtime.decoder import decode
from runtime.lens import Lens
from runtime.model import Model
from runtime.region import part_around
from runtime.timings import Timings
from sa3dhp_edge.crop import CropCamera, cut
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Box, Frame, Pose
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM

_CORNERS_UV = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


class Estimator:
    """A model together with the camera and the person it looks at."""

    def __init__(
        self,
        model: Model,
        intrinsics: Intrinsics,
        height_mm: float = TEMPLATE_HEIGHT_MM,
        timings: Timings | None = None,
    ) -> None:
        self.model = model
        self.timings = timings or Timings()
        self._lens = Lens(intrinsics)
        self._height_mm = height_mm

    def poses(self, frame: Frame, boxes: Sequence[Box]) -> list[Pose]:
        """One pose per box, in the order of the boxes, all of track 0."""
        if not boxes:
            return []
        with self.timings.measure("crop"):
            crops = [CropCamera.looking_at(self._lens.box_to_straight(b), self._lens.intrinsics) for b in boxes]
            on_device = self.model.network.cuts_crops and self._lens.straight
            inputs = None if on_device else self.model.prepare(np.stack([self._picture(frame, c) for c in crops]))
        with self.timings.measure("inference"):
            network = self.model.network
            said = network.infer_crops(frame.image_bgr, crops) if inputs is None else network.infer(inputs)
        with self.timings.measure("post"):
            output = self.model.read(said)
            reference = self.model.contract.confidence
            return [
                decode(output, i, crop, box, self._lens, reference, self._height_mm)
                for i, (crop, box) in enumerate(zip(crops, boxes, strict=True))
            ]

    def _picture(self, frame: Frame, crop: CropCamera) -> NDArray[np.uint8]:
        """The crop's picture, straightened and shrunk from no more of the frame than it shows."""
        h, w = frame.image_bgr.shape[:2]
        corners = crop.uv_to_px(_CORNERS_UV)
        part = part_around(corners, 0.02 * float(np.ptp(corners)) + 2, (w, h))
        moved = crop.crop_from_px @ np.array([[1, 0, part[0]], [0, 1, part[1]], [0, 0, 1]])
        return cut(self._lens.straighten(frame.image_bgr, part), replace(crop, crop_from_px=moved), self.model.crop_px)

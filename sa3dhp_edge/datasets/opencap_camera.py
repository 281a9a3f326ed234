"""OpenCap's camera files: `cameraIntrinsicsExtrinsics.pickle`, read without running anything they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.containers import python2_pickle
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics

Array = NDArray[np.float64]

_AGAIN = "download the session again"
_SHAPES = {"intrinsicMat": 9, "distortion": 5, "imageSize": 2, "rotation": 9, "translation": 3}


@dataclass(frozen=True)
class Calibrated:
    """Inner geometry at `size_wh`, and x_camera = rotation x_board + translation_mm."""

    path: Path
    matrix: Array
    distortion: tuple[float, ...]
    size_wh: tuple[int, int]
    rotation: Array
    translation_mm: Array

    def scaled_to(self, size_wh: tuple[int, int], video: Path) -> Intrinsics:
        """The inner geometry in pixels of pictures that are larger or smaller.

        Raises:
            DataError: the pictures have another shape.
        """
        scales = [have / stored for have, stored in zip(size_wh, self.size_wh, strict=True)]
        if abs(scales[0] / scales[1] - 1) > 0.02:
            raise DataError(
                f"{video} is {size_wh[0]} x {size_wh[1]}, its camera was calibrated at {self.size_wh[0]} x "
                f"{self.size_wh[1]}: another shape",
                "the video was cut or turned; take the one that OpenCap wrote",
            )
        focal = (self.matrix[0, 0] * scales[0], self.matrix[1, 1] * scales[1])
        center = tuple((c + 0.5) * s - 0.5 for c, s in zip(self.matrix[:2, 2], scales, strict=True))
        return Intrinsics((float(focal[0]), float(focal[1])), (float(center[0]), float(center[1])), self.distortion)


def read_camera(path: Path) -> Calibrated:
    """One camera.

    Raises:
        DataError: missing, damaged, holding code, or without a part; names the file.
    """
    held = python2_pickle(path)
    lacking = [key for key in _SHAPES if not isinstance(held, dict) or key not in held]
    if lacking:
        raise DataError(f"{path} has no {', '.join(lacking)}; a camera of OpenCap has {', '.join(_SHAPES)}", _AGAIN)
    parts: dict[str, Array] = {}
    for key, size in _SHAPES.items():
        try:
            parts[key] = np.asarray(held[key], float).reshape(-1)
        except (TypeError, ValueError):
            parts[key] = np.zeros(0)
        if len(parts[key]) != size or not (np.abs(parts[key]) < 1e9).all():
            raise DataError(f"{path}: {key} is not {size} numbers", _AGAIN)
    matrix, rotation = parts["intrinsicMat"].reshape(3, 3), parts["rotation"].reshape(3, 3)
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise DataError(f"{path}: rotation is no rotation", _AGAIN)
    height, width = (int(v) for v in parts["imageSize"])
    if (height > width) != (matrix[1, 2] > matrix[0, 2]):  # some files were written the other way round
        height, width = width, height
    if min(height, width) <= 0 or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise DataError(f"{path}: a picture of {width} x {height} or a focal length below 0", _AGAIN)
    distortion = tuple(float(v) for v in parts["distortion"])
    return Calibrated(path, matrix, distortion, (width, height), rotation, parts["translation"])

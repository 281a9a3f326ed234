"""The user's own photos behind generated people: drawn at random, cut at random, mirrored, matched in brightness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.synth.paints import linear
from sa3dhp_edge.synth.shade import Light

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
LONGEST_PX = 1600
"""Photos are kept at most this large."""
KEPT_PHOTOS = 24
TO_LINEAR: Array = linear(np.arange(256) / 255)
GREY = 0.35
"""Linear reflectance that the mean of a photo is taken for."""


@dataclass(frozen=True)
class Backgrounds:
    """Photos to put behind people; best without people in them.

    Attributes:
        paths: the files, in order of their names, so that a seed gives the same pictures everywhere.
    """

    paths: tuple[Path, ...]

    @staticmethod
    def of_folder(folder: Path) -> Backgrounds:
        """All photos below a folder.

        Raises:
            DataError: the folder is not there or holds no photo.
        """
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
        if not found:
            raise DataError(
                f"{folder} holds no photos to put behind people",
                f"give a folder with files ending in {', '.join(SUFFIXES)}",
            )
        return Backgrounds(tuple(found))

    def draw(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> Picture:
        """(h, w, 3) uint8 BGR: a random part of a random photo, mirrored or not, enlarged or shrunk to fill."""
        photo = _read(self.paths[int(rng.integers(len(self.paths)))])
        height, width = photo.shape[:2]
        aspect = size_wh[0] / size_wh[1]
        share = rng.uniform(0.7, 1.0)
        w = share * min(width, height * aspect)
        h = w / aspect
        x, y = rng.uniform(0, width - w), rng.uniform(0.5, 1.0) * (height - h)  # the lower part more often: a floor
        part = photo[int(y) : max(int(y + h), int(y) + 1), int(x) : max(int(x + w), int(x) + 1)]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return np.ascontiguousarray(cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=KEPT_PHOTOS)
def _read(path: Path) -> Picture:
    """(h, w, 3) uint8 BGR.

    Raises:
        DataError: the file is no picture.
    """
    photo = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if photo is None:
        raise DataError(f"{path} cannot be read as a photo", "remove it from the folder of backgrounds")
    shrink = LONGEST_PX / max(photo.shape[:2])
    if shrink < 1:
        photo = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return np.asarray(photo, np.uint8)


def photo_light(rgb: Picture, light: Light, strength: float) -> Array:
    """(H, W, 3) linear light of a photo, as bright as a grey floor under the scene's lights would be.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        light: the lights of the person.
        strength: times as bright.
    """
    down = np.maximum(-light.directions[:, 1], 0) @ light.colours + light.above
    radiance = TO_LINEAR[rgb]
    return np.asarray(radiance * (strength * GREY * down.mean() / (radiance.mean() + 0.02)), np.float32)

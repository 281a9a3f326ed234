"""A small, diverse choice of crops: what exported models are compared on, and quantisation is calibrated with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import FrameSet

_THUMB_PX = 16
_LOOKED_AT = 4000


@dataclass(frozen=True)
class CropChoice:
    """Chosen crops.

    Attributes:
        indices: (K,) of the frame set, ascending.
        pictures_rgb: (K, S, S, 3) uint8, the nominal crops.
        sha256: of the pictures, so that a later run can say it used the same.
    """

    indices: NDArray[np.int64]
    pictures_rgb: NDArray[np.uint8]
    sha256: str


def choose_crops(frames: FrameSet, count: int, seed: int = 0) -> CropChoice:
    """Farthest-point choice on small grey pictures, freed of brightness and contrast.

    Args:
        frames: at least `count` of them.
        count: crops wanted; exactly so many are chosen.
        seed: of the first crop and of the frames looked at where there are very many.

    Raises:
        DataError: fewer frames than wanted.

    Source: Gonzalez 1985, Clustering to minimize the maximum intercluster distance.
    """
    if not 1 <= count <= len(frames):
        raise DataError(f"{count} crops are wanted, the set has {len(frames)} frames", "cut more clips or ask for less")
    rng = np.random.default_rng(seed)
    looked_at = np.sort(rng.permutation(len(frames))[: max(count, _LOOKED_AT)])
    thumbs = np.stack([_thumb(_nominal(frames, int(i))) for i in looked_at])
    chosen = [int(rng.integers(len(looked_at)))]
    away = np.full(len(looked_at), np.inf)
    while len(chosen) < count:
        away = np.minimum(away, ((thumbs - thumbs[chosen[-1]]) ** 2).sum(1))
        away[chosen] = -1.0  # equal pictures: still never the same one twice
        chosen.append(int(np.argmax(away)))
    indices = np.sort(looked_at[chosen])
    pictures = np.stack([_nominal(frames, int(i)) for i in indices])
    return CropChoice(indices, pictures, hashlib.sha256(pictures.tobytes()).hexdigest())


def _nominal(frames: FrameSet, index: int) -> NDArray[np.uint8]:
    """The middle `crop_px` of a stored picture."""
    picture = frames.images[index]
    edge = (picture.shape[0] - frames.crop_px) // 2
    return np.asarray(picture[edge : edge + frames.crop_px, edge : edge + frames.crop_px])


def _thumb(picture_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA), np.float32).ravel()
    return np.asarray((small - small.mean()) / (small.std() + 1e-3), np.float32)

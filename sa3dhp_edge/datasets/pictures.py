"""Where a take's pictures come from: a video file, or numbered image files.

What counts is what decodes: a container's header is never asked for a length, for edit lists and cut-off recordings
make it wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError

_AGAIN = "copy or unpack this file again from the data set's archive"


@dataclass(frozen=True)
class VideoPictures:
    """Frames of one video, always decoded from its start, because a seek may land on a wrong frame."""

    path: Path

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        """Frames that decode: one pass over the file, when first asked."""
        capture = self._open()
        try:
            count = 0
            while capture.grab():
                count += 1
            return count
        finally:
            capture.release()

    @cached_property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels, of the first frame.

        Raises:
            DataError: the file is missing, no video, or has no frame.
        """
        first = next(self.read([0]))
        return first.shape[1], first.shape[0]

    def read(self, frames: Sequence[int] | NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) uint8 BGR for increasing frame numbers, decoded as they are asked for.

        Raises:
            DataError: the file is missing, no video, or ends before a wanted frame.
        """
        assert len(frames) == 0 or (frames[0] >= 0 and np.all(np.diff(frames) > 0)), "frame numbers must increase"
        if len(frames) == 0:
            return
        capture = self._open()
        try:
            at = -1
            for wanted in frames:
                while at < wanted:
                    if not capture.grab():
                        raise DataError(f"{self.path} has {at + 1} frames; frame {int(wanted)} is asked for", _AGAIN)
                    at += 1
                ok, image = capture.retrieve()
                if not ok or image is None:
                    raise DataError(f"{self.path}: frame {at} does not decode", _AGAIN)
                yield np.asarray(image, np.uint8)
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        if not self.path.is_file():
            raise DataError(f"{self.path} is not there; it should be a video", "unpack the data set's videos")
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise DataError(f"{self.path} is not a video that can be read", _AGAIN)
        return capture


@dataclass(frozen=True)
class ImagePictures:
    """One image file per frame, in the order given."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels, of the first picture.

        Raises:
            DataError: there is none, or it cannot be read.
        """
        first = next(self.read([0]))
        return first.shape[1], first.shape[0]

    def read(self, frames: Sequence[int] | NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) uint8 BGR for increasing frame numbers, read as they are asked for.

        Raises:
            DataError: a file is missing or no picture, or there are fewer files than a wanted frame's number.
        """
        assert len(frames) == 0 or (frames[0] >= 0 and np.all(np.diff(frames) > 0)), "frame numbers must increase"
        for wanted in frames:
            if wanted >= len(self.paths):
                where = self.paths[0].parent if self.paths else "a folder of pictures"
                raise DataError(f"{where} has {len(self.paths)} pictures; picture {int(wanted)} is asked for", _AGAIN)
            yield _picture(self.paths[wanted])


def _picture(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        raise DataError(f"{path} is not there; it should be a picture", "unpack the data set's pictures")
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"{path} is not a picture that can be read: {error}", _AGAIN) from None
    if image is None:
        raise DataError(f"{path} is not a picture that can be read", _AGAIN)
    return np.asarray(image, np.uint8)

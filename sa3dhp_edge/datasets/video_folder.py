"""Videos of one's own, without labels: a folder of them or a single file, such as adaptation learns from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.errors import DataError

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


class VideoFolderReader:
    """`*.mp4` and other videos in a folder, one take each, named as the file."""

    name = "video_folder"
    title = "videos of your own"
    layout = f"a folder with videos ({', '.join(SUFFIXES)}), or one video"

    def recognises(self, folder: Path) -> bool:
        return bool(_videos(folder))

    def inventory(self, folder: Path) -> Inventory:
        found = _videos(folder)
        if not found:
            raise DataError(f"{folder} has no video", f"expected {self.layout}; folders within are not searched")
        return Inventory(self.name, folder, tuple(found))

    def read(self, folder: Path, take: str) -> Take:
        found = _videos(folder)
        if take not in found:
            raise DataError(f"{folder} has no video {take}", "`inventory` lists them")
        pictures = VideoPictures(found[take])
        return Take(
            dataset=self.name, name=take, subject="", action="", split="unlabelled", fps=fps_of(found[take]),
            size_wh=pictures.size_wh, pictures=pictures, frames=np.arange(len(pictures)),
            notes=("no labels and no camera calibration",),
        )  # fmt: skip


READER = VideoFolderReader()


def _videos(folder: Path) -> dict[str, Path]:
    """Take name -> file, in order."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    return {path.name: path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()}


def fps_of(path: Path) -> float:
    """Frames per second as the video states them.

    Raises:
        DataError: no video, or it states no rate that a camera could have.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        fps = float(capture.get(cv2.CAP_PROP_FPS)) if capture.isOpened() else 0.0
    finally:
        capture.release()
    if not 1 <= fps <= 1000:
        raise DataError(f"{path} states a rate of {fps:g} frames per second", "write it anew with its frame rate")
    return fps

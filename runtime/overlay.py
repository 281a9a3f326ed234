"""The skeleton drawn on the frames, with two small views of the pose in space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.outputs import AbstractOutput
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.geometry import rotation_about_y
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import JOINTS, PARENTS

Colour = tuple[int, int, int]
Points = NDArray[np.floating]

_LEFT, _RIGHT, _MIDDLE = (255, 140, 30), (40, 90, 250), (90, 210, 90)
_LIGHT, _DARK = (245, 245, 245), (30, 30, 30)
_VIEWS = (("front", 0.0), ("side", 90.0))
_INSET_SHARE = 0.24
_REACH_MM = 1150.0


def draw(frame_bgr: NDArray[np.uint8], poses: Sequence[Pose], latency_ms: float) -> NDArray[np.uint8]:
    """A copy of the frame with boxes, skeletons, numbers and two turned views of the first; a person's left is blue."""
    picture = frame_bgr.copy()
    thick = max(1, round(max(picture.shape[:2]) / 400))
    if not poses:
        _text(picture, "nobody", (8, 8), thick)
        return picture
    _text(picture, f"{latency_ms:.0f} ms", (8, 8), thick)
    for pose in poses:
        x0, y0, x1, y1 = (round(v) for v in pose.box_xyxy_px)
        cv2.rectangle(picture, (x0, y0), (x1, y1), _LIGHT, thick)
        _bones(picture, pose.joints_px, 2 * thick)
        corner = (
            min(max(x0, 0), picture.shape[1] - 40) + 3 * thick,
            min(max(y0, 24), picture.shape[0] - 20) + 3 * thick,
        )
        _text(picture, f"track {pose.track}  confidence {pose.confidence:.2f}", corner, thick)
    side = round(_INSET_SHARE * min(picture.shape[:2]))
    for i, (name, angle_deg) in enumerate(_VIEWS):
        _inset(picture, poses[0].joints_mm, name, angle_deg, (8 + i * (side + 8), picture.shape[0] - side - 8), side)
    return picture


@final
class OverlayWriter(AbstractOutput):
    """The drawn frames as mp4; the file takes its name when it is whole.

    Raises:
        OutputError: the file exists (unless `overwrite`), is not called .mp4, or cannot be written.
    """

    def __init__(self, path: Path, fps: float, size_wh: tuple[int, int], overwrite: bool = False) -> None:
        if path.suffix.lower() != ".mp4":
            raise OutputError(f"{path} must end in .mp4", "the overlay is an mp4 video")
        if not overwrite:
            refuse_existing(path, "name another path, or replace it with --overwrite")
        self._path, self._new, self._size_wh = path, path.with_name(f".{path.stem}.new.mp4"), size_wh
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise OutputError(f"{path.parent} cannot be created: {e.strerror}", "name another path") from e
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._frames = 0
        self._video: cv2.VideoWriter | None = cv2.VideoWriter(str(self._new), code, fps, size_wh)
        if not self._video.isOpened():
            self._video = None
            raise OutputError(f"{path} cannot be opened for video", "check the folder and that it may be written to")

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        if self._video is None:
            raise OutputError(f"{self._path} is closed already")
        if frame.image_bgr.shape[1::-1] != self._size_wh:
            raise OutputError(f"{self._path} takes frames of {self._size_wh}, got {frame.image_bgr.shape[1::-1]}")
        self._video.write(draw(frame.image_bgr, poses, latency_ms))
        self._frames += 1

    def close(self) -> None:
        if self._video is None:
            return
        self._video.release()
        self._video = None
        try:
            if not self._frames:
                self._new.unlink(missing_ok=True)  # a video without a frame cannot be opened
                return
            if not self._whole():
                self._new.unlink(missing_ok=True)
                raise OutputError(f"{self._path} could not be written whole: is the disk full?", "free some space")
            self._new.replace(self._path)
        except OSError as e:
            raise OutputError(f"{self._path} cannot be written: {e.strerror}", "free some space") from e

    def _whole(self) -> bool:
        """Whether the file holds every frame: OpenCV does not say that a disk refused one."""
        written = cv2.VideoCapture(str(self._new))
        try:
            return round(written.get(cv2.CAP_PROP_FRAME_COUNT)) == self._frames
        finally:
            written.release()


def _inset(
    picture: NDArray[np.uint8], pose_mm: Points, name: str, angle_deg: float, corner: tuple[int, int], side: int
) -> None:
    x, y = corner
    area = picture[y : y + side, x : x + side]
    area[:] = area // 4 + np.uint8(20)
    turned = pose_mm @ rotation_about_y(angle_deg).T
    middle = (turned.min(0) + turned.max(0)) / 2
    thick = max(1, side // 90)
    _bones(area, (turned - middle)[:, :2] * (side / 2 / _REACH_MM) + side / 2, thick)
    _text(area, name, (4, 4), thick, side / 420)


def _bones(picture: NDArray[np.uint8], points: Points, thick: int) -> None:
    limit = 4 * max(picture.shape)
    corners = [tuple(int(v) for v in p) for p in np.clip(np.nan_to_num(points), -limit, limit).round()]
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            cv2.line(picture, corners[parent], corners[joint], _colour(JOINTS[joint]), thick, cv2.LINE_AA)


def _colour(joint: str) -> Colour:
    return {"left": _LEFT, "right": _RIGHT}.get(joint.partition("_")[0], _MIDDLE)


def _text(
    picture: NDArray[np.uint8], text: str, corner: tuple[int, int], thick: int, size: float | None = None
) -> None:
    size = 0.35 * thick + 0.15 if size is None else size
    (_, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
    place = (corner[0], corner[1] + height)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _DARK, 3 * thick, cv2.LINE_AA)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _LIGHT, thick, cv2.LINE_AA)

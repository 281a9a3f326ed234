"""From a recording with 3D truth to labelled clips: crops cut around the joints, labelled as generated ones are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from runtime.lens import Lens
from runtime.region import part_around
from sa3dhp_edge.crop import FIELD, CropCamera, cut, square_box
from sa3dhp_edge.datasets.mapping import to_project
from sa3dhp_edge.datasets.record import Take
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.geometry import project

CLIP_FRAMES = 256
"""A longer take becomes several clips."""
SEEN_SHARE = 0.5
"""A frame is left out when fewer of the joints lie within it."""

Array = NDArray[np.float32]


def why_not(take: Take) -> str:
    """What a take lacks to be cut into labelled clips; empty where it lacks nothing."""
    if take.joints_mm is None or not len(take):
        return "no 3D joints"
    if take.pictures is None:
        return "no pictures"
    if take.camera is None or take.size_wh is None:
        return "no camera"
    return ""


def labelled_clips(take: Take, crop_px: int, *, allow_lossy: bool, fps: float | None) -> Iterator[FrameSet]:
    """The take's clips, in order of time, as their pictures are decoded.

    Args:
        take: one that lacks nothing (`why_not`).
        allow_lossy: accept a skeleton without some of the 17 joints; these stay NaN.
        fps: at most so many frames a second; None takes all.

    Raises:
        DataError: pictures are missing or damaged; the skeleton is lossy and that is not allowed.
    """
    assert take.camera is not None
    assert take.pictures is not None
    joints, seen, rows = _usable(take, allow_lossy, fps)
    lens = Lens(take.camera)
    pictures = take.pictures.read(take.frames[rows].tolist())
    for start in range(0, len(rows), CLIP_FRAMES):
        part = rows[start : start + CLIP_FRAMES]
        yield _clip(take, lens, joints[part], seen[part], take.frames[part] / take.fps, pictures, crop_px)


def _usable(take: Take, allow_lossy: bool, fps: float | None) -> tuple[Array, NDArray[np.bool_], NDArray[np.intp]]:
    """Joints (T, 17, 3) mm, whether each is seen (T, 17), and the rows that can be cut."""
    assert take.camera is not None
    assert take.size_wh is not None
    pose = to_project(take, allow_lossy)
    assert pose.joints_mm is not None
    joints = pose.joints_mm
    there: NDArray[np.bool_] = np.asarray(np.isfinite(joints).all(-1))
    px = project(np.where(joints[..., 2:] > 1, joints, np.nan), take.camera.matrix())
    within: NDArray[np.bool_] = np.asarray(((px > -0.5) & (px < np.array(take.size_wh) - 0.5)).all(-1))
    whole = there[:, pose.known].all(1) & there[:, 0] & (np.where(there, joints[..., 2], np.inf) > 1).all(1)
    rows = np.flatnonzero(whole & (within[:, pose.known].mean(1) >= SEEN_SHARE))
    if fps is not None and take.fps > fps:
        rows = _thinned(rows, take.frames, round(take.fps / fps))
    seen = within if pose.visible is None else within & pose.visible
    return joints, seen, rows


def _thinned(rows: NDArray[np.intp], frames: NDArray[np.int64], stride: int) -> NDArray[np.intp]:
    """One row of every `stride` frames."""
    _, first = np.unique(frames[rows] // stride, return_index=True)
    return rows[first]


def _clip(
    take: Take, lens: Lens, joints: Array, seen: NDArray[np.bool_], time_s: NDArray[np.float64],
    pictures: Iterator[NDArray[np.uint8]], crop_px: int,
) -> FrameSet:  # fmt: skip
    camera, side, n = lens.intrinsics, picture_px(crop_px), len(joints)
    images, boxes = np.empty((n, side, side, 3), np.uint8), np.empty((n, 4), np.float32)
    mm, uv = np.empty((n, 17, 3), np.float32), np.empty((n, 17, 2), np.float32)
    root, focal = np.empty((n, 3), np.float32), np.empty(n, np.float32)
    for t in range(n):
        here = joints[t].astype(np.float64)
        box = square_box(project(here[np.isfinite(here).all(-1)], camera.matrix()))
        crop = CropCamera.looking_at(box, camera)
        inside = crop.pose_to_crop(here)
        images[t], boxes[t] = cut_straight(next(pictures), lens, crop, side), box
        root[t], focal[t] = inside[0], crop.focal_uv
        mm[t], uv[t] = inside - inside[0], crop.focal_uv * inside[:, :2] / inside[:, 2:]
    return FrameSet(
        images=images, crop_px=crop_px, clip=np.zeros(n, np.int32), time_s=time_s.astype(np.float64), joints_mm=mm,
        joints_uv=uv, visible=seen, root_mm=root, focal_uv=focal, box_xyxy_px=boxes,
        origin=(f"{take.dataset} {take.name}",),
    )  # fmt: skip


def cut_straight(frame_bgr: NDArray[np.uint8], lens: Lens, crop: CropCamera, side: int) -> NDArray[np.uint8]:
    """The crop's stored picture (side, side, 3) RGB from a frame as the lens drew it.

    Only the part of the frame that the crop spans is straightened.
    """
    h, w = frame_bgr.shape[:2]
    corners = crop.uv_to_px(FIELD * np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]))
    part = part_around(corners, 2, (w, h))
    to_frame = np.array([[1.0, 0, part[0]], [0, 1, part[1]], [0, 0, 1]])
    return cut(
        lens.straighten(frame_bgr, part), replace(crop, crop_from_px=crop.crop_from_px @ to_frame), side, field=FIELD
    )

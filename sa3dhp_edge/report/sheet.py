"""Samples of a data set to look at: pictures with the skeleton that belongs to them, and motion as stick figures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.geometry import rotation_about_y
from sa3dhp_edge.report.canvas import blank, to_rgb
from sa3dhp_edge.report.palette import INK, MUTED, PAPER
from sa3dhp_edge.report.pictures import Picture, draw_bones, frame_mm, panel_width_px
from sa3dhp_edge.skeleton import J

Array = NDArray[np.floating]

INSTANTS = 5
"""Stick figures of one motion, side by side."""

_MARGIN = 1.35
_DRAWN_PX = 220  # letters and lines are sized for this height
_VIEWS = (("from the camera", (0, 1, 2)), ("from the side", (2, 1, 0)))
_BLANK_BGR = (60, 60, 60)
_TURN_DEG = 30.0  # from the very front, feet and bent knees have no length


def sample_panel(
    picture_bgr: NDArray[np.uint8],
    joints_px: Array | None,
    pose_mm: Array | None,
    size_px: int = 240,
    *,
    label: str = "",
) -> Picture:
    """A picture cut out about the person with the skeleton on it, then the pose from the camera and from the side.

    Args:
        picture_bgr: (H, W, 3) uint8 BGR, the whole frame.
        joints_px: (17, 2) in it, NaN leaves a joint out; None shows the whole picture.
        pose_mm: (17, 3) mm in the camera's axes, NaN leaves a joint out; None where it is not known.
        size_px: height of the panel.
        label: in the picture's corner.

    Returns:
        (size_px, panel_width_px(size_px), 3) uint8 RGB.
    """
    for name, array, shape in (("joints", joints_px, (J, 2)), ("pose", pose_mm, (J, 3))):
        if array is not None and array.shape != shape:
            raise ShapeError(f"the {name} to draw is {array.shape}, expected {shape}")
    width = panel_width_px(size_px)
    share = size_px / width
    figure = blank(_DRAWN_PX, _DRAWN_PX, tight=False)
    axes = figure.add_axes((0, 0, share, 1))
    cut, points = _cut_out(picture_bgr, joints_px, 2 * size_px)
    axes.imshow(cut, extent=(0, 1, 1, 0), interpolation="bilinear", aspect="auto")
    if points is not None:
        draw_bones(axes, points, 1.6)
    axes.set(xlim=(0, 1), ylim=(1, 0))
    axes.axis("off")
    _label(axes, label, PAPER, INK)
    pose = np.full((J, 3), np.nan) if pose_mm is None else pose_mm - _origin(pose_mm)
    middle, reach = frame_mm(pose)
    for i, (name, order) in enumerate(_VIEWS):
        axes = figure.add_axes((share + i * (1 - share) / 2, 0, (1 - share) / 2, 1))
        axes.set(xlim=(-reach * 0.72, reach * 0.72), ylim=(middle + reach, middle - reach))
        axes.axis("off")
        axes.text(0.04, 0.965, name, transform=axes.transAxes, va="top", fontsize=7.5, color=MUTED)
        if np.isfinite(pose).all(1).sum() > 1:
            draw_bones(axes, pose[:, order], 2.0)
        else:
            axes.text(0.5, 0.5, "no pose", transform=axes.transAxes, ha="center", fontsize=8, color=MUTED)
    return to_rgb(figure, width, size_px)


def pictures_panel(pictures_bgr: Sequence[NDArray[np.uint8]], size_px: int = 240, *, label: str = "") -> Picture:
    """Whole pictures side by side, for video of which nothing else is known.

    Args:
        pictures_bgr: (H, W, 3) uint8 BGR each.
        size_px, label: as in `sample_panel`, and the panel is of the same size.
    """
    width = panel_width_px(size_px)
    figure = blank(_DRAWN_PX, _DRAWN_PX, tight=False)
    for i, picture in enumerate(pictures_bgr):
        axes = figure.add_axes((i / len(pictures_bgr), 0, 0.99 / len(pictures_bgr), 1))
        axes.imshow(picture[..., ::-1], interpolation="antialiased", aspect="equal")
        axes.axis("off")
    whole = figure.add_axes((0, 0, 1, 1))
    whole.axis("off")
    _label(whole, label, PAPER, INK)
    return to_rgb(figure, width, size_px)


def motion_panel(poses_mm: Array, size_px: int = 240, *, label: str = "") -> Picture:
    """Instants of a motion side by side, each about its own pelvis, seen half from the front; left blue, right orange.

    Args:
        poses_mm: (K, 17, 3) mm in level axes, y down; NaN leaves a joint out.
        size_px, label: as in `sample_panel`, and the panel is of the same size.
    """
    if poses_mm.ndim != 3 or poses_mm.shape[1:] != (J, 3) or not len(poses_mm):
        raise ShapeError(f"the motion to draw is {poses_mm.shape}, expected (K, {J}, 3)")
    width = panel_width_px(size_px)
    figure = blank(_DRAWN_PX, _DRAWN_PX, tight=False)
    axes = figure.add_axes((0, 0, 1, 1))
    turn = rotation_about_y(_TURN_DEG)
    poses = [(pose - _origin(pose)) @ turn.T for pose in poses_mm]
    middle, reach = frame_mm(np.concatenate(poses))
    reach *= 1.08  # room for the label
    half = reach * width / size_px
    axes.set(xlim=(-half, half), ylim=(middle + reach, middle - reach))
    axes.axis("off")
    for i, pose in enumerate(poses):
        at = np.array([half * ((2 * i + 1) / len(poses) - 1), 0.0, 0.0])
        draw_bones(axes, pose + at, 2.0)
    _label(axes, label, MUTED, PAPER)
    return to_rgb(figure, width, size_px)


def _origin(pose_mm: Array) -> Array:
    """(3,) mm: the pelvis, else the middle of what is known; zero where nothing is."""
    if np.isfinite(pose_mm[0]).all():
        return np.asarray(pose_mm[0])
    known = pose_mm[np.isfinite(pose_mm).all(1)]
    return np.asarray(known.mean(0) if len(known) else np.zeros(3))


def _label(axes: Axes, label: str, colour: str, halo: str) -> None:
    effects = [Stroke(linewidth=2.5, foreground=halo), Normal()]
    axes.text(
        0.02, 0.965, label, transform=axes.transAxes, va="top", fontsize=7.5, color=colour, path_effects=effects
    )  # fmt: skip


def _cut_out(picture_bgr: NDArray[np.uint8], joints_px: Array | None, side_px: int) -> tuple[Picture, Array | None]:
    """A square about the joints, or the whole picture in a square, and the joints in it as shares of its side."""
    height, width = picture_bgr.shape[:2]
    known = None if joints_px is None else joints_px[np.isfinite(joints_px).all(1)]
    if known is None or not len(known):
        centre, side = np.array([(width - 1) / 2, (height - 1) / 2]), float(max(width, height))
    else:
        low, high = known.min(0), known.max(0)
        centre, side = (low + high) / 2, float(max(*(high - low), 8)) * _MARGIN
    scale = side_px / side
    if scale < 1:  # a warp alone would skip pixels
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture_bgr = np.asarray(cv2.resize(picture_bgr, small, interpolation=cv2.INTER_AREA), np.uint8)
    rest = np.array([picture_bgr.shape[1] / width, picture_bgr.shape[0] / height])
    left = scale / rest
    shift = (side_px - 1) / 2 - scale * centre
    first = shift + (scale - left) / 2  # centres of pixels, not corners, are whole numbers
    matrix = np.array([[left[0], 0, first[0]], [0, left[1], first[1]]])
    cut = cv2.warpAffine(picture_bgr, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR, borderValue=_BLANK_BGR)
    points = None if joints_px is None else (joints_px * scale + shift + 0.5) / side_px
    return np.ascontiguousarray(cut[..., ::-1]), points

"""What a network sees and says: crops with their skeletons, poses from the front and from the side, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.errors import OutputError, ShapeError
from sa3dhp_edge.report.canvas import blank, to_rgb
from sa3dhp_edge.report.palette import INK, MUTED, PALE, PAPER, side_colour
from sa3dhp_edge.skeleton import JOINTS, PARENTS, J

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

_VIEWS = (("from the camera", (0, 1, 2)), ("from the side", (2, 1, 0)))
"""A view's name, and the axes drawn to the right, downwards and away."""

_VIEW_SHARE = 0.72
_DRAWN_PX = 220  # letters and lines are sized for this height
_SEEN_UV = 1.12
_LEAST_REACH_MM = 1050.0
_SCALE_BAR_MM = 500.0


def pose_panel(
    picture_rgb: Picture,
    joints_uv: NDArray[np.floating],
    pose_mm: NDArray[np.floating],
    truth_mm: NDArray[np.floating] | None = None,
    size_px: int = 240,
    *,
    label: str = "",
    field: float = FIELD,
) -> Picture:
    """The picture with the 2D skeleton, then the pose from the camera and from the side; left blue, right orange.

    Args:
        picture_rgb: (P, P, 3) uint8 RGB, spanning `field` nominal crops.
        joints_uv: (17, 2) in nominal crop coordinates, -1..1 across the crop; NaN leaves a joint out.
        pose_mm: (17, 3) mm, any origin: drawn about the pelvis.
        truth_mm: (17, 3) mm, drawn in grey beneath; None where it is not known.
        size_px: height of the panel and side of its picture.
        label: a word or a figure in the picture's corner.
        field: 1.5 for stored pictures, 1.0 for a crop as the network sees it.

    Returns:
        (size_px, panel_width_px(size_px), 3) uint8 RGB.
    """
    for name, array, shape in (("joints", joints_uv, (J, 2)), ("pose", pose_mm, (J, 3)), ("truth", truth_mm, (J, 3))):
        if array is not None and array.shape != shape:
            raise ShapeError(f"the {name} to draw is {array.shape}, expected {shape}")
    width = panel_width_px(size_px)
    share = size_px / width
    figure = blank(_DRAWN_PX, _DRAWN_PX, tight=False)
    _picture(figure.add_axes((0, 0, share, 1)), picture_rgb, joints_uv, field, label)
    pose, truth = pose_mm - pose_mm[:1], None if truth_mm is None else truth_mm - truth_mm[:1]
    middle, reach = frame_mm(pose if truth is None else np.concatenate([pose, truth]))
    for i, (name, order) in enumerate(_VIEWS):
        axes = figure.add_axes((share + i * (1 - share) / 2, 0, (1 - share) / 2, 1))
        axes.set_xlim(-reach * _VIEW_SHARE, reach * _VIEW_SHARE)
        axes.set_ylim(middle + reach, middle - reach)
        axes.axis("off")
        axes.text(0.04, 0.965, name, transform=axes.transAxes, va="top", fontsize=7.5, color=MUTED)
        if truth is not None:
            draw_bones(axes, truth[:, order], 4.0, PALE)
        if np.isfinite(pose).all():
            draw_bones(axes, pose[:, order], 2.0)
        else:
            axes.text(0.5, 0.5, "no pose", transform=axes.transAxes, ha="center", fontsize=8, color=MUTED)
    _scale_bar(axes, middle, reach)
    return to_rgb(figure, width, size_px)


def panel_width_px(size_px: int) -> int:
    """Width of a `pose_panel` of this height."""
    return size_px + 2 * round(_VIEW_SHARE * size_px)


def contact_sheet(panels: Sequence[Picture], columns: int = 2, gap_px: int = 12) -> Picture:
    """Panels of one size row by row on white, `gap_px` apart and without a border.

    Raises:
        ShapeError: no panels, no columns, or panels of unequal size.
    """
    if not panels or columns < 1:
        raise ShapeError(f"a contact sheet needs panels and columns, got {len(panels)} and {columns}")
    height, width = panels[0].shape[:2]
    if any(panel.shape != (height, width, 3) for panel in panels):
        raise ShapeError(f"the panels of a contact sheet have one size, got {sorted({p.shape for p in panels})}")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    sheet = np.full((rows * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, 3), 255, np.uint8)
    for i, panel in enumerate(panels):
        y, x = i // columns * (height + gap_px), i % columns * (width + gap_px)
        sheet[y : y + height, x : x + width] = panel
    return sheet


def png_bytes(picture_rgb: Picture) -> bytes:
    """A picture as a PNG file's content."""
    good, data = cv2.imencode(".png", cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))
    if not good:
        raise OutputError(f"a picture of {picture_rgb.shape} cannot be written as PNG")
    return data.tobytes()


def _picture(axes: Axes, picture_rgb: Picture, joints_uv: NDArray[np.floating], field: float, label: str) -> None:
    seen = min(field, _SEEN_UV)
    axes.imshow(picture_rgb, extent=(-field, field, field, -field), interpolation="bilinear", aspect="auto")
    axes.set_xlim(-seen, seen)
    axes.set_ylim(seen, -seen)
    axes.axis("off")
    draw_bones(axes, joints_uv, 1.8)
    if label:
        halo = [Stroke(linewidth=2.5, foreground=INK), Normal()]
        axes.text(
            0.03, 0.965, label, transform=axes.transAxes, va="top", fontsize=8, color=PAPER, fontweight="bold",
            path_effects=halo,
        )  # fmt: skip


def draw_bones(axes: Axes, points: NDArray[np.floating], width: float, colour: str | None = None) -> None:
    """Lines from each joint's parent to the joint, the far ones first where a third axis tells depth.

    Without a `colour` they take that of their side, on a white edge.
    """
    bones = [(parent, joint) for joint, parent in enumerate(PARENTS) if parent >= 0]
    bones = [bone for bone in bones if np.isfinite(points[list(bone)]).all()]
    if points.shape[1] > 2:
        bones.sort(key=lambda bone: -float(points[list(bone), 2].mean()))
    passes = [(width, colour)] if colour else [(width + 1.6, PAPER), (width, None)]
    for thick, paint in passes:
        for bone in bones:
            x, y = points[list(bone), 0], points[list(bone), 1]
            axes.plot(x, y, color=paint or side_colour(JOINTS[bone[1]]), linewidth=thick, solid_capstyle="round")


def frame_mm(points_mm: NDArray[np.floating]) -> tuple[float, float]:
    """Height of the views' middle and half their height: all fits, and small poses look small."""
    known = points_mm[np.isfinite(points_mm).all(1)]
    if not len(known):
        return 0.0, _LEAST_REACH_MM
    low, high = float(known[:, 1].min()), float(known[:, 1].max())
    sideways = float(np.abs(known[:, [0, 2]]).max()) / _VIEW_SHARE
    return (low + high) / 2, max(_LEAST_REACH_MM, 1.1 * sideways, 1.2 * (high - low) / 2)


def _scale_bar(axes: Axes, middle: float, reach: float) -> None:
    right, low = axes.get_xlim()[1] - 0.04 * reach, middle + 0.96 * reach
    axes.plot([right - _SCALE_BAR_MM, right], [low, low], color=MUTED, linewidth=1.2, solid_capstyle="butt")
    axes.text(right - _SCALE_BAR_MM / 2, low - 0.03 * reach, "500 mm", ha="center", fontsize=6.5, color=MUTED)

"""How much a person in view matters: near, present, moving, and read from the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.finder import overlap
from sa3dhp_edge.records import Box, Frame, Pose

SHIFT = 0.1
"""The second look at somebody is from a square this share of its side to the right."""


def shifted(box: Box) -> Box:
    """The square of the second look."""
    by = SHIFT * (box[2] - box[0])
    return box[0] + by, box[1], box[2] + by, box[3]


def examined(first: Pose, second: Pose) -> float:
    """How surely two looks, the second from the `shifted` square, saw a person, 0..1.

    A person's joints stay where they are in the frame; what the network only expects in the middle of a crop
    goes along with the square.
    """
    joints = second.joints_px - first.joints_px
    side = first.box_xyxy_px[2] - first.box_xyxy_px[0]
    moved = float(np.median(np.linalg.norm(joints, axis=1))) / (SHIFT * side)
    return (first.confidence + second.confidence) / 2 * max(1.0 - moved, 0.0)


def glance(frame: Frame, pose: Pose, movers: Sequence[Box]) -> float:
    """What one look says of a person's claim: confidence x size x agreement with what moves."""
    return pose.confidence * _weight(frame, pose, movers)


def claim(frame: Frame, first: Pose, second: Pose, movers: Sequence[Box]) -> float:
    """A person's claim to be the one who is followed, by two looks; 0 for nobody, comparable within a frame."""
    return examined(first, second) * _weight(frame, first, movers)


def _weight(frame: Frame, pose: Pose, movers: Sequence[Box]) -> float:
    """The part of a person that is in view, as a share of the frame; up to three times as much for one who moves."""
    h, w = frame.image_bgr.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in (*pose.joints_px.min(0), *pose.joints_px.max(0)))
    whole = max(x1 - x0, y1 - y0)
    inside = (min(x1, w) - max(x0, 0), min(y1, h) - max(y0, 0))
    size: float = min(whole, max(inside), min(w, h)) / max(w, h) if min(inside) > 0 else 0.0
    return size * (1 + 2 * max((overlap((x0, y0, x1, y1), m) for m in movers), default=0.0))

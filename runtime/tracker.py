"""Who is followed from frame to frame, by the network's own joints: what every way of following has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from runtime.config import TrackerConfig
from sa3dhp_edge.records import Box, Frame, Pose

SAME_PERSON = 0.5
"""Squares that overlap by more are taken for the same person."""


class AbstractTracker(ABC):
    """Says where to look (`propose`) and what to make of what was seen there (`settle`), in turns.

    A look has two steps. A glance at many squares gives a short list; a second look at the same frame examines these:
    each is seen twice, from squares a little apart.

    Attributes:
        fresh: there is a short list; a second look at the same frame settles it.
    """

    fresh: bool = False

    @abstractmethod
    def reset(self) -> None:
        """Forget everybody; track numbers go on."""

    @property
    @abstractmethod
    def following(self) -> bool:
        """Whether somebody is followed now."""

    @abstractmethod
    def propose(self, frame: Frame, most: int | None = None) -> list[Box]:
        """Boxes whose poses `settle` wants to see; none while nobody is followed and no search is due.

        Args:
            frame: the next one, or the same again where `fresh`.
            most: so many boxes if possible: who is followed first, then who else comes into question.
        """

    @abstractmethod
    def settle(self, frame: Frame, poses: Sequence[Pose]) -> tuple[Pose, ...]:
        """The poses of who is followed, with their track numbers; none while there is nobody.

        Args:
            frame: the one `propose` saw.
            poses: one per proposed box, in the same order.
        """


def plausible(frame: Frame, box: Box, cfg: TrackerConfig) -> bool:
    """Neither collapsed nor exploded, and not outside the frame."""
    h, w = frame.image_bgr.shape[:2]
    side = box[2] - box[0]
    if not cfg.min_side_px <= side <= cfg.max_side * max(w, h):
        return False
    inside_w = min(box[2], w) - max(box[0], 0)
    inside_h = min(box[3], h) - max(box[1], 0)
    return bool(max(inside_w, 0) * max(inside_h, 0) >= cfg.min_inside * side * side)


def towards(box: Box, seen: Box, cfg: TrackerConfig) -> Box:
    """The next square: size smoothed, centre moved by no more than `max_step` sides."""
    old, new = box[2] - box[0], seen[2] - seen[0]
    side = old + cfg.size_smoothing * (new - old)
    centre = []
    for axis in (0, 1):
        before, after = (box[axis] + box[axis + 2]) / 2, (seen[axis] + seen[axis + 2]) / 2
        limit = cfg.max_step * old
        centre.append(before + min(max(after - before, -limit), limit))
    cx, cy = centre
    return cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2

"""One person, followed from frame to frame by the network's own joints."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from runtime.config import TrackerConfig
from runtime.finder import AbstractFinder, Candidate, overlap
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.records import Box, Frame, Pose

_NEVER = float("-inf")
_SAME_PERSON = 0.2
"""Squares that overlap by more are taken for the same person."""


class Tracker:
    """Says where to look (`propose`) and what to make of what was seen there (`settle`), in turns.

    Attributes:
        fresh: somebody was taken just now; a second look at the same frame, with the better box, pays.
    """

    def __init__(self, finder: AbstractFinder, cfg: TrackerConfig) -> None:
        self._finder, self._cfg = finder, cfg
        self._track = 0
        self.reset()

    def reset(self) -> None:
        """Forget the person; track numbers go on."""
        self.fresh = False
        self._box: Box | None = None
        self._last_box: Box | None = None
        self._proposed: list[Candidate] = []
        self._doubts = 0
        self._confidence = 0.0
        self._searched_s = self._looked_s = self._confirmed_s = _NEVER

    @property
    def following(self) -> bool:
        """Whether somebody is followed now."""
        return self._box is not None

    def propose(self, frame: Frame) -> list[Box]:
        """Boxes whose poses `settle` wants to see; none while nobody is followed and no search is due."""
        if self._box is not None:
            self._proposed = [Candidate(self._box, "given"), *self._rivals(frame, self._box)]
        elif frame.time_s - self._searched_s >= self._cfg.search_every_s:
            self._searched_s = frame.time_s
            before = [] if self._last_box is None else [Candidate(self._last_box, "guessed")]
            self._proposed = [*self._finder.candidates(frame), *before]
        else:
            self._proposed = []
        return [c.box for c in self._proposed]

    def settle(self, frame: Frame, poses: Sequence[Pose]) -> Pose | None:
        """The followed person's pose, with its track number; None while there is nobody.

        Args:
            frame: the one `propose` saw.
            poses: one per proposed box, in the same order.
        """
        self.fresh = False
        if self._box is None:
            return self._take_best(frame, self._proposed, poses)
        own, rivals = poses[0], poses[1:]
        if any(p.confidence > own.confidence + self._cfg.switch_margin for p in rivals):
            taken = self._take_best(frame, self._proposed[1:], rivals)
            if taken is not None:
                return taken
        return self._go_on(frame, own)

    def _rivals(self, frame: Frame, box: Box) -> list[Candidate]:
        """Now and then: is a person where we look? If that is not sure, who else is there?"""
        if frame.time_s - self._looked_s < self._cfg.confirm_every_s:
            return []
        self._looked_s = frame.time_s
        if self._finder.confirms(frame, box):
            self._confirmed_s = frame.time_s
            if self._confidence >= self._cfg.sure:
                return []
        return [c for c in self._finder.candidates(frame) if overlap(c.box, box) < _SAME_PERSON]

    def _take_best(self, frame: Frame, candidates: Sequence[Candidate], poses: Sequence[Pose]) -> Pose | None:
        cfg = self._cfg
        needed = {"given": 0.0, "found": cfg.accept_found, "guessed": cfg.accept_guessed}
        good = [
            p
            for c, p in zip(candidates, poses, strict=True)
            if p.confidence >= needed[c.how] and self._plausible(frame, square_box(p.joints_px))
        ]
        if not good:
            return None
        best = max(good, key=lambda p: p.confidence)
        self._track += 1
        self._box = square_box(best.joints_px)
        self._doubts, self._confidence = 0, best.confidence
        self._looked_s = self._confirmed_s = frame.time_s
        self.fresh = True
        return dataclasses.replace(best, track=self._track)

    def _go_on(self, frame: Frame, pose: Pose) -> Pose | None:
        cfg = self._cfg
        assert self._box is not None
        seen = square_box(pose.joints_px)
        self._confidence = pose.confidence
        if pose.confidence < cfg.keep or not self._plausible(frame, seen):
            self._doubts += 1
        else:
            self._doubts = 0
            self._box = _towards(self._box, seen, cfg)
        alone = frame.time_s - self._confirmed_s > cfg.unconfirmed_s and pose.confidence < cfg.sure
        if self._doubts >= cfg.patience_frames or alone:
            last = self._box
            self.reset()
            self._last_box = None if alone else last
            return None
        return dataclasses.replace(pose, track=self._track) if self._doubts == 0 else None

    def _plausible(self, frame: Frame, box: Box) -> bool:
        """Neither collapsed nor exploded, and not outside the frame."""
        h, w = frame.image_bgr.shape[:2]
        side = box[2] - box[0]
        if not self._cfg.min_side_px <= side <= self._cfg.max_side * max(w, h):
            return False
        inside_w = min(box[2], w) - max(box[0], 0)
        inside_h = min(box[3], h) - max(box[1], 0)
        return bool(max(inside_w, 0) * max(inside_h, 0) >= self._cfg.min_inside * side * side)


def _towards(box: Box, seen: Box, cfg: TrackerConfig) -> Box:
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

"""One person, the one who matters, followed from frame to frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

from runtime.claim import claim, examined, glance, shifted
from runtime.config import TrackerConfig
from runtime.finder import AbstractFinder, Candidate, overlap
from runtime.tracker import SAME_PERSON, AbstractTracker, plausible, towards
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.records import Box, Frame, Pose

_NEVER = float("-inf")


@final
class FollowOne(AbstractTracker):
    """Whose claim (`runtime.claim`) is the largest; a rival must have a clearly larger one in several looks."""

    def __init__(self, finder: AbstractFinder, cfg: TrackerConfig) -> None:
        self._finder, self._cfg = finder, cfg
        self._track = 0
        self.reset()

    def reset(self) -> None:
        self.fresh = False
        self._box: Box | None = None
        self._last_box: Box | None = None
        self._proposed: list[Candidate] = []
        self._listed: list[Candidate] = []
        self._own: Pose | None = None
        self._rival: Box | None = None
        self._votes = self._doubts = self._failed = 0
        self._confidence = 0.0
        self._searched_s = self._looked_s = self._confirmed_s = self._taken_s = self._checked_s = _NEVER

    @property
    def following(self) -> bool:
        return self._box is not None

    def propose(self, frame: Frame, most: int | None = None) -> list[Box]:
        if self._listed:
            if most is not None and self._box is None:
                del self._listed[max(most // 2, 1) :]
            return [box for c in self._listed for box in (c.box, shifted(c.box))]
        self._finder.watch(frame, () if self._box is None else (self._box,))
        if self._box is not None:
            self._proposed = [Candidate(self._box, "given"), *self._rivals(frame, self._box)]
        elif frame.time_s - self._searched_s >= self._cfg.search_every_s:
            self._searched_s = frame.time_s
            before = [] if self._last_box is None else [Candidate(self._last_box, "guessed")]
            self._proposed = [*self._finder.candidates(frame), *before]
        else:
            self._proposed = []
        if most is not None:
            del self._proposed[max(most, 1) :]
        return [c.box for c in self._proposed]

    def settle(self, frame: Frame, poses: Sequence[Pose]) -> tuple[Pose, ...]:
        own = self._settle(frame, poses)
        return () if own is None else (own,)

    def _settle(self, frame: Frame, poses: Sequence[Pose]) -> Pose | None:
        if self._listed:
            listed, self._listed, self.fresh = self._listed, [], False
            if self._box is None:
                return self._take_best(frame, listed, poses)
            return self._compare(frame, listed, poses)
        if self._box is None:
            self._own, self._listed = None, self._shortlist(frame, self._proposed, poses)
        else:
            self._own = self._go_on(frame, poses[0])
            if self._box is not None and len(poses) > 1:
                rivals = self._shortlist(frame, self._proposed[1:], poses[1:], beside=poses[0])
                self._listed = [Candidate(self._box, "given"), rivals[0]] if rivals else []
                if not rivals:
                    self._rival, self._votes = None, 0
        self.fresh = bool(self._listed)
        return self._own

    def _rivals(self, frame: Frame, box: Box) -> list[Candidate]:
        """Now and then, at first often: who else is there? One who had a vote is looked at in the very next frame."""
        if self._rival is not None:
            return [Candidate(self._rival, "moving")]
        cfg, now = self._cfg, frame.time_s
        due = min(max((now - self._taken_s) / 4, cfg.look_every_s[0]), cfg.look_every_s[1])
        others = []
        if now - self._looked_s >= due:
            self._looked_s = now
            others = self._finder.glimpse(frame)
        if now - self._checked_s >= cfg.confirm_every_s:
            self._checked_s = now
            if self._finder.confirms(frame, box):
                self._confirmed_s = now
            if self._confirmed_s < now or self._confidence < cfg.sure:
                others = self._finder.candidates(frame)
        return [c for c in others if overlap(c.box, box) < SAME_PERSON]

    def _shortlist(
        self, frame: Frame, candidates: Sequence[Candidate], poses: Sequence[Pose], beside: Pose | None = None
    ) -> list[Candidate]:
        """The candidates worth a second look, the squares around their joints, the largest claim first."""
        movers = self._finder.movers()
        least = 0.0 if beside is None else glance(frame, beside, movers)
        ranked: list[tuple[float, Candidate]] = []
        for c, p in zip(candidates, poses, strict=True):
            seen = square_box(p.joints_px)
            hidden = c.how != "given" and (p.confidence < self._cfg.keep or self._finder.lifeless(seen))
            if hidden or not plausible(frame, seen, self._cfg):
                continue
            if beside is not None and overlap(seen, square_box(beside.joints_px)) >= SAME_PERSON:
                continue
            worth = glance(frame, p, movers)
            if worth >= least or c.how == "moving":
                ranked.append((worth, Candidate(seen, c.how)))
        listed: list[Candidate] = []
        for _, c in sorted(ranked, key=lambda r: -r[0]):
            alike = any(c.how == other.how and overlap(c.box, other.box) > 0.8 for other in listed)
            if len(listed) < self._cfg.shortlist and not alike:
                listed.append(c)
        return listed

    def _take_best(self, frame: Frame, listed: Sequence[Candidate], poses: Sequence[Pose]) -> Pose | None:
        cfg = self._cfg
        needed = {
            "given": 0.0, "found": cfg.accept_found, "moving": cfg.accept_moving, "guessed": cfg.accept_guessed
        }  # fmt: skip
        movers = self._finder.movers()
        good: list[tuple[float, float, Pose]] = []
        for c, first, second in zip(listed, poses[::2], poses[1::2], strict=True):
            sure = examined(first, second)
            if sure >= needed[c.how] and plausible(frame, square_box(first.joints_px), cfg):
                good.append((claim(frame, first, second, movers), sure - needed[c.how], first))
        if not good:
            return None
        best = square_box(max(good, key=lambda g: g[0])[2].joints_px)
        same = [g for g in good if overlap(square_box(g[2].joints_px), best) >= SAME_PERSON]
        return self._take(frame, max(same, key=lambda g: g[1])[2])  # of one person the surest look, not the largest

    def _compare(self, frame: Frame, listed: Sequence[Candidate], poses: Sequence[Pose]) -> Pose | None:
        """The followed person and one rival, each seen twice."""
        cfg, movers = self._cfg, self._finder.movers()
        held = min((frame.time_s - self._taken_s) / cfg.senior_s, 1.0)
        own = claim(frame, poses[0], poses[1], movers) * (1 + held)
        rival, seen = poses[2], square_box(poses[2].joints_px)
        there = examined(rival, poses[3]) >= cfg.keep and plausible(frame, seen, self._cfg)
        if there and claim(frame, rival, poses[3], movers) >= cfg.takeover * own:
            self._rival, self._votes = seen, self._votes + 1
            return self._take(frame, rival) if self._votes >= cfg.votes else self._own
        self._rival, self._votes = None, 0
        self._failed = 0 if examined(poses[0], poses[1]) >= cfg.keep else self._failed + 1
        if self._failed >= cfg.votes:
            self.reset()
            return None
        return self._own

    def _take(self, frame: Frame, pose: Pose) -> Pose:
        self._track += 1
        self._box = square_box(pose.joints_px)
        self._rival, self._votes = None, 0
        self._doubts, self._failed, self._confidence = 0, 0, pose.confidence
        self._taken_s = self._looked_s = self._confirmed_s = self._checked_s = frame.time_s
        return dataclasses.replace(pose, track=self._track)

    def _go_on(self, frame: Frame, pose: Pose) -> Pose | None:
        cfg = self._cfg
        assert self._box is not None
        seen = square_box(pose.joints_px)
        self._confidence = pose.confidence
        lifeless = pose.confidence < cfg.sure and self._finder.lifeless(seen)  # people sit, lie and wait as well
        if pose.confidence < cfg.keep or lifeless or not plausible(frame, seen, self._cfg):
            self._doubts += 1
        else:
            self._doubts = 0
            self._box = towards(self._box, seen, cfg)
        alone = frame.time_s - self._confirmed_s > cfg.unconfirmed_s and pose.confidence < cfg.sure
        if self._doubts >= cfg.patience_frames or alone:
            last = self._box
            self.reset()
            self._last_box = None if alone or lifeless else last
            return None
        return dataclasses.replace(pose, track=self._track) if self._doubts == 0 else None

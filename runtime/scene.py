"""What moves before a camera, and what the place looks like without anybody."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.config import SceneConfig
from sa3dhp_edge.records import Box, Frame


class Scene:
    """A small grey memory of one camera's picture: when each of its pixels last changed, and to what it stays.

    A pixel changes when it leaves the value it has kept, so that a slow sway adds up; the picture's common change
    (the light, the exposure) does not count. While the camera itself moves, everything changes and nothing is known.
    """

    def __init__(self, cfg: SceneConfig) -> None:
        self._cfg = cfg
        self._kept = np.zeros((0, 0), np.float32)
        self._scale_xy = (1.0, 1.0)
        self._now_s = float("-inf")
        self._begun_s = self._now_s
        self._grey = self._average = self._place = self._moved_s = self._kept
        self._known = np.zeros((0, 0), np.bool_)

    def watch(self, frame: Frame, followed: Sequence[Box]) -> None:
        """Take a frame in, at most every `watch_every_s`; what stays still outside `followed` becomes the place."""
        cfg = self._cfg
        waited = frame.time_s - self._now_s
        if 0 <= waited < cfg.watch_every_s - 1e-3:
            return
        grey = _small_grey(frame.image_bgr, cfg.width_px)
        if not 0 <= waited < cfg.jump_s or grey.shape != self._kept.shape:
            self._begin(frame, grey)
            return
        self._now_s = frame.time_s
        change = grey - self._kept
        light = float(np.median(change))
        changed = np.abs(change - light) > cfg.changed_levels
        if changed.mean() > cfg.most_changed:
            self._begin(frame, grey)
            return
        self._grey = grey
        self._kept = np.where(changed, grey, self._kept + light)
        self._place += light
        self._average += light + (waited / (waited + cfg.average_s)) * (grey - self._average - light)
        self._moved_s[changed] = frame.time_s
        calm = frame.time_s - self._moved_s >= cfg.settle_s
        for box in followed:
            x0, y0, x1, y1 = self._cells(box)
            calm[y0:y1, x0:x1] = False
        self._place[calm] = self._kept[calm]
        self._known |= calm

    def movers(self) -> list[Box]:
        """Boxes around what moves, or stands where the place was empty; the largest first, none if the camera moves."""
        if not self._kept.size:
            return []
        cfg = self._cfg
        clear = np.abs(self._grey - self._average) > cfg.clear_levels
        clear |= self._known & (np.abs(self._grey - self._place) > cfg.clear_levels)
        close = max(round(0.045 * cfg.width_px), 1)
        whole = cv2.morphologyEx(clear.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((close, close), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(np.asarray(whole, np.uint8))
        large = [s for s in stats[1:] if s[cv2.CC_STAT_AREA] >= cfg.least_mover * clear.size]
        large.sort(key=lambda s: -int(s[cv2.CC_STAT_AREA]))
        sx, sy = self._scale_xy
        return [(x / sx, y / sy, (x + w) / sx, (y + h) / sy) for x, y, w, h, _ in large[: cfg.max_movers]]

    def lifeless(self, box: Box) -> bool:
        """Whether nobody can be there: the picture is that of the empty place, or nothing has moved for `still_s`."""
        if not self._kept.size:
            return False
        x0, y0, x1, y1 = self._cells(box)
        known = self._known[y0:y1, x0:x1]
        if known.size and known.mean() > 0.5:
            away = np.abs(self._grey - self._place)[y0:y1, x0:x1] > self._cfg.clear_levels
            return bool((away & known).mean() < self._cfg.least_share)
        if self._now_s - self._begun_s < self._cfg.still_s:
            return False
        moved = self._now_s - self._moved_s[y0:y1, x0:x1] < self._cfg.still_s
        return not moved.size or bool(moved.mean() < self._cfg.least_share)

    def _begin(self, frame: Frame, grey: NDArray[np.float32]) -> None:
        """Start anew; what is known of the place is kept as long as most of it still looks like that."""
        h, w = grey.shape
        self._scale_xy = (w / frame.image_bgr.shape[1], h / frame.image_bgr.shape[0])
        self._now_s = self._begun_s = frame.time_s
        if grey.shape == self._place.shape:
            self._place += float(np.median(grey - self._place))
            other = self._known & (np.abs(grey - self._place) > self._cfg.clear_levels)
        if grey.shape != self._place.shape or other.sum() > self._cfg.most_changed * self._known.sum():
            self._place, self._known = grey.copy(), np.zeros(grey.shape, np.bool_)
        self._grey = self._kept = grey
        self._average = grey.copy()
        self._moved_s = np.full(grey.shape, frame.time_s)

    def _cells(self, box: Box) -> tuple[int, int, int, int]:
        h, w = self._kept.shape
        sx, sy = self._scale_xy
        x0, y0 = (min(max(int(v), 0), most) for v, most in ((box[0] * sx, w), (box[1] * sy, h)))
        x1, y1 = (min(max(int(np.ceil(v)), 0), most) for v, most in ((box[2] * sx, w), (box[3] * sy, h)))
        return x0, y0, x1, y1


def _small_grey(image_bgr: NDArray[np.uint8], width_px: int) -> NDArray[np.float32]:
    """The blurred grey picture of `width_px`; rows that could not be told apart there are skipped beforehand."""
    h, w = image_bgr.shape[:2]
    skip = max(w // (2 * width_px), 1)
    size = (width_px, max(round(width_px * h / w), 1))
    small = cv2.resize(image_bgr[::skip, ::skip], size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (5, 5), 0), np.float32)

"""Hours of video of any rate into one-person clips for adaptation, by the finder, tracker and crop of the runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.clip_plan import Stretch, plan_stretches, video_paths
from runtime.config import ClipConfig, TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import AbstractFinder
from runtime.follow_one import FollowOne
from runtime.lens import Lens
from runtime.loop import look
from runtime.model import Model
from runtime.region import part_around
from runtime.service import make_finder, nobody_in
from runtime.sources import VideoSource
from sa3dhp_edge.crop import FIELD, CropCamera, cut, square_box
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Box, Frame

_THUMB_WH = (64, 36)
_SAME = 12
"""Grey levels by which a thumbnail may differ and still show the same empty place."""


@dataclass(frozen=True)
class _Patch:
    """The part of a frame around a person, shrunk by a whole factor where it is much larger than needed."""

    image_bgr: NDArray[np.uint8]
    left_top: tuple[int, int]
    shrunk: int
    time_s: float
    wanted: Box

    def crop(self, box: Box, camera: Intrinsics, size_px: int) -> NDArray[np.uint8]:
        """The stored picture of the crop `box` (undistorted frame pixels)."""
        k, (left, top) = self.shrunk, self.left_top
        moved = [((v - o + 0.5) / k - 0.5) for v, o in zip(box, (left, top, left, top), strict=True)]
        (fx, fy), (cx, cy) = camera.focal_px, camera.center_px
        here = Intrinsics((fx / k, fy / k), ((cx - left + 0.5) / k - 0.5, (cy - top + 0.5) / k - 0.5))
        return cut(self.image_bgr, CropCamera.looking_at(tuple(moved), here), size_px, field=FIELD)


@dataclass(frozen=True)
class _Clip:
    images: NDArray[np.uint8]
    time_s: NDArray[np.float64]
    boxes: NDArray[np.float32]
    source: str
    fps: float


def cut_clips(
    videos: Path,
    model: Model,
    crop_px: int,
    *,
    max_frames: int,
    seed: int = 0,
    cfg: ClipConfig | None = None,
    finder: AbstractFinder | None = None,
    intrinsics: Intrinsics | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> FrameSet:
    """Pictures of the followed person, spread over the whole length of the input.

    Args:
        videos: a video file, or a folder of them.
        model: follows the person and judges the frames.
        crop_px: side of the nominal crop; stored pictures span `FIELD` of them.
        max_frames: upper bound of the set; longer input is looked at in stretches spread over its length.
        seed: shifts the stretches.
        cfg: how clips are cut.
        finder: where a person may be; None searches as the runtime does.
        intrinsics: of the camera, where known; lens distortion is taken out of the pictures.
        progress: called with the share of the work done, 0..1, and the frames collected.

    Returns:
        Unlabelled clips in the order of the input; `box_xyxy_px` in undistorted frame pixels; time_s counts
        from the start of the video.

    Raises:
        InputError: no video there.
        NobodyFound: no clip could be cut.
    """
    if max_frames < 1:
        raise ConfigError(f"max_frames must be at least 1, got {max_frames}")
    cfg = cfg or ClipConfig()

    def follower(source: VideoSource) -> _Follower:
        camera = intrinsics or Intrinsics.guess(source.size_wh)
        return _Follower(source, model, camera, finder or make_finder(), crop_px, cfg)

    plan = plan_stretches(video_paths(videos), max_frames, cfg, seed)
    clips, damaged = _collect(plan, follower, max_frames, cfg.min_frames, progress or (lambda share, frames: None))
    if not clips:
        raise nobody_in(str(videos))
    return _together(clips, crop_px, damaged)


def _collect(
    plan: list[Stretch],
    follower: Callable[[VideoSource], _Follower],
    max_frames: int,
    min_frames: int,
    progress: Callable[[float, int], None],
) -> tuple[list[_Clip], dict[Path, int]]:
    """Clips of one stretch after the other until `max_frames` are full; damaged frames by video."""
    clips: list[_Clip] = []
    damaged: dict[Path, int] = {}
    left = max_frames
    for done, stretch in enumerate(plan, 1):
        with VideoSource(stretch.path) as source:
            for clip in follower(source).clips(stretch, left):
                clips.append(clip)
                left -= len(clip.time_s)
            damaged[stretch.path] = damaged.get(stretch.path, 0) + source.corrupt
        full = left < min_frames
        progress(1.0 if full else max(done / len(plan), 1 - left / max_frames), max_frames - left)
        if full:
            break
    return clips, damaged


class _Follower:
    """Follows one person through stretches of one video."""

    def __init__(
        self,
        source: VideoSource,
        model: Model,
        camera: Intrinsics,
        finder: AbstractFinder,
        crop_px: int,
        cfg: ClipConfig,
    ) -> None:
        self._source, self._camera, self._lens, self._cfg = source, camera, Lens(camera), cfg
        self._picture_px = picture_px(crop_px)
        self._keep_every = max(math.ceil(source.fps / cfg.max_fps - 1e-3), 1)
        straight = replace(camera, distortion=())  # frames are straightened before anything looks at them
        self._estimator = Estimator(model, straight)
        self._tracker = FollowOne(finder, replace(TrackerConfig(), search_every_s=0.0))

    def clips(self, stretch: Stretch, left: int) -> Iterator[_Clip]:
        """The stretch's clips, together at most `left` frames."""
        cfg = self._cfg
        patches: list[_Patch] = []
        track = 0
        for frame in self._thinned(stretch):
            pose = next(iter(look(frame, self._tracker, self._estimator)), None)
            usable = pose is not None and pose.confidence >= cfg.min_confidence
            gap = bool(patches) and frame.time_s - patches[-1].time_s > max(cfg.max_gap_s, 2.5 / self._source.fps)
            other = pose is not None and pose.track != track
            if patches and (gap or other or len(patches) >= min(cfg.clip_frames, left)):
                left -= len(patches) if len(patches) >= cfg.min_frames else 0
                yield from self._clip(patches)
                patches = []
            if left < cfg.min_frames:
                return
            if pose is not None and usable:
                track = pose.track
                patches.append(self._patch(frame, square_box(pose.joints_px)))
        yield from self._clip(patches)

    def _thinned(self, stretch: Stretch) -> Iterator[Frame]:
        """Straightened frames at the kept rate; while nobody is there, long steps to frames that changed."""
        source = self._source
        if stretch.start_s > 0:
            source.seek(stretch.start_s)
        frames = source.frames(Event())
        empty_frames = max(round(self._cfg.empty_step_s * source.fps), 1)
        empty: NDArray[np.int16] | None = None
        while (frame := next(frames, None)) is not None and frame.time_s < stretch.end_s:
            thumb = _thumb(frame)
            if empty is None or np.abs(thumb - empty).max() > _SAME:
                yield replace(frame, image_bgr=self._lens.straighten(frame.image_bgr, (0, 0, *source.size_wh)))
                empty = None if self._tracker.following else thumb
            skipped = (self._keep_every if self._tracker.following else empty_frames) - 1
            if not all(source.skip() for _ in range(skipped)):
                return

    def _patch(self, frame: Frame, wanted: Box) -> _Patch:
        h, w = frame.image_bgr.shape[:2]
        side = wanted[2] - wanted[0]
        margin = 0.5 * side  # FIELD needs 0.25; the rest is room for smoothing
        left, top, right, bottom = part_around(np.reshape(wanted, (2, 2)), margin, (w, h))
        image = frame.image_bgr[top:bottom, left:right]
        shrunk = max(int(side * FIELD / (2 * self._picture_px)), 1)
        if shrunk > 1:
            height, width = (max(s // shrunk, 1) for s in image.shape[:2])
            image = image[: height * shrunk, : width * shrunk]
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            return _Patch(np.asarray(small, np.uint8), (left, top), shrunk, frame.time_s, wanted)
        return _Patch(image.copy(), (left, top), 1, frame.time_s, wanted)

    def _clip(self, patches: list[_Patch]) -> Iterator[_Clip]:
        if len(patches) < self._cfg.min_frames:
            return
        time_s = np.array([p.time_s for p in patches])
        boxes = smooth_boxes(np.array([p.wanted for p in patches]), time_s, self._cfg.smooth_s)
        pictures = [
            p.crop((float(b[0]), float(b[1]), float(b[2]), float(b[3])), self._camera, self._picture_px)
            for p, b in zip(patches, boxes, strict=True)
        ]
        yield _Clip(np.stack(pictures), time_s, boxes.astype(np.float32), self._source.name, self._source.fps)


def _thumb(frame: Frame) -> NDArray[np.int16]:
    """A small grey picture: a person who enters changes it, noise does not."""
    small = cv2.resize(frame.image_bgr, _THUMB_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.int16)


def smooth_boxes(boxes: NDArray[np.float64], time_s: NDArray[np.float64], width_s: float) -> NDArray[np.float64]:
    """Square boxes (N, 4) px averaged over their neighbours in time, before and after.

    Centres follow with a third of `width_s`, sizes with all of it: a size that breathes hurts more than a
    centre that lags.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = np.log(boxes[:, 2] - boxes[:, 0])[:, None]
    away = (time_s[:, None] - time_s[None]) / width_s
    for_size, for_centre = np.exp(-0.5 * away**2), np.exp(-0.5 * (3 * away) ** 2)
    centre = for_centre @ centre / for_centre.sum(1, keepdims=True)
    half = np.exp(for_size @ side / for_size.sum(1, keepdims=True)) / 2
    return np.concatenate([centre - half, centre + half], 1)


def _together(clips: list[_Clip], crop_px: int, damaged: dict[Path, int]) -> FrameSet:
    clips = sorted(clips, key=lambda c: (c.source, c.time_s[0]))
    notes = {str(path): f", {count} damaged frames" for path, count in damaged.items() if count}
    return FrameSet(
        images=np.concatenate([c.images for c in clips]),
        crop_px=crop_px,
        clip=np.repeat(np.arange(len(clips), dtype=np.int32), [len(c.time_s) for c in clips]),
        time_s=np.concatenate([c.time_s for c in clips]),
        box_xyxy_px=np.concatenate([c.boxes for c in clips]),
        origin=tuple(
            f"{c.source}: {len(c.time_s)} frames from {c.time_s[0]:.3f} s, {c.fps:g} fps{notes.get(c.source, '')}"
            for c in clips
        ),
    )

"""Labelled pictures and videos of synthetic people: the package's two functions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.crop import FIELD, CropCamera, cut, square_box
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.frameset import BY_BORDER, NOT_HIDDEN, FrameSet, picture_px
from sa3dhp_edge.geometry import Intrinsics, project
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import J
from sa3dhp_edge.synth.backgrounds import Backgrounds
from sa3dhp_edge.synth.body import covering_parts
from sa3dhp_edge.synth.border import draw_border, repeat_border, within
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.picture import SAMPLES_PER_PX
from sa3dhp_edge.synth.raster import View
from sa3dhp_edge.synth.sensor import develop, exposure_gain
from sa3dhp_edge.synth.staging import Stage, draw_frame, draw_stage, through_shutter, what_hides

FRAME_WH = (1280, 960)
"""Size of the full frame from which the crops of `render_clips` are thought to be cut."""
MOST_TRIALS, LEAST_SEEN = 3, 5
"""A clip in whose first frame fewer joints are to be seen is drawn anew, up to so many times."""
BATCH_CLIPS = 8
"""Clips that a worker process draws before it hands them over."""


class _Job(NamedTuple):
    """What all clips of one call share."""

    domain: Domain
    motion: MotionSet
    frames: int
    fps: float
    crop_px: int
    seed: int
    backgrounds: Backgrounds | None


class _Clip(NamedTuple):
    images: NDArray[np.uint8]
    joints_mm: NDArray[np.float32]
    joints_uv: NDArray[np.float32]
    hidden_by: NDArray[np.uint8]
    root_mm: NDArray[np.float32]
    focal_uv: NDArray[np.float32]
    box_xyxy_px: NDArray[np.float32]
    origin: str


@dataclass(frozen=True)
class RenderedVideo:
    """A synthetic video of one person and its truth.

    Attributes:
        stage: what is drawn.
        joints_mm: (T, 17, 3) float32 mm, camera frame, absolute.
        joints_px: (T, 17, 2) float32 px.
        camera: the pinhole camera's intrinsics.
        fps: frames per second.
        size_wh: size of the frames in px.
        seed: of the sensor's noise.
    """

    stage: Stage
    joints_mm: NDArray[np.float32]
    joints_px: NDArray[np.float32]
    camera: Intrinsics
    fps: float
    size_wh: tuple[int, int]
    seed: int

    def __len__(self) -> int:
        return len(self.joints_mm)

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) uint8 BGR pictures, drawn as they are asked for."""
        width, height = self.size_wh
        c = self.stage.camera
        view = View(c.rotation, c.position, self.camera.focal_px[0], *self.camera.center_px)
        gain = 0.0
        for t in range(len(self)):
            drawn, scale = draw_frame(self.stage, t, view, height, width), max(self.size_wh) / 640
            light = through_shutter(self.stage, t, drawn, view, scale)
            gain = gain or exposure_gain(light)
            picture = develop(light, self.stage.sensor, gain, scale, self.seed + t)
            yield np.ascontiguousarray(picture[..., ::-1])


def render_video(
    domain: Domain, motion: MotionSet, *, seconds: float, fps: float, size_wh: tuple[int, int], seed: int
) -> RenderedVideo:
    """A video of one person who stays in view; the same seed gives the same video."""
    rng = np.random.default_rng(seed)
    stage = draw_stage(rng, domain, motion, max(round(seconds * fps), 1), fps, size_wh, whole=True)
    joints = stage.camera.to_camera(stage.joints_mm)
    intrinsics = stage.camera.intrinsics
    px = project(joints, intrinsics.matrix()).astype(np.float32)
    return RenderedVideo(stage, joints, px, intrinsics, fps, size_wh, seed)


def render_clips(
    domain: Domain,
    motion: MotionSet,
    *,
    clips: int,
    frames_per_clip: int,
    fps: float,
    crop_px: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    backgrounds: Backgrounds | None = None,
) -> FrameSet:
    """Labelled pictures: a new subject, scene and stretch of motion for every clip.

    Args:
        domain: what the world may look like.
        motion: a motion set.
        clips: how many; each of `frames_per_clip` frames that are 1 / `fps` seconds apart.
        fps: 30 gives video; 2 gives poses that differ from frame to frame.
        crop_px: side of the nominal crop; the stored pictures span `FIELD` crops.
        seed: equal seeds give equal pictures whatever `workers` is.
        workers: processes; 1 draws in this one.
        progress: told (clips done, clips) after each clip.
        backgrounds: photos, seen in the share `domain.photo` of all clips.

    Raises:
        ConfigError: fewer than one clip or frame.
        DataError: the motion set is empty, or one of the photos is damaged.
    """
    if clips < 1 or frames_per_clip < 1:
        raise ConfigError(f"rendering needs at least one clip of one frame, got {clips} of {frames_per_clip}")
    job = _Job(domain, motion, frames_per_clip, fps, crop_px, seed, backgrounds)
    alone = (_render_clip(job, number) for number in range(clips))
    done: list[_Clip] = []
    for clip in alone if workers <= 1 else _in_processes(job, clips, workers):
        done.append(clip)
        if progress is not None:
            progress(len(done), clips)
    columns = {k: np.concatenate([getattr(c, k) for c in done]) for k in _Clip._fields[:-1]}
    return FrameSet(
        crop_px=crop_px,
        clip=np.repeat(np.arange(clips, dtype=np.int32), frames_per_clip),
        time_s=np.tile(np.arange(frames_per_clip) / fps, clips),
        origin=tuple(c.origin for c in done),
        visible=columns["hidden_by"] == NOT_HIDDEN,
        **columns,
    )


def _in_processes(job: _Job, clips: int, workers: int) -> Iterator[_Clip]:
    """All clips in order, from fresh processes (a forked one would inherit other threads' locks).

    The motion goes to each process once, at its start: a queue that holds nothing large cannot block an interrupt.
    """
    context, batches = get_context("spawn"), np.array_split(np.arange(clips), -(-clips // BATCH_CLIPS))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(job,)) as pool:
        try:
            for batch in [pool.submit(_render_batch, numbers.tolist()) for numbers in batches]:
                yield from batch.result()
        except BaseException:  # Ctrl-C above all: nobody waits minutes for batches that are not wanted
            for process in list(pool._processes.values()):
                process.terminate()
            raise


_worker_job: list[_Job] = []
"""In a worker process: what all its batches have in common."""


def _start_worker(job: _Job) -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells everybody; the parent decides
    _worker_job.append(job)


def _render_batch(numbers: list[int]) -> list[_Clip]:
    return [_render_clip(_worker_job[0], number) for number in numbers]


def _render_clip(job: _Job, number: int) -> _Clip:
    rng = np.random.default_rng((job.seed, number))
    for _ in range(MOST_TRIALS - 1):
        clip = _draw_clip(job, rng, number, seen=LEAST_SEEN)
        if clip is not None:
            return clip
    clip = _draw_clip(job, rng, number, seen=0)
    assert clip is not None, "a clip that may show nothing is always drawn"
    return clip


def _draw_clip(job: _Job, rng: np.random.Generator, number: int, seen: int) -> _Clip | None:
    """A clip, or None where fewer joints than `seen` are to be seen in its first frame."""
    domain, frames, crop_px = job.domain, job.frames, job.crop_px
    size_wh = FRAME_WH[::-1] if rng.random() < domain.portrait else FRAME_WH
    border = draw_border(rng, domain)
    stage = draw_stage(rng, domain, job.motion, frames, job.fps, size_wh, whole=False, backgrounds=job.backgrounds)
    side, near = picture_px(crop_px), covering_parts()
    clip = _Clip(
        np.empty((frames, side, side, 3), np.uint8),
        np.empty((frames, J, 3), np.float32),
        np.empty((frames, J, 2), np.float32),
        np.empty((frames, J), np.uint8),
        np.empty((frames, 3), np.float32),
        np.empty(frames, np.float32),
        np.empty((frames, 4), np.float32),
        f"synthetic {domain.name}, seed {job.seed}, clip {number}, motion {job.motion.names[stage.sequence]}",
    )
    gain, noise_seed = 0.0, int(rng.integers(2**31))
    for t in range(frames):
        joints = stage.camera.to_camera(stage.joints_mm[t])
        px = project(joints, stage.camera.intrinsics.matrix())
        box, window = square_box(px), None
        if border is not None:
            window = border.window_px(px)
            box = square_box(np.clip(px, window[:2], window[2:])) if border.seen_box else box
        crop = CropCamera.looking_at(box, stage.camera.intrinsics)
        inside = crop.pose_to_crop(joints)
        view = _crop_view(stage, crop, side)
        behind = None if stage.photo is None else cut(stage.photo, crop, side, FIELD)
        drawn = draw_frame(stage, t, view, side, side, behind)
        clip.joints_mm[t] = inside - inside[0]
        clip.root_mm[t], clip.focal_uv[t] = inside[0], crop.focal_uv
        clip.joints_uv[t] = crop.focal_uv * inside[:, :2] / inside[:, 2:]
        clip.box_xyxy_px[t] = box
        uvz = np.concatenate([_uv_to_samples(clip.joints_uv[t], side), inside[:, 2:]], 1).astype(np.float32)
        clip.hidden_by[t] = what_hides(uvz, near[0], near[1], drawn.samples, drawn.face_part, SAMPLES_PER_PX)
        if t == 0 and (clip.hidden_by[0] == NOT_HIDDEN).sum() < seen:
            return None
        gain = gain or exposure_gain(drawn.light)
        light = through_shutter(stage, t, drawn, view, crop_px / 128)
        clip.images[t] = develop(light, stage.sensor, gain, crop_px / 128, noise_seed + t)
        if window is not None:
            clip.images[t] = repeat_border(clip.images[t], crop, window)
            clip.hidden_by[t, ~within(px, window)] = BY_BORDER
    return clip


def _crop_view(stage: Stage, crop: CropCamera, side: int) -> View:
    """The crop's virtual camera in the world, with a picture of `side` pixels that spans FIELD crops."""
    rotation = (crop.rot_camera_to_crop @ stage.camera.rotation).astype(np.float32)
    return View(rotation, stage.camera.position, crop.focal_uv * side / 2 / FIELD, (side - 1) / 2, (side - 1) / 2)


def _uv_to_samples(uv: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    px = (uv / FIELD + 1) * side / 2 - 0.5
    return np.asarray(px * SAMPLES_PER_PX + (SAMPLES_PER_PX - 1) / 2, np.float32)

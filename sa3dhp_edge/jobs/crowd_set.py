"""Generated frames with people, drawn once into arrays on disk."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge import atomic
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.crowd_frames import MOST_PEOPLE, CrowdFrame, crowd_frames

FRAME_WH = (416, 288)
PER_SCENE = 3
_MADE_UP_S = 60.0


@dataclass(frozen=True)
class CrowdSet:
    """Frames of a folder, as arrays that lie on disk.

    Attributes:
        images_bgr: (N, H, W, 3) uint8.
        joints_px: (N, MOST_PEOPLE, 17, 2) float32; people beyond those of a frame are NaN.
        seen: (N, MOST_PEOPLE, 17) bool.
    """

    images_bgr: NDArray[np.uint8]
    joints_px: NDArray[np.float32]
    seen: NDArray[np.bool_]


def crowd_set(folder: Path, scenes: int, seed: int, poses: Path | None, workers: int) -> CrowdSet:
    """The frames of a folder; drawn into it where it is not there."""
    if not folder.is_dir():
        with atomic.publish_folder(folder) as made:
            _draw(made, scenes, seed, poses, workers)
    return CrowdSet(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "joints", "seen")))


def _draw(folder: Path, scenes: int, seed: int, poses: Path | None, workers: int) -> None:
    count, (w, h) = scenes * PER_SCENE, FRAME_WH
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, h, w, 3))
    joints = np.full((count, MOST_PEOPLE, 17, 2), np.nan, np.float32)
    seen = np.zeros((count, MOST_PEOPLE, 17), np.bool_)
    draw = partial(_scene, unpaired_motion(poses, _MADE_UP_S, seed), seed)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for number, frames in enumerate(pool.imap(draw, range(scenes), chunksize=4)):
            for i, frame in enumerate(frames, PER_SCENE * number):
                images[i] = frame.image_bgr
                joints[i, : len(frame.joints_px)] = frame.joints_px
                seen[i, : len(frame.seen)] = frame.seen
            if number % 100 == 99:
                print(f"{number + 1} of {scenes} scenes drawn", flush=True)  # noqa: T201
    images.flush()
    np.save(folder / "joints.npy", joints)
    np.save(folder / "seen.npy", seen)


def _scene(motion: MotionSet, seed: int, number: int) -> list[CrowdFrame]:
    cv2.setNumThreads(1)
    return list(crowd_frames(motion, seed, number, PER_SCENE, FRAME_WH))

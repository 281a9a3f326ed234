"""Generated video of several people who cross each other's way, with the truth of every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.frameset import NOT_HIDDEN
from sa3dhp_edge.geometry import Intrinsics, project
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth.body import PARTS, covering_parts
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.figure import draw_figure
from sa3dhp_edge.synth.footage import Facing, Stretch, draw_stretch
from sa3dhp_edge.synth.picture import SAMPLES_PER_PX
from sa3dhp_edge.synth.raster import Samples, View
from sa3dhp_edge.synth.scene import draw_camera
from sa3dhp_edge.synth.sensor import develop, exposure_gain
from sa3dhp_edge.synth.staging import Stage, draw_frame, furnish, through_shutter, what_hides

Array = NDArray[np.float32]

_BREADTH_MM, _DEPTH_MM = 2600.0, 1100.0
"""Half of the way across that people go, and between the nearest and the farthest lane."""
_ROUND_S = (5.0, 9.0)
"""Seconds to and fro."""


@dataclass(frozen=True)
class RenderedCrowd:
    """A synthetic video of P people and its truth.

    Attributes:
        stage: what is drawn.
        joints_mm: (T, P, 17, 3) float32 mm, camera frame, absolute.
        joints_px: (T, P, 17, 2) float32 px.
        camera: the pinhole camera's intrinsics.
        fps: frames per second.
        size_wh: size of the frames in px.
        seed: of the sensor's noise.
    """

    stage: Stage
    joints_mm: Array
    joints_px: Array
    camera: Intrinsics
    fps: float
    size_wh: tuple[int, int]
    seed: int

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], Array]]:
        """Pictures (H, W, 3) uint8 BGR, and of each person the share (P,) of the joints whose own skin is seen."""
        width, height = self.size_wh
        c = self.stage.camera
        view = View(c.rotation, c.position, self.camera.focal_px[0], *self.camera.center_px)
        gain = 0.0
        for t in range(len(self.joints_mm)):
            drawn, scale = draw_frame(self.stage, t, view, height, width), max(self.size_wh) / 640
            seen = np.array([self._seen(t, p, drawn.samples, drawn.face_part) for p in range(self.joints_mm.shape[1])])
            light = through_shutter(self.stage, t, drawn, view, scale)
            gain = gain or exposure_gain(light)
            picture = develop(light, self.stage.sensor, gain, scale, self.seed + t)
            yield np.ascontiguousarray(picture[..., ::-1]), seen.astype(np.float32)

    def _seen(self, t: int, person: int, samples: Samples, face_part: NDArray[np.int32]) -> float:
        depth_mm, own = covering_parts()
        px = self.joints_px[t, person] * SAMPLES_PER_PX + (SAMPLES_PER_PX - 1) / 2
        uvz = np.concatenate([px, self.joints_mm[t, person, :, 2:]], 1).astype(np.float32)
        first = person * len(PARTS)
        mine = (face_part >= first) & (face_part < first + len(PARTS))
        parts = np.where(mine, face_part - first, np.int32(np.iinfo(np.int32).max)).astype(np.int32)
        return float((what_hides(uvz, depth_mm, own, samples, parts, SAMPLES_PER_PX) == NOT_HIDDEN).mean())


def render_crowd(
    domain: Domain, motion: MotionSet, *, people: int, seconds: float, fps: float, size_wh: tuple[int, int], seed: int
) -> RenderedCrowd:
    """A video of people who go to and fro across the picture in lanes of their own; equal seeds, equal videos."""
    rng = np.random.default_rng(seed)
    frames = max(round(seconds * fps), 1)
    lanes = rng.permutation(np.linspace(-_DEPTH_MM, _DEPTH_MM, people)) if people > 1 else np.zeros(1)
    figures = []
    for lane in lanes:
        stretch = _in_place(draw_stretch(rng, motion, frames, fps, Facing(180, 1)))
        figures.append(draw_figure(rng, domain, stretch, _way(rng, frames, fps, float(lane))[:, None]))
    joints = np.concatenate([figure.joints_mm for figure in figures])
    wide = replace(domain, distance_mm=(4200.0, 5200.0), focal=(0.8, 1.0), off_centre=0.0, roll_deg=2.0)
    camera = draw_camera(rng, wide, joints, size_wh, whole=True)
    stage = furnish(rng, domain, tuple(figures), camera, joints)
    inside = camera.to_camera(np.stack([figure.joints_mm for figure in figures], 1))
    px = project(inside, camera.intrinsics.matrix()).astype(np.float32)
    return RenderedCrowd(stage, inside, px, camera.intrinsics, fps, size_wh, seed)


def _in_place(stretch: Stretch) -> Stretch:
    """The same motion without going anywhere."""
    root = stretch.root_mm.copy()
    root[:, [0, 2]] = root[:1, [0, 2]]
    return stretch._replace(root_mm=root)


def _way(rng: np.random.Generator, frames: int, fps: float, lane_mm: float) -> Array:
    """(T, 3) mm: to and fro across, slower at the ends, and a little back and forth."""
    time_s = np.arange(frames) / fps
    x = _BREADTH_MM * rng.uniform(0.6, 1) * np.sin(2 * np.pi * (time_s / rng.uniform(*_ROUND_S) + rng.random()))
    z = lane_mm + 200 * np.sin(2 * np.pi * (time_s / rng.uniform(3, 6) + rng.random()))
    return np.stack([x, np.zeros(frames), z], 1).astype(np.float32)

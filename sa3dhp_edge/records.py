"""What crosses from one part of the program to another, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.skeleton import J

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the frame."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image_bgr: (H, W, 3) uint8.
        index: 0, 1, 2… as the source counts them; gaps are frames that a live source dropped.
        time_s: seconds since the source's first frame, by its own clock.
        decode_ms: time spent getting it.
        captured_s: when a live source got it, on the monotonic clock (`time.monotonic`), which no change of the wall's
            clock moves; None for a file.
    """

    image_bgr: NDArray[np.uint8]
    index: int
    time_s: float
    decode_ms: float = 0.0
    captured_s: float | None = None

    def __post_init__(self) -> None:
        if self.image_bgr.ndim != 3 or self.image_bgr.shape[2] != 3 or self.image_bgr.dtype != np.uint8:
            raise ShapeError(f"a frame is (H, W, 3) uint8, got {self.image_bgr.shape} {self.image_bgr.dtype}")

    def without_picture(self) -> Frame:
        """All but the picture, for who waits long and does not need it."""
        return replace(self, image_bgr=np.zeros((0, 0, 3), np.uint8))


@dataclass(frozen=True)
class Pose:
    """One person in one frame.

    Attributes:
        joints_mm: (17, 3), root-relative, camera frame.
        root_mm: (3,) pelvis in the camera frame, or None where the camera's focal length is unknown.
        joints_px: (17, 2) in the frame.
        box_xyxy_px: the crop the pose was read from.
        confidence: 0 (not to be used) to 1.
        track: stays the same while a person is followed.
        z: (32,) pose latent.
        expected_error_mm: mean distance to be expected between `joints_mm` and the truth, or None where the model does
            not know it.
        expected_pa_error_mm: the same after similarity alignment.
        raw_joints_mm: what the network said, where `joints_mm` was smoothed over time.
        raw_root_mm: the same of `root_mm`.
        world_joints_mm: (17, 3) in the world, where one is known; relative to the pelvis where `root_mm` is None.
        joint_confidence: (17,) of each joint, or None where the model does not know it; see `ErrorModel`.
    """

    joints_mm: NDArray[np.float32]
    root_mm: NDArray[np.float32] | None
    joints_px: NDArray[np.float32]
    box_xyxy_px: Box
    confidence: float
    track: int
    z: NDArray[np.float32]
    expected_error_mm: float | None = None
    expected_pa_error_mm: float | None = None
    raw_joints_mm: NDArray[np.float32] | None = None
    raw_root_mm: NDArray[np.float32] | None = None
    world_joints_mm: NDArray[np.float32] | None = None
    joint_confidence: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.joints_mm.shape != (J, 3) or self.joints_px.shape != (J, 2):
            raise ShapeError(
                f"a pose has ({J}, 3) mm and ({J}, 2) px, got {self.joints_mm.shape}, {self.joints_px.shape}"
            )

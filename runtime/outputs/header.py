"""The header record of a recording: schema, axes, skeleton, input, model and camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.world import World
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.skeleton import JOINTS, PARENTS

SCHEMA = "sa3dhp-edge/poses/1"
CAMERA_FRAME = "x right, y down, z forward"


@dataclass(frozen=True)
class Stream:
    """What the header says of the input.

    Attributes:
        source: name of the input.
        fps: frames per second.
        size_wh: of the frames, px.
        intrinsics: of the camera, guessed or calibrated.
        height_mm: of the person.
        world: how the camera stands in the room, where that is known.
    """

    source: str
    fps: float
    size_wh: tuple[int, int]
    intrinsics: Intrinsics
    height_mm: float
    world: World | None = None


def header(stream: Stream, model: ModelContract) -> dict[str, Any]:
    """The record that stands before the poses of a model."""
    camera = stream.intrinsics
    return {
        "record": "header",
        "schema": SCHEMA,
        "unit": "mm",
        "camera_frame": CAMERA_FRAME,
        "root": JOINTS[0],
        "joints": list(JOINTS),
        "parents": list(PARENTS),
        "source": stream.source,
        "fps": stream.fps,
        "size_wh": list(stream.size_wh),
        "model": {"name": model.name, "sha256": model.sha256()},
        "intrinsics": {
            "focal_px": list(camera.focal_px),
            "center_px": list(camera.center_px),
            "distortion": list(camera.distortion),
            "assumed": camera.assumed,
        },
        "subject_height_mm": stream.height_mm,
    } | ({} if stream.world is None else {"world": stream.world.to_dict()})

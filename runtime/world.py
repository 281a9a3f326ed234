"""The room: which way is up, where the floor is, and poses in the room's axes.

x right, y forward, z up, millimetres, right-handed. The origin is on the floor below the camera, and y is the direction
of view laid on the floor. So Blender and ROS take it as it is (east, north and up of a camera that looks north);
programs with y up get (x, z, -y), see `runtime.outputs.axes`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.smoothing import Seen
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.geometry import rotation_about_z

AXES = "x right, y forward, z up"
SCHEMA = "sa3dhp-edge/world/1"
HIGHEST_MM = 100_000.0
_HINT = "measure it with: sa3dhp-edge calib floor --intrinsics camera.json --camera 0 --out world.json"
_STEEP = 0.99
"""A camera that looks up or down within 8 degrees: forward is then the top of its picture, or the bottom."""
_LEVEL_CAMERA = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""World axes to those of a level camera: x right, y down, z forward."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """How the camera stands in the room.

    Attributes:
        rot_camera_to_world: (3, 3).
        camera_mm: (3,) where the camera is; without a choice of one's own (0, 0, its height).

    Raises:
        InputError: no rotation, or no place.
    """

    rot_camera_to_world: Array
    camera_mm: Array

    def __post_init__(self) -> None:
        rotation, place = self.rot_camera_to_world, self.camera_mm
        proper = rotation.shape == (3, 3) and np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-3
        if not (proper and np.linalg.det(rotation) > 0):
            raise InputError("rotation_camera_to_world is no rotation", _HINT)
        if place.shape != (3,) or not np.abs(place).max() <= HIGHEST_MM:
            raise InputError(f"camera_mm is no place in a room: {place.tolist()}", _HINT)

    @staticmethod
    def above_floor(up: Sequence[float] | Array, camera_height_mm: float) -> World:
        """The world of a camera that sees up as the direction `up` (3,), of any length, in its own axes.

        Raises:
            InputError: no direction, or no height above a floor.
        """
        length = float(np.linalg.norm(up))
        if not (math.isfinite(length) and length > 1e-9):
            raise InputError(f"({', '.join(f'{v:g}' for v in up)}) is no direction", "give gravity as x,y,z")
        if not 0 < camera_height_mm <= HIGHEST_MM:
            raise InputError(f"a camera {camera_height_mm:g} mm above the floor cannot be", "give its height in mm")
        z = np.asarray(up, np.float64) / length
        looks = np.array([0.0, 0, 1]) if abs(z[2]) < _STEEP else np.array([0.0, math.copysign(1, z[2]), 0])
        y = looks - (looks @ z) * z
        y /= np.linalg.norm(y)
        rotation = np.stack([np.cross(y, z), y, z]) + 0.0  # no -0 in files
        return World(rotation, np.array([0.0, 0, camera_height_mm]))

    @staticmethod
    def of_dict(plain: dict[str, Any]) -> World:
        """What `to_dict` gave.

        Raises:
            InputError, KeyError, TypeError, ValueError: it is no world.
        """
        rotation, place = (np.array(plain[name], np.float64) for name in ("rotation_camera_to_world", "camera_mm"))
        return World(rotation, place)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for files."""
        return {
            "axes": AXES,
            "rotation_camera_to_world": self.rot_camera_to_world.tolist(),
            "camera_mm": self.camera_mm.tolist(),
        }

    @property
    def tilt_deg(self) -> float:
        """How far the camera looks down; below 0 it looks up."""
        return math.degrees(math.asin(min(max(0.0 - self.rot_camera_to_world[2, 2], -1.0), 1.0)))

    @property
    def roll_deg(self) -> float:
        """How far the camera is turned clockwise, as seen from behind it."""
        x, y, _ = self.rot_camera_to_world[2]
        return math.degrees(math.atan2(0.0 - x, 0.0 - y))

    def camera_to_world(self, points_mm: NDArray[np.floating]) -> Array:
        """(..., 3) mm before the camera, in the world."""
        return np.asarray(points_mm @ self.rot_camera_to_world.T + self.camera_mm)

    def world_to_camera(self, points_mm: NDArray[np.floating]) -> Array:
        """(..., 3) mm in the world, before the camera."""
        return np.asarray((points_mm - self.camera_mm) @ self.rot_camera_to_world)

    def joints_mm(self, joints_mm: NDArray[np.floating], root_mm: NDArray[np.floating] | None) -> Array:
        """Joints (..., 3) that are relative to the pelvis, in the world; still relative where the root is unknown."""
        if root_mm is None:
            return np.asarray(joints_mm @ self.rot_camera_to_world.T)
        return self.camera_to_world(joints_mm.astype(np.float64) + root_mm)

    def as_level_camera(self, points_mm: Array, placed: bool) -> Array:
        """(..., 3) mm in the camera's axes as a level camera at the world's origin would see them.

        Args:
            points_mm: before the camera, or relative to the pelvis.
            placed: they are before the camera.
        """
        in_world = self.camera_to_world(points_mm) if placed else points_mm @ self.rot_camera_to_world.T
        return np.asarray(in_world @ _LEVEL_CAMERA.T)


def up_of(tilt_deg: float, roll_deg: float) -> Array:
    """(3,) up in the axes of a camera that looks down by a tilt and is turned by a roll, clockwise seen from behind."""
    tilt = math.radians(tilt_deg)
    return np.asarray(rotation_about_z(-roll_deg) @ np.array([0, -math.cos(tilt), -math.sin(tilt)]))


def load_world(path: Path) -> World:
    """Read world.json.

    Raises:
        InputError: no such file, or not a world.
    """
    try:
        raw = json.loads(path.read_text())
        schema = raw["schema"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{path} cannot be read as a world: {e}", _HINT) from e
    if schema != SCHEMA:
        raise InputError(f"{path} is of schema {schema!r}, not {SCHEMA}", _HINT)
    try:
        return World.of_dict(raw)
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(f"{path} is not a world: {e!r}", _HINT) from e
    except InputError as e:
        raise InputError(f"{path}: {e.message}", e.hint) from e


def in_world(seen: Iterable[Seen], world: World | None) -> Iterator[Seen]:
    """Every frame, its poses in the world too; as they are without one."""
    if world is None:
        yield from seen
        return
    for frame, poses, latency_ms in seen:
        placed = (world.joints_mm(pose.joints_mm, pose.root_mm).astype(np.float32) for pose in poses)
        yield frame, tuple(replace(p, world_joints_mm=xyz) for p, xyz in zip(poses, placed, strict=True)), latency_ms

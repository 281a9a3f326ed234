"""The one record every reader of a data set gives: a take seen by one camera, or a motion seen by none.

Joints keep the data set's own names and order here; `skeletons` brings them to the project's 17. Pictures are not
read until they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics

Array = NDArray[np.float32]
Split = Literal["train", "validation", "test", "unlabelled"]


class Pictures(Protocol):
    """The frames of a take: a video, or a list of image files."""

    def __len__(self) -> int: ...

    def read(self, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) uint8 BGR for increasing frame numbers, decoded as they are asked for.

        Raises:
            DataError: a file is missing, or holds fewer frames than it should.
        """
        ...


@dataclass(frozen=True)
class Take:
    """One person, one recording, one camera.

    T counts the frames of the take. A coordinate nobody knows is NaN.

    Attributes:
        dataset: the reader's name: `human36m`.
        name: unique within the data set: `S9/Walking 1/55011271`, with the person's number where there are several.
        subject, action: as the data set calls them; empty where it does not say.
        split: the official protocol's side.
        fps: frames per second.
        skeleton: which joints these are, a key of `skeletons.SKELETONS`; empty where there are none.
        joints_mm: (T, S, 3) float32 mm: camera frame where there is a `camera`, else the level world frame of
            motions (x right, y down, z forward); S joints in the skeleton's order.
        joints_px: (T, S, 2) float32 in the pictures as they are (with lens distortion), or None.
        visible: (T, S) bool, or None where the data set does not say.
        camera: inner geometry in pixels of the pictures, or None for motion without pictures.
        size_wh: of the pictures.
        rot_world_to_camera, camera_position_mm: (T, 3, 3), (T, 3): outer geometry, where known.
        pictures: the frames, or None.
        frames: (T,) int: the frame of `pictures` that each row belongs to; rows may skip frames.
        notes: what a user should know of this take: what is missing, what was assumed.
    """

    dataset: str
    name: str
    subject: str
    action: str
    split: Split
    fps: float
    skeleton: str = ""
    joints_mm: Array | None = None
    joints_px: Array | None = None
    visible: NDArray[np.bool_] | None = None
    camera: Intrinsics | None = None
    size_wh: tuple[int, int] | None = None
    rot_world_to_camera: Array | None = None
    camera_position_mm: Array | None = None
    pictures: Pictures | None = None
    frames: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise DataError(f"{self.dataset} {self.name}: a rate of {self.fps} frames per second")
        t = len(self.frames)
        s = None if self.joints_mm is None else self.joints_mm.shape[1]
        for what, tail in (("joints_mm", (s, 3)), ("joints_px", (s, 2)), ("visible", (s,))):
            array = getattr(self, what)
            if array is not None and array.shape != (t, *tail):
                raise DataError(f"{self.dataset} {self.name}: {what} is {array.shape}, {t} frames ask for {(t, *tail)}")
        if t and np.any(np.diff(self.frames) <= 0):
            raise DataError(f"{self.dataset} {self.name}: frame numbers do not increase")

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Inventory:
    """What a folder was found to hold, before any take is read.

    Attributes:
        dataset: the reader's name.
        folder: where.
        takes: names of the takes that can be read, in a fixed order.
        missing: one line for each thing the official layout has and this folder lacks.
    """

    dataset: str
    folder: Path
    takes: tuple[str, ...]
    missing: tuple[str, ...] = ()


class Reader(Protocol):
    """One data set's official layout; one file of this package each, a module-level `READER`.

    A reader holds no state: what a folder holds is asked of the folder.
    """

    name: str
    """Lower case, as in commands: `mpi_inf_3dhp`."""
    title: str
    """As people write it: MPI-INF-3DHP."""
    layout: str
    """The official layout in a few words, for errors: what a folder must hold."""

    def recognises(self, folder: Path) -> bool:
        """Whether the folder looks like this data set, from names alone; never raises."""
        ...

    def inventory(self, folder: Path) -> Inventory:
        """The takes of a folder, from names and small tables alone.

        Raises:
            DataError: nothing of the layout is there; names what was expected.
        """
        ...

    def read(self, folder: Path, take: str) -> Take:
        """One take by its name in the inventory.

        Raises:
            DataError: a file is missing, damaged or not as the layout has it; names the file and what was expected.
        """
        ...

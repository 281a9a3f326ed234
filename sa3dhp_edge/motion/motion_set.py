"""Motion without pictures: bone directions and root positions of whole sequences at one rate."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import write_bytes
from sa3dhp_edge.errors import DataError, ShapeError
from sa3dhp_edge.skeleton import BONES, B, pose_from_directions

Array = NDArray[np.float32]
Index = NDArray[np.int32]

MOTION_HZ = 60.0
RIGHT_HIP, LEFT_HIP = BONES.index("right_hip"), BONES.index("left_hip")


@dataclass(frozen=True)
class MotionSet:
    """N frames of one or more sequences, in the world frame (y down, floor at y = 0).

    Attributes:
        directions: (N, 16, 3) unit vectors, one per bone, parent to child; the two hip bones are opposite.
        root_mm: (N, 3) mm, pelvis of a person with the template's leg length.
        sequence: (N,) index into `names`, never decreasing.
        hz: frames per second.
        names: one per sequence.
    """

    directions: Array
    root_mm: Array
    sequence: Index
    hz: float = MOTION_HZ
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.sequence)
        expected = {"directions": (n, B, 3), "root_mm": (n, 3), "sequence": (n,)}
        for field, shape in expected.items():
            if (found := getattr(self, field).shape) != shape:
                raise ShapeError(f"{field} of a motion set is {found}, expected {shape}")
        if not (np.isfinite(self.directions).all() and np.isfinite(self.root_mm).all()):
            raise DataError("a motion set holds values that are not finite")
        if np.any(np.abs(np.linalg.norm(self.directions, axis=-1) - 1) > 1e-3):
            raise DataError("a motion set's directions are not all of length 1")
        if np.any(np.abs(self.directions[:, RIGHT_HIP] + self.directions[:, LEFT_HIP]) > 1e-3):
            raise DataError("a motion set's hip bones are not opposite", "place the pelvis midway between the hips")
        if n and (np.any(np.diff(self.sequence) < 0) or self.sequence[0] < 0):
            raise DataError("a motion set's sequence numbers must start at 0 or more and never decrease")
        if n and self.sequence[-1] >= len(self.names):
            raise DataError(f"sequence {self.sequence[-1]} has no name: there are {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def seconds(self) -> float:
        """Length of all sequences together."""
        return len(self) / self.hz

    def poses_mm(self) -> Array:
        """(N, 17, 3) mm: the template person in each frame, pelvis at the origin."""
        return pose_from_directions(self.directions)

    def windows(self, ticks: int) -> NDArray[np.int64]:
        """First frames of all runs of `ticks` consecutive frames that stay within one sequence."""
        if ticks < 1:
            raise ShapeError(f"a window of {ticks} frames was asked for", "ask for 1 frame or more")
        starts = np.arange(max(len(self) - ticks + 1, 0))
        return np.asarray(starts[self.sequence[starts] == self.sequence[starts + ticks - 1]])

    def split(self, held_out_share: float, seed: int) -> tuple[MotionSet, MotionSet]:
        """(training, held out), by whole sequences, at least one on each side; the share lies between 0 and 1."""
        count = len(self.names)
        if not 0 < held_out_share < 1 or count < 2:
            raise DataError(
                f"{count} sequences cannot be split with a held-out share of {held_out_share}",
                "give a share between 0 and 1 and two sequences or more",
            )
        held_out = min(max(round(held_out_share * count), 1), count - 1)
        order = np.random.default_rng(seed).permutation(count)
        return self._only(np.sort(order[held_out:])), self._only(np.sort(order[:held_out]))

    def _only(self, sequences: NDArray[np.int64]) -> MotionSet:
        keep = np.isin(self.sequence, sequences)
        renumbered = np.searchsorted(sequences, self.sequence[keep]).astype(np.int32)
        names = tuple(self.names[i] for i in sequences)
        return MotionSet(self.directions[keep], self.root_mm[keep], renumbered, self.hz, names)

    def save(self, path: Path) -> None:
        """Write one .npz file in one step."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            directions=self.directions,
            root_mm=self.root_mm,
            sequence=self.sequence,
            hz=np.float64(self.hz),
            names=np.array(self.names, dtype=np.str_),
        )
        write_bytes(path, buffer.getvalue())

    @staticmethod
    def load(path: Path) -> MotionSet:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, damaged or something else.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
                return MotionSet(
                    data["directions"],
                    data["root_mm"],
                    data["sequence"],
                    float(data["hz"]),
                    tuple(str(name) for name in data["names"]),
                )
        except (OSError, KeyError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as e:
            raise DataError(f"{path} is no readable motion file: {e}", "write it with MotionSet.save") from e


def concatenate(sets: Sequence[MotionSet]) -> MotionSet:
    """All sequences of all sets, in order; the sets must have one rate."""
    if not sets:
        raise DataError("there is no motion set to concatenate")
    rates = sorted({motion.hz for motion in sets})
    if len(rates) > 1:
        raise DataError(f"motion sets of different rates cannot be joined: {rates} Hz", "resample them to one rate")
    first_number = np.cumsum([0, *(len(motion.names) for motion in sets)])
    return MotionSet(
        np.concatenate([motion.directions for motion in sets]),
        np.concatenate([motion.root_mm for motion in sets]),
        np.concatenate([m.sequence + k for m, k in zip(sets, first_number, strict=False)]).astype(np.int32),
        rates[0],
        tuple(name for motion in sets for name in motion.names),
    )

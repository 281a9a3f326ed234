"""Pictures of persons in clips, with or without labels, in one folder that can be mapped into memory.

    images.npy    (N, P, P, 3) uint8 RGB; spans `FIELD` nominal crops around the person
    frames.npz    clip (N,), time_s (N,), box_xyxy_px (N, 4), and with labels joints_mm (N, 17, 3),
                  joints_uv (N, 17, 2), visible (N, 17), hidden_by (N, 17), root_mm (N, 3), focal_uv (N,)
    set.json      format, crop_px (side of the nominal crop), where the clips came from

Frames of a clip lie next to each other in the order of time.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import publish_folder
from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.skeleton import J

FORMAT = 1
HIDDEN_BY = ("nothing", "its own body", "something else", "the frame's border")
"""Why a joint is not to be seen."""
NOT_HIDDEN, BY_BODY, BY_THING, BY_BORDER = range(len(HIDDEN_BY))
NOT_KNOWN = 255
_AGAIN = "make the frame set again"


@dataclass(frozen=True)
class FrameSet:
    """N stored pictures and what is known of them; labels are None for video nobody has labelled.

    Attributes:
        images: (N, P, P, 3) uint8 RGB, P = picture_px(crop_px).
        crop_px: side of the nominal crop within the picture.
        clip: (N,) int32, equal for frames of one clip, increasing.
        time_s: (N,) float64, increasing within a clip.
        joints_mm: (N, 17, 3) float32, root-relative, crop frame, metric.
        joints_uv: (N, 17, 2) float32, nominal crop coordinates.
        visible: (N, 17) bool, not hidden by another thing or by the body itself.
        hidden_by: (N, 17) uint8, an index into `HIDDEN_BY`.
        root_mm: (N, 3) float32, the pelvis in the crop camera's frame.
        focal_uv: (N,) float32, the crop camera's focal length; uv = focal_uv * xy / z of joints_mm + root_mm.
        origin: a line per clip: file or generator, and what was noticed when cutting.
    """

    images: NDArray[np.uint8]
    crop_px: int
    clip: NDArray[np.int32]
    time_s: NDArray[np.float64]
    joints_mm: NDArray[np.float32] | None = None
    joints_uv: NDArray[np.float32] | None = None
    visible: NDArray[np.bool_] | None = None
    hidden_by: NDArray[np.uint8] | None = None
    root_mm: NDArray[np.float32] | None = None
    focal_uv: NDArray[np.float32] | None = None
    box_xyxy_px: NDArray[np.float32] | None = None
    origin: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        n, side = len(self.clip), picture_px(self.crop_px)
        wanted = {
            "images": (n, side, side, 3),
            "time_s": (n,),
            "joints_mm": (n, J, 3),
            "joints_uv": (n, J, 2),
            "visible": (n, J),
            "hidden_by": (n, J),
            "root_mm": (n, 3),
            "focal_uv": (n,),
            "box_xyxy_px": (n, 4),
        }
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise DataError(f"{name} is {array.shape}, {n} frames with a crop of {self.crop_px} px ask for {shape}")
        if self.images.dtype != np.uint8:
            raise DataError(f"images are {self.images.dtype}, a frame set has uint8", _AGAIN)

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def labelled(self) -> bool:
        return self.joints_mm is not None

    def clips(self) -> list[NDArray[np.intp]]:
        """Indices of each clip's frames, in order of time."""
        if not len(self):
            return []
        return np.split(np.arange(len(self)), np.flatnonzero(np.diff(self.clip)) + 1)

    def without_labels(self) -> FrameSet:
        """The pictures and their times alone."""
        return replace(
            self, joints_mm=None, joints_uv=None, visible=None, hidden_by=None, root_mm=None, focal_uv=None
        )  # fmt: skip

    def take(self, index: NDArray[np.intp]) -> FrameSet:
        """The frames at increasing positions, as a set in memory."""
        columns = {k: getattr(self, k)[index] for k in _COLUMNS if getattr(self, k) is not None}
        return FrameSet(images=np.asarray(self.images[index]), crop_px=self.crop_px, origin=self.origin, **columns)

    def save(self, folder: Path) -> None:
        """Write the folder at once or not at all; an existing one is replaced."""
        with publish_folder(folder) as new:
            np.save(new / "images.npy", self.images)
            arrays = {k: getattr(self, k) for k in _COLUMNS if getattr(self, k) is not None}
            np.savez(new / "frames.npz", **arrays)
            about = {"format": FORMAT, "crop_px": self.crop_px, "frames": len(self), "origin": list(self.origin)}
            (new / "set.json").write_text(json.dumps(about, indent=1))

    @staticmethod
    def load(folder: Path) -> FrameSet:
        """Map a folder written by `save`; pictures are read from the disk when used."""
        try:
            about = json.loads((folder / "set.json").read_text())
            version = about["format"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise DataError(
                f"{folder} is no frame set: {e}", "a frame set holds set.json, frames.npz, images.npy"
            ) from e
        if version != FORMAT:
            raise DataError(f"{folder} has frame set format {version}, this version reads {FORMAT}", _AGAIN)
        try:
            with (folder / "frames.npz").open("rb") as file, np.load(file) as columns:
                arrays = {k: columns[k] for k in columns.files}
            images = np.load(folder / "images.npy", mmap_mode="r")
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as e:
            raise DataError(f"{folder} is damaged: {e}", _AGAIN) from e
        try:
            return FrameSet(images=images, crop_px=about["crop_px"], origin=tuple(about["origin"]), **arrays)
        except (KeyError, TypeError) as e:
            raise DataError(f"{folder} is incomplete: {e}", _AGAIN) from e


_COLUMNS = (
    "clip", "time_s", "joints_mm", "joints_uv", "visible", "hidden_by", "root_mm", "focal_uv", "box_xyxy_px",
)  # fmt: skip


def picture_px(crop_px: int) -> int:
    """Side of a stored picture whose nominal crop is `crop_px` wide."""
    return 2 * round(crop_px * FIELD / 2)

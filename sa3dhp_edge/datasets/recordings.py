"""The project's own files: pose recordings of `run --out` and the frame sets it writes.

    *.jsonl      schema sa3dhp-edge/poses/1: a header (source, fps, size_wh, intrinsics, joints), then one record per
                 frame: `pose` with track, joints_mm (17, 3) relative to the pelvis, root_mm (3) or null, joints_px
                 (17, 2); or `empty`. A new header may follow where the model changed. The video is looked for beside
                 the recording, under the source's name or the recording's.
    set.json     a frame set: frameset.py; one take per clip

Poses of a recording are what a model saw, not truth. A frame set's joints are relative to the pelvis, in the frame of
the crop: what is written there has no place in front of a camera.

Compared with this project's own writers (runtime/outputs/, frameset.py), which are the only ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.video_folder import SUFFIXES
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.skeleton import JOINTS, J

SCHEMA = "sa3dhp-edge/poses/1"
_LARGEST = 1e9
"""No joint is as many pixels or millimetres away."""
_AGAIN = "record it again with `sa3dhp-edge run --out`"


class RecordingsReader:
    """Pose recordings and frame sets; see the module."""

    name = "recordings"
    title = "this project's own recordings and frame sets"
    layout = "*.jsonl of `run --out` beside its video, or a frame set (set.json, frames.npz, images.npy)"

    def recognises(self, folder: Path) -> bool:
        return bool(_frame_sets(folder) or _recordings(folder))

    def inventory(self, folder: Path) -> Inventory:
        names, missing = [], []
        for name, path in _recordings(folder).items():
            tracks = _Recording.load(path).tracks()
            names += [name] if len(tracks) == 1 else [f"{name}#{track}" for track in tracks]
            if _video_of(path) is None:
                missing.append(f"{name}: its video")
        for name, path in _frame_sets(folder).items():
            names += [f"{name}/{clip}" for clip in range(len(FrameSet.load(path).clips()))]
        if not names and not missing:
            raise DataError(f"{folder} has no recording and no frame set", f"expected {self.layout}")
        return Inventory(self.name, folder, tuple(names), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        recording, _, track = take.partition("#")
        if recording in (found := _recordings(folder)):
            return _read_recording(found[recording], take, track)
        set_name, _, clip = take.rpartition("/")
        if set_name in (sets := _frame_sets(folder)) and clip.isdigit():
            return _read_clip(sets[set_name], take, int(clip))
        raise DataError(f"{folder} has no take {take}", "`inventory` lists them")


READER = RecordingsReader()


def _recordings(folder: Path) -> dict[str, Path]:
    """Take name -> file; a file of another kind with this ending is left alone."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        try:
            with path.open("rb") as file:
                start = file.read(200)
        except OSError:
            continue
        if SCHEMA.encode() in start:
            found[path.stem] = path
    return found


def _frame_sets(folder: Path) -> dict[str, Path]:
    if (folder / "set.json").is_file():
        return {folder.name: folder}
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/set.json"))}


@dataclass(frozen=True)
class _Recording:
    """Header and pose records of one file; records of all headers together, in order."""

    path: Path
    header: dict[str, Any]
    poses: list[dict[str, Any]]
    models: int

    @staticmethod
    def load(path: Path) -> _Recording:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise DataError(f"{path} cannot be read: {e}", _AGAIN) from e
        headers, poses = [], []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                kind = record["record"]
            except (ValueError, KeyError, TypeError) as e:
                raise DataError(f"{path}, line {number} is damaged: {line[:60]!r}", _AGAIN) from e
            if kind == "header":
                headers.append(record)
            elif kind == "pose":
                poses.append(record | {"line": number})
        if not headers or headers[0].get("schema") != SCHEMA or headers[0].get("joints") != list(JOINTS):
            raise DataError(f"{path}, line 1: expected a header of {SCHEMA} with this project's {J} joints", _AGAIN)
        return _Recording(path, headers[0], poses, len(headers))

    def tracks(self) -> list[int]:
        return sorted({int(self._field(record, "track", ())) for record in self.poses})

    def column(self, records: list[dict[str, Any]], key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """(T, *shape) of one field; NaN where it is null."""
        rows = [self._field(record, key, shape) for record in records]
        return np.asarray(rows, np.float32).reshape(len(rows), *shape)

    def _field(self, record: dict[str, Any], key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        value = record.get(key)
        try:
            array = np.full(shape, np.nan) if value is None and key == "root_mm" else np.asarray(value, np.float64)
        except (TypeError, ValueError):
            array = np.zeros(0)
        known = value is not None
        if array.shape != shape or (known and not (np.abs(array) < _LARGEST).all()) or not (known or shape):
            raise DataError(f"{self.path}, line {record['line']}: {key} is not {shape or 'a number'}", _AGAIN)
        return array

    def camera(self) -> tuple[Intrinsics, tuple[int, int], float]:
        """Inner geometry, size of the frames and frames per second, as the header has them."""
        try:
            inner = self.header["intrinsics"]
            (fx, fy), (cx, cy) = inner["focal_px"], inner["center_px"]
            bent = tuple(float(v) for v in inner["distortion"])
            camera = Intrinsics((float(fx), float(fy)), (float(cx), float(cy)), bent, bool(inner["assumed"]))
            width, height = (int(v) for v in self.header["size_wh"])
            return camera, (width, height), float(self.header["fps"])
        except (KeyError, TypeError, ValueError) as e:
            raise DataError(f"{self.path}, line 1: fps, size_wh or intrinsics are damaged: {e}", _AGAIN) from e


def _video_of(path: Path) -> Path | None:
    """The video beside a recording: of the source's name, or of the recording's."""
    try:
        with path.open(encoding="utf-8") as file:
            source = str(json.loads(file.readline()).get("source", ""))
    except (OSError, ValueError, AttributeError):
        source = ""
    own = [path.with_suffix(suffix) for suffix in SUFFIXES]
    return next(
        (p for p in (path.parent / Path(source).name, *own) if p.suffix.lower() in SUFFIXES and p.is_file()), None
    )


def _read_recording(path: Path, name: str, track: str) -> Take:
    recording = _Recording.load(path)
    records = [r for r in recording.poses if not track or str(r.get("track")) == track]
    if not records:
        raise DataError(f"{path} has no pose of track {track or 'any'}", "`inventory` lists the takes")
    camera, size_wh, fps = recording.camera()
    frames = recording.column(records, "frame", ()).astype(np.int64)
    joints = recording.column(records, "joints_mm", (J, 3)) + recording.column(records, "root_mm", (3,))[:, None]
    notes = ["poses are what a model saw, not truth"]
    if camera.assumed:
        notes.append("the focal length is a guess, and so is the distance from the camera")
    if not np.isfinite(joints).all():
        notes.append("frames without a root: their place in front of the camera is not known")
    if recording.models > 1:
        notes.append(f"{recording.models} models in turn")
    video = _video_of(path)
    return Take(
        dataset=READER.name, name=name, subject="", action="", split="unlabelled", fps=fps, skeleton="sa3dhp17",
        joints_mm=joints, joints_px=recording.column(records, "joints_px", (J, 2)), camera=camera, size_wh=size_wh,
        pictures=None if video is None else VideoPictures(video), frames=frames, notes=tuple(notes),
    )  # fmt: skip


@dataclass(frozen=True)
class StoredPictures:
    """Pictures of one clip of a frame set."""

    images: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """(P, P, 3) uint8 BGR for increasing frame numbers.

        Raises:
            DataError: there is no such frame.
        """
        for frame in frames:
            if not 0 <= frame < len(self.images):
                raise DataError(f"a clip of {len(self.images)} pictures has no picture {frame}", _AGAIN)
            yield np.ascontiguousarray(self.images[frame][..., ::-1])


def _read_clip(path: Path, name: str, clip: int) -> Take:
    whole = FrameSet.load(path)
    clips = whole.clips()
    if clip >= len(clips):
        raise DataError(f"{path} has {len(clips)} clips, no clip {clip}", "`inventory` lists them")
    span = slice(int(clips[clip][0]), int(clips[clip][-1]) + 1)
    times = whole.time_s[span]
    side = picture_px(whole.crop_px)
    uv = None if whole.joints_uv is None else np.asarray(whole.joints_uv[span], np.float32)
    notes = [whole.origin[clip]] if clip < len(whole.origin) else []
    if whole.labelled:
        notes.append("joints are relative to the pelvis, in the frame of the crop")
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return Take(
        dataset=READER.name, name=name, subject="", action="", split="train" if whole.labelled else "unlabelled",
        fps=1 / step if step > 0 else 1.0, skeleton="sa3dhp17" if whole.labelled else "",
        joints_mm=None if whole.joints_mm is None else np.asarray(whole.joints_mm[span], np.float32),
        joints_px=None if uv is None else (uv / FIELD + 1) * np.float32(side / 2) - np.float32(0.5),
        visible=None if whole.visible is None else np.asarray(whole.visible[span], bool), size_wh=(side, side),
        pictures=StoredPictures(whole.images[span]), frames=np.arange(len(times)), notes=tuple(notes),
    )  # fmt: skip

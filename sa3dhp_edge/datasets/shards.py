"""Labelled pictures on the disk as plain tar files of a few thousand samples each: their format, and reading them.

    index.json            what the samples are, and each shard's name, samples, bytes and SHA-256
    shard-000000.tar      for every sample KEY.jpg (or KEY.png) and KEY.json
    shard-000000.npz      where in the tar file each sample's two files begin, and how long they are

A sample's names are those of the WebDataset convention: any reader of it can use the tar files as they are. KEY is
CLIP_FRAME; pictures span `FIELD` nominal crops. KEY.json holds joints_mm (17 x 3, root-relative, crop frame, to
0.01 mm), joints_uv (17 x 2, nominal crop coordinates, to 1e-6), visible (17), clip, time_s, and where they are known
box_xyxy_px, hidden_by (17, an index into `frameset.HIDDEN_BY`), root_mm (the pelvis before the crop's camera) and
focal_uv (its focal length); a coordinate nobody knows is null. Frames of a clip lie next to each other, in one
shard.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.contract import file_sha256
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import NOT_KNOWN, FrameSet, picture_px

FORMAT = "sa3dhp-edge shards 1"
INDEX = "index.json"
_COLUMNS = ("joints_mm", "joints_uv", "visible", "clip", "time_s")
EXTRAS = {"box_xyxy_px": 3, "hidden_by": 0, "root_mm": 2, "focal_uv": 6}
"""Labels a sample may lack, and the digits they are rounded to; each a flat list."""
_MEND = "with --resume the command that wrote it makes it anew, and all after it"


@dataclass(frozen=True)
class Shard:
    """One tar file as the index has it; `after` is where its writer goes on behind it."""

    name: str
    frames: int
    clips: int
    bytes: int
    sha256: str
    after: tuple[int, ...]


@dataclass(frozen=True)
class Shards:
    """A folder of shards.

    Attributes:
        crop_px: side of the nominal crop.
        about: what the samples were made from, as their writer said it.
        unknown: names of joints that no sample has.
    """

    folder: Path
    crop_px: int
    shards: tuple[Shard, ...]
    about: dict[str, Any]
    unknown: tuple[str, ...]

    @staticmethod
    def are_at(folder: Path) -> bool:
        """Whether a folder holds shards, finished or not."""
        return (folder / INDEX).is_file()

    @staticmethod
    def open(folder: Path) -> Shards:
        """Finished shards, all there and as long as they should be; their content is not read.

        Raises:
            DataError: there are none, they are unfinished, or one is missing or cut short.
        """
        index = read_index(folder)
        if not index.get("finished"):
            raise DataError(f"{folder} holds shards that are not finished", "go on writing them with --resume")
        found = shards_of(folder, index)
        for shard in found:
            if problem := quick_problem(folder, shard):
                raise DataError(problem, _MEND)
        if not found:
            raise DataError(f"{folder} holds no sample", "write the shards again")
        return Shards(folder, index["crop_px"], found, index["about"], tuple(index["unknown"]))

    def __len__(self) -> int:
        return sum(s.frames for s in self.shards)

    @property
    def clips(self) -> int:
        return sum(s.clips for s in self.shards)

    def verify(self) -> None:
        """Read everything and compare it with what was written.

        Raises:
            DataError: a shard's bytes have changed.
        """
        for shard in self.shards:
            path = self.folder / shard.name
            if file_sha256(path) != shard.sha256:
                raise DataError(f"{path} is damaged: its bytes are not those that were written", _MEND)

    def read(self, shard: int, start: int, stop: int) -> FrameSet:
        """Samples `start` to `stop` - 1 of a shard, by one stretch of reading.

        Raises:
            DataError: the shard is damaged there.
        """
        path = self.folder / self.shards[shard].name
        places = _places(path)[start:stop]
        first, last = int(places[0, 0]), int(places[-1, 2:].sum())
        try:
            with path.open("rb") as file:
                file.seek(first)
                data = file.read(last - first)
        except OSError as e:
            raise DataError(f"{path} cannot be read: {e.strerror}", _MEND) from e
        side = picture_px(self.crop_px)
        samples = [
            (_picture(data[p : p + pn], side, path, start + i), _label(data[q : q + qn], path, start + i))
            for i, (p, pn, q, qn) in enumerate((places - np.array([first, 0, first, 0])).tolist())
        ]
        return _frame_set(samples, self.crop_px)

    def last_clips(self, count: int) -> tuple[int, int]:
        """(shard, sample) at which the last clips begin: at most `count`, a fifth of all, and what one shard holds.

        Raises:
            DataError: there are fewer than two clips.
        """
        if self.clips < 2:
            raise DataError(
                f"{self.folder} has fewer than two clips: one is held out to measure on", "pack more recordings"
            )
        shard = len(self.shards) - 1
        starts = clip_starts(self.folder / self.shards[shard].name)
        wanted = max(1, min(count, self.clips // 5, len(starts) - (shard == 0)))
        return shard, int(starts[-wanted])

    def held_out(self, clips: int) -> FrameSet:
        """The last clips, which `ShardClips` leaves out."""
        shard, start = self.last_clips(clips)
        return self.read(shard, start, self.shards[shard].frames)


@dataclass(frozen=True)
class ShardClips:
    """Shards as an endless row of stretches of neighbouring samples; a `pool.Maker`.

    Every part has its own shards (its own stretches, where there are fewer shards than parts). A part reads them in an
    order that is drawn anew for each time through; within a shard the order of the stretches is drawn as well.

    Attributes:
        held_out: clips at the end that are left out.
        frames: samples of a stretch; the last one of a shard reaches back where too few are left.
    """

    shards: Shards
    held_out: int
    frames: int
    parts: int
    seed: int

    def clip(self, number: int) -> FrameSet:
        """Stretch `number`; number n belongs to part n % parts."""
        part, turn = number % self.parts, number // self.parts
        counts = self._stretches()
        shared = len(counts) < self.parts
        own = [s for s in range(len(counts)) if shared or s % self.parts == part]
        mine = {s: range(part if shared else 0, counts[s], self.parts if shared else 1) for s in own}
        epoch, left = divmod(turn, sum(map(len, mine.values())))
        order = np.random.default_rng((self.seed, 8, epoch, part)).permutation(own).tolist()
        ends = list(accumulate(len(mine[s]) for s in order))
        at = next(i for i, end in enumerate(ends) if left < end)
        shard = order[at]
        place = left - (ends[at - 1] if at else 0)
        stretches = np.random.default_rng((self.seed, 9, epoch, shard)).permutation(np.array(mine[shard]))
        return self._read(shard, int(stretches[place]))

    def _usable(self) -> list[int]:
        """Samples of each shard that are not held out."""
        last, start = self.shards.last_clips(self.held_out)
        return [s.frames for s in self.shards.shards[:last]] + [start]

    def _stretches(self) -> list[int]:
        return [-(-n // self.frames) for n in self._usable() if n]

    def _read(self, shard: int, stretch: int) -> FrameSet:
        usable = self._usable()[shard]
        start = max(min(stretch * self.frames, usable - self.frames), 0)
        found = self.shards.read(shard, start, min(start + self.frames, usable))
        if len(found) == self.frames:
            return found
        return found.take(np.arange(self.frames) % len(found))


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a folder of shards, finished or not.

    Raises:
        DataError: it is missing, damaged or of another format.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_text())
        found = index["format"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(
            f"{folder} holds no shards: {INDEX}: {e}", "name a folder that `data pack` or `data synth` wrote"
        ) from e
    if found != FORMAT:
        raise DataError(f"{path} has format {found!r}, this version reads {FORMAT!r}", "write the shards again")
    return dict(index)


def shards_of(folder: Path, index: dict[str, Any]) -> tuple[Shard, ...]:
    """The finished shards that an index names.

    Raises:
        DataError: the index is incomplete.
    """
    try:
        return tuple(Shard(**(s | {"after": tuple(s["after"])})) for s in index["shards"])
    except (KeyError, TypeError) as e:
        raise DataError(f"{folder / INDEX} is damaged: {e}", "write the shards again") from e


def quick_problem(folder: Path, shard: Shard) -> str:
    """What is wrong with a shard as far as its length tells; empty where nothing is."""
    path = folder / shard.name
    if not path.is_file() or not places_path(path).is_file():
        return f"{path if not path.is_file() else places_path(path)} is missing"
    if (size := path.stat().st_size) != shard.bytes:
        return f"{path} has {size} bytes, the index says {shard.bytes}"
    return ""


def places_path(tar: Path) -> Path:
    """The file beside a tar file that says where its samples are."""
    return tar.with_suffix(".npz")


def clip_starts(tar: Path) -> NDArray[np.intp]:
    """The first sample of each clip of a shard."""
    return np.flatnonzero(np.diff(_sidecar(tar)[1], prepend=-1))


def _places(tar: Path) -> NDArray[np.int64]:
    """(N, 4): where a sample's picture begins, its bytes, where its label begins, its bytes."""
    return _sidecar(tar)[0]


@lru_cache(64)
def _sidecar(tar: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    path = places_path(tar)
    try:
        with np.load(path) as columns:
            return columns["places"], columns["clip"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as e:
        raise DataError(f"{path} is damaged: {e}", _MEND) from e


def _picture(data: bytes, side: int, path: Path, sample: int) -> NDArray[np.uint8]:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if found is None or found.shape != (side, side, 3):
        said = "does not decode" if found is None else f"is {found.shape}, not {(side, side, 3)}"
        raise DataError(f"{path} is damaged: the picture of sample {sample} {said}", _MEND)
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


def _label(data: bytes, path: Path, sample: int) -> dict[str, NDArray[np.float64]]:
    try:
        found = json.loads(data)
        label = {k: np.array(found[k], np.float64) for k in _COLUMNS}
        return label | {k: np.array(found[k], np.float64) for k in EXTRAS if k in found}
    except (ValueError, KeyError, TypeError) as e:
        raise DataError(f"{path} is damaged: the label of sample {sample}: {e}", _MEND) from e


def _frame_set(samples: list[tuple[NDArray[np.uint8], dict[str, NDArray[np.float64]]]], crop_px: int) -> FrameSet:
    labels = [label for _, label in samples]
    column = {k: np.stack([x[k] for x in labels]) for k in _COLUMNS}
    extra = {k: np.stack([x[k] for x in labels]).astype(np.float32) for k in EXTRAS if all(k in x for x in labels)}
    hidden, focal = extra.get("hidden_by"), extra.get("focal_uv")
    return FrameSet(
        images=np.stack([picture for picture, _ in samples]), crop_px=crop_px, clip=column["clip"].astype(np.int32),
        time_s=column["time_s"], joints_mm=column["joints_mm"].astype(np.float32),
        joints_uv=column["joints_uv"].astype(np.float32), visible=column["visible"].astype(bool),
        box_xyxy_px=extra.get("box_xyxy_px"), root_mm=extra.get("root_mm"),
        focal_uv=None if focal is None else focal[:, 0],
        hidden_by=None if hidden is None else np.nan_to_num(hidden, nan=NOT_KNOWN).astype(np.uint8),
    )  # fmt: skip

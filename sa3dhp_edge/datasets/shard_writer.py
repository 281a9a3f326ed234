"""Writing shards: each appears whole or not at all, and a broken-off writer goes on behind the last whole one."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import refuse_existing, write_bytes, write_json
from sa3dhp_edge.contract import file_sha256
from sa3dhp_edge.datasets.shards import (
    EXTRAS,
    FORMAT,
    INDEX,
    Shard,
    Shards,
    places_path,
    quick_problem,
    read_index,
    shards_of,
)
from sa3dhp_edge.errors import ConfigError, OutputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.skeleton import JOINTS


@dataclass(frozen=True)
class EncodedClip:
    """A labelled clip as it goes into a shard.

    Attributes:
        kind: `jpg` or `png`.
        pictures, labels: of each frame; the labels lack the clip's number.
        known: (17,) joints that some frame has.
    """

    kind: str
    pictures: tuple[bytes, ...]
    labels: tuple[dict[str, Any], ...]
    known: tuple[bool, ...]


SHARD_BYTES = 256 * 1024 * 1024
"""A shard is closed after the clip with which it reaches this size."""
JPEG_QUALITY = 95


class ShardWriter:
    """Fills a folder with shards, clip by clip; used with `with`, which drops a shard that was not finished.

    Args:
        folder: new, or with `resume` one that was begun with the same `about`.
        about: what the samples are made from, in JSON's types; the reader gets it back.
        crop_px: side of the nominal crop.
        lossless: PNG instead of JPEG of quality 95.

    Raises:
        OutputError: the folder exists already.
        ConfigError: it was begun from something else.
    """

    def __init__(
        self, folder: Path, about: Mapping[str, Any], crop_px: int, *, lossless: bool = False, resume: bool = False,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:  # fmt: skip
        self.folder, self._crop_px, self._shard_bytes = folder, crop_px, shard_bytes
        self._kind = picture_kind(lossless)
        self._about = json.loads(json.dumps(dict(about)))
        self._shards: list[Shard] = []
        self._known = np.zeros(len(JOINTS), np.bool_)
        if resume and Shards.are_at(folder):
            self._take_up(read_index(folder))
        else:
            refuse_existing(folder, f"go on with it by --resume, or name another folder than {folder}")
            self._write_index(finished=False)
        self._open: _OpenShard | None = None
        self._last: tuple[int, ...] = ()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._open is not None:
            self._open.drop()
            self._open = None
        if kind is not None and not self._shards:  # nothing was made: the same command can begin again
            (self.folder / INDEX).unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()

    @property
    def after(self) -> tuple[int, ...] | None:
        """Where the last whole shard says to go on; None at the beginning."""
        return self._shards[-1].after if self._shards else None

    @property
    def frames(self) -> int:
        """Samples in whole shards."""
        return sum(s.frames for s in self._shards)

    @property
    def clips(self) -> int:
        """Clips in whole shards."""
        return sum(s.clips for s in self._shards)

    @property
    def open_clips(self) -> int:
        """Clips in the shard that is being filled."""
        return self._open.clips if self._open else 0

    def add(self, clip: EncodedClip, after: tuple[int, ...]) -> None:
        """Write one clip.

        Args:
            after: what `after` is to say if this is the last clip that is kept.
        """
        if self._open is None:
            self._open = _OpenShard(self.folder, len(self._shards), self.clips)
        assert clip.kind == self._kind
        self._known |= np.array(clip.known)
        self._open.add(clip)
        if self._open.size >= self._shard_bytes:
            self._close(after)
        self._last = after

    def finish(self) -> Shards:
        """Close the last shard, and say in the index that all are there."""
        if self._open is not None:
            self._close(self._last)
        self._write_index(finished=True)
        return Shards.open(self.folder)

    def _close(self, after: tuple[int, ...]) -> None:
        assert self._open is not None
        self._shards.append(self._open.publish(after))
        self._open = None
        self._write_index(finished=False)

    def _take_up(self, index: dict[str, Any]) -> None:
        wanted = {"about": self._about, "crop_px": self._crop_px, "pictures": self._kind}
        for name, value in wanted.items():
            if index.get(name) != value:
                raise ConfigError(
                    f"{self.folder} was begun with other inputs: {name} was {index.get(name)}, now {value}",
                    "resume it with the same, or name another folder",
                )
        for shard in shards_of(self.folder, index):
            if quick_problem(self.folder, shard):
                break
            self._shards.append(shard)
        self._known = np.array([name not in index["unknown"] for name in JOINTS]) & bool(self._shards)
        kept = {s.name for s in self._shards}
        for left in (*self.folder.glob("shard-*.tar"), *self.folder.glob(".shard-*.tar.new")):
            if left.name not in kept:
                left.unlink()
        self._write_index(finished=False)

    def _write_index(self, finished: bool) -> None:
        write_json(
            self.folder / INDEX,
            {
                "format": FORMAT, "finished": finished, "crop_px": self._crop_px, "pictures": self._kind,
                "jpeg_quality": JPEG_QUALITY if self._kind == "jpg" else None, "frames": self.frames,
                "clips": self.clips, "joints": list(JOINTS), "about": self._about,
                "unknown": [name for name, there in zip(JOINTS, self._known, strict=True) if not there],
                "shards": [asdict(s) for s in self._shards],
            },
        )  # fmt: skip


class _OpenShard:
    """A tar file that has not got its name yet."""

    def __init__(self, folder: Path, number: int, first_clip: int) -> None:
        self._path = folder / f"shard-{number:06d}.tar"
        self._new = folder / f".{self._path.name}.new"
        self._places: list[tuple[int, int, int, int]] = []
        self._clip: list[int] = []
        self._next_clip = self._first_clip = first_clip
        try:
            self._file = self._new.open("wb")
        except OSError as e:
            raise _refused(self._path, e) from e
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    @property
    def size(self) -> int:
        return self._file.tell()

    @property
    def clips(self) -> int:
        return self._next_clip - self._first_clip

    def add(self, clip: EncodedClip) -> None:
        number, self._next_clip = self._next_clip, self._next_clip + 1
        try:
            for frame, (picture, label) in enumerate(zip(clip.pictures, clip.labels, strict=True)):
                key = f"{number:08d}_{frame:04d}"
                shown = self._member(f"{key}.{clip.kind}", picture)
                told = self._member(f"{key}.json", json.dumps({"clip": number, **label}).encode())
                self._places.append((*shown, *told))
                self._clip.append(number)
        except OSError as e:
            raise _refused(self._path, e) from e

    def publish(self, after: tuple[int, ...]) -> Shard:
        """Give the file its name, once it is on the disk."""
        try:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            digest, size = file_sha256(self._new), self._new.stat().st_size
            self._new.replace(self._path)
        except OSError as e:
            raise _refused(self._path, e) from e
        columns = io.BytesIO()
        np.savez(columns, places=np.array(self._places, np.int64), clip=np.array(self._clip, np.int64))
        write_bytes(places_path(self._path), columns.getvalue())
        return Shard(self._path.name, len(self._clip), self.clips, size, digest, after)

    def drop(self) -> None:
        """Leave nothing of it."""
        self._file.close()
        self._new.unlink(missing_ok=True)

    def _member(self, name: str, data: bytes) -> tuple[int, int]:
        """Add a file; where its bytes begin and how many they are."""
        info = tarfile.TarInfo(name)
        info.size = len(data)  # the date stays 0: equal samples make equal shards
        self._tar.addfile(info, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self._file.tell() - padded, len(data)


def picture_kind(lossless: bool) -> str:
    """How pictures are stored, as the ending of their names."""
    return "png" if lossless else "jpg"


def encode(clip: FrameSet, kind: str) -> EncodedClip:
    """A labelled clip with its pictures as JPEG of quality 95, colour at full resolution, or as PNG."""
    assert clip.joints_mm is not None
    how = [] if kind == "png" else [
        cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    pictures = []
    for picture in clip.images:
        ok, data = cv2.imencode(f".{kind}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), how)
        assert ok, "a picture in memory can be encoded"
        pictures.append(data.tobytes())
    known = tuple(bool(there) for there in np.asarray(np.isfinite(clip.joints_mm).all(2).any(0)))
    return EncodedClip(kind, tuple(pictures), tuple(_label(clip, i) for i in range(len(clip))), known)


def _label(clip: FrameSet, frame: int) -> dict[str, Any]:
    assert clip.joints_mm is not None
    assert clip.joints_uv is not None
    seen = np.ones(len(JOINTS), bool) if clip.visible is None else clip.visible[frame]
    label = {
        "time_s": round(float(clip.time_s[frame]), 6),
        "joints_mm": _rounded(clip.joints_mm[frame], 2),
        "joints_uv": _rounded(clip.joints_uv[frame], 6),
        "visible": seen.astype(int).tolist(),
    }
    for name, digits in EXTRAS.items():
        values = getattr(clip, name)
        if values is not None:
            label[name] = _rounded(values[frame].reshape(1, -1), digits)[0]
    if clip.origin:
        label["origin"] = clip.origin[0]
    return label


def _rounded(values: NDArray[np.float32], digits: int) -> list[list[float | None]]:
    return [[round(v, digits) if np.isfinite(v) else None for v in row] for row in values.astype(float).tolist()]


def _refused(path: Path, error: OSError) -> OutputError:
    said = error.strerror or f"is the disk full? {error}"
    return OutputError(f"{path} cannot be written: {said}", "free some space and go on with --resume")

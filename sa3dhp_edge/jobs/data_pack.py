"""A data set's labelled recordings, cut into shards."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import cv2

from sa3dhp_edge.datasets.record import Split
from sa3dhp_edge.datasets.registry import reader as reader_of
from sa3dhp_edge.datasets.registry import recognise
from sa3dhp_edge.datasets.shard_writer import EncodedClip, ShardWriter, encode, picture_kind
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.jobs.shards_report import ShardsReport, bar, cores, report_on
from sa3dhp_edge.jobs.take_clips import labelled_clips, why_not


def pack(
    *, folder: Path, out: Path, dataset: str | None, allow_lossy: bool, split: Split, px: int, fps: float | None,
    workers: int, lossless: bool, resume: bool,
) -> ShardsReport:  # fmt: skip
    """Cut a data set's labelled recordings into shards.

    Raises:
        DataError: nothing of the split has joints, pictures and a camera; a recording is damaged, or its skeleton is
            lossy and that is not allowed.
    """
    begun = monotonic()
    known = reader_of(dataset) if dataset else recognise(folder)
    takes = known.inventory(folder).takes
    about = {
        "dataset": known.name, "folder": str(folder.resolve()), "split": split, "fps": fps, "takes": len(takes),
        "allow_lossy": allow_lossy,
    }  # fmt: skip
    job = _Packing(known.name, folder, split, px, allow_lossy, fps, picture_kind(lossless))
    left_out: dict[str, int] = {}
    with (
        ShardWriter(out, about, px, lossless=lossless, resume=resume) as writer,
        bar(f"packing {known.title}"[:22], len(takes)) as show,
    ):
        first, clips_done = writer.after or (0, 0)
        for number, (found, why) in enumerate(_in_order(job, takes[first:], workers or cores()), first):
            if why:
                left_out[why] = left_out.get(why, 0) + 1
            for i, clip in enumerate(found):
                if number > first or i >= clips_done:
                    writer.add(clip, (number, i + 1))
            show(number + 1)
        if not writer.clips and not writer.open_clips:
            reasons = ", ".join(f"{count} {why}" for why, count in left_out.items())
            raise DataError(
                f"{folder} has no take to pack: {reasons}",
                "`data check` says what the folder holds; choose another --split",
            )
        return report_on(writer.finish(), left_out, begun)


@dataclass(frozen=True)
class _Packing:
    """What packing one take asks for; it goes to the worker processes."""

    dataset: str
    folder: Path
    split: Split
    px: int
    allow_lossy: bool
    fps: float | None
    kind: str

    def take(self, name: str) -> tuple[list[EncodedClip], str]:
        """The clips of a take, or why there are none."""
        take = reader_of(self.dataset).read(self.folder, name)
        if take.split != self.split:
            return [], f"of split {take.split}"
        if why := why_not(take):
            return [], why
        clips = labelled_clips(take, self.px, allow_lossy=self.allow_lossy, fps=self.fps)
        found = [encode(clip, self.kind) for clip in clips]
        return found, "" if found else "no frame with the whole person in it"


def _in_order(job: _Packing, takes: tuple[str, ...], workers: int) -> Iterator[tuple[list[EncodedClip], str]]:
    """What becomes of each take, in order; at most two takes a process are under way."""
    if workers <= 1 or len(takes) <= 1:
        yield from map(job.take, takes)
        return
    with ProcessPoolExecutor(min(workers, len(takes)), mp_context=get_context("spawn"), initializer=_begin) as pool:
        try:
            waiting: list[Future[tuple[list[EncodedClip], str]]] = []
            for name in takes:
                waiting.append(pool.submit(job.take, name))
                if len(waiting) > 2 * workers:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()
        except BrokenProcessPool as e:
            raise DataError("a process that packs ended before its time", "is memory short? use fewer --workers") from e
        except BaseException:  # Ctrl-C above all: nobody waits for takes that are not wanted
            for process in list(pool._processes.values()):
                process.terminate()
            raise


def _begin() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells everybody; the parent decides

"""What a folder of recordings is, whether it can be used, and a sheet of samples to look at."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import refuse_existing, write_bytes
from sa3dhp_edge.datasets.check import (
    SkeletonFacts,
    SplitCount,
    TakeFacts,
    count_splits,
    describe_skeletons,
    facts_of,
    problems_of,
)
from sa3dhp_edge.datasets.mapping import to_project
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Reader, Take
from sa3dhp_edge.datasets.registry import reader, recognise
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.extras import need

_log = logging.getLogger(__name__)

_PANELS = 12
_SHEET_PX = 260
_TELL_EVERY_S = 2.0

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class DataReport:
    """A folder as it was found.

    Attributes:
        dataset, title, folder: what and where.
        takes: how many there are; `read`: how many of them were looked at, evenly spread.
        splits: takes, people, actions and frames of those that were read, per side of the protocol.
        subjects, actions, fps: every value met.
        cameras: different inner geometries; `sizes_wh`: different picture sizes.
        labelled, with_pictures: takes with 3D joints, and takes with pictures.
        skeletons: each skeleton that was met, its map and what was measured.
        projection_px: median over the takes of the distance between projected and seen joints, or None.
        missing: what the official layout has and the folder lacks.
        notes: what readers say of their takes, and of how many.
        read_s_per_1000_frames: seconds that a thousand frames' labels and cameras take to read, pictures apart but
            for counting those of a video.
        problems: what cannot be right, cannot be read, or is refused.
        sheet: the picture of samples, or None.
    """

    dataset: str
    title: str
    folder: Path
    takes: int
    read: int
    splits: tuple[SplitCount, ...]
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    fps: tuple[float, ...]
    cameras: int
    sizes_wh: tuple[tuple[int, int], ...]
    labelled: int
    with_pictures: int
    skeletons: tuple[SkeletonFacts, ...]
    projection_px: float | None
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    read_s_per_1000_frames: float
    problems: tuple[str, ...]
    sheet: Path | None


def check(
    *, folder: Path, dataset: str | None, takes: int, allow_lossy: bool, sheet: Path | None, overwrite: bool = False
) -> DataReport:
    """Look at a folder.

    Args:
        folder: of one data set in its official layout.
        dataset: which reader to take; None asks the folder.
        takes: how many takes to read, evenly spread; 0 reads all.
        allow_lossy: a skeleton without some of the 17 joints is no problem.
        sheet: a PNG to draw samples into.
        overwrite: replace a sheet that exists.

    Raises:
        DataError: the folder is no data set that is known, or not one take of it can be read.
    """
    if sheet is not None:
        need("adapt", "the sheet")
        if not overwrite:
            refuse_existing(sheet)
    chosen = reader(dataset) if dataset else recognise(folder)
    inventory = chosen.inventory(folder)
    names = _spread(inventory.takes, takes)
    facts, panels, unread, seconds = _look(chosen, folder, names, drawn=sheet is not None)
    if not facts:
        why = f": {unread[0]}" if unread else ""
        raise DataError(f"{folder}: not one take of {chosen.title} can be read{why}", f"the layout is: {chosen.layout}")
    if sheet is not None:
        from sa3dhp_edge.report.pictures import contact_sheet, png_bytes

        if panels:
            write_bytes(sheet, png_bytes(contact_sheet(panels)))
        else:
            unread = (*unread, "nothing to draw: no pictures and no joints")
            sheet = None
    return _report(chosen, folder, len(inventory.takes), inventory.missing, facts, unread, seconds, allow_lossy, sheet)


def _spread(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """So many of the names, evenly spread; all of them for 0."""
    if not count or len(names) <= count:
        return names
    return tuple(names[i] for i in np.linspace(0, len(names) - 1, count).round().astype(int))


def _look(
    chosen: Reader, folder: Path, names: tuple[str, ...], *, drawn: bool
) -> tuple[tuple[TakeFacts, ...], list[Picture], tuple[str, ...], float]:
    """Facts and panels of the takes, a line for each that cannot be read, and the seconds that reading took."""
    seconds = 0.0
    facts: list[TakeFacts] = []
    panels: list[Picture] = []
    unread: list[str] = []
    shown = set(_spread(names, _PANELS // 2))
    each = _PANELS // max(1, len(shown))
    told = time.monotonic()
    for i, name in enumerate(names):
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            _log.info("%d of %d takes read", i, len(names))
        try:
            begun = time.monotonic()
            take = chosen.read(folder, name)
            seconds += time.monotonic() - begun
            facts.append(facts_of(take))
            if drawn and name in shown:
                panels += list(_panels(take, each))
        except DataError as e:
            unread.append(f"{name}: {e.message}")
    return tuple(facts), panels, tuple(unread), seconds


def _panels(take: Take, count: int) -> Iterator[Picture]:
    """Samples of a take: pictures with what is known on them, one panel of its motion, or one of its pictures."""
    from sa3dhp_edge.report.sheet import INSTANTS, motion_panel, pictures_panel, sample_panel

    if not take.skeleton:
        if take.pictures is not None and len(take.pictures):
            whole = list(take.pictures.read(_even(len(take.pictures), 2)))
            yield pictures_panel(whole, _SHEET_PX, label=take.name)
        return
    pose = to_project(take, allow_lossy=True)
    mm, px = pose.joints_mm, pose.joints_px
    if px is None and mm is not None and take.camera is not None:
        px = project_px(mm, take.camera)
    points = mm if mm is not None else px
    assert points is not None  # a take with a skeleton has joints
    known = np.flatnonzero(np.isfinite(points).all(-1).sum(1) > 1)
    if take.pictures is None:
        if mm is not None and len(known):
            shown = mm[known[_even(len(known), INSTANTS)]]
            yield motion_panel(shown, _SHEET_PX, label=f"{take.name}, {len(take) / take.fps:.0f} s")
        return
    rows = known[_even(len(known), count)]
    pictures = take.pictures.read([int(take.frames[row]) for row in rows])
    for row, picture in zip(rows, pictures, strict=True):
        label = f"{take.name}, frame {take.frames[row]}"
        seen = None if px is None else px[row]
        yield sample_panel(picture, seen, None if mm is None else mm[row], _SHEET_PX, label=label)


def _even(total: int, count: int) -> list[int]:
    """At most so many different places of `total`, each in the middle of its share."""
    return sorted({int((i + 0.5) * total / count) for i in range(count)}) if total else []


def _report(
    chosen: Reader,
    folder: Path,
    takes: int,
    missing: tuple[str, ...],
    facts: tuple[TakeFacts, ...],
    unread: tuple[str, ...],
    seconds: float,
    allow_lossy: bool,
    sheet: Path | None,
) -> DataReport:
    said = Counter(note for fact in facts for note in fact.notes)
    splits = count_splits(facts)
    frames = sum(s.frames for s in splits)
    distances = [f.projection_px for f in facts if f.projection_px is not None]
    return DataReport(
        dataset=chosen.name,
        title=chosen.title,
        folder=folder,
        takes=takes,
        read=len(facts),
        splits=splits,
        subjects=tuple(sorted({f.subject for f in facts} - {""})),
        actions=tuple(sorted({f.action for f in facts} - {""})),
        fps=tuple(sorted({round(f.fps, 3) for f in facts})),
        cameras=len({f.camera for f in facts} - {None}),
        sizes_wh=tuple(sorted({f.size_wh for f in facts if f.size_wh})),
        labelled=sum(f.offset_mm is not None for f in facts),
        with_pictures=sum(f.pictures for f in facts),
        skeletons=describe_skeletons(facts),
        projection_px=float(np.median(distances)) if distances else None,
        missing=missing,
        notes=tuple(f"{note} ({count} takes)" if count > 1 else note for note, count in said.most_common()),
        read_s_per_1000_frames=1000 * seconds / max(frames, 1),
        problems=(*(f"cannot be read: {line}" for line in unread), *problems_of(facts, allow_lossy)),
        sheet=sheet,
    )

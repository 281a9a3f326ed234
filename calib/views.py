"""Views of a board, from a folder of pictures, a video, or a live camera that is told what to show next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from calib.board import Board
from calib.collector import MAX_VIEWS, Look, ViewCollector
from calib.coverage import ENOUGH, Goal
from calib.detection import Grey, Sighting, finder_of
from runtime.sources import PICTURE_SUFFIXES, AbstractSource
from sa3dhp_edge.errors import InputError

log = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Takes a line for the person who holds the board; it replaces the line before."""
_LOOK_EVERY_S = 0.09
"""A little less than the tenth of a second that is meant, which most rates have frames for."""
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class View:
    """One picture in which the board was seen; `name` is a file's, or the time in a stream."""

    name: str
    sighting: Sighting


@dataclass(frozen=True)
class Views:
    """All views of one camera.

    Attributes:
        source: what the user called it.
        size_wh: of every picture, px.
        views: in order.
        account: what was looked at, and what became of it, in words.
    """

    source: str
    size_wh: tuple[int, int]
    views: tuple[View, ...]
    account: str


def views_of_pictures(folder: Path, board: Board) -> Views:
    """Every picture of a folder in which the board is seen; of more than 40 an even choice.

    Raises:
        InputError: no folder, no pictures, or pictures of different sizes.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "name a folder of pictures of the board; a video is --video")
    paths = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in PICTURE_SUFFIXES]
    finder, views, size_wh, first, read = finder_of(board), [], (0, 0), "", 0
    for path in paths:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            log.warning("%s cannot be read and is passed over", path)
            continue
        read, found = read + 1, (grey.shape[1], grey.shape[0])
        if read == 1:
            size_wh, first = found, path.name
        elif found != size_wh:
            raise _two_sizes(folder, (first, size_wh), (path.name, found))
        sighting = finder.find(np.asarray(grey, np.uint8))
        if sighting is not None:
            views.append(View(path.name, sighting))
    if not read:
        raise InputError(
            f"{folder} holds no picture that can be read", f"put {', '.join(PICTURE_SUFFIXES)} files there"
        )
    account = f"the board was seen in {len(views)} of {read} pictures"
    if len(views) > MAX_VIEWS:
        views = [views[i] for i in np.linspace(0, len(views) - 1, MAX_VIEWS).astype(int)]
    return Views(str(folder), size_wh, tuple(views), account)


def views_of_stream(source: AbstractSource, board: Board, say: Say, goal: Goal = ENOUGH) -> Views:
    """Collect views until the video ends or, live, until the goal is met, Ctrl-C, or 2 minutes without a new view.

    Raises:
        CameraLost: a camera that stopped giving frames.
    """
    finder, collector = finder_of(board), ViewCollector(board, source.size_wh, goal)
    try:
        since = time.monotonic()
        next_s = 0.0
        for frame in source.frames(Event()):
            if frame.time_s < next_s:
                continue
            next_s = frame.time_s + _LOOK_EVERY_S
            look = collector.offer(frame.time_s, finder.find(_grey(frame.image_bgr)))
            if look is Look.TAKEN:
                since = time.monotonic()
            say(_line(collector, look, source.live))
            if collector.full or (source.live and (collector.enough or time.monotonic() - since > _PATIENCE_S)):
                break
    except KeyboardInterrupt:  # the usual way to say that it is enough
        if not source.live:
            raise
    views = tuple(View(f"{time_s:.1f} s", sighting) for time_s, sighting in collector.taken)
    return Views(source.name, source.size_wh, views, _account(collector))


def _grey(image_bgr: Grey) -> Grey:
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY), np.uint8)


def _line(collector: ViewCollector, look: Look, live: bool) -> str:
    counted = f"{len(collector.taken)} views"
    return f"{counted}, {look.value}: {collector.request()}" if live else counted


def _account(collector: ViewCollector) -> str:
    looks = collector.looks
    told = ", ".join(f"{look.value} in {looks[look]}" for look in Look if looks[look])
    return f"of {sum(looks.values())} frames looked at: {told or 'nothing'}"


def _two_sizes(folder: Path, first: tuple[str, tuple[int, int]], other: tuple[str, tuple[int, int]]) -> InputError:
    (name, (w, h)), (other_name, (other_w, other_h)) = first, other
    return InputError(
        f"{folder} holds pictures of two sizes: {name} is {w} x {h}, {other_name} is {other_w} x {other_h}",
        "use pictures of one camera in one mode, none of them turned",
    )

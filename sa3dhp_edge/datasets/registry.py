"""Which data sets can be read, and which one a folder is."""

from __future__ import annotations

from pathlib import Path

from sa3dhp_edge.datasets import (
    amass,
    cmu,
    human36m,
    mpi_inf_3dhp,
    opencap,
    pose2sim,
    prepared,
    pw3d,
    recordings,
    surreal,
    video_folder,
)
from sa3dhp_edge.datasets.record import Reader
from sa3dhp_edge.errors import DataError, InputError

_ALL: tuple[Reader, ...] = (
    surreal.READER,
    human36m.READER,
    mpi_inf_3dhp.READER,
    pw3d.READER,
    amass.READER,
    cmu.READER,
    opencap.READER,
    pose2sim.READER,
    prepared.READER,
    recordings.READER,
    video_folder.READER,
)

READERS: dict[str, Reader] = {known.name: known for known in _ALL}
"""Every reader by its data set's name."""

_ANY_VIDEO = video_folder.READER.name
"""A folder of videos is what is left when nothing more telling was found."""


def reader(name: str) -> Reader:
    """The reader of a data set.

    Raises:
        InputError: there is none of this name.
    """
    if name not in READERS:
        raise InputError(f"no data set is called {name!r}", f"there are {', '.join(READERS)}")
    return READERS[name]


def recognise(folder: Path) -> Reader:
    """The reader whose layout the folder has.

    Raises:
        DataError: the folder does not exist, has no layout that is known, or has several.
    """
    if not folder.exists():
        raise DataError(f"{folder} does not exist", "name the folder that was unpacked from the data set's archive")
    found = [name for name, known in READERS.items() if known.recognises(folder)]
    if len(found) > 1 and _ANY_VIDEO in found:
        found.remove(_ANY_VIDEO)
    if not found:
        layouts = "".join(f"\n  {name:<13} {known.title}: {known.layout}" for name, known in READERS.items())
        raise DataError(
            f"{folder} has the layout of no data set that is known",
            f"name the folder that holds one of these, or say which one it is with --as NAME:{layouts}",
        )
    if len(found) > 1:
        raise DataError(
            f"{folder} could be {' or '.join(found)}", f"say which one it is: --as {found[0]}, or name a folder within"
        )
    return READERS[found[0]]

"""Whether a CDF file's own counts can be true, asked before it is read.

The reading package goes as often round a loop as the file says, so that one wrong byte could keep it busy for hours.
Followed are the chains a reader follows: the file's descriptor, its variables, and the indices of their records.

Source: CDF Internal Format Description, versions 2 and 3: in the former, sizes and places have 4 bytes instead of 8.
"""

from __future__ import annotations

import struct
from pathlib import Path

_VERSION_2, _VERSION_3 = (0xCDF26002, 0x0000FFFF), 0xCDF30001
_PLAIN = 0x0000FFFF
_INDEX = 6
_MOST_AXES = 10
_MOST = 10_000
"""Variables, attributes or index records; the data sets' files have a handful."""


class ImpossibleCount(Exception):
    """The file promises more than it can hold, or runs in a circle."""


def check_counts(path: Path) -> None:
    """Follow the file's chains once.

    Files that are compressed as a whole are not looked into.

    Raises:
        ImpossibleCount: a count or a chain cannot be true.
        struct.error: a chain leads out of the file.
    """
    content = path.read_bytes()
    first, second = struct.unpack_from(">II", content)
    if first not in (*_VERSION_2, _VERSION_3):
        raise ImpossibleCount("not the first bytes of a CDF file")
    if second != _PLAIN:
        return
    chains = _Chains(content, 8 if first == _VERSION_3 else 4)
    w = chains.width
    descriptor = chains.place(8 + w + 4)
    fields = descriptor + w + 4
    heads = (chains.place(fields), chains.place(fields + w))
    (rows, attributes, _, axes, columns) = struct.unpack_from(">5i", content, fields + 4 * w)
    if not all(0 <= count <= _MOST for count in (rows, attributes, columns)):
        raise ImpossibleCount(f"{rows} + {columns} variables and {attributes} attributes")
    _check_axes(axes)
    to_axes = 340 if w == 8 else 128 if struct.unpack_from(">i", content, 24)[0] >= 5 else 256
    for kind, head, count in (("r", heads[0], rows), ("z", heads[1], columns)):
        variable = head
        for _ in range(count):
            if kind == "z":
                _check_axes(struct.unpack_from(">i", content, variable + to_axes)[0])
            chains.follow_indices(chains.place(variable + w + 4 + w + 8))
            variable = chains.place(variable + w + 4)


def _check_axes(count: int) -> None:
    if not 0 <= count <= _MOST_AXES:
        raise ImpossibleCount(f"a variable with {count} axes")


class _Chains:
    """The content of a file and the index records seen so far."""

    def __init__(self, content: bytes, width: int) -> None:
        self.width = width
        self._content = content
        self._seen: set[int] = set()

    def place(self, at: int) -> int:
        """A place within the file, written at `at`; the end of a chain is 0 or all ones."""
        if at <= 0:
            raise ImpossibleCount("a chain ends before its count")
        (place,) = struct.unpack_from(">q" if self.width == 8 else ">i", self._content, at)
        return max(int(place), 0)

    def follow_indices(self, index: int) -> None:
        """A chain of index records and what lies below them."""
        waiting = [index]
        while waiting:
            at = waiting.pop()
            if not at:
                continue
            if at in self._seen or len(self._seen) > _MOST:
                raise ImpossibleCount("index records that run in a circle")
            self._seen.add(at)
            waiting += self._below(at)

    def _below(self, at: int) -> list[int]:
        """The next index record and those this one points to."""
        w = self.width
        fields = at + w + 4
        entries, used = struct.unpack_from(">2i", self._content, fields + w)
        table = fields + w + 8
        if not 0 <= used <= entries or table + entries * (8 + w) > len(self._content):
            raise ImpossibleCount(f"an index record with {used} of {entries} entries")
        places = [self.place(table + 8 * entries + w * i) for i in range(used)]
        below = [place for place in places if struct.unpack_from(">i", self._content, place + w)[0] == _INDEX]
        return [self.place(fields), *below]

"""A stream of bytes into JPEG pictures, whatever stands between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import final

_START = b"\xff\xd8\xff"
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""In compressed data 0xff is followed by 0 or a restart marker; anything else ends the scan."""
_SCAN, _END, _BEGIN = 0xDA, 0xD9, 0xD8
_MOST_BYTES = 64 * 2**20


class _Damaged(Exception):
    """No JPEG goes on like this."""


@final
class JpegSplitter:
    """Cuts by the segments of a JPEG (ITU-T T.81, annex B), so that a preview inside a picture does not end it.

    Attributes:
        damaged: pictures that broke off or were no JPEG.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._bytes = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes that belong to no whole picture yet."""
        return len(self._bytes)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pictures that `data` completes."""
        self._bytes += data
        while True:
            start = self._bytes.find(_START)
            del self._bytes[: start if start >= 0 else max(len(self._bytes) - len(_START) + 1, 0)]
            if start < 0:
                return
            try:
                end = _end_of(self._bytes)
            except _Damaged:
                self.damaged += 1
                del self._bytes[: len(_START) - 1]
                continue
            if end is None:
                return
            picture = bytes(self._bytes[:end])
            del self._bytes[:end]
            yield picture


def _end_of(data: bytearray) -> int | None:
    """Length of the JPEG at the start of `data`; None where more bytes are needed."""
    at = 2
    while at + 4 <= len(data) or data[at : at + 2] == bytes((0xFF, _END)):
        if data[at] != 0xFF or data[at + 1] == _BEGIN or len(data) > _MOST_BYTES:
            raise _Damaged
        kind = data[at + 1]
        if kind == _END:
            return at + 2
        if kind == 0xFF:  # padding
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _SCAN:
            marker = _MARKER_IN_SCAN.search(data, at)
            if marker is None:
                if len(data) > _MOST_BYTES:
                    raise _Damaged
                return None
            at = marker.start()
    return None

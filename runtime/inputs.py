"""What the user named, as a source of frames."""

from __future__ import annotations

import re
from pathlib import Path

from runtime.cameras import CameraSource
from runtime.sources import AbstractSource, FolderSource, VideoSource
from sa3dhp_edge.errors import InputError


def open_source(
    *, camera: int | None = None, video: Path | None = None, uri: str | None = None, timeout_s: float | None = None
) -> AbstractSource:
    """Open exactly one of a camera's index, a video (or a folder of pictures), or an address.

    Args:
        camera: index as the system counts.
        video: file or folder.
        uri: a path, /dev/videoN, digits, or scheme://…
        timeout_s: a camera without a frame for so long is given up; None tries for ever.

    Raises:
        InputError: none or several are given, or the one given cannot be used.
    """
    if sum(x is not None for x in (camera, video, uri)) != 1:
        raise InputError("name exactly one input", "give a camera index, a video or a source address")
    if uri is not None:
        if uri.isdecimal():
            camera = int(uri)
        elif "://" in uri or re.fullmatch(r"/dev/video\d+", uri):
            return CameraSource(uri, timeout_s)
        else:
            video = Path(uri)
    if camera is not None:
        return CameraSource(camera, timeout_s)
    assert video is not None
    return FolderSource(video) if video.is_dir() else VideoSource(video)

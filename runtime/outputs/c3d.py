"""C3D: points of a person as laboratories exchange them; Intel floats, one block of parameters, points only.

After the C3D user guide (c3d.org): a header of 512 bytes, groups of parameters, then x, y, z and a residual per point.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from runtime.outputs.axes import y_up
from runtime.outputs.clip import Clip
from sa3dhp_edge.atomic import publish_file
from sa3dhp_edge.skeleton import JOINTS, J

_BLOCK = 512
_MOST = 65535
"""The largest number of frames of the header; a longer clip has its length in TRIAL and POINT:LONG_FRAMES."""
_Value = tuple[int, tuple[int, ...], bytes]
"""Type, dimensions and content of a parameter."""


def write_c3d(clip: Clip, path: Path) -> None:
    """A person as points named like the joints, mm, y up; a missing point has the residual -1.

    Raises:
        OutputError: the disk refuses.
    """
    parameters = _parameters(clip)
    start = 2 + len(parameters) // _BLOCK
    with publish_file(path) as new, new.open("wb") as file:
        file.write(_header(clip, start))
        file.write(_parameters(clip, start))
        for piece in clip.pieces():
            points = np.zeros((len(piece), J, 4), "<f4")
            points[..., :3] = y_up(piece)
            points[np.isnan(points).any(-1)] = (0, 0, 0, -1)
            file.write(points.tobytes())
        file.write(b"\0" * (-file.tell() % _BLOCK))


def _header(clip: Clip, start: int) -> bytes:
    last = min(clip.frames, _MOST)
    words = struct.pack("<BB5Hf2Hf", 2, 0x50, J, 0, 1, last, 0, -1.0, start, 0, clip.fps)
    return words.ljust(_BLOCK, b"\0")


def _parameters(clip: Clip, start: int = 0) -> bytes:
    width = max(map(len, JOINTS))
    end = struct.pack("<I", clip.frames)
    groups: dict[str, dict[str, _Value]] = {
        "POINT": {
            "USED": _words(J),
            "SCALE": _float(-1.0),
            "RATE": _float(clip.fps),
            "DATA_START": _words(start),
            "FRAMES": _words(min(clip.frames, _MOST)),
            "LONG_FRAMES": _float(float(clip.frames)),
            "LABELS": (-1, (width, J), "".join(name.ljust(width) for name in JOINTS).encode()),
            "DESCRIPTIONS": (-1, (width, J), b" " * width * J),
            "UNITS": _text("mm"),
            "X_SCREEN": _text("+X"),
            "Y_SCREEN": _text("+Y"),
        },
        "ANALOG": {"USED": _words(0), "GEN_SCALE": _float(1.0), "RATE": _float(0.0)},
        "FORCE_PLATFORM": {"USED": _words(0)},
        "TRIAL": {"ACTUAL_START_FIELD": _words(1, 0), "ACTUAL_END_FIELD": (2, (2,), end)},
    }
    body = b""
    for number, (group, values) in enumerate(groups.items(), 1):
        body += struct.pack("<bb", len(group), -number) + group.encode() + struct.pack("<hB", 3, 0)
        for name, (kind, axes, content) in values.items():
            rest = struct.pack(f"<bB{len(axes)}B", kind, len(axes), *axes) + content + b"\0"
            body += struct.pack("<bb", len(name), number) + name.encode() + struct.pack("<h", 2 + len(rest)) + rest
    blocks = -(-(4 + len(body) + 2) // _BLOCK)
    return (struct.pack("<4B", 1, 0x50, blocks, 84) + body).ljust(blocks * _BLOCK, b"\0")


def _words(*values: int) -> _Value:
    return 2, (len(values),) if len(values) > 1 else (), struct.pack(f"<{len(values)}H", *values)


def _float(value: float) -> _Value:
    return 4, (), struct.pack("<f", value)


def _text(text: str) -> _Value:
    return -1, (len(text),), text.encode()

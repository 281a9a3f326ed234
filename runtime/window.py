"""The picture with skeletons in a window of this machine's screen."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from threading import Event
from typing import final

import cv2

from runtime.outputs.base import AbstractOutput
from runtime.overlay import draw
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.records import Frame, Pose

_LARGEST_PX = 1280
_ENDS = (27, ord("q"))
"""Escape and q."""
_INSTEAD = "look at it in a browser: --serve 8080"


@final
class Window(AbstractOutput):
    """Shows every frame; Escape, q or closing it ends the run. Belongs to the thread that makes it.

    Args:
        name: its title.
        stop: is set when it is closed.

    Raises:
        OutputError: no display, or an OpenCV that has no windows.
    """

    def __init__(self, name: str, stop: Event) -> None:
        gui = re.search(r"^\s*GUI:\s*(\S+)", cv2.getBuildInformation(), re.MULTILINE)
        if gui is None or gui[1] == "NONE":
            raise OutputError("this OpenCV has no windows (opencv-python-headless has none)", _INSTEAD)
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("there is no display to show a window on", _INSTEAD)
        self._name, self._stop, self._open = name, stop, True
        try:
            cv2.namedWindow(name, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as e:
            raise OutputError(f"no window can be opened: {e.msg.strip()}", _INSTEAD) from e

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        if not self._open:
            return
        picture = draw(frame.image_bgr, poses, latency_ms)
        if (scale := _LARGEST_PX / max(picture.shape[:2])) < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        cv2.imshow(self._name, picture)
        key = cv2.waitKey(1)
        closed = cv2.getWindowProperty(self._name, cv2.WND_PROP_VISIBLE) < 1
        if closed or (key != -1 and key & 0xFF in _ENDS):
            self._stop.set()

    def close(self) -> None:
        if self._open:
            self._open = False
            cv2.destroyWindow(self._name)

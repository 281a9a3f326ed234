"""Live cameras: the newest frame wins, and a camera that fails in whatever way is opened again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.camera_reader import CameraReader, Picture, Reader
from runtime.captures import Capture, open_capture
from runtime.sources import ASSUMED_FPS, AbstractSource, SourceState
from runtime.stillness import StillWatch
from runtime.turning import Turn, as_it_is
from sa3dhp_edge.errors import CameraLost, InputError
from sa3dhp_edge.logs import without_passwords
from sa3dhp_edge.records import Frame

_TICK_S = 0.2
"""A stop is heard after so long."""
_OPEN_S = 15.0
"""The first picture comes within that or the camera is refused."""
_STALL_S = 2.0
_HANG_S = 15.0
"""A read that did not come back for so long never will: drivers give up after 10 s, network streams after 3 s."""
_USUAL = 3.0
"""A camera that is slow by nature has so many of its usual intervals before it counts as stalled."""
_STALE_S = 1.0
"""A picture older than that, and than the usual interval, is not handed over."""
_BACK_OFF_S = (0.5, 30.0)
_STEADY_S = 10.0
"""After so long without a fault the next wait is the shortest again."""
_MOST_STUCK = 4
_MOST_RESHAPED = 3
_ASPECT_SLACK = 0.01

log = logging.getLogger(__name__)


@final
class CameraSource(AbstractSource):
    """A camera or network stream.

    `state` is `opening` until the first picture, `live`, `stalled` while pictures are late, `reopening` from a failed
    read, a hanging read, a frozen picture or another shape of picture until the next good one, `lost` when it was
    given up, `closed` at the end. Each change is logged once, with its reason. It is opened again after 0.5 s, then
    after twice as long each time, at most 30 s.

    Args:
        address: index of a camera, /dev/videoN, csi://N, gst:PIPELINE or a stream's address.
        timeout_s: without a frame for so long the camera is given up; None tries for ever.
        capture: opens the device.
        turn: done to every picture.
        start_reader: starts a connection in a thread; replaced in tests.
        clock: monotonic seconds; replaced in tests.
        pause: waits for a stop so many seconds; replaced in tests.

    Raises:
        InputError: the camera cannot be opened or gives no first picture.
    """

    live = True

    def __init__(
        self,
        address: int | str,
        timeout_s: float | None = None,
        capture: Callable[[int | str], Capture] = open_capture,
        *,
        turn: Turn = as_it_is,
        start_reader: Callable[[], Reader] | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[Event, float], object] = Event.wait,
    ) -> None:
        self.name = f"camera {address}" if isinstance(address, int) else without_passwords(address)
        self.state: SourceState = "opening"
        self._timeout_s, self._clock, self._pause = timeout_s, clock, pause
        self._start_reader = start_reader or (lambda: CameraReader(lambda: capture(address), turn))
        self._still, self._still_said = StillWatch(), False
        self._stuck: list[Reader] = []
        self._reshaped = self._corrupt_before = 0
        self._back_off_s = _BACK_OFF_S[0]
        self._usual_s = 0.0
        self._last_index, self._base = -1, 0
        self._first_s: float | None = None
        self._before: Picture | None = None
        self._reason = ""
        self._heard_s = self._open_at_s = clock()
        self._reader: Reader | None = self._start_reader()
        first = self._first_picture(self._reader)
        self.fps = self._reader.fps if 1 <= self._reader.fps <= 480 else ASSUMED_FPS
        self.size_wh = (first.shape[1], first.shape[0])
        self._scaled_wh = self.size_wh
        self._become("live", f"{self.size_wh[0]} x {self.size_wh[1]}, {self.fps:g} frames/s")

    def frames(self, stop: Event) -> Iterator[Frame]:
        self._heard_s = self._clock()
        while not stop.is_set() and self.state != "closed":
            frame = self._step(stop)
            self._turned(frame is not None)
            if frame is not None:
                yield frame
                self._heard_s = self._clock()  # the time the caller takes is not the camera's silence
            elif self._timeout_s is not None and self._clock() - self._heard_s > self._timeout_s:
                raise self._lost(f"gave no frame for {self._timeout_s:g} s: {self._reason}")

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close(wait_s=2.0)
            self._reader = None
        if self.state not in ("lost", "closed"):
            self._become("closed", "nobody needs it any more")

    def _first_picture(self, reader: Reader) -> NDArray[np.uint8]:
        """Only its size counts: when the first frame is asked for it is old."""
        hint = _hint(self.name)
        while self._clock() - self._heard_s < _OPEN_S:
            picture = reader.take(_TICK_S)
            if picture is not None:
                return picture.image_bgr
            if reader.failure is not None:
                raise InputError(f"{self.name} cannot be opened or gives no picture: {reader.failure}", hint)
        reader.close(wait_s=0.0)
        raise InputError(f"{self.name} cannot be opened or gives no picture: no answer for {_OPEN_S:g} s", hint)

    def _step(self, stop: Event) -> Frame | None:
        """Wait a moment for the next frame; see to the camera if none comes."""
        reader = self._reader
        if reader is None:
            self._reopen(stop)
            return None
        picture, now_s = reader.take(_TICK_S), self._clock()
        self.corrupt = self._corrupt_before + reader.corrupt
        if picture is not None:
            return self._frame_of(picture, now_s)
        silence_s = now_s - max(self._heard_s, self._open_at_s)
        late_s = max(_STALL_S, _USUAL * self._usual_s)
        if reader.failure is not None:
            self._let_go(reader, reader.failure)
        elif silence_s > max(_HANG_S, late_s):
            self._let_go(reader, f"a read did not come back for {silence_s:.0f} s")
        elif silence_s > late_s and self.state == "live":
            self._become("stalled", f"no picture for {silence_s:.1f} s")
        return None

    def _frame_of(self, picture: Picture, now_s: float) -> Frame | None:
        """The picture as a frame, unless it is old, frozen or of another shape; those count as dropped."""
        self._learn_interval(picture)
        if now_s - picture.captured_s > max(_STALE_S, _USUAL * self._usual_s):
            return None
        if self._still.frozen(picture.image_bgr, now_s):
            self._let_go(self._reader, "the very same picture again and again: it is frozen")
            return None
        if self._still.accepted and not self._still_said:
            self._still_said = True
            log.warning("%s: the same picture after reopening; it is taken for a scene where nothing moves", self.name)
        image = self._fitted(picture.image_bgr)
        if image is None:
            return None
        if self.state != "live":
            self._become("live", f"pictures again after {now_s - self._heard_s:.1f} s")
        if now_s - self._open_at_s > _STEADY_S:
            self._back_off_s = _BACK_OFF_S[0]
        if self._first_s is None:
            self._first_s, self._base = picture.captured_s, -picture.number
        index = self._base + picture.number
        self.dropped += index - self._last_index - 1
        self._last_index = index
        time_s = picture.captured_s - self._first_s
        return Frame(image, index, time_s, picture.decode_ms, captured_s=picture.captured_s)

    def _learn_interval(self, picture: Picture) -> None:
        before, self._before = self._before, picture
        if before is not None:
            interval_s = (picture.captured_s - before.captured_s) / (picture.number - before.number)
            self._usual_s += (0.3 if self._usual_s else 1.0) * (interval_s - self._usual_s)

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """The picture in the run's size; None, and the camera is opened again, if it has another shape.

        A calibration and an overlay hold for one size. The same shape in another resolution is the same view and is
        scaled. Another shape is another view, for which they would be silently wrong.

        Raises:
            CameraLost: another shape after reopening as well.
        """
        (width, height), (wanted_w, wanted_h) = image.shape[1::-1], self.size_wh
        if (width, height) == self.size_wh:
            self._reshaped = 0
            return image
        what = f"it gives {width} x {height} now, and the run began with {wanted_w} x {wanted_h}"
        if abs(width * wanted_h / (height * wanted_w) - 1) > _ASPECT_SLACK:
            self._reshaped += 1
            if self._reshaped > _MOST_RESHAPED:
                raise self._lost(what, "start again for the new shape; it needs a calibration of its own")
            self._let_go(self._reader, what)
            return None
        self._reshaped = 0
        if (width, height) != self._scaled_wh:
            self._scaled_wh = (width, height)
            log.warning("%s: %s; frames are scaled", self.name, what)
        method = cv2.INTER_AREA if width > wanted_w else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(image, self.size_wh, interpolation=method), np.uint8)

    def _let_go(self, reader: Reader | None, reason: str) -> None:
        """End this connection and plan the next."""
        assert reader is not None
        self._become("reopening", reason)
        self._stuck = [r for r in self._stuck if not r.close(wait_s=0.0)]
        if not reader.close(wait_s=0.0):
            self._stuck.append(reader)
        self._corrupt_before += reader.corrupt
        self._reader, self._before = None, None
        self._open_at_s = self._clock() + self._back_off_s
        self._back_off_s = min(2 * self._back_off_s, _BACK_OFF_S[1])

    def _reopen(self, stop: Event) -> None:
        """Wait a moment, or open the camera when its time has come.

        Raises:
            CameraLost: too many reads never came back.
        """
        left_s = self._open_at_s - self._clock()
        if left_s > 0:
            self._pause(stop, min(left_s, _TICK_S))
            return
        self._stuck = [r for r in self._stuck if not r.close(wait_s=0.0)]
        if len(self._stuck) >= _MOST_STUCK:
            raise self._lost(
                f"{len(self._stuck)} reads did not come back", "plug it in anew, or start the machine again"
            )
        self._base = self._last_index + 1
        self._reader = self._start_reader()

    def _become(self, state: SourceState, reason: str) -> None:
        self._reason = reason
        if state != self.state:
            level = logging.INFO if state in ("live", "closed") else logging.WARNING
            log.log(level, "%s is %s: %s", self.name, state, reason)
            self.outages += self.state == "live" and state != "closed"
            self.state = state
            if self.listener is not None:
                self.listener(state, reason)

    def _lost(self, reason: str, hint: str = "check the cable, the power and the network") -> CameraLost:
        self._become("lost", reason)
        return CameraLost(f"{self.name} {reason}", hint)


def _hint(name: str) -> str:
    if name.startswith(("csi://", "gst:")):
        return "try it with gst-launch-1.0; on a Jetson, `sudo systemctl restart nvargus-daemon` frees the camera"
    if "://" in name:
        return "check the address, the name and password in it, and that the server runs"
    return "check that it is connected, that no other program uses it, and that you may read the device"

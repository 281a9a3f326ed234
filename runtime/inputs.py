"""What the user named, as a source of frames."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from runtime.cameras import CameraSource
from runtime.captures import need_gstreamer, open_capture
from runtime.config import InputConfig
from runtime.pipes import PipeSource, stdin_fd
from runtime.realtime import RealtimeSource
from runtime.sources import ASSUMED_FPS, AbstractSource, FolderSource, VideoSource
from runtime.turning import turn_of
from sa3dhp_edge.errors import InputError

log = logging.getLogger(__name__)

NETWORK = ("rtsp", "rtsps", "rtmp", "http", "https", "tcp", "udp", "srt")
KNOWN = (
    "digits, /dev/videoN, csi://N, gst:PIPELINE, rtsp://…, http://…, a video, a folder of pictures, -, raw:WxH@FPS, "
    "fd:N, and for `run` synth://"
)

_DEVICE = re.compile(r"/dev/(video\d+|v4l/by-(id|path)/[^/]+)")
_CSI = re.compile(r"csi://\d+")
_RAW = re.compile(r"raw:(\d+)x(\d+)@(\d+(?:\.\d+)?)")
_FD = re.compile(r"fd:(\d{1,4})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_source(
    *,
    camera: int | None = None,
    video: Path | None = None,
    uri: str | None = None,
    timeout_s: float | None = None,
    cfg: InputConfig | None = None,
) -> AbstractSource:
    """Open exactly one of a camera's index, a video (or a folder of pictures), or an address.

    Args:
        camera: index as the system counts.
        video: file or folder.
        uri: digits or /dev/videoN, csi://N (a Jetson's camera), gst:PIPELINE, a network stream, a path, `-` (MJPEG on
            standard input), fd:N (MJPEG on an open file descriptor) or raw:WxH@FPS (BGR frames on standard input).
        timeout_s: a camera or pipe without a frame for so long is given up; None tries for ever.
        cfg: how it is opened and turned.

    Raises:
        InputError: none or several are given, or the one given cannot be used.
    """
    if sum(x is not None for x in (camera, video, uri)) != 1:
        raise InputError("name exactly one input", "give a camera index, a video or a source address")
    cfg = cfg or InputConfig()
    if uri is not None and uri.isdecimal():
        camera = int(uri)
    address = camera if camera is not None else _camera_address(uri)
    if address is not None:
        _check_wishes(address, cfg)
        source = CameraSource(address, timeout_s, partial(open_capture, cfg=cfg), turn=turn_of(cfg))
        if cfg.camera_size_wh is not None and sorted(source.size_wh) != sorted(cfg.camera_size_wh):
            log.warning("%s was asked for %d x %d and gives %d x %d", source.name, *cfg.camera_size_wh, *source.size_wh)
        return source
    pipe = _pipe(uri, timeout_s, cfg) if uri is not None else None
    if pipe is not None:
        return RealtimeSource(pipe, paced=False) if cfg.realtime else pipe
    path = video if video is not None else Path(uri or "")
    _refuse_wishes(str(path), cfg)
    file = FolderSource(path, turn=turn_of(cfg)) if path.is_dir() else VideoSource(path, turn_of(cfg))
    return RealtimeSource(file, paced=True) if cfg.realtime else file


def names_file(uri: str) -> bool:
    """Whether an address is a path, of a file or folder, and no camera, stream or pipe."""
    others = uri == "-" or uri.isdecimal() or uri.startswith(("gst:", "raw:"))
    return not others and not _FD.fullmatch(uri) and not _SCHEME.match(uri)


def _camera_address(uri: str | None) -> str | None:
    """The address if it is a camera's or a stream's; None for pipes and paths.

    Raises:
        InputError: nobody knows its scheme, or this OpenCV cannot open it.
    """
    if uri is None or _DEVICE.fullmatch(uri):
        return uri
    if _CSI.fullmatch(uri) or uri.startswith("gst:"):
        need_gstreamer(uri)
        return uri
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return None
    if scheme[1].lower() not in NETWORK:
        raise InputError(f"{uri} is no input that is known", f"one of: {KNOWN}")
    return uri


def _pipe(uri: str, timeout_s: float | None, cfg: InputConfig) -> PipeSource | None:
    inherited = _FD.fullmatch(uri)
    if uri == "-" or inherited is not None:
        _refuse_wishes(uri, replace(cfg, camera_fps=None))
        fd, name = (stdin_fd(), "standard input") if inherited is None else (int(inherited[1]), uri)
        fps = cfg.camera_fps or ASSUMED_FPS
        return PipeSource(fd, name, fps=fps, timeout_s=timeout_s, turn=turn_of(cfg))
    if not uri.startswith("raw:"):
        return None
    form = _RAW.fullmatch(uri)
    if form is None or not all(float(number) > 0 for number in form.groups()):
        raise InputError(f"{uri} is not raw:WxH@FPS", "for example raw:1280x720@30")
    _refuse_wishes(uri, cfg)
    raw_wh = (int(form[1]), int(form[2]))
    name = f"standard input ({uri})"
    return PipeSource(
        stdin_fd(), name, raw_wh=raw_wh, fps=float(form[3]), timeout_s=timeout_s, turn=turn_of(cfg)
    )  # fmt: skip


def _check_wishes(address: int | str, cfg: InputConfig) -> None:
    """A camera can be asked for a format, a stream cannot."""
    if isinstance(address, str) and not _DEVICE.fullmatch(address):
        _refuse_wishes(address, replace(cfg, camera_size_wh=None, camera_fps=None) if _CSI.match(address) else cfg)


def _refuse_wishes(name: str, cfg: InputConfig) -> None:
    wishes = {"--camera-format": cfg.camera_format, "--camera-size": cfg.camera_size_wh, "--camera-fps": cfg.camera_fps}
    given = [option for option, value in wishes.items() if value is not None]
    if given:
        raise InputError(f"{name} cannot be asked for {', '.join(given)}", "leave it out, or set it where it is made")

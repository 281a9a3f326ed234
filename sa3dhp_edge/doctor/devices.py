"""What it can look with, and show on."""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Iterator
from pathlib import Path

from sa3dhp_edge.doctor.ask import Answers
from sa3dhp_edge.doctor.finding import Finding

DEV = Path("/dev")


def cameras(_: Answers) -> Iterator[Finding]:
    devices = sorted(DEV.glob("video*"))
    if not devices:
        yield Finding("cameras", "note", "no /dev/video*: video files and network streams work")
    elif closed := [d.name for d in devices if not os.access(d, os.R_OK | os.W_OK)]:
        yield Finding("cameras", "problem", f"{', '.join(closed)} may not be opened by this user", _way_in())
    else:
        yield Finding("cameras", "ok", ", ".join(f"{d.name} ({_name(d.name)})" for d in devices))


def _way_in() -> str:
    try:
        member = getpass.getuser() in grp.getgrnam("video").gr_mem
    except (KeyError, OSError):
        member = False
    return (
        "log in again: group video counts from then on" if member else "sudo usermod -aG video $USER, then log in again"
    )


def _name(device: str) -> str:
    try:
        return Path(f"/sys/class/video4linux/{device}/name").read_text().strip()
    except OSError:
        return "unnamed"


def display(_: Answers) -> Iterator[Finding]:
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if shown:
        yield Finding("display", "ok", shown)
    else:
        yield Finding("display", "note", "none: no window can open; --overlay writes a video instead")

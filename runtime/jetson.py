"""Is this a Jetson, with which JetPack, and in which power mode?"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

LONGEST_ANSWER_S = 5.0

_JETPACK = {
    "39.2": "7.2",
    "38.4": "7.1",
    "38.2": "7.0",
    "36.5": "6.2.2",
    "36.4.7": "6.2.1",
    "36.4.4": "6.2.1",
    "36.4.3": "6.2",
    "36.4": "6.1",
    "36.3": "6.0",
    "36.2": "6.0 (preview)",
    "35.6": "5.1.4 or later",
    "35.5": "5.1.3",
    "35.4": "5.1.2",
    "35.3": "5.1.1",
    "35.2": "5.1",
    "35.1": "5.0.2",
}
"""L4T release, or its first two numbers -> JetPack; source: NVIDIA's list of JetPack releases."""


def l4t_release(file: Path = Path("/etc/nv_tegra_release")) -> str | None:
    """A Jetson's L4T release such as "36.4.3", "unknown" where the file says none; None elsewhere."""
    try:
        found = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", file.read_text())
    except OSError:
        return None
    return f"{found[1]}.{found[2]}" if found else "unknown"


def jetpack(l4t: str) -> str | None:
    """The JetPack that brought an L4T release; None for one that came after this table."""
    two = ".".join(l4t.split(".")[:2])
    return _JETPACK.get(l4t, _JETPACK.get(two))


def power_mode() -> str | None:
    """What `nvpmodel -q` calls the power mode, such as "MAXN"; None where there is no such program or answer."""
    program = shutil.which("nvpmodel")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=LONGEST_ANSWER_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return mode_named_in(done.stdout)


def mode_named_in(answer: str) -> str | None:
    """The power mode in the words of `nvpmodel -q`: "NV Power Mode: 15W", then its number."""
    found = re.search(r"NV Power Mode:\s*(\S+)", answer)
    return found[1] if found else None

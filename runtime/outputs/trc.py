"""TRC: OpenSim's table of markers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtime.outputs.axes import y_up
from runtime.outputs.clip import Clip
from sa3dhp_edge.atomic import publish_file
from sa3dhp_edge.skeleton import JOINTS, J

_KEYS = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"


def write_trc(clip: Clip, path: Path) -> None:
    """A person as markers named like the joints, mm, y up; a missing frame has empty cells.

    Raises:
        OutputError: the disk refuses.
    """
    with publish_file(path) as new, new.open("w", newline="\n", encoding="utf-8") as file:
        rate = f"{clip.fps:.6f}"
        file.write(f"PathFileType\t4\t(X/Y/Z)\t{path.name}\n{_KEYS}\n")
        file.write(f"{rate}\t{rate}\t{clip.frames}\t{J}\tmm\t{rate}\t1\t{clip.frames}\n")
        file.write("Frame#\tTime\t" + "\t\t\t".join(JOINTS) + "\t\t\n")
        file.write("\t\t" + "\t".join(f"{axis}{i}" for i in range(1, J + 1) for axis in "XYZ") + "\n\n")
        number = 0
        for piece in clip.pieces():
            for xyz in y_up(piece).reshape(len(piece), -1):
                cells = "\t".join("" if np.isnan(v) else f"{v:.3f}" for v in xyz)
                file.write(f"{number + 1}\t{clip.start_s + number / clip.fps:.6f}\t{cells}\n")
                number += 1

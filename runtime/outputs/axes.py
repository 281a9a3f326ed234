"""From the camera's axes to those of motion-capture programs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Y_UP = np.array([1.0, -1.0, -1.0])
"""Camera (x right, y down, z forward) to x right, y up, z towards the camera: half a turn about x, right-handed.

With a world the camera is a level one at its origin: (x, z, -y) of the world."""


def y_up(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) of camera axes, turned upright."""
    return np.asarray(xyz * Y_UP)

"""What draws a frame: this core, or an NVIDIA GPU where one is found and proves that it draws the same.

Both run the functions of `raster.py`, `picture.py` and those below; only what shares the work out differs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.synth.cpu import NO_PHOTO, Scene, draw_on_cpu
from sa3dhp_edge.synth.raster import Samples, View
from sa3dhp_edge.synth.shade import MATERIAL, ZONES, Light, Mesh, Paint, Room

Array = NDArray[np.float32]
SETTING = "SA3DHP_DRAW_ON"
"""Environment variable: "cpu", "gpu", or "auto" (also where unset): the GPU if it passes the trial, else the CPU."""
TRIAL_PX = 8
TRIAL_ERROR = 1e-3
"""Linear light by which the two may differ in the trial, on average."""
Draw = Callable[[Scene, int, int], tuple[Array, Samples]]
"""Scene, height and width in px to linear RGB (H, W, 3) and the z-buffer of SAMPLES_PER_PX times the size."""


@lru_cache(maxsize=1)
def canvas() -> Draw:
    """What draws in this process, settled when the first frame is drawn.

    Raises:
        ConfigError: SETTING is none of its words, or asks for a GPU that does not draw.
    """
    wanted = os.environ.get(SETTING, "auto")
    if wanted not in ("auto", "cpu", "gpu"):
        raise ConfigError(f"{SETTING} is {wanted!r}", 'it may be "auto", "cpu" or "gpu"')
    trouble = gpu_trouble() if wanted != "cpu" else ""
    if wanted == "gpu" and trouble:
        raise ConfigError(f"{SETTING} is 'gpu', but {trouble}", f"sa3dhp-edge doctor says more; or {SETTING}=cpu")
    if wanted == "cpu" or trouble:
        return draw_on_cpu
    from sa3dhp_edge.synth.gpu import draw_on_gpu

    return draw_on_gpu


def draws_on_gpu() -> bool:
    """Whether frames of this process are drawn on a GPU."""
    return canvas() is not draw_on_cpu


def gpu_trouble() -> str:
    """Why no GPU can draw here, "" where one can: it is found and draws the trial scene as this core does."""
    try:
        cuda: Any = import_module("numba.cuda")
    except ImportError:
        return "numba has no CUDA target (package numba-cuda)"
    try:
        if not cuda.is_available():
            return "numba finds no NVIDIA GPU, or no compiler for it (package numba-cuda)"
        from sa3dhp_edge.synth.gpu import draw_on_gpu

        scene = trial_scene()
        (found, drawn), (right, known) = (draw(scene, TRIAL_PX, TRIAL_PX) for draw in (draw_on_gpu, draw_on_cpu))
    except Exception as e:  # noqa: BLE001 - drivers and compilers fail in many ways, and the CPU can always draw
        return f"the GPU does not draw: {type(e).__name__}: {(str(e).strip().splitlines() or [''])[0]}"
    error = float(np.abs(found - right).mean())
    alike = float(np.isclose(drawn.nearness, known.nearness, rtol=1e-4).mean())
    if not error < TRIAL_ERROR or alike < 0.99:
        return f"the GPU draws other pictures: {error:.2g} off on average, {alike:.0%} of the samples as near as here"
    return ""


def trial_scene() -> Scene:
    """A leaning square before another on the floor of a room, one light and its shadow, a view from 3 m."""
    square = _floats([[-400, -1300, 0], [400, -1300, 0], [400, -500, 0], [-400, -500, 0]])
    lean = _floats([[0, 0, 0], [0, 0, 0], [0, 0, 250], [0, 0, 250]])
    points = np.concatenate([square + lean, square + _floats([150, 400, 300])])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]], np.int32)
    part = np.array([0, 0, 1, 1], np.int32)
    local = np.asarray(points[:, :2] / 1000, np.float32)
    mesh = Mesh(points, np.tile(_floats([0, 0, -1]), (8, 1)), local, faces, part)
    ramp = np.linspace(0.1, 0.9, MATERIAL - 7, dtype=np.float32)
    row = np.concatenate([_floats([20, 700, 0.8, 0.6, 0.2, 0.3, 20]), ramp])
    materials = np.stack([row, row[[0, 1, 3, 2, *range(4, MATERIAL)]]])
    edges, zones = np.full((2, ZONES - 1), np.inf, np.float32), np.ones((2, ZONES), np.int32)
    edges[0, 0], zones[0, 0] = -0.9, 0
    size_mm, has_face = np.full((2, 2), 1000, np.float32), np.array([True, False])
    paint = Paint(edges, np.zeros((2, ZONES - 1), np.float32), zones, size_mm, has_face, materials)
    direction, scale = _floats([[0.3, -0.8, -0.52]]), np.float32(16 / 2700)
    axes = np.concatenate([scale * _floats([[1.0, 0.0, 0.0], [0.0, 0.54, -0.84]]), direction])
    white, grey, empty = _floats([[1, 1, 1]]), _floats([0.3, 0.3, 0.3]), np.zeros((16, 16), np.float32)
    light = Light(direction, white, grey, grey, 0.7, _floats([0, -900, 0]), axes, empty)
    seen = np.asarray((points - light.shadow_centre) @ axes.T + _floats([7.5, 7.5, 10000]), np.float32)
    sides, sky, feet = np.array([0, 1, 0, 1, 0, 1], np.int32), np.full((2, 3), 0.6, np.float32), _floats([[0, -80, 0]])
    low, high = _floats([-2000, -2600, -3800]), _floats([2000, 0, 2500])
    room = Room(low, high, sides, False, False, sky, feet, 0.2, 0.0, 0.4)
    middle = (TRIAL_PX - 1) / 2
    view = View(np.eye(3, dtype=np.float32), _floats([0, -900, -3000]), 1.4 * TRIAL_PX, middle, middle)
    return Scene(mesh, paint, light, room, seen, view, NO_PHOTO, 2)


def _floats(numbers: Sequence[float] | Sequence[Sequence[float]]) -> Array:
    return np.array(numbers, np.float32)

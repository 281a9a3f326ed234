"""A picture from a z-buffer: each pixel shaded once, or once for every part that meets others there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.compiled import inner_loop
from sa3dhp_edge.synth.raster import NOTHING, Samples, View
from sa3dhp_edge.synth.shade import Light, Mesh, Paint, Room, Vector, shade_surface
from sa3dhp_edge.synth.surroundings import ground_share, shade_room

Array = NDArray[np.float32]
SAMPLES_PER_PX = 2
"""Samples per pixel and axis of the z-buffer."""


@inner_loop
def part_at(samples: Samples, mesh: Mesh, x: int, y: int, i: int) -> int:
    """Part of the face at sample i of a pixel, NOTHING where there is none."""
    f = samples.face[SAMPLES_PER_PX * y + i // SAMPLES_PER_PX, SAMPLES_PER_PX * x + i % SAMPLES_PER_PX]
    return int(mesh.part[f]) if f != NOTHING else NOTHING


@inner_loop
def shade_sample(
    x: int, y: int, i: int, samples: Samples, mesh: Mesh, projected: Array, paint: Paint, light: Light, room: Room,
    view: View, bank: Array, photo: Array,
) -> Vector:  # fmt: skip
    """Colour of sample i of a pixel."""
    sx, sy = SAMPLES_PER_PX * x + i % SAMPLES_PER_PX, SAMPLES_PER_PX * y + i // SAMPLES_PER_PX
    f = samples.face[sy, sx]
    if f != NOTHING:
        return shade_surface(sx, sy, f, mesh, projected, paint, light, view, bank)
    if len(photo):
        dark = ground_share(x, y, room, light, view)
        return photo[y, x, 0] * dark, photo[y, x, 1] * dark, photo[y, x, 2] * dark
    return shade_room(x, y, room, paint, light, view, bank)


@inner_loop
def shade_pixel(
    x: int, y: int, samples: Samples, mesh: Mesh, projected: Array, paint: Paint, light: Light, room: Room,
    view: View, bank: Array, photo: Array,
) -> Vector:  # fmt: skip
    """Linear RGB of a pixel: the mean over its samples, of which those of one part are shaded by a single shot."""
    count = SAMPLES_PER_PX * SAMPLES_PER_PX
    red, green, blue, done = 0.0, 0.0, 0.0, 0
    for i in range(count):
        part, alike, known = part_at(samples, mesh, x, y, i), 0, False
        for j in range(count):
            if part_at(samples, mesh, x, y, j) == part:
                alike += 1
                known |= j < i
        if known:
            continue
        shot = shade_sample(x, y, i, samples, mesh, projected, paint, light, room, view, bank, photo)
        share = alike / count
        red, green, blue = red + share * shot[0], green + share * shot[1], blue + share * shot[2]
        done += alike
        if done == count:
            break
    return red, green, blue


@inner_loop
def shade_picture(
    samples: Samples, mesh: Mesh, projected: Array, paint: Paint, light: Light, room: Room, view: View, bank: Array,
    photo: Array, picture: Array,
) -> None:  # fmt: skip
    """Fill `picture` (H, W, 3) with linear RGB from the z-buffer of SAMPLES_PER_PX times the size.

    `photo` (H, W, 3) linear RGB stands behind everything instead of the room; (0, 0, 3) where there is none.
    """
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            shot = shade_pixel(x, y, samples, mesh, projected, paint, light, room, view, bank, photo)
            picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = shot

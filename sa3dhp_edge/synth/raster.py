"""Which triangle of any mesh is seen at which sample: projection and a z-buffer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.compiled import compiled, inner_loop

Array = NDArray[np.float32]
NEAR_MM = 50.0
NOTHING = -1


class View(NamedTuple):
    """A pinhole camera in the world: `rotation` (3, 3) world to view, `position` (3,) mm, focal and centre px."""

    rotation: Array
    position: Array
    focal_px: float
    centre_x_px: float
    centre_y_px: float


class Samples(NamedTuple):
    """The z-buffer: `nearness` (H, W), larger is nearer and 0 is empty; `face` (H, W) int32, NOTHING where empty."""

    nearness: Array
    face: NDArray[np.int32]


class Slopes(NamedTuple):
    """A triangle's first corner in samples, its weights' changes per sample, nearness there and by each weight."""

    ax: float
    ay: float
    wb_x: float
    wb_y: float
    wc_x: float
    wc_y: float
    na: float
    nb: float
    nc: float


def empty_samples(height: int, width: int) -> Samples:
    """A z-buffer nothing was drawn into."""
    return Samples(np.zeros((height, width), np.float32), np.full((height, width), NOTHING, np.int32))


@compiled
def project_view(points_mm: Array, view: View, samples_per_px: int) -> Array:
    """(V, 3) world mm to (V, 3): x, y in samples and 1 / depth in 1/mm, which is 0 behind the near plane."""
    out = np.empty((len(points_mm), 3), np.float32)
    r, p = view.rotation, view.position
    k, half = float(samples_per_px), (samples_per_px - 1) / 2
    for i in range(len(points_mm)):
        x, y, z = points_mm[i, 0] - p[0], points_mm[i, 1] - p[1], points_mm[i, 2] - p[2]
        depth = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
        if depth < NEAR_MM:
            out[i] = 0
            continue
        inverse = 1 / depth
        u = view.focal_px * (r[0, 0] * x + r[0, 1] * y + r[0, 2] * z) * inverse + view.centre_x_px
        v = view.focal_px * (r[1, 0] * x + r[1, 1] * y + r[1, 2] * z) * inverse + view.centre_y_px
        out[i, 0], out[i, 1], out[i, 2] = k * u + half, k * v + half, inverse
    return out


@inner_loop
def box_around(
    f: int, projected: Array, faces: NDArray[np.int32], one_sided: int, height: int, width: int
) -> tuple[int, int, int, int]:
    """x0, x1, y0, y1: first and last samples a triangle may cover, x0 > x1 or y0 > y1 where it is not to be drawn."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    if projected[a, 2] <= 0 or projected[b, 2] <= 0 or projected[c, 2] <= 0:
        return 1, 0, 1, 0
    ax, ay, bx, by, cx, cy = (
        projected[a, 0], projected[a, 1], projected[b, 0], projected[b, 1], projected[c, 0], projected[c, 1],
    )  # fmt: skip
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if (f >= one_sided and area > 0) or abs(area) < 1e-6:
        return 1, 0, 1, 0
    x0, x1 = int(math.ceil(min(ax, min(bx, cx)))), int(math.floor(max(ax, max(bx, cx))))  # noqa: RUF046
    y0, y1 = int(math.ceil(min(ay, min(by, cy)))), int(math.floor(max(ay, max(by, cy))))  # noqa: RUF046 - floats on GPUs
    return max(x0, 0), min(x1, width - 1), max(y0, 0), min(y1, height - 1)


@inner_loop
def slopes_of(f: int, projected: Array, faces: NDArray[np.int32]) -> Slopes:
    """How the weights of a triangle's second and third corner and its nearness change over the screen."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay, bx, by, cx, cy = (
        projected[a, 0], projected[a, 1], projected[b, 0], projected[b, 1], projected[c, 0], projected[c, 1],
    )  # fmt: skip
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    return Slopes(
        ax, ay, (cy - ay) / area, -(cx - ax) / area, -(by - ay) / area, (bx - ax) / area,
        projected[a, 2], projected[b, 2] - projected[a, 2], projected[c, 2] - projected[a, 2],
    )  # fmt: skip


@inner_loop
def weights_from(slopes: Slopes, x: int, y: int) -> tuple[float, float]:
    """Weights of the second and the third corner at a sample, linear on the screen."""
    dx, dy = x - slopes.ax, y - slopes.ay
    return slopes.wb_x * dx + slopes.wb_y * dy, slopes.wc_x * dx + slopes.wc_y * dy


@inner_loop
def nearness_at(slopes: Slopes, wb: float, wc: float) -> float:
    """Nearness of a triangle where its corners have these weights, 0 beside it."""
    if wb >= -1e-5 and wc >= -1e-5 and wb + wc <= 1.00001:
        return slopes.na + slopes.nb * wb + slopes.nc * wc
    return 0.0


@inner_loop
def rasterise(projected: Array, faces: NDArray[np.int32], samples: Samples, one_sided: int) -> None:
    """Draw triangles into the z-buffer; at each sample the one of the largest nearness wins.

    Args:
        projected: (V, 3): x, y in samples, and a nearness that is linear on the screen (1 / depth in
            perspective); triangles with a nearness <= 0 are left out.
        faces: (F, 3) int32.
        one_sided: from this face on, those whose cross product of edges points away from the eye are left out;
            those before may have either winding.
    """
    height, width = samples.face.shape
    for f in range(len(faces)):
        x0, x1, y0, y1 = box_around(f, projected, faces, one_sided, height, width)
        if x0 > x1 or y0 > y1:
            continue
        slopes = slopes_of(f, projected, faces)
        for y in range(y0, y1 + 1):
            wb, wc = weights_from(slopes, x0, y)
            for x in range(x0, x1 + 1):
                nearness = nearness_at(slopes, wb, wc)
                if nearness > samples.nearness[y, x]:
                    samples.nearness[y, x] = nearness
                    samples.face[y, x] = f
                wb += slopes.wb_x
                wc += slopes.wc_x


@inner_loop
def weights_at(x: float, y: float, projected: Array, a: int, b: int, c: int) -> tuple[float, float, float]:
    """Perspective-correct weights of a triangle's corners a, b, c at a sample, summing to 1."""
    abx, aby = projected[b, 0] - projected[a, 0], projected[b, 1] - projected[a, 1]
    acx, acy = projected[c, 0] - projected[a, 0], projected[c, 1] - projected[a, 1]
    area = abx * acy - aby * acx
    px, py = x - projected[a, 0], y - projected[a, 1]
    wb = (px * acy - py * acx) / area
    wc = (abx * py - aby * px) / area
    wa = max(1 - wb - wc, 0.0) * projected[a, 2]
    wb, wc = max(wb, 0.0) * projected[b, 2], max(wc, 0.0) * projected[c, 2]
    total = wa + wb + wc + 1e-12
    return wa / total, wb / total, wc / total

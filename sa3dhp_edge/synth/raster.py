"""Which triangle of any mesh is seen at which sample: projection and a z-buffer."""

from __future__ import annotations

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
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if min(projected[a, 2], projected[b, 2], projected[c, 2]) <= 0:
            continue
        ax, ay, bx, by, cx, cy = (
            projected[a, 0], projected[a, 1], projected[b, 0], projected[b, 1], projected[c, 0], projected[c, 1],
        )  # fmt: skip
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        x0, x1 = max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), width - 1)
        y0, y1 = max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), height - 1)
        if f >= one_sided and area > 0:
            continue
        if abs(area) < 1e-6 or x0 > x1 or y0 > y1:
            continue
        wb_x, wb_y = (cy - ay) / area, -(cx - ax) / area
        wc_x, wc_y = -(by - ay) / area, (bx - ax) / area
        na, nb, nc = projected[a, 2], projected[b, 2] - projected[a, 2], projected[c, 2] - projected[a, 2]
        for y in range(y0, y1 + 1):
            wb = wb_x * (x0 - ax) + wb_y * (y - ay)
            wc = wc_x * (x0 - ax) + wc_y * (y - ay)
            for x in range(x0, x1 + 1):
                if wb >= -1e-5 and wc >= -1e-5 and wb + wc <= 1.00001:
                    nearness = na + nb * wb + nc * wc
                    if nearness > samples.nearness[y, x]:
                        samples.nearness[y, x] = nearness
                        samples.face[y, x] = f
                wb += wb_x
                wc += wc_x


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

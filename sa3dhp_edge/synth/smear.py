"""The streaks of limbs that move while the shutter is open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.skeleton import JOINTS, PARENTS
from sa3dhp_edge.synth.compiled import compiled

Array = NDArray[np.float32]
ENDS: NDArray[np.int32] = np.array([(j, PARENTS[j]) for j in range(1, len(JOINTS))], np.int32)
LEAST_PX = 0.7
"""Shorter ways leave no streak."""
SHOTS = 9


@compiled
def smear_limbs(light: Array, joints_px: Array, way_px: Array, ends: NDArray[np.int32], reach_px: float) -> Array:
    """The picture with what lies near moving bones averaged along their way.

    Args:
        light: (H, W, 3) linear light.
        joints_px: (17, 2) where the joints are.
        way_px: (17, 2) how far each moves while the shutter is open.
        ends: (16, 2) joints at the ends of each bone.
        reach_px: how far from the bone its flesh and cloth reach.
    """
    out = light.copy()
    height, width = light.shape[:2]
    for k in range(len(ends)):
        a, b = ends[k, 0], ends[k, 1]
        far = max(np.hypot(way_px[a, 0], way_px[a, 1]), np.hypot(way_px[b, 0], way_px[b, 1]))
        if far < LEAST_PX:
            continue
        ax, ay = joints_px[a, 0], joints_px[a, 1]
        bx, by = joints_px[b, 0] - ax, joints_px[b, 1] - ay
        margin = reach_px + far / 2
        x0, x1 = max(int(min(ax, ax + bx) - margin), 0), min(int(max(ax, ax + bx) + margin) + 1, width - 1)
        y0, y1 = max(int(min(ay, ay + by) - margin), 0), min(int(max(ay, ay + by) + margin) + 1, height - 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                s = ((x - ax) * bx + (y - ay) * by) / (bx * bx + by * by + 1e-6)
                s = min(max(s, 0.0), 1.0)
                off = np.hypot(x - ax - s * bx, y - ay - s * by)
                if off >= margin:
                    continue
                share = min(2 * (1 - off / margin), 1.0)
                vx, vy = (1 - s) * way_px[a, 0] + s * way_px[b, 0], (1 - s) * way_px[a, 1] + s * way_px[b, 1]
                red, green, blue = 0.0, 0.0, 0.0
                for i in range(SHOTS):
                    along = i / (SHOTS - 1) - 0.5
                    px = min(max(int(np.round(x + along * vx)), 0), width - 1)
                    py = min(max(int(np.round(y + along * vy)), 0), height - 1)
                    red, green, blue = red + light[py, px, 0], green + light[py, px, 1], blue + light[py, px, 2]
                share /= SHOTS
                rest = 1 - share * SHOTS
                out[y, x, 0] = rest * out[y, x, 0] + share * red
                out[y, x, 1] = rest * out[y, x, 1] + share * green
                out[y, x, 2] = rest * out[y, x, 2] + share * blue
    return out

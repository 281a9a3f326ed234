"""A frame ready to be drawn, and drawn by this core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.patterns import bank
from sa3dhp_edge.synth.picture import SAMPLES_PER_PX, shade_picture
from sa3dhp_edge.synth.raster import Samples, View, empty_samples, project_view, rasterise
from sa3dhp_edge.synth.shade import Light, Mesh, Paint, Room

Array = NDArray[np.float32]
NO_PHOTO: Array = np.zeros((0, 0, 3), np.float32)
NO_POINTS: Array = np.zeros((0, 3), np.float32)


class Scene(NamedTuple):
    """A frame ready to be drawn.

    Attributes:
        mesh: all triangles in the world; the arrays of points and normals are filled anew for every frame.
        paint, light, room: what they look like; the light's shadow map is still empty.
        seen_by_light: (V, 3) the points in pixels of the shadow map and nearness; (0, 3) where nothing casts a shadow.
        view: the camera.
        photo: (H, W, 3) linear RGB behind everything instead of the room; (0, 0, 3) where there is none.
        one_sided: from this face on, faces that point away from the eye are left out.
    """

    mesh: Mesh
    paint: Paint
    light: Light
    room: Room
    seen_by_light: Array
    view: View
    photo: Array
    one_sided: int


def draw_on_cpu(scene: Scene, height: int, width: int) -> tuple[Array, Samples]:
    """A frame drawn by this core."""
    mesh, light = scene.mesh, scene.light
    if len(scene.seen_by_light):
        shadow = empty_samples(*light.shadow_map.shape)
        rasterise(scene.seen_by_light, mesh.faces, shadow, len(mesh.faces))
        light = light._replace(shadow_map=shadow.nearness)
    projected = project_view(mesh.points, scene.view, SAMPLES_PER_PX)
    samples = empty_samples(SAMPLES_PER_PX * height, SAMPLES_PER_PX * width)
    rasterise(projected, mesh.faces, samples, scene.one_sided)
    picture = np.empty((height, width, 3), np.float32)
    shade_picture(
        samples, mesh, projected, scene.paint, light, scene.room, scene.view, bank(), scene.photo, picture
    )  # fmt: skip
    return picture, samples

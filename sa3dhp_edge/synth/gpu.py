"""A frame drawn on an NVIDIA GPU: a row of threads for each triangle, then a thread for each pixel.

At a sample many triangles may meet at once. Nearness and face are packed into one number whose largest wins, so the
picture does not depend on their order. Meshes, paint and patterns stay on the GPU as long as they stay the same.
"""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numba import cuda as numba_cuda
from numpy.typing import NDArray

from sa3dhp_edge.synth import picture as per_pixel
from sa3dhp_edge.synth import raster
from sa3dhp_edge.synth.compiled import device_function, kernel
from sa3dhp_edge.synth.cpu import Scene
from sa3dhp_edge.synth.patterns import bank
from sa3dhp_edge.synth.picture import SAMPLES_PER_PX
from sa3dhp_edge.synth.raster import NOTHING, Samples, View, project_view

cuda: Any = numba_cuda  # it has no types
Array = NDArray[np.float32]
LANES = 32
"""Threads that share the rows of one triangle."""
THREADS = 128
BLOCK_WH = (16, 8)
LAST_FACE = 2**32 - 1
"""Of equally near faces the first wins, as on the CPU: the packed number holds this minus the face."""
KEPT = 96
"""Arrays that are kept on the GPU; a clip has about twenty."""

box_around = device_function(raster.box_around)
slopes_of = device_function(raster.slopes_of)
weights_from = device_function(raster.weights_from)
nearness_at = device_function(raster.nearness_at)
shade_pixel = device_function(per_pixel.shade_pixel)


@kernel
def draw_triangles(projected: Array, faces: NDArray[np.int32], one_sided: int, keys: NDArray[np.uint64]) -> None:
    """`raster.rasterise` into packed numbers (H, W), which are 0 where nothing is."""
    i = cuda.grid(1)
    f, lane = i // LANES, i % LANES
    if f >= len(faces):
        return
    height, width = keys.shape
    x0, x1, y0, y1 = box_around(f, projected, faces, one_sided, height, width)
    if x0 > x1 or y0 > y1:
        return
    slopes, low = slopes_of(f, projected, faces), np.uint64(LAST_FACE - f)
    for y in range(y0 + lane, y1 + 1, LANES):
        wb, wc = weights_from(slopes, x0, y)
        for x in range(x0, x1 + 1):
            nearness = np.float32(nearness_at(slopes, wb, wc))
            if nearness > 0:
                key = (np.uint64(nearness.view(np.uint32)) << np.uint64(32)) | low
                if key > keys[y, x]:  # a value that has grown since is found by the atomic maximum
                    cuda.atomic.max(keys, (y, x), key)
            wb += slopes.wb_x
            wc += slopes.wc_x


@kernel
def unpack(keys: NDArray[np.uint64], samples: Samples) -> None:
    """The z-buffer from packed numbers, which become 0 for what is drawn next."""
    x, y = cuda.grid(2)
    if y < keys.shape[0] and x < keys.shape[1]:
        key = keys[y, x]
        keys[y, x] = 0
        samples.nearness[y, x] = np.uint32(key >> np.uint64(32)).view(np.float32)
        samples.face[y, x] = LAST_FACE - np.int64(key & np.uint64(LAST_FACE)) if key > 0 else NOTHING


@kernel
def shade(
    samples: Samples, mesh: Any, projected: Array, paint: Any, light: Any, room: Any, view: View, tiles: Array,
    photo: Array, picture: Array,
) -> None:  # fmt: skip
    """`picture.shade_picture`, a thread a pixel."""
    x, y = cuda.grid(2)
    if y < picture.shape[0] and x < picture.shape[1]:
        shot = shade_pixel(x, y, samples, mesh, projected, paint, light, room, view, tiles, photo)
        picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = shot


class _Device:
    """One GPU and what lies on it; frames are drawn one after the other."""

    def __init__(self) -> None:
        # Neighbours in a team draw on different GPUs; without a team, worker processes spread over all of them.
        place = int(os.environ.get("LOCAL_RANK", os.getpid()))
        cuda.select_device(place % len(cuda.gpus))
        self._lock = Lock()
        self._kept: OrderedDict[int, tuple[NDArray[Any], Any]] = OrderedDict()
        self._buffers: dict[str, Any] = {}

    def draw(self, scene: Scene, height: int, width: int) -> tuple[Array, Samples]:
        """See `draw_on_gpu`."""
        with self._lock, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Grid size")  # numba's, about pictures too small for a GPU
            return self._draw(scene, height, width)

    def _draw(self, scene: Scene, height: int, width: int) -> tuple[Array, Samples]:
        mesh = scene.mesh._replace(
            points=self._sent("points", scene.mesh.points), normals=self._sent("normals", scene.mesh.normals)
        )
        mesh, light, view = self._all_still(mesh), scene.light, scene.view
        if len(scene.seen_by_light):
            seen, shape = self._sent("seen", scene.seen_by_light), light.shadow_map.shape
            shadow = self._rasterised("shadow", seen, mesh.faces, len(scene.mesh.faces), shape)
            light = light._replace(shadow_map=shadow.nearness)
        light = light._replace(shadow_centre=self._sent("centre", light.shadow_centre))
        room = scene.room._replace(feet=self._sent("feet", scene.room.feet))
        points = self._sent("projected", project_view(scene.mesh.points, view, SAMPLES_PER_PX))
        shape = (SAMPLES_PER_PX * height, SAMPLES_PER_PX * width)
        samples = self._rasterised("view", points, mesh.faces, scene.one_sided, shape)
        view = view._replace(rotation=self._sent("rotation", view.rotation))
        picture, photo = self._buffer("picture", (height, width, 3), np.float32), self._sent("photo", scene.photo)
        shade[_grid(width, height), BLOCK_WH](
            samples, mesh, points, self._all_still(scene.paint), self._all_still(light), self._all_still(room),
            self._all_still(view), self._still(bank()), photo, picture,
        )  # fmt: skip
        return picture.copy_to_host(), Samples(*(field.copy_to_host() for field in samples))

    def _rasterised(self, name: str, points: Any, faces: Any, one_sided: int, shape: tuple[int, ...]) -> Any:
        keys = self._buffer(f"{name} keys", shape, np.uint64)
        samples = Samples(
            self._buffer(f"{name} nearness", shape, np.float32), self._buffer(f"{name} face", shape, np.int32)
        )
        blocks = -(-len(faces) * LANES // THREADS)
        if blocks:
            draw_triangles[blocks, THREADS](points, faces, one_sided, keys)
        unpack[_grid(shape[1], shape[0]), BLOCK_WH](keys, samples)
        return samples

    def _all_still(self, record: Any) -> Any:
        """A record with all of its arrays on the GPU."""
        return type(record)(*(self._still(field) if isinstance(field, np.ndarray) else field for field in record))

    def _still(self, array: NDArray[Any]) -> Any:
        """The array on the GPU, sent when it is first met; the host's is kept, so its identity stays its own."""
        found = self._kept.get(id(array))
        if found is None:
            found = self._kept[id(array)] = array, cuda.to_device(np.ascontiguousarray(array))
        self._kept.move_to_end(id(array))
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found[1]

    def _sent(self, name: str, array: NDArray[Any]) -> Any:
        """The array of this frame on the GPU, in the place of that of the frame before."""
        array = np.ascontiguousarray(array)
        place = self._buffers.get(name)
        if place is not None and place.shape == array.shape and place.dtype == array.dtype and array.size:
            place.copy_to_device(array)
        else:
            place = self._buffers[name] = cuda.to_device(array)
        return place

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """A place on the GPU to draw into; zeros when it is made."""
        place = self._buffers.get(name)
        if place is None or place.shape != shape:
            place = self._buffers[name] = cuda.to_device(np.zeros(shape, dtype))
        return place


def _grid(width: int, height: int) -> tuple[int, int]:
    return -(-width // BLOCK_WH[0]), -(-height // BLOCK_WH[1])


@lru_cache(maxsize=1)
def _device() -> _Device:
    return _Device()


def draw_on_gpu(scene: Scene, height: int, width: int) -> tuple[Array, Samples]:
    """As `canvas.draw_on_cpu`, on a GPU; equal up to rounding."""
    return _device().draw(scene, height, width)

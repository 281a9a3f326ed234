"""A GPU draws what the CPU draws: in numba's simulator, through the real compiler, and where there is one, itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.synth import canvas, gpu
from sa3dhp_edge.synth.canvas import SETTING, gpu_trouble, trial_scene
from sa3dhp_edge.synth.cpu import draw_on_cpu
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.render import render_clips

ROOT = Path(__file__).resolve().parents[2]
SIMULATED = """
import numpy as np
from sa3dhp_edge.synth import canvas, gpu
def compare(scene):
    (light, samples), (right, known) = gpu.draw_on_gpu(scene, 6, 8), canvas.draw_on_cpu(scene, 6, 8)
    assert np.abs(light - right).max() < 1e-5, np.abs(light - right).max()
    assert np.allclose(samples.nearness, known.nearness, rtol=1e-6)
    assert ((samples.face < 0) == (known.face < 0)).all() and len(np.unique(known.face)) > 2
    return right
scene = canvas.trial_scene()
first = compare(scene)
mesh, faces = scene.mesh, scene.mesh.faces[::-1].copy()
turned = mesh._replace(faces=faces, part=mesh.part[::-1].copy(), points=mesh.points + np.float32([90, 0, 0]))
photo = np.full((6, 8, 3), 0.3, np.float32)
other = scene._replace(mesh=turned, seen_by_light=canvas.NO_POINTS, photo=photo, light=scene.light._replace(shadow=0.0))
assert np.abs(compare(other) - first).max() > 0.05
print("alike")
"""
COMPILED = """
import numba.cuda.dispatcher as dispatcher
from numba import cuda, typeof
from numba.cuda.cudadrv import nvvm
if cuda.implementation != "Built-in" or not nvvm.is_available():
    raise SystemExit(print("no compiler"))
class Hopper:
    compute_capability = (9, 0)
dispatcher.get_current_device = lambda: Hopper
import numpy as np
from sa3dhp_edge.synth import canvas, gpu
from sa3dhp_edge.synth.patterns import bank
from sa3dhp_edge.synth.raster import empty_samples
s, samples, keys = canvas.trial_scene(), empty_samples(16, 16), np.zeros((16, 16), np.uint64)
picture = np.zeros((8, 8, 3), np.float32)
everything = (samples, s.mesh, s.seen_by_light, s.paint, s.light, s.room, s.view, bank(), s.photo, picture)
for kernel, given in ((gpu.draw_triangles, (s.seen_by_light, s.mesh.faces, 4, keys)), (gpu.unpack, (keys, samples)),
                      (gpu.shade, everything)):
    ptx, _ = cuda.compile_ptx(kernel.py_func, tuple(typeof(a) for a in given), device=False, cc=(9, 0))
    assert ".entry" in ptx
    assert "atom.global.max.u64" in ptx or kernel is not gpu.draw_triangles
print("compiled")
"""


def python(code: str, **environment: str) -> str:
    """What a Python of its own prints; its errors are shown."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.fixture
def unsettled(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    canvas.canvas.cache_clear()
    yield monkeypatch
    canvas.canvas.cache_clear()


@pytest.mark.slow
def test_a_simulated_gpu_draws_what_the_cpu_draws() -> None:
    """Also with another mesh, no shadow and a photo after it, when places on the GPU are used again."""
    assert python(SIMULATED, NUMBA_ENABLE_CUDASIM="1") == "alike"


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu() -> None:
    """The compiler refuses what the simulator, which is Python, takes."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    if python(COMPILED, CUDA_HOME=home) != "compiled":
        pytest.skip("no NVVM, or another CUDA target than numba's own")


def test_the_setting_decides(unsettled: pytest.MonkeyPatch) -> None:
    unsettled.setattr(canvas, "gpu_trouble", lambda: "there is none")
    for word in ("cpu", "auto"):
        unsettled.setenv(SETTING, word)
        canvas.canvas.cache_clear()
        assert not canvas.draws_on_gpu()
    for word, said in (("gpu", "there is none"), ("cuda", "'cuda'")):
        unsettled.setenv(SETTING, word)
        canvas.canvas.cache_clear()
        with pytest.raises(ConfigError, match=said):
            canvas.canvas()


def test_a_gpu_that_draws_something_else_or_fails_is_not_used(unsettled: pytest.MonkeyPatch) -> None:
    unsettled.delenv(SETTING, raising=False)
    unsettled.setattr(gpu.cuda, "is_available", lambda: True)
    unsettled.setattr(gpu, "draw_on_gpu", draw_on_cpu)
    assert gpu_trouble() == ""
    assert canvas.draws_on_gpu() is False  # the same function stands for both here

    def wrong(*asked: object) -> object:
        light, samples = draw_on_cpu(*asked)  # type: ignore[arg-type]
        return light[::-1], samples

    unsettled.setattr(gpu, "draw_on_gpu", wrong)
    assert "other pictures" in gpu_trouble()

    def failing(*asked: object) -> object:
        raise RuntimeError("CUDA_ERROR_UNSUPPORTED_PTX_VERSION\nmore")

    unsettled.setattr(gpu, "draw_on_gpu", failing)
    assert gpu_trouble().endswith("RuntimeError: CUDA_ERROR_UNSUPPORTED_PTX_VERSION")
    assert not canvas.draws_on_gpu()


def test_the_trial_shows_parts_shadow_and_room() -> None:
    scene = trial_scene()
    light, samples = draw_on_cpu(scene, 24, 24)
    assert set(np.unique(samples.face)) == {-1, 0, 1, 2, 3}
    without, _ = draw_on_cpu(scene._replace(light=scene.light._replace(shadow=0.0)), 24, 24)
    assert (without - light).max() > 0.02
    assert (without - light).min() > -1e-6


@pytest.mark.gpu
def test_clips_from_a_gpu_are_those_of_the_cpu(unsettled: pytest.MonkeyPatch, motion: MotionSet) -> None:
    """States the images per second of both, of one process; `pytest -rP` shows them."""
    for name in ("studio", "site", "wide"):
        sets, speed = {}, {}
        for where in ("gpu", "cpu"):
            unsettled.setenv(SETTING, where)
            canvas.canvas.cache_clear()
            if where == "gpu" and gpu_trouble():
                pytest.skip(gpu_trouble())
            for seed in (1, 2):  # the first one warms up
                start = time.perf_counter()
                sets[where] = render_clips(
                    DOMAINS[name], motion, clips=4, frames_per_clip=8, fps=5, crop_px=128, seed=seed
                )
                speed[where] = 32 / (time.perf_counter() - start)
        found, right = sets["gpu"], sets["cpu"]
        sys.stdout.write(f"{name}: {speed['gpu']:.0f} images/s with the GPU, {speed['cpu']:.0f} without\n")
        for field in ("joints_mm", "joints_uv", "box_xyxy_px"):
            np.testing.assert_array_equal(getattr(found, field), getattr(right, field))
        assert found.visible is not None
        assert right.visible is not None
        assert (found.visible == right.visible).mean() > 0.995
        off = np.abs(found.images.astype(int) - right.images)
        assert off.mean() < 0.5
        assert (off > 12).mean() < 0.005

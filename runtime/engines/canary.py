"""Does a loaded engine give the poses that ONNX Runtime gave for the same pictures?

An engine can load and be wrong: another version orders its outputs anew, a kernel is at fault, half precision is not
enough. A few pictures tell it at once, in mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as ZlibError

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.backends.onnx_runtime import OnnxBackend
from runtime.engines.log_causes import AGAIN
from sa3dhp_edge.atomic import write_bytes
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.errors import CanaryError, EngineError, ModelError, ShapeError
from sa3dhp_edge.skeleton import JOINTS

BUDGET_MM = {"fp32": 0.5, "fp16": 5.0, "int8": 15.0}
"""Mean distance over pictures and joints that each precision may cost. Single precision is summed in another order,
half has 11 bits of mantissa, INT8 256 steps; more than this is a fault, not rounding."""
PICTURES = 4
_SEED = 2204
_BLUR_SHARE = 1 / 16
_GREY = 128


@dataclass(frozen=True)
class Canary:
    """Pictures with the poses that are expected of them.

    Attributes:
        pictures_rgb: (N, S, S, 3) uint8 RGB.
        pose_mm: (N, 17, 3) mm, ONNX Runtime's answers.
    """

    pictures_rgb: NDArray[np.uint8]
    pose_mm: NDArray[np.float32]


def canary_pictures(side_px: int) -> NDArray[np.uint8]:
    """(4, S, S, 3) uint8: three of blurred noise, the same on each call, and a grey one."""
    noise = np.random.default_rng(_SEED).uniform(0, 255, (PICTURES - 1, side_px, side_px, 3))
    pictures = [cv2.GaussianBlur(p, (0, 0), max(side_px * _BLUR_SHARE, 1.0)) for p in noise]
    stretched = [np.clip((p - p.mean()) / max(p.std(), 1e-6) * 50 + _GREY, 0, 255) for p in pictures]
    return np.stack([*stretched, np.full((side_px, side_px, 3), _GREY)]).astype(np.uint8)


def make_canary(model: Path, contract: ModelContract) -> Canary:
    """Ask ONNX Runtime.

    Raises:
        ModelError: the network does not run there, or answers with something that is not finite.
    """
    pictures = canary_pictures(contract.crop_px)
    pose = tuple(t for t in contract.outputs if t.name == "pose_mm")
    backend = OnnxBackend(model / "g.onnx", contract.inputs, pose, threads=1)
    answer = backend.infer({"image": normalise(pictures, contract.mean, contract.std)})
    backend.close()
    if "pose_mm" not in answer or not np.isfinite(answer["pose_mm"]).all():
        raise ModelError(f"{model} gives no finite pose_mm for plain pictures", "export the model again from its run")
    return Canary(pictures, answer["pose_mm"])


def check_canary(answer_mm: NDArray[np.floating], canary: Canary, budget_mm: float) -> float:
    """Compare an engine's answers for `canary.pictures_rgb` with the expected ones.

    Args:
        answer_mm: (N, 17, 3) mm.
        canary: of the engine.
        budget_mm: see `BUDGET_MM`.

    Returns:
        the mean distance, mm.

    Raises:
        ShapeError: answers of another shape.
        CanaryError: the mean distance is above the budget, or not a number; names the worst joint.
    """
    if answer_mm.shape != canary.pose_mm.shape:
        raise ShapeError(f"answers are {answer_mm.shape}, the canary's are {canary.pose_mm.shape}")
    apart_mm = np.linalg.norm(np.asarray(answer_mm, np.float64) - canary.pose_mm, axis=-1)
    mean_mm = float(apart_mm.mean())
    if mean_mm <= budget_mm:  # false for nan
        return mean_mm
    picture, joint = np.unravel_index(int(np.argmax(np.nan_to_num(apart_mm, nan=np.inf))), apart_mm.shape)
    raise CanaryError(
        f"the engine's poses are {mean_mm:.2f} mm from ONNX Runtime's, {budget_mm:g} are allowed; "
        f"worst is {JOINTS[joint]} in picture {picture} with {apart_mm[picture, joint]:.1f} mm",
        AGAIN,
    )


def save_canary(path: Path, canary: Canary) -> None:
    """Write it as .npz."""
    buffer = BytesIO()
    np.savez_compressed(buffer, pictures_rgb=canary.pictures_rgb, pose_mm=canary.pose_mm)
    write_bytes(path, buffer.getvalue())


def read_canary(path: Path) -> Canary:
    """Read what `save_canary` wrote.

    Raises:
        EngineError: it is missing or damaged.
    """
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return Canary(arrays["pictures_rgb"], arrays["pose_mm"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, ZlibError) as e:
        raise EngineError(f"{path} cannot be read: {e}", AGAIN) from e

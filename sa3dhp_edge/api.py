"""The same verbs from Python: load a model, estimate on an array, go through a video, adapt, export.

    from sa3dhp_edge.api import adapt, export, load_model

    model = load_model()  # the model that comes with the program; or load_model("models/hall")
    pose = model.estimate(image_bgr, box=(100, 40, 320, 470))
    for frame, pose in model.iterate("hall.mp4"):
        ...

Loading and estimating need numpy, OpenCV and ONNX Runtime alone; `adapt` and `export` bring torch in when called.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.backends.base import BackendName
from runtime.config import SmoothingName
from runtime.estimator import Estimator
from runtime.model import Model
from runtime.service import iterate_poses
from runtime.world import World
from sa3dhp_edge.contract import ModelContract
from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.extras import need
from sa3dhp_edge.geometry import Intrinsics
from sa3dhp_edge.records import Box, Frame, Pose
from sa3dhp_edge.shipped import SHIPPED
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM

__all__ = ["PoseModel", "adapt", "export", "load_model"]


class PoseModel:
    """An exported model, ready to estimate; made by `load_model`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def contract(self) -> ModelContract:
        """What the model's folder says of itself."""
        return self._model.contract

    def estimate(
        self, image_bgr: NDArray[np.uint8], box: Box,
        *, intrinsics: Intrinsics | None = None, height_mm: float = TEMPLATE_HEIGHT_MM,
    ) -> Pose:  # fmt: skip
        """The pose of the person in a box of one picture.

        Args:
            image_bgr: (H, W, 3) uint8.
            box: x0, y0, x1, y1 in pixels; the square around its centre is looked at.
            intrinsics: the camera's; without them a focal length is assumed and `root_mm` is None.
            height_mm: of the person.

        Raises:
            ShapeError: a picture or box that is none.
        """
        if image_bgr.ndim != 3:
            raise ShapeError(f"a picture is (H, W, 3) uint8, got {image_bgr.shape}")
        x0, y0, x1, y1 = box
        if not (np.isfinite(box).all() and x0 < x1 and y0 < y1):
            raise ShapeError(f"a box is x0, y0, x1, y1 in pixels with x0 < x1 and y0 < y1, got {box}")
        height, width = image_bgr.shape[:2]
        camera = intrinsics or Intrinsics.guess((width, height))
        return Estimator(self._model, camera, height_mm).poses(Frame(image_bgr, 0, 0.0), [box])[0]

    def iterate(
        self, source: Path | str | int, *, box: Box | None = None, detector: Path | None = None,
        intrinsics: Intrinsics | Path | None = None, height_mm: float = TEMPLATE_HEIGHT_MM,
        smoothing: SmoothingName | None = None, world: World | Path | None = None,
    ) -> Iterator[tuple[Frame, Pose | None]]:  # fmt: skip
        """Every frame of a video, folder or camera with the followed person's pose, or None.

        Args:
            source: a path, an address, or a camera's index.
            box: where the person is at the start, pixels.
            detector: a YOLOX-style ONNX person detector in place of the built-in search.
            smoothing: against jitter; None takes "smooth" for files and "live" for cameras, "raw" leaves it.
            world: world.json of `calib floor`, or what it says; poses then have `world_joints_mm`.
        """
        followed = iterate_poses(
            self._model, source, box=box, detector=detector, intrinsics=intrinsics, height_mm=height_mm,
            smoothing=smoothing, world=world,
        )  # fmt: skip
        return ((frame, next(iter(poses), None)) for frame, poses in followed)

    def iterate_people(
        self, source: Path | str | int, *, max_people: int = 8, detector: Path | None = None,
        intrinsics: Intrinsics | Path | None = None, height_mm: float = TEMPLATE_HEIGHT_MM,
        smoothing: SmoothingName | None = None, world: World | Path | None = None,
    ) -> Iterator[tuple[Frame, tuple[Pose, ...]]]:  # fmt: skip
        """Every frame of a video, folder or camera with the poses of everybody in it; `Pose.track` says who is who.

        Args:
            max_people: so many at once.
        """
        return iterate_poses(
            self._model, source, max_people=max_people, detector=detector, intrinsics=intrinsics, height_mm=height_mm,
            smoothing=smoothing, world=world,
        )  # fmt: skip

    def close(self) -> None:
        """Give the networks' memory back."""
        self._model.close()


def load_model(
    folder: Path | str = SHIPPED, *, threads: int = 0, backend: BackendName = "auto", engines: Path | None = None
) -> PoseModel:
    """Load an exported model; every file is checked against its hash.

    Args:
        folder: what `export` wrote; without it, the model that comes with the program.
        threads: of the inference engine; 0 leaves the choice to it.
        backend: "auto" takes TensorRT where an engine of the model is stored for this machine, else ONNX Runtime.
        engines: where engines are stored; None for the default folder.

    Raises:
        ModelError: no model there, a damaged one, or one of another format.
        EngineError, MissingPackage: "tensorrt" was asked for and cannot be had.
    """
    return PoseModel(Model.load(folder, threads, backend, engines))


def adapt(
    target: Path | str, out: Path | str, *, start: Path | str | None = SHIPPED, source: str = "synth",
    poses: Path | None = None, preset: str | None = None, overrides: tuple[str, ...] = (), resume: bool = False,
    box: Box | None = None, detector: Path | None = None, labelled: tuple[str, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """Adapt to unlabelled video; as `sa3dhp-edge adapt`.

    Args:
        target: a video, a folder of videos, or a frame set.
        out: the run's folder.
        start: a model or run to start from, else the model that comes with the program; None trains all stages.
        overrides: settings as `section.key=value`.
        labelled: folders of labelled frames to replay beside the source.

    Returns:
        what adaptation measured without labels; the adapted model is in the run, for `export`.
    """
    need("adapt", "adaptation")
    from sa3dhp_edge.jobs.adapt import adapt as job

    return job(
        target=Path(target), source=source, poses=poses, start=None if start is None else str(start), preset=preset,
        overrides=overrides, out=Path(out), resume=resume, box=box, detector=detector, beside=labelled,
    )  # fmt: skip


def export(
    run: Path | str, out: Path | str, *, name: str | None = None, crops: Path | None = None, precision: str = "fp32"
) -> dict[str, Any]:
    """Write a model folder from a run; as `sa3dhp-edge export`. Returns the parity report, in mm."""
    need("export", "export")
    from sa3dhp_edge.jobs.export import export_model

    return export_model(run=str(run), out=Path(out), name=name, crops=crops, precision=precision)

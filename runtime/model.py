"""A model folder, loaded: pictures in, poses in the crop's frame out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.backends.base import AbstractBackend, Arrays, BackendName
from runtime.backends.onnx_runtime import OnnxBackend
from runtime.backends.opening import open_network
from sa3dhp_edge.contract import ModelContract, Tensor, confidence_cues, disagreement_mm, read_contract
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.errors import ContractMismatch, ShapeError
from sa3dhp_edge.shipped import model_folder
from sa3dhp_edge.skeleton import J

Floats = NDArray[np.float32]

_NEEDED = ("z", "pose_mm", "camera", "joints_uv")
_POSE = Tensor("pose_mm", ("batch", J, 3))


@dataclass(frozen=True)
class ModelOutput:
    """What the network says of N pictures.

    Attributes:
        z: (N, Z) pose latents.
        pose_mm: (N, 17, 3) mm, root-relative, template size, crop frame.
        camera: (N, 3) weak perspective: scale in uv per metre, tx, ty in uv.
        joints_uv: (N, 17, 2) crop coordinates, -1..1 across the crop.
        joint_score: (N, 17), or None where the network gives none.
        cycle: (N,) mean |z - E_p(D_p(z))|: how far z is from what the pose prior knows.
    """

    z: Floats
    pose_mm: Floats
    camera: Floats
    joints_uv: Floats
    joint_score: Floats | None
    cycle: Floats

    @cached_property
    def cues(self) -> NDArray[np.float64]:
        """(N, 3) what tells of each pose's error; see `confidence_cues`."""
        return confidence_cues(self.pose_mm, self.camera, self.joints_uv, self.joint_score, self.cycle)

    @cached_property
    def apart_mm(self) -> NDArray[np.float64]:
        """(N, 17) how far 2D and 3D are apart at each joint; see `disagreement_mm`."""
        return disagreement_mm(self.pose_mm, self.camera, self.joints_uv)


class Model:
    """The networks of a model folder; made by `Model.load`."""

    def __init__(self, contract: ModelContract, folder: Path, threads: int, g: AbstractBackend) -> None:
        self.contract = contract
        self.folder = folder
        self._threads = threads
        self._g = g
        self._e_p: AbstractBackend | None = None
        self._e_m: AbstractBackend | None = None

    @staticmethod
    def load(
        folder: Path | str, threads: int = 0, backend: BackendName = "onnx", engines: Path | None = None
    ) -> Model:  # fmt: skip
        """Read a model folder, checking every file against its hash and every tensor against the contract.

        Args:
            folder: what `sa3dhp-edge export` wrote, or `shipped`.
            threads: threads of one operator; 0 leaves the choice to the engine.
            backend: what computes the image network; the small ones always run on ONNX Runtime.
            engines: where TensorRT's engines are stored; None for the default folder.

        Raises:
            ModelError: no model there, or a damaged one.
            ContractMismatch: a network whose inputs or outputs are not the promised ones.
            EngineError, MissingPackage: as `open_network`.
        """
        folder = model_folder(folder)
        contract = read_contract(folder)
        missing = [name for name in _NEEDED if name not in {t.name for t in contract.outputs}]
        if missing:
            raise ContractMismatch(
                f"{folder}: the contract lists no output {', '.join(missing)}", "export the model again from its run"
            )
        return Model(contract, folder, threads, open_network(folder, contract, backend, threads, engines))

    @property
    def crop_px(self) -> int:
        """Side of the pictures that `estimate` takes."""
        return self.contract.crop_px

    @property
    def network(self) -> AbstractBackend:
        """What computes the image network."""
        return self._g

    def warm_up(self) -> None:
        """Load and run every network that `estimate` needs once."""
        self.estimate(np.zeros((1, self.crop_px, self.crop_px, 3), np.uint8))

    def estimate(self, pictures_rgb: NDArray[np.uint8]) -> ModelOutput:
        """Poses of N crops.

        Args:
            pictures_rgb: (N, S, S, 3) uint8 RGB with S = `crop_px`.

        Raises:
            ShapeError: pictures of another shape or type.
        """
        return self.read(self._g.infer(self.prepare(pictures_rgb)))

    def prepare(self, pictures_rgb: NDArray[np.uint8]) -> Arrays:
        """What `network` takes, of pictures as `estimate` takes them.

        Raises:
            ShapeError: pictures of another shape or type.
        """
        side = self.crop_px
        if pictures_rgb.shape[1:] != (side, side, 3) or pictures_rgb.dtype != np.uint8:
            raise ShapeError(
                f"pictures must be (N, {side}, {side}, 3) uint8, got {pictures_rgb.shape} {pictures_rgb.dtype}"
            )
        return {"image": normalise(pictures_rgb, self.contract.mean, self.contract.std)}

    def read(self, out: Arrays) -> ModelOutput:
        """What `network` said, with a look at the prior."""
        back = self._prior().infer({"pose_mm": out["pose_mm"]})["z"]
        return ModelOutput(
            z=out["z"],
            pose_mm=out["pose_mm"],
            camera=out["camera"],
            joints_uv=out["joints_uv"],
            joint_score=out.get("joint_score"),
            cycle=np.asarray(np.abs(out["z"] - back).mean(-1), np.float32),
        )

    def motion_latent(self, z_window: Floats) -> Floats:
        """(N, V) motion latents of (N, 30, Z) windows of pose latents."""
        if self._e_m is None:
            z_window_tensor = Tensor("z_window", ("batch", self.contract.window_frames, "z"))
            motion = (Tensor("v", ("batch", "v")),)
            self._e_m = OnnxBackend(self.folder / "e_m.onnx", (z_window_tensor,), motion, self._threads)
        return self._e_m.infer({"z_window": z_window})["v"]

    def close(self) -> None:
        """Give the networks' memory back."""
        for backend in (self._g, self._e_p, self._e_m):
            if backend is not None:
                backend.close()

    def _prior(self) -> AbstractBackend:
        if self._e_p is None:
            path = self.folder / "frozen" / "e_p.onnx"
            self._e_p = OnnxBackend(path, (_POSE,), (Tensor("z", ("batch", "z")),), self._threads)
        return self._e_p

"""What goes in and out of an exported model, and what its folder must hold: `contract.json`.

g.onnx                image -> z, pose_mm, camera, joints_uv[, joint_score]; the frozen decoder is inside
e_m.onnx              z_window -> v
frozen/*.onnx         e_p (pose_mm -> z), d_p (z -> pose_mm), d_m (v -> z_window), relation nets (z or v)
weights/              the same networks for further adaptation: *.safetensors with settings.json
                      (the shipped model keeps in frozen/ what the runtime needs, e_p; its g.onnx and e_m.onnx point
                      into weights/, where matrices are in half precision)
parity.json           what the export measured, in mm
contract.json         this record, with a hash of every file above
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import ContractMismatch, ModelError
from sa3dhp_edge.skeleton import JOINTS, PARENTS, TEMPLATE_BONE_MM, TEMPLATE_HEIGHT_MM

FORMAT = 1
FILE = "contract.json"
PRECISIONS = ("fp32", "fp16", "int8")
_AGAIN = "export the model again from its run"
FRAME = "ray of the crop: x right, y down, z forward"


@dataclass(frozen=True)
class Tensor:
    """Name and shape of one input or output; a letter stands for a size chosen at run time."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class RelationNet:
    """A relation transformer in the folder: rule, latent it moves ("z" or "v"), its held-out error."""

    rule: str
    latent: str
    file: str
    held_out_error: float


CUES = ("doubt", "disagreement", "cycle")
"""What tells of a pose's error without a label; see `confidence_cues`."""


@dataclass(frozen=True)
class ErrorModel:
    """A pose's expected error: exp(offset + weights . cues) in mm, fitted where the truth is known.

    Attributes:
        offset: see above.
        weights: one per `CUES`, none below 0: more doubt never means less error.
        least_mm, typical_mm, most_mm: smallest, median and largest expected error of the frames it was fitted on.
        useless_mm: from here on a pose is worth nothing: as wrong as the pose of another frame, or as G is where
            nobody is.
    """

    offset: float
    weights: tuple[float, float, float]
    least_mm: float
    typical_mm: float
    most_mm: float
    useless_mm: float

    def __post_init__(self) -> None:
        # written so that nan, which compares as false, is refused as well
        if not (self.least_mm <= self.typical_mm <= self.most_mm and self.typical_mm < self.useless_mm):
            raise ValueError(f"an expected error of {self.least_mm}, {self.typical_mm}, {self.most_mm} mm")
        if len(self.weights) != len(CUES) or not min(self.weights) >= 0:
            raise ValueError(f"weights {self.weights}")

    def unbounded_mm(self, cues: NDArray[np.floating]) -> NDArray[np.float64]:
        """What the formula gives for cues (N, 3): (N,) mm, beyond what was seen as well; infinite for cues that are not
        finite."""
        exponent = self.offset + np.asarray(cues, np.float64) @ np.array(self.weights)
        return np.exp(np.where(np.isfinite(exponent), np.minimum(exponent, 50.0), np.inf))

    def expected_mm(self, cues: NDArray[np.floating]) -> NDArray[np.float64]:
        """Expected error of poses with the cues (N, 3): (N,) mm within the range that was seen."""
        return np.clip(self.unbounded_mm(cues), self.least_mm, self.most_mm)

    def confidence(self, cues: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N,): 1 at a typical source frame's expected error and below, 0 from `useless_mm` on, linear between."""
        return np.clip((self.useless_mm - self.unbounded_mm(cues)) / (self.useless_mm - self.typical_mm), 0.0, 1.0)

    def joint_confidence(
        self, cues: NDArray[np.floating], apart_mm: NDArray[np.floating]
    ) -> NDArray[np.float64] | None:
        """(N, J): 1 - e / `useless_mm`, not below 0, where e is each joint's share of its pose's expected error.

        Shares go by the joints' own disagreement `apart_mm` (N, J) of `disagreement_mm`, by the weight that poses'
        disagreement has, and their mean is the pose's error. None where that cue tells nothing.
        """
        if not self.weights[1]:
            return None
        share = np.exp(self.weights[1] * np.log1p(np.where(np.isfinite(apart_mm), apart_mm, 0.0)))
        expected = self.unbounded_mm(cues)[:, None] * (share / share.mean(-1, keepdims=True))
        return np.asarray(np.clip(1 - expected / self.useless_mm, 0.0, 1.0), np.float64)


@dataclass(frozen=True)
class Confidence:
    """What a run-time confidence is measured against, from held-out source frames.

    Attributes:
        cycle: median of mean |z - E_p(D_p(z))|.
        joint_score: median of the mean joint score; None where G gives none.
        mpjpe, pa_mpjpe: expected error without and after similarity alignment; None where no cue tells of it, and in
            models of earlier versions.
    """

    cycle: float
    joint_score: float | None
    mpjpe: ErrorModel | None = None
    pa_mpjpe: ErrorModel | None = None

    @staticmethod
    def read(raw: dict[str, Any]) -> Confidence:
        """From JSON.

        Raises:
            KeyError, TypeError, ValueError: something is missing, too much, or no number.
        """
        score = raw["joint_score"]
        models = {name: _error_model(raw.get(name)) for name in ("mpjpe", "pa_mpjpe")}
        return Confidence(float(raw["cycle"]), None if score is None else float(score), **models)


def disagreement_mm(
    pose_mm: NDArray[np.floating], camera: NDArray[np.floating], joints_uv: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(N, 17) mm, at the template's size, between G's 2D joints and its pose projected by its own camera.

    Args:
        pose_mm: (N, 17, 3).
        camera: (N, 3) weak perspective.
        joints_uv: (N, 17, 2).
    """
    scale = np.maximum(camera[:, :1], 1e-3)
    projected = pose_mm[..., :2] / 1000 * scale[:, None] + camera[:, None, 1:]
    return np.asarray(np.linalg.norm(projected - joints_uv, axis=-1) / scale * 1000, np.float64)


def confidence_cues(
    pose_mm: NDArray[np.floating],
    camera: NDArray[np.floating],
    joints_uv: NDArray[np.floating],
    joint_score: NDArray[np.floating] | None,
    cycle: NDArray[np.floating],
) -> NDArray[np.float64]:
    """(N, 3) numbers that grow with a pose's error, in the order of `CUES`.

    doubt: 1 - mean joint score, 0 where G gives none. disagreement: log of 1 + mean `disagreement_mm`. cycle: log of
    1 + 1000 |z - E_p(D_p(z))|.

    Args:
        pose_mm: (N, 17, 3).
        camera: (N, 3) weak perspective.
        joints_uv: (N, 17, 2).
        joint_score: (N, 17) or None.
        cycle: (N,) mean |z - E_p(D_p(z))|.
    """
    apart_mm = disagreement_mm(pose_mm, camera, joints_uv).mean(-1)
    doubt = np.zeros(len(cycle)) if joint_score is None else 1.0 - joint_score.mean(-1)
    return np.stack([doubt, np.log1p(apart_mm), np.log1p(1000 * cycle)], -1).astype(np.float64)


@dataclass(frozen=True)
class ModelContract:
    """Everything a runtime must know before it feeds a model; see the module's text for the files."""

    name: str
    preset: str
    crop_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    window_frames: int
    window_fps: float
    relations: tuple[RelationNet, ...]
    confidence: Confidence
    files: dict[str, str]
    versions: dict[str, str]
    created: str
    lineage: tuple[str, ...] = ()
    precision: str = "fp32"
    """Of `PRECISIONS`: what the trunk of G computes in; everything around it is float32."""
    calibration_sha256: str = ""
    """Of the pictures that INT8 scales were taken from."""
    format: int = FORMAT
    color: str = "RGB"
    scale: float = 1 / 255
    unit: str = "mm"
    frame: str = FRAME
    joints: tuple[str, ...] = JOINTS
    parents: tuple[int, ...] = PARENTS
    template_bone_mm: tuple[float, ...] = tuple(float(b) for b in TEMPLATE_BONE_MM)
    template_height_mm: float = TEMPLATE_HEIGHT_MM

    def __post_init__(self) -> None:
        if self.joints != JOINTS or self.parents != PARENTS:
            raise ContractMismatch(
                f"the model's skeleton is {', '.join(self.joints)}; ours is {', '.join(JOINTS)}", _AGAIN
            )
        if self.unit != "mm" or self.frame != FRAME:
            raise ContractMismatch(
                f"the model speaks {self.unit} in frame {self.frame!r}; ours is mm in {FRAME!r}", _AGAIN
            )
        missing = {"g.onnx", "e_m.onnx"} - set(self.files)
        if missing:
            raise ContractMismatch(f"the contract names no {', '.join(sorted(missing))}", _AGAIN)
        if self.precision not in PRECISIONS:
            raise ContractMismatch(
                f"the model's precision is {self.precision!r}; there are {', '.join(PRECISIONS)}", _AGAIN
            )
        image = [(t.name, *t.shape[1:]) for t in self.inputs]
        if image != [("image", 3, self.crop_px, self.crop_px)]:
            raise ContractMismatch(f"the contract's inputs are {image}, its crops have {self.crop_px} px", _AGAIN)

    def sha256(self) -> str:
        """One hash for the whole model: of its files' hashes."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_contract(model: Path) -> ModelContract:
    """Read a model folder's contract and check every file it names against its hash.

    Raises:
        ModelError: no model folder, an unreadable contract, another format, a missing or changed file.
        ContractMismatch: a contract that is readable but not ours.
    """
    hint = "make a model folder with `sa3dhp-edge export RUN --out MODEL`"
    if not (model / FILE).is_file():
        what = "is no model folder: it has no contract.json" if model.exists() else "is not there"
        raise ModelError(f"{model} {what}", hint)
    try:
        raw = json.loads((model / FILE).read_text())
        version = int(raw["format"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ModelError(f"{model / FILE} cannot be read as a contract: {e}", hint) from e
    if version != FORMAT:
        way = "update sa3dhp-edge" if version > FORMAT else "export the model again from its run"
        raise ModelError(f"{model} has model format {version}, this version reads {FORMAT}", way)
    contract = _from_json(raw, model)
    for name, wanted in contract.files.items():
        path = model / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ModelError(f"{model / FILE} names a file outside the folder: {name}", hint)
        if not path.is_file():
            raise ModelError(f"{model} is incomplete: {name} is missing", hint)
        if file_sha256(path) != wanted:
            raise ModelError(f"{path} is damaged or was exchanged: its hash is not the contract's", hint)
    return contract


def _from_json(raw: dict[str, Any], model: Path) -> ModelContract:
    names = {f.name for f in dataclasses.fields(ModelContract)}
    unknown = sorted(set(raw) - names)
    if unknown:
        raise ContractMismatch(f"{model / FILE} has unknown fields: {', '.join(unknown)}", _AGAIN)
    try:
        made: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        made["inputs"] = tuple(Tensor(t["name"], tuple(t["shape"]), t["dtype"]) for t in raw["inputs"])
        made["outputs"] = tuple(Tensor(t["name"], tuple(t["shape"]), t["dtype"]) for t in raw["outputs"])
        made["relations"] = tuple(RelationNet(**r) for r in raw["relations"])
        made["confidence"] = Confidence.read(raw["confidence"])
        made["mean"], made["std"] = _three(raw["mean"]), _three(raw["std"])
        made["crop_px"], made["files"] = int(raw["crop_px"]), dict(raw["files"])
        return ModelContract(**made)
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise ContractMismatch(f"{model / FILE} is incomplete: {e}", _AGAIN) from e


def _error_model(raw: dict[str, Any] | None) -> ErrorModel | None:
    if raw is None:
        return None
    numbers = {name: float(value) for name, value in raw.items() if name != "weights"}
    return ErrorModel(weights=_three(raw["weights"]), **numbers)


def _three(values: Any) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in values)
    return r, g, b

"""What goes in and out of an exported model, and what its folder must hold: `contract.json`.

g.onnx                image -> z, pose_mm, camera, joints_uv[, joint_score]; the frozen decoder is inside
e_m.onnx              z_window -> v
frozen/*.onnx         e_p (pose_mm -> z), d_p (z -> pose_mm), d_m (v -> z_window), relation nets (z or v)
weights/              the same networks for further adaptation: *.safetensors with settings.json
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

from sa3dhp_edge.errors import ContractMismatch, ModelError
from sa3dhp_edge.skeleton import JOINTS, PARENTS, TEMPLATE_BONE_MM, TEMPLATE_HEIGHT_MM

FORMAT = 1
FILE = "contract.json"
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


@dataclass(frozen=True)
class Confidence:
    """Source-domain references that a run-time confidence is measured against.

    Attributes:
        cycle: median over held-out source frames of mean |z - E_p(D_p(z))|.
        joint_score: median over held-out source frames of the mean joint score; None where G gives none.
    """

    cycle: float
    joint_score: float | None


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
        score = raw["confidence"]["joint_score"]
        made["confidence"] = Confidence(float(raw["confidence"]["cycle"]), None if score is None else float(score))
        made["mean"], made["std"] = _three(raw["mean"]), _three(raw["std"])
        made["crop_px"], made["files"] = int(raw["crop_px"]), dict(raw["files"])
        return ModelContract(**made)
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise ContractMismatch(f"{model / FILE} is incomplete: {e}", _AGAIN) from e


def _three(values: Any) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in values)
    return r, g, b

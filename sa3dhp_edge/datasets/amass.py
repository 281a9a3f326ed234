"""AMASS: motion capture of many laboratories as SMPL+H joint rotations, without pictures.

The release "SMPL+H G" unpacks to `<set>/<subject>/<trial>_poses.npz`, later `<trial>_stageii.npz`, with

    poses (N, 156) rad      rotation vectors: root 3, 21 body joints 63, 30 finger joints 90
    trans (N, 3) m          added to the root; Z is up
    betas (16,)             shape
    gender                  male, female or neutral; text or bytes
    mocap_framerate         Hz; mocap_frame_rate in later files
    dmpls (N, 8)            soft tissue, left out here: it moves no joint by more than millimetres

`shape.npz` and `*_stagei.npz` beside them hold no motion. Joints are those of an SMPL+H model, which the user gets
under its own licence and puts into `body_models/smplh/{male,female,neutral}/model.npz` beside the data, or names by
SA3DHP_SMPLH; read from it are J_regressor (52, V), v_template (V, 3) m, shapedirs (V, 3, >=10) and kintree_table
(2, 52). A joint's rest place is J_regressor (v_template + shapedirs betas); each turns its children about itself.

Compared with nghorbani/amass and nghorbani/human_body_prior (body_model.py, lbs), vchoutas/smplx,
open-mmlab/mmhuman3d's converter, EricGuo5513/HumanML3D and facebookresearch/fairmotion, and the sample files of the
first two.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets import npz
from sa3dhp_edge.datasets.record import Inventory, Split, Take
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError

Array = NDArray[np.float64]

MODELS_VARIABLE = "SA3DHP_SMPLH"
"""Environment variable: the folder that holds male/model.npz and the others."""
SKELETON = "smplh52"
_JOINTS = len(SKELETONS[SKELETON].joints)
_NO_MODELS = (
    "AMASS stores joint rotations only; joints need SMPL-H files that you may download under their licence "
    "(mano.is.tue.mpg.de, the extended SMPL+H model)"
)
_PUT = f"put them into body_models/smplh/{{male,female,neutral}}/model.npz beside the data, or set {MODELS_VARIABLE}"
_SPLITS: dict[str, Split] = {
    "HumanEva": "validation", "MPI_HDM05": "validation", "HDM05": "validation", "SFU": "validation",
    "MPI_mosh": "validation", "MoSh": "validation", "Transitions_mocap": "test", "Transitions": "test",
    "SSM_synced": "test", "SSM": "test",
}  # fmt: skip
"""The parts that human_body_prior holds out; all others are for training."""


@dataclass(frozen=True)
class BodyModel:
    """What places the joints: rest (52, 3) m, per_beta (52, 3, B) m, parents (52,) with -1 for the root."""

    rest_m: Array
    per_beta_m: Array
    parents: tuple[int, ...]

    def joints_m(self, poses_rad: Array, trans_m: Array, betas: Array) -> Array:
        """(N, 52, 3) m: forward kinematics of rotation vectors (N, 156)."""
        used = min(len(betas), self.per_beta_m.shape[-1])
        rest = self.rest_m + self.per_beta_m[..., :used] @ betas[:used]
        turns = rotation_matrices(poses_rad.reshape(len(poses_rad), _JOINTS, 3))
        placed = np.empty((len(poses_rad), _JOINTS, 3))
        placed[:, 0] = rest[0]
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                placed[:, joint] = placed[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
                turns[:, joint] = turns[:, parent] @ turns[:, joint]
        return placed + trans_m[:, None]


def rotation_matrices(vectors_rad: Array) -> Array:
    """(..., 3, 3) from rotation vectors (..., 3). Source: Rodrigues 1840."""
    angle = np.linalg.norm(vectors_rad, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors_rad / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))


@lru_cache(maxsize=3)
def read_model(path: Path) -> BodyModel:
    """A `model.npz` of SMPL+H.

    Raises:
        DataError: missing, damaged, or another model; names the file.
    """
    wanted = ("J_regressor", "v_template", "shapedirs", "kintree_table")
    arrays = npz.arrays(path, wanted, "download the extended SMPL+H model again")
    regressor, template, shape, tree = (arrays[name] for name in wanted)
    v = len(template)
    found = {name: arrays[name].shape for name in wanted}
    if (
        regressor.shape != (_JOINTS, v)
        or template.shape != (v, 3)
        or shape.shape[:2] != (v, 3)
        or tree.shape != (2, _JOINTS)
    ):
        raise DataError(
            f"{path} is no SMPL+H model: expected J_regressor (52, V), v_template (V, 3), shapedirs (V, 3, B), "
            f"kintree_table (2, 52), found {found}",
            "AMASS needs SMPL+H (52 joints), not SMPL (24) or SMPL-X (55)",
        )
    parents = (-1, *(int(p) for p in tree[0, 1:].astype(np.int64)))
    if any(not 0 <= parent < joint for joint, parent in enumerate(parents) if joint):
        raise DataError(
            f"{path}: kintree_table does not name each joint's parent before the joint", "download it again"
        )
    return BodyModel(regressor @ template, np.einsum("jv,vcb->jcb", regressor, shape), parents)


def models_folder(folder: Path, models: Path | None = None) -> Path | None:
    """Where the SMPL+H files are: as named, by the environment, or beside the data."""
    named = models or os.environ.get(MODELS_VARIABLE)
    near = [base / "body_models" / "smplh" for base in (folder, folder.parent, folder.parent.parent)]
    places = [Path(named), Path(named) / "smplh"] if named else near
    return next((place for place in places if any(place.glob("*/model.npz"))), None)


class AmassReader:
    """Folders of `<subject>/<trial>_poses.npz`; see the module."""

    name = "amass"
    title = "AMASS"
    layout = "<set>/<subject>/<trial>_poses.npz (SMPL+H G) and body_models/smplh/<gender>/model.npz"

    def recognises(self, folder: Path) -> bool:
        return bool(_files(folder, first_only=True))

    def inventory(self, folder: Path) -> Inventory:
        files = _files(folder)
        if not files:
            raise DataError(f"{folder} has no AMASS file", f"expected {self.layout}")
        if models_folder(folder) is None:
            return Inventory(self.name, folder, (), (f"{_NO_MODELS}: {_PUT}",))
        return Inventory(self.name, folder, tuple(files))

    def read(self, folder: Path, take: str, models: Path | None = None) -> Take:
        files = _files(folder)
        if take not in files:
            raise DataError(f"{folder} has no take {take}", "`inventory` lists them")
        where = models_folder(folder, models)
        if where is None:
            raise DataError(f"{folder}: {_NO_MODELS}", _PUT)
        motion = _read_motion(files[take])
        model = read_model(where / motion.gender / "model.npz")
        joints = model.joints_m(motion.poses_rad, motion.trans_m, motion.betas)
        parts = take.split("/")
        return Take(
            dataset=self.name, name=take, subject="/".join(parts[-3:-1]), action=parts[-1],
            split=next((_SPLITS[part] for part in (*files[take].parts[-3:], ) if part in _SPLITS), "train"),
            fps=motion.fps, skeleton=SKELETON,
            joints_mm=np.asarray(joints @ _LEVEL.T * 1000, np.float32), frames=np.arange(len(joints)),
        )  # fmt: skip


READER = AmassReader()

_LEVEL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From Z up to the project's y down, z forward."""


@dataclass(frozen=True)
class _Motion:
    poses_rad: Array
    trans_m: Array
    betas: Array
    gender: str
    fps: float


def _files(folder: Path, first_only: bool = False) -> dict[str, Path]:
    """Take name -> file, in order; the name is the path below the folder without `_poses` or `_stageii`."""
    found: dict[str, Path] = {}
    for depth in ("*", "*/*", "*/*/*"):
        for path in sorted(folder.glob(f"{depth}.npz")):
            stem = path.stem
            short = stem.removesuffix("_poses").removesuffix("_stageii")
            if short != stem:
                found[str((path.parent / short).relative_to(folder))] = path
                if first_only:
                    return found
    return dict(sorted(found.items()))


def _read_motion(path: Path) -> _Motion:
    again = "unpack this file again from the archive of its part of AMASS"
    data = npz.arrays(path, ("poses", "trans", "betas", "gender"), again, ("mocap_framerate", "mocap_frame_rate"))
    poses, trans, betas = data["poses"], data["trans"], data["betas"]
    n = len(poses) if poses.ndim else 0
    if poses.ndim == 2 and poses.shape[1] == 165:
        raise DataError(f"{path} is of the release SMPL-X (poses {poses.shape})", "download the release SMPL+H G")
    if poses.shape != (n, 3 * _JOINTS) or trans.shape != (n, 3) or betas.ndim != 1 or n == 0:
        raise DataError(
            f"{path}: expected poses (N, 156), trans (N, 3), betas (16,), found {poses.shape}, {trans.shape}, "
            f"{betas.shape}",
            again,
        )
    if not all(np.issubdtype(a.dtype, np.floating) and (np.abs(a) < 1e6).all() for a in (poses, trans, betas)):
        raise DataError(f"{path}: poses, trans or betas hold values that are no numbers", again)
    fps = data.get("mocap_framerate", data.get("mocap_frame_rate"))
    if fps is None or fps.ndim or not np.issubdtype(fps.dtype, np.number) or not float(fps) > 0:
        raise DataError(f"{path} has no mocap_framerate above 0", again)
    raw = data["gender"].reshape(-1)[:1].tolist()
    text = raw[0].decode("latin-1") if raw and isinstance(raw[0], bytes) else str(raw[0] if raw else "")
    if text not in ("male", "female", "neutral"):
        raise DataError(f"{path}: gender is {text!r}, expected male, female or neutral", again)
    return _Motion(poses.astype(float), trans.astype(float), betas.astype(float), text, float(fps))

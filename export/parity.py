"""Does a model folder compute what the trained networks compute? The runtime's own classes answer, in mm.

The reference is PyTorch with the preprocessing of training; the other side is `runtime.model.Model` and the
backend it runs on, fed with the same pictures, one at a time and all at once. A graph in half precision is computed a
third time, with the roundings that a GPU makes and this backend leaves out (`export/as_gpu.py`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.as_gpu import answers_as_gpu
from export.estimator import Estimator, output_names
from export.give_back import GivenBack
from runtime.backends.onnx_runtime import OnnxBackend
from runtime.model import Model, ModelOutput
from sa3dhp_edge.adaptation.views import normalised
from sa3dhp_edge.errors import ParityError
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.motion_autoencoder import WINDOW
from sa3dhp_edge.networks.pose_autoencoder import LATENT
from sa3dhp_edge.skeleton import JOINTS

Floats = NDArray[np.float32]

BUDGET = 1e-4
"""Largest difference of anything that is not in mm; of values beyond 1, as a share of them.

Latents lie within -1..1; uv and camera have no bound, and float32 rounds them by a share of their size.
"""


@dataclass(frozen=True)
class PoseBudget:
    """How far joints may be from those of the trained network, in mm; None does not bound.

    Attributes:
        mean_mm: over all joints and pictures.
        p99_mm: 99 of 100 pictures, of the joint that is worst by it.
        max_mm: any joint of any picture.
        other: largest difference of what else G answers, as `BUDGET` counts it.
    """

    mean_mm: float | None
    p99_mm: float | None
    max_mm: float | None
    other: float


POSE_BUDGET_MM = 0.1
"""Of FP32 networks: no joint of any picture may be further away."""
BUDGETS = {
    "fp32": PoseBudget(None, None, POSE_BUDGET_MM, BUDGET),
    "fp16": PoseBudget(1.0, 5.0, None, 0.03),
    "int8": PoseBudget(3.0, None, None, 0.3),
}
"""By precision."""

_OUTPUTS = ("z", "pose_mm", "camera", "joints_uv", "joint_score")
_PROBES = 64
_WINDOWS = 8


@dataclass(frozen=True)
class JointDifference:
    """How far one joint is from where the trained network puts it, over all pictures, in mm."""

    joint: str
    mean_mm: float
    p99_mm: float


@dataclass(frozen=True)
class PoseDifference:
    """Distance between the joints of reference and exported network, over all pictures, in mm.

    Attributes:
        batch: pictures that were answered together.
        p99_mm: 99 of 100 pictures are below, for the joint that is worst by it.
        worst_joint: the one with `max_mm`.
        precision: of the graph, of `BUDGETS`.
        computed: by what.
        joints: each of them.
    """

    batch: int
    mean_mm: float
    p99_mm: float
    max_mm: float
    worst_joint: str
    precision: str = "fp32"
    computed: str = "ONNX Runtime"
    joints: tuple[JointDifference, ...] = ()

    def failures(self) -> list[str]:
        """A line where it is beyond its budget or not a number."""
        budget = BUDGETS[self.precision]
        bounds = (("mean", self.mean_mm, budget.mean_mm), ("99 of 100", self.p99_mm, budget.p99_mm),
                  ("most", self.max_mm, budget.max_mm))  # fmt: skip
        over = [f"{name} {most:g} mm" for name, found, most in bounds if most is not None and not found <= most]
        if not math.isfinite(self.max_mm):
            over = over or ["finite ones"]
        return over and [
            f"{self.worst_joint} is {self.max_mm:.3g} mm away at batch {self.batch} (mean {self.mean_mm:.3g} mm, "
            f"99 of 100 below {self.p99_mm:.3g} mm; {self.precision}, {self.computed}), allowed: {', '.join(over)}"
        ]


@dataclass(frozen=True)
class ParityReport:
    """What was measured.

    Attributes:
        pictures: how many were compared.
        poses: of G with the decoder, step by step: at batch 1 and with all pictures at once, in each precision on the
            way to the model's own, and as a GPU computes it.
        decoder_mm: largest difference of any coordinate that the decoder on its own answers, in mm; None where the
            folder has it within G alone.
        tensors: largest difference of every other output, measured as `BUDGET` says: of G by its name, of other
            networks that the folder has by theirs.
        precision: of G.
        search: how its INT8 layers were chosen, where it has some.
    """

    pictures: int
    poses: tuple[PoseDifference, ...]
    decoder_mm: float | None
    tensors: dict[str, float]
    precision: str = "fp32"
    search: GivenBack | None = None

    def failures(self) -> list[str]:
        """A line for everything beyond its budget or not a number."""
        lines = [line for pose in self.poses for line in pose.failures()]
        if self.decoder_mm is not None and not self.decoder_mm <= POSE_BUDGET_MM:
            lines.append(f"d_p is {self.decoder_mm:.3g} mm away, allowed are {POSE_BUDGET_MM} mm")
        allowed = {name: BUDGETS[self.precision].other if name in _OUTPUTS else BUDGET for name in self.tensors}
        wrong = {name: value for name, value in self.tensors.items() if not value <= allowed[name]}
        return lines + [f"{name} is {value:.3g} away, allowed is {allowed[name]}" for name, value in wrong.items()]

    def check(self) -> None:
        """Refuse a model that is not the trained one.

        Raises:
            ParityError: names the worst joint and every figure beyond its budget.
        """
        if failures := self.failures():
            hint = {"fp32": "export the model again from its run, and report this if it happens twice"}
            worst = f"; the layers that cost most: {', '.join(self.search.worst())}" if self.search else ""
            raise ParityError(
                "the exported networks do not compute what the trained ones compute: " + "; ".join(failures) + worst,
                hint.get(self.precision, "export with a higher precision"),
            )

    def after(self, before: ParityReport) -> ParityReport:
        """This report with the steps of the one before it in front."""
        return replace(self, poses=before.poses + self.poses)

    def to_dict(self) -> dict[str, Any]:
        """For JSON and for people: every figure, its budget, the verdict."""
        failures = self.failures()
        return asdict(self) | {
            "poses": [asdict(p) for p in self.poses],
            "budget": {"pose_mm": POSE_BUDGET_MM, "other": BUDGET} | {p: asdict(b) for p, b in BUDGETS.items()},
            "passed": not failures,
            "failures": failures,
        }


def parity(model_set: ModelSet, folder: Path, pictures_rgb: NDArray[np.uint8], threads: int = 0) -> ParityReport:
    """Compare a model folder with the networks it was made from.

    Args:
        folder: a complete model folder, contract included.
        pictures_rgb: (N, S, S, 3) uint8 nominal crops, one at least.

    Raises:
        ParityError: no pictures.
        ModelError: a folder that does not load, or a network that is not the promised one.
        ShapeError: pictures that are not crops of this model.
    """
    if not len(pictures_rgb):
        raise ParityError("there are no pictures to compare the model on", "name clips or frames with a person")
    model = Model.load(folder, threads)
    try:
        answers = {
            1: _joined([model.estimate(picture[None]) for picture in pictures_rgb]),
            len(pictures_rgb): _joined([model.estimate(pictures_rgb)]),
        }
        others = _other_networks(model_set, folder, model, threads)
    finally:
        model.close()
    precision = model.contract.precision
    found = [(batch, "ONNX Runtime", answer) for batch, answer in answers.items()]
    if precision != "fp32":
        found.append(
            (len(pictures_rgb), "as a GPU", answers_as_gpu(onnx.load(str(folder / "g.onnx")), _images(pictures_rgb)))
        )
    reference = _reference(model_set, pictures_rgb)
    pose_mm = reference.pop("pose_mm")
    poses = tuple(_pose_difference(answer["pose_mm"], pose_mm, batch, precision, by) for batch, by, answer in found)
    tensors = {
        name: float(np.max([_away(answer[name], wanted, share=True) for _, _, answer in found]))
        for name, wanted in reference.items()
    }
    return ParityReport(len(pictures_rgb), poses, others.pop("d_p", None), tensors | others, precision)


@torch.no_grad()
def _reference(model_set: ModelSet, pictures_rgb: NDArray[np.uint8]) -> dict[str, Floats]:
    estimator = Estimator(model_set.g, model_set.d_p)
    outputs = estimator(torch.from_numpy(_images(pictures_rgb)))
    return {name: output.numpy() for name, output in zip(output_names(model_set.g), outputs, strict=True)}


@torch.no_grad()
def _other_networks(model_set: ModelSet, folder: Path, model: Model, threads: int) -> dict[str, float]:
    """Largest difference of every network but G that the folder has, on latents from all over their range."""
    chance = torch.Generator().manual_seed(0)
    z = torch.rand(_PROBES, LATENT, generator=chance) * 2 - 1
    windows = torch.rand(_WINDOWS, WINDOW, LATENT, generator=chance) * 2 - 1
    poses, v = model_set.d_p(z), model_set.e_m(windows)
    latents = {"z": z, "v": v}
    wanted: dict[str, tuple[Tensor, Tensor]] = {
        "e_p": (poses, model_set.e_p(poses)),
        "d_p": (z, poses),
        "d_m": (v, model_set.d_m(v)),
    } | {f"t_{key[0]}_{key[1]}": (latents[key[0]], t(latents[key[0]])) for key, t in model_set.relations.items()}
    away = {"e_m": _away(model.motion_latent(windows.numpy()), v.numpy())}
    for name, (given, answer) in wanted.items():
        path = folder / "frozen" / f"{name}.onnx"
        if path.is_file():
            away[name] = _away(_run(path, given, threads), answer.numpy())
    return away


def _run(path: Path, given: Tensor, threads: int) -> Floats:
    backend = OnnxBackend(path, threads=threads)
    try:
        return next(iter(backend.infer({backend.inputs[0].name: given.numpy()}).values()))
    finally:
        backend.close()


def _joined(answers: list[ModelOutput]) -> dict[str, Floats]:
    """Answers for several batches as one, by tensor name; without what the network does not give."""
    given = {name: [getattr(answer, name) for answer in answers] for name in _OUTPUTS}
    return {name: np.concatenate(parts) for name, parts in given.items() if parts[0] is not None}


def _images(pictures_rgb: NDArray[np.uint8]) -> Floats:
    """(N, 3, S, S), by the preprocessing of training."""
    crops = torch.from_numpy(np.ascontiguousarray(pictures_rgb)).permute(0, 3, 1, 2).float() / 255
    return np.ascontiguousarray(normalised(crops).numpy())


def _pose_difference(
    found_mm: Floats, wanted_mm: Floats, batch: int, precision: str, computed: str
) -> PoseDifference:  # fmt: skip
    with np.errstate(invalid="ignore"):
        away = np.linalg.norm(found_mm - wanted_mm, axis=-1)
        p99 = np.percentile(away, 99, axis=0)
    worst = int(np.argmax(away)) % len(JOINTS)
    joints = tuple(
        JointDifference(name, float(mean), float(high))
        for name, mean, high in zip(JOINTS, away.mean(0), p99, strict=True)
    )
    return PoseDifference(
        batch, float(away.mean()), float(p99.max()), float(away.max()), JOINTS[worst], precision, computed, joints
    )


def _away(found: Floats, wanted: Floats, share: bool = False) -> float:
    """Largest absolute difference, perhaps of values beyond 1 as a share of them; NaN where either side has one."""
    with np.errstate(invalid="ignore"):
        away = np.abs(found - wanted)
        return float((away / np.maximum(np.abs(wanted), 1) if share else away).max())

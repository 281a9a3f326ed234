"""A set of networks to a model folder that a device can load, published only when it computes what it should."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor as TorchTensor
from torch import nn

from export.estimator import Estimator, output_names
from export.folding import fold_scales, folded
from export.half import Place, in_half, places
from export.lowered import lowered
from export.parity import ParityReport, parity
from export.refit_names import write_refit
from export.to_onnx import exported, filled, form
from sa3dhp_edge import __version__, atomic
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.contract import FILE, ModelContract, RelationNet, Tensor, file_sha256, read_contract
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.errors import ConfigError, ModelError
from sa3dhp_edge.networks.image_to_latent import MEAN, STD
from sa3dhp_edge.networks.model_set import ModelSet, latent_size
from sa3dhp_edge.networks.motion_autoencoder import MOTION_LATENT, WINDOW, WINDOW_FPS
from sa3dhp_edge.networks.pose_autoencoder import LATENT
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.skeleton import J

_WEIGHTS = "weights"


def write_model(
    model_set: ModelSet, out: Path, *, name: str, pictures: NDArray[np.uint8], refuse: bool = True, half: bool = False,
    precision: str = "fp32", calibration: NDArray[np.uint8] | None = None, refit: bool = False,
) -> ParityReport:  # fmt: skip
    """Export every network, compare the folder with the trained networks, publish it.

    Args:
        model_set: frozen networks on the processor.
        out: the model folder to make; nothing appears there unless all went well.
        name: written into the contract.
        pictures: (N, S, S, 3) uint8 RGB nominal crops that the networks are compared on.
        refuse: whether a folder that is already at `out` stops the export; else it is replaced.
        half: the form in which a model ships: matrices in half precision, each once, and no graphs but those that the
            device runs. It is compared with the networks as they are after this rounding.
        precision: of `contract.PRECISIONS`, that G computes in; the folder is compared in float32 first, then in it.
        calibration: (M, S, S, 3) uint8 RGB nominal crops that INT8 scales are taken from, none of `pictures`.
        refit: also write G's weights as an engine takes them that was built with REFIT; not of INT8, whose engines are
            built anew.

    Raises:
        ConfigError: `refit` in INT8.
        OutputError: `out` exists, or cannot be written.
        ParityError: the exported networks differ from the trained ones beyond the budget, or there are no pictures.
        ShapeError: pictures that are not crops of this model.
    """
    if refuse:
        atomic.refuse_existing(out)
    if refit and precision == "int8":
        raise ConfigError(
            "INT8 has its scales beside its weights, and no engine takes both anew", "leave out --refit, or use fp16"
        )
    with atomic.publish_folder(out) as folder:
        model_set.save(folder / _WEIGHTS, half)
        if half:
            model_set = ModelSet.load(folder / _WEIGHTS)
        for file, graph in _device_graphs_in_half(model_set, folder) if half else _graphs(model_set):
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(graph.SerializeToString())
        _write_contract(model_set, folder, name)
        report = parity(model_set, folder, pictures)
        report.check()
        made_in = Precision(precision, calibration)
        if precision != "fp32":
            report = _lower(model_set, folder, name, pictures, made_in).after(report)
        write_json(folder / "parity.json", report.to_dict())
        if refit:
            write_refit(onnx.load(str(folder / "g.onnx")), folder)
        _write_contract(model_set, folder, name, made_in)
    return report


@dataclass(frozen=True)
class Precision:
    """What G computes in, and the pictures that it was made with."""

    name: str = "fp32"
    calibration_rgb: NDArray[np.uint8] | None = None

    @property
    def sha256(self) -> str:
        """Of the pictures; empty where there are none."""
        return "" if self.calibration_rgb is None else hashlib.sha256(self.calibration_rgb.tobytes()).hexdigest()

    def images(self) -> NDArray[np.float32] | None:
        """What G is given of the pictures."""
        return None if self.calibration_rgb is None else normalise(self.calibration_rgb, MEAN, STD)


def _lower(
    model_set: ModelSet, folder: Path, name: str, pictures: NDArray[np.uint8], made_in: Precision
) -> ParityReport:  # fmt: skip
    """Put G in a lower precision in its place, and compare the folder again.

    Raises:
        ParityError: the networks differ beyond the precision's budget; names the layers that cost most.
    """
    graph = lowered(onnx.load(str(folder / "g.onnx")), made_in.name, made_in.images())
    (folder / "g.onnx").write_bytes(graph.graph.SerializeToString())
    _write_contract(model_set, folder, name, made_in)
    report = replace(parity(model_set, folder, pictures), search=graph.search)
    report.check()
    return report


def read_weights(model_or_run: Path) -> ModelSet:
    """The trained networks behind a model folder, a finished run, or a folder of weights.

    Raises:
        ModelError: none of these, or a damaged one.
        TrainingError: weights that do not fit the settings beside them.
    """
    if (model_or_run / FILE).is_file():
        read_contract(model_or_run)
    for folder in (model_or_run / _WEIGHTS, model_or_run):
        if (folder / "settings.json").is_file():
            return ModelSet.load(folder)
    what = "holds no weights" if model_or_run.is_dir() else "is not there"
    raise ModelError(f"{model_or_run} {what}", "name a finished run or an exported model")


def _graphs(model_set: ModelSet) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Every network's file name and graph."""
    yield from _device_graphs(model_set)
    z, v = torch.zeros(2, LATENT), torch.zeros(2, MOTION_LATENT)
    networks: tuple[tuple[str, nn.Module, dict[str, TorchTensor], str], ...] = (
        ("frozen/d_m.onnx", model_set.d_m, {"v": v}, "z_window"),
        ("frozen/d_p.onnx", model_set.d_p, {"z": z}, "pose_mm"),
    )
    for file, net, inputs, output in networks:
        yield file, exported(net, inputs, (output,))
    forms: dict[str, onnx.ModelProto] = {}
    for (latent, rule), net in model_set.relations.items():
        if latent not in forms:
            size = latent_size(latent)
            forms[latent] = form(RelationTransformer(size), {latent: torch.zeros(2, size)}, (f"{latent}_after",))
        yield f"frozen/t_{latent}_{rule}.onnx", filled(forms[latent], net)


def _device_graphs(model_set: ModelSet) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Those of them that estimation needs."""
    side = model_set.settings.image.crop_px
    plain = folded(Estimator(model_set.g, model_set.d_p))
    image = {"image": torch.zeros(2, 3, side, side)}
    yield "g.onnx", filled(form(plain, image, output_names(model_set.g)), plain)
    yield "e_m.onnx", exported(model_set.e_m, {"z_window": torch.zeros(2, WINDOW, LATENT)}, ("v",))
    yield "frozen/e_p.onnx", exported(model_set.e_p, {"pose_mm": torch.zeros(2, J, 3)}, ("z",))


def _device_graphs_in_half(model_set: ModelSet, folder: Path) -> Iterator[tuple[str, onnx.ModelProto]]:
    """As `_device_graphs`, with matrices that lie in the folder's weights.

    That of `frozen/` holds its own, since a graph can only point to what lies below it.
    """
    estimator = Estimator(model_set.g, model_set.d_p)
    of_g, of_d_p, of_e_m = (places(folder, f"{_WEIGHTS}/{name}.safetensors") for name in ("g", "d_p", "e_m"))
    at = {f"g.{name}": place for name, place in of_g.items()} | {f"d_p.{name}": p for name, p in of_d_p.items()}
    kept: dict[str, tuple[nn.Module, dict[str, Place]]] = {
        "g.onnx": (estimator, at), "e_m.onnx": (model_set.e_m, of_e_m), "frozen/e_p.onnx": (model_set.e_p, {}),
    }  # fmt: skip
    for file, graph in _device_graphs(model_set):
        net, lies = kept[file]
        yield file, in_half(graph, net.state_dict(), fold_scales(net), lies)


def _relation_file(folder: Path, latent: str, rule: str) -> str:
    """A relation transformer's graph or, where a model ships without it, its weights."""
    graph = f"frozen/t_{latent}_{rule}.onnx"
    return graph if (folder / graph).is_file() else f"{_WEIGHTS}/t_{latent}_{rule}.safetensors"


def _write_contract(model_set: ModelSet, folder: Path, name: str, made_in: Precision = Precision()) -> None:
    """Describe the folder as it is, with a hash of every file but the contract itself."""
    side = model_set.settings.image.crop_px
    shapes: dict[str, tuple[int, ...]] = {
        "z": (LATENT,), "pose_mm": (J, 3), "camera": (3,), "joints_uv": (J, 2), "joint_score": (J,),
    }  # fmt: skip
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != FILE)
    contract = ModelContract(
        name=name,
        preset=model_set.settings.preset,
        crop_px=side,
        mean=MEAN,
        std=STD,
        inputs=(Tensor("image", ("batch", 3, side, side)),),
        outputs=tuple(Tensor(output, ("batch", *shapes[output])) for output in output_names(model_set.g)),
        window_frames=WINDOW,
        window_fps=WINDOW_FPS,
        relations=tuple(
            RelationNet(rule, latent, _relation_file(folder, latent, rule), model_set.relation_errors[latent, rule])
            for latent, rule in model_set.relations
        ),
        confidence=model_set.confidence,
        files={p.relative_to(folder).as_posix(): file_sha256(p) for p in files},
        versions={
            "sa3dhp_edge": __version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
        },
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        lineage=model_set.lineage,
        precision=made_in.name,
        calibration_sha256=made_in.sha256,
    )
    atomic.write_text(folder / FILE, contract.to_json())

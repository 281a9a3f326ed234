"""A small set of untrained networks with lively weights, and the model folder made of it, once for all tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.model_folder import write_model
from sa3dhp_edge.config import ImageConfig, MotionAutoencoderConfig, Settings
from sa3dhp_edge.contract import FILE, Confidence, file_sha256
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.model_set import ModelSet, latent_size
from sa3dhp_edge.networks.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze

CROP_PX = 64
RELATIONS = (("z", "flip_tilt50"), ("z", "tilt-30"), ("v", "slow_backward@60"))


def make_model_set(backbone: str = "edge", arch: str = "conv") -> ModelSet:
    torch.manual_seed(5)
    settings = Settings(
        image=ImageConfig(backbone=backbone, width=8, crop_px=CROP_PX),  # type: ignore[arg-type]
        motion_autoencoder=MotionAutoencoderConfig(arch=arch),  # type: ignore[arg-type]
    )
    e_m, d_m = motion_autoencoder(arch)
    made = ModelSet(
        settings=settings,
        g=image_network(settings.image),
        e_p=PoseEncoder(),
        d_p=PoseDecoder(),
        e_m=e_m,
        d_m=d_m,
        relations={key: RelationTransformer(latent_size(key[0])) for key in RELATIONS},
        relation_errors={key: 0.1 * (i + 1) for i, key in enumerate(RELATIONS)},
        confidence=Confidence(cycle=0.05, joint_score=0.7 if backbone == "edge" else None),
        lineage=("made for tests",),
    )
    for net in (made.g, made.e_p, made.d_p, e_m, d_m, *made.relations.values()):
        enliven(net)
        freeze(net)
    return made


def enliven(net: nn.Module) -> None:
    """Give silent layers a voice and batch norms statistics, as training would."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.03)
        for module in net.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(1.7)
            elif isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)


def change_weight(model: Path, file: str, weight: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Another weight in a network of a model folder, and a contract whose hash agrees."""
    network = onnx.load(str(model / file))
    (tensor,) = [t for t in network.graph.initializer if t.name == weight]
    values = numpy_helper.to_array(tensor).copy()
    tensor.CopyFrom(numpy_helper.from_array(change(values).astype(np.float32), weight))
    (model / file).write_bytes(network.SerializeToString())
    contract = json.loads((model / FILE).read_text())
    contract["files"][file] = file_sha256(model / file)
    (model / FILE).write_text(json.dumps(contract))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model_set() -> ModelSet:
    return make_model_set()


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """(6, 64, 64, 3) uint8: smooth blots."""
    rng = np.random.default_rng(11)
    coarse = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


@pytest.fixture(scope="session")
def model(model_set: ModelSet, pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set exported; tests must not change it."""
    out = tmp_path_factory.mktemp("models") / "small"
    write_model(model_set, out, name="small", pictures=pictures)
    return out


@pytest.fixture(scope="session")
def make_set() -> Callable[..., ModelSet]:
    return make_model_set


@pytest.fixture(scope="session")
def tamper() -> Callable[..., None]:
    return change_weight

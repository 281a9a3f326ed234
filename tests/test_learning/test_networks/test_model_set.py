"""A model's folder gives back every network, frozen, or says what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from sa3dhp_edge.config import PRESETS, override
from sa3dhp_edge.contract import Confidence
from sa3dhp_edge.errors import ModelError, TrainingError
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.model_set import ModelSet, latent_size
from sa3dhp_edge.networks.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer

KEYS = (("z", "flip_tilt50"), ("v", "slow_backward@60"))


@pytest.fixture(params=["conv", "lstm"])
def model(request: pytest.FixtureRequest) -> ModelSet:
    torch.manual_seed(4)
    settings = override(
        PRESETS["demo"], ["image.width=8", "image.crop_px=32", f"motion_autoencoder.arch={request.param}"]
    )
    e_m, d_m = motion_autoencoder(request.param)
    return ModelSet(
        settings=settings, g=image_network(settings.image), e_p=PoseEncoder(), d_p=PoseDecoder(), e_m=e_m, d_m=d_m,
        relations={key: RelationTransformer(latent_size(key[0])) for key in KEYS},
        relation_errors=dict(zip(KEYS, (0.25, 0.125), strict=True)),
        confidence=Confidence(0.1, None), lineage=("source",),
    )  # fmt: skip


def test_a_model_comes_back_as_it_was_and_frozen(
    model: ModelSet, tmp_path: Path, same_weights: Callable[[nn.Module, nn.Module], bool]
) -> None:
    model.save(tmp_path)
    loaded = ModelSet.load(tmp_path)
    for name in ("settings", "relation_errors", "confidence", "lineage"):
        assert getattr(loaded, name) == getattr(model, name)
    assert tuple(loaded.relations) == KEYS
    pairs = [(getattr(model, n), getattr(loaded, n)) for n in ("g", "e_p", "d_p", "e_m", "d_m")]
    pairs += [(model.relations[k], loaded.relations[k]) for k in KEYS]
    for ours, theirs in pairs:
        assert same_weights(ours, theirs)
        assert not theirs.training
        assert not any(p.requires_grad for p in theirs.parameters())


def test_another_g_adds_a_line_to_the_lineage(model: ModelSet) -> None:
    g = image_network(model.settings.image)
    moved = model.with_g(g, "adapted")
    assert moved.g is g
    assert moved.lineage == ("source", "adapted")
    assert model.lineage == ("source",)


def test_foreign_folders_are_refused(model: ModelSet, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights"):
        ModelSet.load(tmp_path)
    model.save(tmp_path)
    about = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        ModelSet.load(tmp_path)
    for text in ("{", "[]", "{}"):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(ModelError, match="holds no weights"):
            ModelSet.load(tmp_path)


def test_a_description_that_lacks_a_key_is_refused(model: ModelSet, tmp_path: Path) -> None:
    model.save(tmp_path)
    about = json.loads((tmp_path / "settings.json").read_text())
    lacking = [{k: v for k, v in about.items() if k != key} for key in about if key != "format"]
    for broken in (*lacking, about | {"confidence": {"cycle": 0.1}}, about | {"relations": [{"latent": "z"}]}):
        (tmp_path / "settings.json").write_text(json.dumps(broken))
        with pytest.raises(ModelError, match=r"settings\.json does not describe a model in full"):
            ModelSet.load(tmp_path)


def test_weights_that_do_not_fit_the_settings_are_refused(model: ModelSet, tmp_path: Path) -> None:
    model.save(tmp_path)
    about = json.loads((tmp_path / "settings.json").read_text())
    about["settings"]["image"]["width"] = 12
    (tmp_path / "settings.json").write_text(json.dumps(about))
    with pytest.raises(TrainingError, match=r"g\.safetensors does not fit"):
        ModelSet.load(tmp_path)
    (tmp_path / "e_p.safetensors").unlink()
    with pytest.raises(TrainingError):
        ModelSet.load(tmp_path)

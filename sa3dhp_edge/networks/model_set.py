"""All networks of one model in one folder: what adaptation starts from, ends in, and what is exported.

settings.json              the run's settings, relations with their held-out errors, confidence references, lineage
g, e_p, d_p, e_m, d_m      .safetensors
t_<latent>_<rule>          .safetensors, one per relation transformer
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from sa3dhp_edge.checkpoint import load_weights, save_weights, write_json
from sa3dhp_edge.config import Settings, from_dict, to_dict
from sa3dhp_edge.contract import Confidence
from sa3dhp_edge.errors import ModelError
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, image_network
from sa3dhp_edge.networks.motion_autoencoder import MOTION_LATENT, motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import LATENT, PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze

FORMAT = 1
RelationKey = tuple[str, str]
"""(latent "z" or "v", rule name)."""


@dataclass(frozen=True)
class ModelSet:
    """G with the frozen networks it was trained through.

    Attributes:
        relations: T per (latent, rule name).
        relation_errors: held-out mean absolute error of each T, in latent units.
        confidence: what G and the prior say on held-out source frames.
        lineage: a line for each thing that was done to G, oldest first.
    """

    settings: Settings
    g: EdgeG | PaperG
    e_p: PoseEncoder
    d_p: PoseDecoder
    e_m: nn.Module
    d_m: nn.Module
    relations: dict[RelationKey, RelationTransformer]
    relation_errors: dict[RelationKey, float]
    confidence: Confidence
    lineage: tuple[str, ...]

    def with_g(self, g: EdgeG | PaperG, line: str) -> ModelSet:
        """The same model with another G, and what was done to it."""
        return replace(self, g=g, lineage=(*self.lineage, line))

    def save(self, folder: Path, half: bool = False) -> None:
        """Write every network and `settings.json`, the last one last; with `half` matrices in half precision."""
        for name, net in self._networks().items():
            save_weights(folder / f"{name}.safetensors", net, half)
        about = {
            "format": FORMAT,
            "settings": to_dict(self.settings),
            "relations": [
                {"latent": latent, "rule": rule, "held_out_error": self.relation_errors[latent, rule]}
                for latent, rule in self.relations
            ],
            "confidence": asdict(self.confidence),
            "lineage": list(self.lineage),
        }
        write_json(folder / "settings.json", about)

    @staticmethod
    def load(folder: Path) -> ModelSet:
        """Read what `save` wrote; every network frozen.

        Raises:
            ModelError: no weights there, of another format, or not described in full.
            TrainingError: weights that do not fit the settings beside them.
        """
        about = _about(folder)
        try:
            made = _untrained(about)
        except (KeyError, TypeError, ValueError) as e:
            raise ModelError(
                f"{folder / 'settings.json'} does not describe a model in full: {type(e).__name__} {e}",
                "train or export the model again",
            ) from e
        for name, net in made._networks().items():
            load_weights(folder / f"{name}.safetensors", net)
            freeze(net)
        return made

    def _networks(self) -> dict[str, nn.Module]:
        plain = {"g": self.g, "e_p": self.e_p, "d_p": self.d_p, "e_m": self.e_m, "d_m": self.d_m}
        return plain | {f"t_{latent}_{rule}": t for (latent, rule), t in self.relations.items()}


def latent_size(latent: str) -> int:
    """Size of a pose ("z") or motion ("v") latent."""
    return LATENT if latent == "z" else MOTION_LATENT


def _untrained(about: dict[str, Any]) -> ModelSet:
    """The described model with fresh weights."""
    settings = from_dict(about["settings"])
    e_m, d_m = motion_autoencoder(settings.motion_autoencoder.arch)
    errors = {(r["latent"], r["rule"]): float(r["held_out_error"]) for r in about["relations"]}
    return ModelSet(
        settings=settings,
        g=image_network(settings.image),
        e_p=PoseEncoder(),
        d_p=PoseDecoder(),
        e_m=e_m,
        d_m=d_m,
        relations={key: RelationTransformer(latent_size(key[0])) for key in errors},
        relation_errors=errors,
        confidence=Confidence.read(about["confidence"]),
        lineage=tuple(about["lineage"]),
    )


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "settings.json"
    try:
        about: dict[str, Any] = json.loads(path.read_text())
        version = about["format"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ModelError(
            f"{folder} holds no weights: {path.name}: {e}", "name a finished run or an exported model"
        ) from e
    if version != FORMAT:
        raise ModelError(
            f"{path} has format {version}, this version reads {FORMAT}", "export the model again from its run"
        )
    return about

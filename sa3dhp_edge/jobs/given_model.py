"""A finished model that a run starts from: its networks, and the settings that cannot be set anew."""

from __future__ import annotations

from dataclasses import asdict, replace

from export.model_folder import read_weights
from sa3dhp_edge.config import Settings, override
from sa3dhp_edge.config import preset as preset_settings
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.shipped import model_folder

_TRAINED_WITH = ("motion", "pose_autoencoder", "motion_autoencoder", "relations", "image")


def given_model(start: str) -> ModelSet:
    """The networks behind `--from`; how many cores it was trained on is forgotten: that was another machine."""
    model, fresh = read_weights(model_folder(start)), Settings()
    source = replace(model.settings.source, workers=fresh.source.workers)
    return replace(model, settings=replace(model.settings, threads=fresh.threads, source=source))


def settings_over(begun: Settings, section: str, preset: str | None, overrides: tuple[str, ...]) -> Settings:
    """A finished model's settings with another section `adapt` or `source`, and what overrides say.

    Raises:
        ConfigError: an override changes what the model was trained with.
    """
    settings = replace(begun, **{section: getattr(preset_settings(preset), section)}) if preset else begun
    made = override(settings, overrides)
    for name in _TRAINED_WITH:
        if asdict(getattr(made, name)) != asdict(getattr(begun, name)):
            raise ConfigError(
                f"--set {name}.… changes what the model was trained with",
                "with --from only adapt.*, source.*, seed and threads can be set; `adapt --from nothing` trains all",
            )
    return made

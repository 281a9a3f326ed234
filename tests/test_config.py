"""Settings: presets stand, overrides are checked by name and type, mistakes get a nearest name."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace

import pytest

from sa3dhp_edge.config import PRESETS, Settings, from_dict, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_knows_its_name_and_survives_json(name: str) -> None:
    settings = preset(name)
    assert settings.preset == name
    assert from_dict(json.loads(json.dumps(to_dict(settings)))) == settings


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no preset 'egde'[\s\S]*edge, paper, demo"):
        preset("egde")


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("adapt.cycles=7", "adapt", "cycles", 7),
        ("adapt.lr_contrast = 1e-5", "adapt", "lr_contrast", 1e-5),
        ("adapt.losses=l1z, l1v", "adapt", "losses", ("l1z", "l1v")),
        ("adapt.losses=", "adapt", "losses", ()),
        ("motion_autoencoder.arch=lstm", "motion_autoencoder", "arch", "lstm"),
        ("image.imagenet_weights=a=b.pth", "image", "imagenet_weights", "a=b.pth"),
    ],
)
def test_an_override_changes_one_value_and_nothing_else(text: str, section: str, key: str, value: object) -> None:
    before = preset("edge")
    after = override(before, [text])
    assert getattr(getattr(after, section), key) == value
    undone = replace(
        after, **{section: replace(getattr(after, section), **{key: getattr(getattr(before, section), key)})}
    )
    assert undone == before


def test_the_last_override_wins_and_top_level_keys_work() -> None:
    assert override(preset("demo"), ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("adapt.cycels=7", r"unknown setting 'adapt.cycels'[\s\S]*did you mean 'cycles'\?"),
        ("adpat.cycles=7", r"unknown setting 'adpat.cycles'[\s\S]*did you mean 'adapt'\?"),
        ("adapt.xyzzy=7", r"known: .*cycles"),
        ("adapt.cycles", "has no value"),
        ("adapt=7", r"is a section, not a setting[\s\S]*adapt.cycles"),
        ("seed.x=7", "seed has no parts"),
        ("adapt.cycles=many", "adapt.cycles='many' is not a whole number"),
        ("adapt.cycles=1.5", "is not a whole number"),
        ("adapt.target_statistics=yes", "choose from true, false"),
        ("adapt.cycles=-3", "adapt.cycles is negative"),
        ("image.backbone=vit", "choose from edge, resnet50"),
        ("adapt.losses=l1z,l9z", "adapt.losses has l9z; known are consensus, denoised, exact, hcr"),
        ("image.crop_px=100", "multiple of 32"),
        ("source.given_share=1.5", "source.given_share is 1.5"),
        ("adapt.held_out_share=1.5", "between 0 and 1"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        override(preset("edge"), [text])


def test_stored_settings_with_unknown_keys_are_refused() -> None:
    values = to_dict(preset("edge"))
    values["adapt"]["cycels"] = 3
    with pytest.raises(ConfigError, match=r"unknown setting adapt.cycels[\s\S]*'cycles'"):
        from_dict(values)


def test_settings_left_out_take_their_defaults() -> None:
    assert from_dict({"adapt": {"cycles": 3}}) == override(Settings(), ["adapt.cycles=3"])


def test_every_setting_can_be_given_on_the_command_line() -> None:
    """An override with each setting's own value is accepted and changes nothing."""
    settings = preset("paper")
    texts = []
    for section in fields(settings):
        record = getattr(settings, section.name)
        for key in fields(record) if is_dataclass(record) else ():
            value = getattr(record, key.name)
            texts.append(f"{section.name}.{key.name}={','.join(value) if isinstance(value, tuple) else value}")
    assert len(texts) > 40
    assert override(settings, texts) == settings


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_a_switch_is_true_or_false(text: str, value: bool) -> None:
    """The word `false` is not taken for true, as any non-empty text would be."""
    assert override(preset("edge"), [f"adapt.target_statistics={text}"]).adapt.target_statistics is value

"""The study of non-localness covers every candidate and every rule in use, each once."""

from __future__ import annotations

import pytest

from sa3dhp_edge.adaptation.relations import CANDIDATES_V, CANDIDATES_Z, Rule
from sa3dhp_edge.config import PRESETS, override
from sa3dhp_edge.jobs.pretrain import relation_keys, studied_rules


@pytest.mark.parametrize("preset", PRESETS)
def test_every_rule_in_use_is_studied(preset: str) -> None:
    studied = {latent: [rule.name for rule in rules] for latent, rules in studied_rules(PRESETS[preset]).items()}
    assert all(rule.name in studied[latent] for latent, rule in relation_keys(PRESETS[preset]))
    assert {Rule.parse(n).name for n in CANDIDATES_Z} <= set(studied["z"])
    assert {Rule.parse(n).name for n in CANDIDATES_V} <= set(studied["v"])
    assert all(len(names) == len(set(names)) for names in studied.values())


def test_another_spelling_of_a_candidate_adds_nothing_and_another_rule_one() -> None:
    spelled = override(PRESETS["demo"], ["relations.rules_z=tilt50_flip,tilt-70", "relations.rules_v="])
    studied = studied_rules(spelled)
    assert len(studied["z"]) == len(CANDIDATES_Z) + 1
    assert len(studied["v"]) == len(CANDIDATES_V)

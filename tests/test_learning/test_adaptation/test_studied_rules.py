"""The study of non-localness covers every candidate and every rule in use, each once; and what T is held against."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from sa3dhp_edge.adaptation.prelearning import HELD_OUT, non_localness, relation_errors, relation_pairs
from sa3dhp_edge.adaptation.relations import CANDIDATES_V, CANDIDATES_Z, Rule
from sa3dhp_edge.config import PRESETS, override
from sa3dhp_edge.jobs.pretrain import relation_keys, studied_rules
from sa3dhp_edge.networks.model_set import latent_size


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


@pytest.mark.parametrize("latent", ["z", "v"])
def test_answers_that_need_no_learning_stand_beside_t(latent: str, sampler, frozen) -> None:
    rule = Rule(flip=True, tilt_deg=50)
    size = latent_size(latent)
    unmoved = nn.Linear(size, size, bias=False)
    nn.init.eye_(unmoved.weight)
    found = relation_errors(unmoved, rule, latent, sampler, frozen, 32, 1)
    assert found["t"] == pytest.approx(found["identity"], rel=1e-5)
    assert found["exact"]["distance"] == found["exact"]["latent"] == 0
    assert found["mean"]["distance"] > 0
    carried = non_localness(rule, latent, sampler, frozen, 32, 1)
    assert found["identity"]["distance"] == pytest.approx(carried["distance"], rel=1e-6)


def test_errors_of_t_are_those_of_its_answers(sampler, frozen) -> None:
    class Near(nn.Linear):
        """Knows the samples and errs by a tenth in every number."""

        def forward(self, start: Tensor) -> Tensor:
            _, goal, _ = relation_pairs(Rule(flip=True), "z", sampler, frozen, 32, 1, HELD_OUT + 1)
            return goal + 0.1

    found = relation_errors(Near(1, 1), Rule(flip=True), "z", sampler, frozen, 32, 1)["t"]
    assert found["latent"] == pytest.approx(0.1, abs=1e-6)
    assert found["distance"] == pytest.approx(0.1 * 32**0.5, rel=1e-5)

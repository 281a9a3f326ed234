"""Does a relation that carries a latent farther adapt better: every rule alone, from one source model a seed.

settings.json                                of the generated grounds
trials/seedN/DOMAIN-NAME.json                a finished adaptation's figures; its presence means done
seedN/                                       the proving grounds, unless they lie elsewhere (proving_ground.py)
seedN/relations/weights/t_LATENT_RULE        .safetensors, one T for each rule, beside the networks it was learned with
seedN/relations/stages/t_LATENT_RULE.json    what was measured of it; its presence means done
relations.json, .md, .png                    what all rules asked for say together, renewed after each seed
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sa3dhp_edge.adaptation.poses import PoseSampler
from sa3dhp_edge.adaptation.prelearning import fit_relation, non_localness, relation_errors
from sa3dhp_edge.adaptation.relations import CANDIDATES_V, CANDIDATES_Z, Rule
from sa3dhp_edge.checkpoint import load_weights, save_weights
from sa3dhp_edge.config import AdaptConfig, Settings, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments.proving_ground import ProvingGround, proving_ground
from sa3dhp_edge.experiments.relations_report import publish
from sa3dhp_edge.experiments.trials import about
from sa3dhp_edge.jobs.pretrain import source_motion
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, begun_settings
from sa3dhp_edge.networks.model_set import latent_size
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.training.device import training_device
from sa3dhp_edge.training.distributed import refuse_team

CANDIDATES = {"z": CANDIDATES_Z, "v": CANDIDATES_V}
LatentRule = tuple[str, Rule]


def relations(
    *, out: Path, grounds: Path | None, rules: tuple[str, ...], seeds: tuple[int, ...], domain: str,
    preset_name: str | None, overrides: tuple[str, ...],
) -> Report:  # fmt: skip
    """Measure every rule for every seed; what is done is kept, so that more rules and seeds can be asked for later.

    The source continued takes the supervised steps alone that go with every rule's; where the settings ask for the
    target's statistics, it has them as well, so the gain over it is the rule's own.

    Args:
        grounds: where the source models and targets lie or are to be made; None for `out`.
        rules: `z:NAME`, `v:NAME`, or `z` and `v` for all candidates of a latent.
        domain: the target.

    Returns:
        where the tables are, what they say, and the rules that would be chosen.

    Raises:
        ConfigError: a rule, a domain or a setting that cannot be used, or others than the study was begun with.
    """
    refuse_team("an experiment", "start it without torchrun")
    settings, asked = override(preset(preset_name or "demo"), overrides), named_rules(rules)
    if domain not in DOMAINS:
        raise ConfigError(f"--domain: there is no {domain!r}", f"there are: {', '.join(DOMAINS)}")
    if not seeds:
        raise ConfigError("--seeds names no seed", "write --seeds 0,1,2")
    found: list[Report] = []
    trials: list[Report] = []
    said: Report = {}
    with RunFolder.start(out, settings, resume=out.exists()):
        for seed in dict.fromkeys(seeds):
            folder, kept = (grounds or out) / f"seed{seed}", out / "trials" / f"seed{seed}"
            of_seed, tried = _one_seed(folder, kept, replace(settings, seed=seed), domain, asked)
            found, trials = found + of_seed, trials + tried
            said = publish(out, found, about("relations", trials) | {"target": domain, "settings": to_dict(settings)})
    return {"out": str(out)} | said


def named_rules(names: Sequence[str]) -> list[LatentRule]:
    """(latent, rule) of each, once.

    Raises:
        ConfigError: a latent or a rule that is not known, or a rule that does nothing to its latent.
    """
    asked: list[LatentRule] = []
    for name in names:
        latent, colon, rule = name.partition(":")
        if latent not in CANDIDATES:
            raise ConfigError(f"--rules: {name!r} names no latent", "write z:flip for poses, v:backward for motions")
        asked += [(latent, Rule.parse(r)) for r in ((rule,) if colon else CANDIDATES[latent])]
    for latent, found in asked:
        if found == Rule() or (latent == "z" and found.temporal):
            raise ConfigError(f"--rules: {found.name!r} does not change {latent}", "leave it out")
    if not asked:
        raise ConfigError("--rules names no rule", "write z,v for every candidate")
    return list(dict.fromkeys(asked))


def loss_of(latent: str, rule: Rule) -> str:
    """The loss that a rule serves."""
    return "l1z" if latent == "z" else "l1v" if rule.tempo == "same" else "l2v"


def _one_seed(
    folder: Path, kept: Path, settings: Settings, domain: str, rules: Sequence[LatentRule]
) -> tuple[list[Report], list[Report]]:
    """What was measured of each rule, and all trials."""
    begun = begun_settings(folder)
    trained = settings if begun is None else replace(settings, relations=begun.relations)
    with proving_ground(folder, trained, (domain,), kept) as ground:
        ground = replace(ground, settings=replace(ground.settings, relations=settings.relations))
        learned = _learned(ground, rules)
        source = ground.trial("source", domain, None)
        continued = ground.trial("continued", domain, _alone(settings.adapt, "replay"))
        found, trials = [], [source, continued]
        for (latent, rule), (t, report) in zip(rules, learned, strict=True):
            key, loss = (latent, rule.name), loss_of(latent, rule)
            error = report["errors"]["t"]["latent"]
            model = replace(ground.model(), relations={key: t}, relation_errors={key: error})
            trial = ground.trial(f"{latent} {rule.name}", domain, _alone(settings.adapt, loss), model)
            start, replayed, after = (one["pa_mpjpe"] for one in (source, continued, trial))
            figures = {"source_only_mm": start, "source_continued_mm": replayed, "pa_mpjpe": after}
            figures |= {"gain_mm": start - after, "gain_over_replay_mm": replayed - after}
            about_it = {"seed": settings.seed, "latent": latent, "rule": rule.name, "loss": loss}
            found.append(about_it | report | figures | {"stopped_by_guard": trial["stopped_by_guard"]})
            trials.append(trial)
    return found, trials


def _alone(cfg: AdaptConfig, loss: str) -> AdaptConfig:
    """The configuration with one loss, a step of it a cycle."""
    return replace(cfg, losses=(loss,))


def _learned(ground: ProvingGround, rules: Sequence[LatentRule]) -> list[tuple[RelationTransformer, Report]]:
    """A T for each rule, learned here or found; and what was measured of it."""
    settings, model, path = ground.settings, ground.model(), ground.folder / "relations"
    nets = {"e_p": model.e_p, "d_p": model.d_p, "e_m": model.e_m, "d_m": model.d_m}
    sampler, held_out = (PoseSampler(motion, training_device()) for motion in source_motion(settings, None))
    begun = begun_settings(path)
    used = settings if begun is None else replace(settings, adapt=begun.adapt, threads=begun.threads)
    run, cfg, learned = RunFolder.start(path, used, resume=path.exists()), settings.relations, []
    for latent, rule in rules:
        name = f"t_{latent}_{rule.name}"
        weights = run.weights / f"{name}.safetensors"

        def learn(latent: str = latent, rule: Rule = rule, name: str = name, weights: Path = weights) -> Report:
            began_s, seed = time.process_time(), settings.seed
            t, _ = fit_relation(rule, latent, sampler, held_out, nets, cfg, seed, ground.log, run.training(name))
            save_weights(weights, t)
            errors = relation_errors(t, rule, latent, held_out, nets, cfg.study_samples, seed)
            carried = non_localness(rule, latent, held_out, nets, cfg.study_samples, seed)
            return carried | {"errors": errors, "learn_cpu_seconds": time.process_time() - began_s}

        report = run.once(name, learn)
        t = RelationTransformer(latent_size(latent))
        load_weights(weights, t)
        freeze(t)
        learned.append((t, report))
    return learned

"""How well the acceptance score tells better models from worse ones, where the truth is known; and its fit.

settings.json                  of the generated grounds
runs/seedN/TARGET-RECIPE.json  models of one recipe, seen with and without labels; its presence means done
runs/real/                     the same on real clips
seedN/, real/                  the grounds, unless they lie elsewhere (proving_ground.py, real_ground.py)
acceptance.json, .md, .png     the figures, the tables and the plot
fit.json                       what the package ships as adaptation/acceptance.json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sa3dhp_edge.adaptation.acceptance import Fit, changes, fitted, judge, objection
from sa3dhp_edge.config import AdaptConfig, Settings, override, preset
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments.acceptance_refusals import Refusal, refusals
from sa3dhp_edge.experiments.acceptance_report import WORSE_MM, Outcome, publish
from sa3dhp_edge.experiments.acceptance_runs import (
    HASTY,
    REAL_RECIPES,
    RECIPES,
    Bed,
    Recipe,
    Run,
    at_the_end,
    generated_bed,
    real_bed,
    runs_of,
)
from sa3dhp_edge.experiments.proving_ground import DOMAINS_TRIED, proving_ground
from sa3dhp_edge.experiments.real_ground import real_ground
from sa3dhp_edge.jobs.run_folder import Report, RunFolder
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.training.distributed import refuse_team

CHOSEN = ("dressed_pa_mpjpe_mm", "projection_uv", "view_uv", "jitter")
RIVALS: dict[str, tuple[str, ...]] = {
    "the dressed source alone": ("dressed_pa_mpjpe_mm",),
    "the projection alone": ("projection_uv",),
    "these two": ("dressed_pa_mpjpe_mm", "projection_uv"),
    "these two, and agreement in 2D": ("dressed_pa_mpjpe_mm", "projection_uv", "view_uv"),
    "the four, and denoising": (*CHOSEN, "denoising"),
}
"""Other choices of figures, to compare with; each figure for itself has its row in the report."""
RIDGE = 0.1
LEAST_MARGIN_MM = 1.0
REFUSED_SHARE = 0.95
"""So many of the truly worse models a margin must refuse, where it is chosen."""


def acceptance(
    *, out: Path, grounds: Path | None, seeds: tuple[int, ...], domains: tuple[str, ...], clips: Path | None,
    start: str | None, poses: Path | None, preset_name: str | None, overrides: tuple[str, ...],
    recipes: dict[str, Recipe] = RECIPES, real_recipes: dict[str, Recipe] = REAL_RECIPES,
) -> Report:  # fmt: skip
    """Make models of every quality, fit the score leaving each seed and target out in turn, and say how good it is.

    Args:
        grounds: where the source models and targets lie or are to be made; None for `out`.
        clips, start: prepared real clips and the model to change on them; each recording is left out in turn, too.
        poses: motion for the generated pictures beside real clips.

    Returns:
        where the tables are, and what they say.

    Raises:
        ConfigError: fewer than two pairs of seed and domain, a domain that is not known, or clips without a model.
    """
    refuse_team("an experiment", "start it without torchrun")
    settings, domains = override(preset(preset_name or "demo"), overrides), domains or DOMAINS_TRIED
    _check(seeds, domains, clips, start)
    with RunFolder.start(out, settings, resume=out.exists()):
        runs, bed = _generated(out, grounds or out, settings, tuple(dict.fromkeys(seeds)), domains, recipes)
        real: list[Run] = []
        if clips is not None and start is not None:
            kept = out / "runs" / "real"
            own = tuple(o for o in overrides if o.startswith("adapt."))  # the rest is of the generated source models
            with real_ground(out / "real", clips, start, poses, None, own, kept) as ground:
                real = [run for clip in ground.clips for run in runs_of(real_bed(ground, clip), kept, real_recipes)]
        every, cfg = runs + real, settings.adapt
        fit = fit_runs(every, cfg)
        hasty = [r for r in runs if r.name == at_the_end(HASTY)][-1:]
        wild = [Refusal(f"after {HASTY}", judge(r.before, r.after, cfg, fit)) for r in hasty]
        rivals = {name: left_out(every, cfg, names) for name, names in RIVALS.items()}
        command = "sa3dhp-edge experiment acceptance" + ("" if clips is None else " --clips CLIPS --from MODEL")
        return publish(out, left_out(every, cfg), rivals, fit, refusals(bed, fit) + wild, settings, command)


def _generated(
    out: Path, grounds: Path, settings: Settings, seeds: tuple[int, ...], domains: tuple[str, ...],
    recipes: dict[str, Recipe],
) -> tuple[list[Run], Bed]:  # fmt: skip
    """All models on generated targets, and one of these targets to spoil evidence on."""
    runs: list[Run] = []
    for seed in seeds:
        kept = out / "runs" / f"seed{seed}"
        with proving_ground(grounds / f"seed{seed}", replace(settings, seed=seed), domains, kept) as ground:
            beds = [generated_bed(ground, domain) for domain in domains]
            runs += [run for bed in beds for run in runs_of(bed, kept, recipes)]
    return runs, beds[-1]


def fit_runs(runs: Sequence[Run], cfg: AdaptConfig, names: Sequence[str] = CHOSEN) -> Fit:
    """Weights from the runs that no hard rule refuses, and the least margin that refuses nearly all worse ones."""
    asked = [run for run in runs if objection(run.before, run.after, cfg) is None]
    rows, gains = [changes(run.before, run.after) for run in asked], np.array([run.gain_pa_mm for run in asked])
    fit = Fit(fitted(rows, gains, names, RIDGE), LEAST_MARGIN_MM, len(asked))
    worse = [fit.expected_gain_mm(row) for row, gain in zip(rows, gains, strict=True) if gain <= WORSE_MM]
    margin = float(np.quantile(worse, REFUSED_SHARE)) if worse else 0.0
    return replace(fit, margin_mm=max(LEAST_MARGIN_MM, margin))


def left_out(runs: Sequence[Run], cfg: AdaptConfig, names: Sequence[str] = CHOSEN) -> list[Outcome]:
    """Each run judged by a fit to all other pairs of seed and target, and all other recordings."""
    said = []
    for group in dict.fromkeys(run.group for run in runs):
        fit = fit_runs([run for run in runs if run.group != group], cfg, names)
        own = [run for run in runs if run.group == group]
        said += [Outcome(run, judge(run.before, run.after, cfg, fit)) for run in own]
    return said


def _check(seeds: tuple[int, ...], domains: tuple[str, ...], clips: Path | None, start: str | None) -> None:
    if unknown := [domain for domain in domains if domain not in DOMAINS]:
        raise ConfigError(f"--domains: there is no {unknown[0]!r}", f"there are: {', '.join(DOMAINS)}")
    if len(set(seeds)) * len(set(domains)) < 2:
        raise ConfigError("one seed on one domain leaves nothing to fit when it is left out", "name more --seeds")
    if (clips is None) != (start is None):
        raise ConfigError("--clips and --from belong together", "name the model that is changed on the clips")

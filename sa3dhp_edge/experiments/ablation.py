"""What each loss of adaptation is worth: added one after the other, left out one at a time, beside free baselines.

settings.json                        of the generated grounds
trials/seedN/TARGET-VARIANT.json     a finished trial's figures; its presence means done
real/                                what trials on real clips need (experiments/real_ground.py)
seedN/                               the proving grounds, unless they lie elsewhere (experiments/proving_ground.py)
ablation.json, .md, .png, beyond.…     what all finished trials say together, renewed after each seed and target

A cycle takes one step of each loss, and the source's labelled loss goes with every step, so more losses mean more
steps: "source continued" takes as many as all five losses do, without any of them, and a loss that is tried alone
takes as many as well.

The paper's own figures are those of its ablation on Human3.6M (209.6 mm without adaptation to 86.2 with all losses),
stated as changes, since neither its source nor its target is ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import Settings, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments.proving_ground import DOMAINS_TRIED, proving_ground
from sa3dhp_edge.experiments.real_ground import RealGround, real_ground
from sa3dhp_edge.experiments.trials import HEADS, REAL, Row, about, figures_on, finished, mean_and_spread, row
from sa3dhp_edge.experiments.variants import BASELINE, TABLES, Table, Variant
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, begun_settings
from sa3dhp_edge.report.dots import DotPanel, change_dots
from sa3dhp_edge.report.tables import NOTHING, markdown_lines, number
from sa3dhp_edge.training.distributed import refuse_team

COSTS = ("s", "MB held", "mm per s", "mm per 10 MB")
_SAID = (
    "Errors in mm; mean ± sample standard deviation over the seeds (n - 1). The change is that of PA-MPJPE against "
    "the same seed's source model. `stopped`: seeds whose adaptation the guard broke off and took back."
)
_SAID_OF_COSTS = (
    " Cost: seconds of the cycles without the guard's looks, and the most that a step's activations took until its way "
    "back; beside them by how much PA-MPJPE fell for each."
)


def ablation(
    *, out: Path, table: str, grounds: Path | None, seeds: tuple[int, ...], variants: tuple[str, ...],
    targets: tuple[str, ...], clips: Path | None, start: str | None, poses: Path | None, preset_name: str | None,
    overrides: tuple[str, ...],
) -> Report:  # fmt: skip
    """Try variants on targets for every seed; what is done is kept, so the rest can be asked for later.

    Args:
        table: of `TABLES`.
        grounds: where the source models and targets lie or are to be made; None for `out`.
        variants: keys; none for all of them.
        targets: generated domains, and `real` for the clips; none for all there are.
        clips: prepared clips with 3D truth, each adapted to on its own and scored.
        start: the trained run or model that is adapted to real clips.
        poses: motion for the pictures replayed beside real clips.

    Raises:
        ConfigError: a variant, target or setting that cannot be used, or others than the experiment was begun with.
        InputError, DataError, ModelError: a model or clips that cannot be read.
    """
    refuse_team("an experiment", "start it without torchrun")
    shown = chosen_table(table)
    chosen, asked = chosen_variants(shown, variants), chosen_targets(targets, clips, start)
    settings = override(preset(preset_name or "demo"), overrides)
    kept = out / "trials"
    if domains := tuple(name for name in asked if name != REAL):
        with RunFolder.start(out, settings, resume=out.exists()):
            for seed in seeds:
                _on_generated(grounds or out, kept, replace(settings, seed=seed), domains, shown, chosen)
                publish(out, table)
    if REAL in asked:
        assert clips is not None
        assert start is not None
        with real_ground(out / REAL, clips, start, poses, preset_name, overrides, kept) as ground:
            for seed in seeds:
                _on_real(ground, seed, shown, chosen)
                publish(out, table, ground.left_out)
    return publish(out, table)


def chosen_table(name: str) -> Table:
    """A table by its name."""
    if name not in TABLES:
        raise ConfigError(f"--table: there is no {name!r}", f"there are: {', '.join(TABLES)}")
    return TABLES[name]


def chosen_variants(table: Table, keys: Sequence[str]) -> tuple[Variant, ...]:
    """The variants named, in their own order, and the baseline they are compared with."""
    known = [variant.key for variant in table.variants]
    if unknown := [key for key in keys if key not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise ConfigError(
            f"--variants: there is no {unknown[0]!r}",
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
        )
    return tuple(v for v in table.variants if not keys or v.key in keys or v.key == BASELINE)


def chosen_targets(names: Sequence[str], clips: Path | None, start: str | None) -> tuple[str, ...]:
    """The targets named, or all that can be used."""
    if (clips is None) != (start is None):
        raise ConfigError("real clips need both --clips and --from", "name the clips and the model adapted to them")
    known = (*DOMAINS_TRIED, *(() if clips is None else (REAL,)))
    for name in names:
        if name == REAL and clips is None:
            raise ConfigError("--targets names real clips, and there are none", "give --clips and --from")
        if name not in known:
            raise ConfigError(f"--targets: there is no {name!r}", f"there are: {', '.join((*DOMAINS_TRIED, REAL))}")
    return tuple(name for name in known if not names or name in names)


def _on_generated(
    grounds: Path, kept: Path, settings: Settings, domains: tuple[str, ...], table: Table, variants: Sequence[Variant]
) -> None:
    """All trials of one seed on generated targets; all targets are there, so that each is a test of the others."""
    seed = f"seed{settings.seed}"
    with proving_ground(grounds / seed, settings, kept=kept / seed) as ground:
        for domain in domains:
            for variant in variants:
                ground.trial(table.trial(variant), domain, variant.config(settings.adapt))


def _on_real(ground: RealGround, seed: int, table: Table, variants: Sequence[Variant]) -> None:
    """All trials of one seed on real clips, clip by clip."""
    for clip in ground.clips:
        for variant in variants:
            ground.trial(table.trial(variant), clip, variant.config(ground.settings.adapt), seed)


def publish(out: Path, table: str, left_out: Mapping[str, str] | None = None) -> Report:
    """Write what all finished trials in a folder say; the mean PA-MPJPE of each variant on each target."""
    trials, shown = finished(out / "trials"), TABLES[table]
    clips = sorted({t["target"] for t in trials if t["target"].startswith(f"{REAL}/")})
    tables = {target: rows_on(trials, shown, target) for target in (*DOMAINS_TRIED, REAL, *clips)}
    tables = {target: rows for target, rows in tables.items() if rows}
    settings = {name: begun_settings(folder) for name, folder in (("generated", out), (REAL, out / REAL))}
    record = about("ablation", trials) | {
        "table": table,
        "settings": {name: to_dict(found) for name, found in settings.items() if found is not None},
        "variants": {v.key: {"title": v.title, "losses": v.losses, "changed": dict(v.changed)} for v in shown.variants},
        "paper_percent": {v.key: v.paper_percent for v in shown.variants if v.paper_mm is not None},
        "targets": {target: {key: r.record() for key, r in rows.items()} for target, rows in tables.items()},
        "impossible": {f"{t['target']} {t['name']}": t["impossible"] for t in trials if "impossible" in t},
        "left_out": dict(left_out or {}),
    }
    name = shown.file
    write_json(out / f"{name}.json", record)
    write_text(out / f"{name}.md", _markdown(shown, tables, clips))
    write_bytes(out / f"{name}.png", _plot(shown, {k: rows for k, rows in tables.items() if k not in clips}))
    means = {t: {k: sum(r.each["pa_mpjpe"]) / r.seeds for k, r in rows.items()} for t, rows in tables.items()}
    return {"out": str(out), "pa_mpjpe": means}


def rows_on(trials: Sequence[Report], table: Table, target: str) -> dict[str, Row]:
    """Variant -> its row, in the order of the table, of those that were tried on a target."""
    found = figures_on(trials, target)
    baseline = found.get(BASELINE, {})
    return {v.key: row(found[table.trial(v)], baseline) for v in table.variants if table.trial(v) in found}


def _markdown(shown: Table, tables: Mapping[str, Mapping[str, Row]], clips: Sequence[str]) -> str:
    """A table for each target, and one with the PA-MPJPE of each real clip."""
    heads = ("variant", "seeds", *HEADS, "change, %", *(COSTS if shown.costs else ("the paper's, %",)), "stopped")
    parts = [_SAID + (_SAID_OF_COSTS if shown.costs else "") + "\n"]
    for target, rows in tables.items():
        if target not in clips:
            named = "real clips, mean" if target == REAL else f"the `{target}` domain"
            parts.append(
                f"## {named}\n\n"
                + markdown_lines(heads, [_cells(shown, v, rows) for v in shown.variants if v.key in rows])
            )
    if clips:
        lines = [
            [v.title, *(mean_and_spread(_errors(tables[clip], v.key), 1) for clip in clips)]
            for v in shown.variants
            if any(v.key in tables[clip] for clip in clips)
        ]
        names = [clip.removeprefix(f"{REAL}/") for clip in clips]
        parts.append("## PA-MPJPE of each real clip\n\n" + markdown_lines(("variant", *names), lines))
    return "\n".join(parts)


def _cells(shown: Table, variant: Variant, rows: Mapping[str, Row]) -> list[str]:
    found = rows[variant.key]
    change = mean_and_spread(found.changes, 1, signed=True)
    if shown.costs:
        own = _cost_cells(found)
    else:
        own = [NOTHING if variant.paper_percent is None else number(variant.paper_percent, 1, signed=True)]
    return [variant.title, str(found.seeds), *found.cells(), change, *own, str(found.stopped)]


def _cost_cells(found: Row) -> list[str]:
    """Seconds, memory, and what PA-MPJPE fell by for each of them."""
    if "adapt_s" not in found.each or not found.gains_mm:
        return [NOTHING] * len(COSTS)
    seconds, held, gain = (float(np.mean(v)) for v in (found.each["adapt_s"], found.each["held_mb"], found.gains_mm))
    for_each = [number(gain / cost, 2, signed=True) if cost else NOTHING for cost in (seconds, held / 10)]
    return [number(seconds, 0), number(held, 0), *for_each]


def _errors(rows: Mapping[str, Row], key: str) -> list[float]:
    return rows[key].each["pa_mpjpe"] if key in rows else []


def _plot(shown: Table, tables: Mapping[str, Mapping[str, Row]]) -> bytes:
    """PA-MPJPE against source only in percent, a panel for each target, and the paper's own at its own scale."""
    titles = {v.key: v.title for v in shown.variants}
    groups = [[v.title for v in group if any(v.key in rows for rows in tables.values())] for group in shown.groups]
    panels = [
        DotPanel(
            "real clips, mean" if target == REAL else target,
            {titles[key]: r.changes for key, r in rows.items()},
            "change of PA-MPJPE, %",
        )
        for target, rows in tables.items()
    ]
    paper = {v.title: [v.paper_percent] for v in shown.variants if v.paper_percent is not None}
    of_paper = [DotPanel("the paper, Human3.6M", paper, "%, at a scale of its own")] if paper else []
    return change_dots(groups, [*panels, *of_paper])

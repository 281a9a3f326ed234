"""What each loss of adaptation is worth: added one after the other, left out one at a time, beside free baselines.

settings.json                        of the generated grounds
trials/seedN/TARGET-VARIANT.json     a finished trial's figures; its presence means done
real/                                what trials on real clips need (jobs/real_ground.py)
seedN/                               the proving grounds, unless they lie elsewhere (jobs/proving_ground.py)
ablation.json, .md, .png             what all finished trials say together, renewed after each seed and target

A cycle takes one step of each loss, and the source's labelled loss goes with every step, so more losses mean more
steps: "source continued" takes as many as all five losses do, without any of them, and a loss that is tried alone
takes as many as well.

The paper's own figures are those of its ablation on Human3.6M (209.6 mm without adaptation to 86.2 with all losses),
stated as changes, since neither its source nor its target is ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sa3dhp_edge.adaptation.distributed import refuse_team
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import PAPER_LOSSES, AdaptConfig, Settings, override, preset, to_dict
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.jobs.experiment import HEADS, REAL, Row, about, figures_on, finished, mean_and_spread, row
from sa3dhp_edge.jobs.proving_ground import DOMAINS_TRIED, proving_ground
from sa3dhp_edge.jobs.real_ground import RealGround, real_ground
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, begun_settings
from sa3dhp_edge.report.dots import DotPanel, change_dots
from sa3dhp_edge.report.tables import NOTHING, markdown_lines, number

ORDER = PAPER_LOSSES
"""The paper's losses in its order."""
PAPER_SOURCE_MM, PAPER_MM = 209.6, (193.4, 172.1, 139.7, 91.8, 86.2)
"""Its ablation without adaptation, and after each loss of the order is added."""
BASELINE = "source"


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Attributes:
        key: its name for files and `--variants`.
        losses: under which G moves; empty takes no step, None does nothing at all.
        changed: other settings of adaptation, by their names in `AdaptConfig`.
        paper_mm: what the paper has for it.
    """

    key: str
    title: str
    losses: tuple[str, ...] | None
    changed: Mapping[str, Any] = field(default_factory=dict)
    paper_mm: float | None = None

    def config(self, cfg: AdaptConfig) -> AdaptConfig | None:
        """The configuration, over the settings of a run."""
        plain = replace(cfg, target_statistics=False)
        return None if self.losses is None else replace(plain, losses=self.losses, **self.changed)

    @property
    def paper_percent(self) -> float | None:
        """The paper's change against its source model."""
        return None if self.paper_mm is None else 100 * (self.paper_mm / PAPER_SOURCE_MM - 1)

    @property
    def trial(self) -> str:
        """The name its trial is kept under: that of the first variant with the same configuration."""
        return next(v.key for v in VARIANTS if (v.losses, v.changed) == (self.losses, self.changed))


_STATISTICS = {"target_statistics": True}
_LOUD = dict(zip(ORDER, ("LCR", "HCR", "L1z", "L1v", "L2v"), strict=True))
GROUPS: tuple[tuple[Variant, ...], ...] = (
    (
        Variant(BASELINE, "source only", None, paper_mm=PAPER_SOURCE_MM),
        Variant("statistics", "target statistics", (), _STATISTICS),
        Variant("continued", "source continued", ("replay",) * len(ORDER)),
    ),
    tuple(Variant(name, f"+ {_LOUD[name]}", ORDER[: i + 1], paper_mm=PAPER_MM[i]) for i, name in enumerate(ORDER)),
    tuple(
        Variant(f"without-{name}", f"all without {_LOUD[name]}", tuple(n for n in ORDER if n != name)) for name in ORDER
    ),
    (
        Variant("exact", "exact alone", ("exact",) * len(ORDER)),
        Variant("consensus", "consensus alone", ("consensus",) * len(ORDER)),
        Variant("consensus-all", "all and consensus", (*ORDER, "consensus")),
    ),
    (
        *(
            Variant(f"statistics-{name}", f"target statistics, then {_LOUD.get(name, name)}", (name,) * len(ORDER),
                    _STATISTICS)
            for name in ("replay", *ORDER, "exact", "consensus")
        ),
        Variant("statistics-relations", "target statistics, then L1z, L1v, L2v", ORDER[2:], _STATISTICS),
        Variant("statistics-all", "target statistics, then all", ORDER, _STATISTICS),
    ),
)  # fmt: skip
"""Groups of the plot and the table; a new variant is one more line."""
VARIANTS: tuple[Variant, ...] = tuple(variant for group in GROUPS for variant in group)


def ablation(
    *, out: Path, grounds: Path | None, seeds: tuple[int, ...], variants: tuple[str, ...], targets: tuple[str, ...],
    clips: Path | None, start: str | None, poses: Path | None, preset_name: str | None, overrides: tuple[str, ...],
) -> Report:  # fmt: skip
    """Try variants on targets for every seed; what is done is kept, so the rest can be asked for later.

    Args:
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
    chosen, asked = chosen_variants(variants), chosen_targets(targets, clips, start)
    settings = override(preset(preset_name or "demo"), overrides)
    kept = out / "trials"
    if domains := tuple(name for name in asked if name != REAL):
        with RunFolder.start(out, settings, resume=out.exists()):
            for seed in seeds:
                _on_generated(grounds or out, kept, replace(settings, seed=seed), domains, chosen)
                publish(out)
    if REAL in asked:
        assert clips is not None
        assert start is not None
        with real_ground(out / REAL, clips, start, poses, preset_name, overrides, kept) as ground:
            for seed in seeds:
                _on_real(ground, seed, chosen)
                publish(out, ground.left_out)
    return publish(out)


def chosen_variants(keys: Sequence[str]) -> tuple[Variant, ...]:
    """The variants named, in their own order, and the baseline they are compared with."""
    known = [variant.key for variant in VARIANTS]
    if unknown := [key for key in keys if key not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise ConfigError(
            f"--variants: there is no {unknown[0]!r}",
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
        )
    return tuple(v for v in VARIANTS if not keys or v.key in keys or v.key == BASELINE)


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
    grounds: Path, kept: Path, settings: Settings, domains: tuple[str, ...], variants: Sequence[Variant]
) -> None:
    """All trials of one seed on generated targets; all targets are there, so that each is a test of the others."""
    seed = f"seed{settings.seed}"
    with proving_ground(grounds / seed, settings, kept=kept / seed) as ground:
        for domain in domains:
            for variant in variants:
                ground.trial(variant.trial, domain, variant.config(settings.adapt))


def _on_real(ground: RealGround, seed: int, variants: Sequence[Variant]) -> None:
    """All trials of one seed on real clips, clip by clip."""
    for clip in ground.clips:
        for variant in variants:
            ground.trial(variant.trial, clip, variant.config(ground.settings.adapt), seed)


def publish(out: Path, left_out: Mapping[str, str] | None = None) -> Report:
    """Write what all finished trials in a folder say; the mean PA-MPJPE of each variant on each target."""
    trials = finished(out / "trials")
    clips = sorted({t["target"] for t in trials if t["target"].startswith(f"{REAL}/")})
    tables = {target: rows_on(trials, target) for target in (*DOMAINS_TRIED, REAL, *clips)}
    tables = {target: rows for target, rows in tables.items() if rows}
    settings = {name: begun_settings(folder) for name, folder in (("generated", out), (REAL, out / REAL))}
    record = about("ablation", trials) | {
        "settings": {name: to_dict(found) for name, found in settings.items() if found is not None},
        "variants": {v.key: {"title": v.title, "losses": v.losses, "changed": dict(v.changed)} for v in VARIANTS},
        "paper_percent": {v.key: v.paper_percent for v in VARIANTS if v.paper_mm is not None},
        "targets": {target: {key: r.record() for key, r in rows.items()} for target, rows in tables.items()},
        "impossible": {f"{t['target']} {t['name']}": t["impossible"] for t in trials if "impossible" in t},
        "left_out": dict(left_out or {}),
    }
    write_json(out / "ablation.json", record)
    write_text(out / "ablation.md", _markdown(tables, clips))
    write_bytes(out / "ablation.png", _plot({k: rows for k, rows in tables.items() if k not in clips}))
    means = {t: {k: sum(r.each["pa_mpjpe"]) / r.seeds for k, r in rows.items()} for t, rows in tables.items()}
    return {"out": str(out), "pa_mpjpe": means}


def rows_on(trials: Sequence[Report], target: str) -> dict[str, Row]:
    """Variant -> its row, in the order of `VARIANTS`, of those that were tried on a target."""
    found = figures_on(trials, target)
    baseline = found.get(BASELINE, {})
    return {v.key: row(found[v.trial], baseline) for v in VARIANTS if v.trial in found}


def _markdown(tables: Mapping[str, Mapping[str, Row]], clips: Sequence[str]) -> str:
    """A table for each target, and one with the PA-MPJPE of each real clip."""
    heads = ("variant", "seeds", *HEADS, "change, %", "the paper's, %", "stopped")
    parts = [
        "Errors in mm; mean ± sample standard deviation over the seeds (n - 1). The change is that of PA-MPJPE against "
        "the same seed's source model. `stopped`: seeds whose adaptation the guard broke off and took back.\n"
    ]
    for target, rows in tables.items():
        if target not in clips:
            named = "real clips, mean" if target == REAL else f"the `{target}` domain"
            parts.append(
                f"## {named}\n\n" + markdown_lines(heads, [_cells(v, rows) for v in VARIANTS if v.key in rows])
            )
    if clips:
        lines = [
            [v.title, *(mean_and_spread(_errors(tables[clip], v.key), 1) for clip in clips)]
            for v in VARIANTS
            if any(v.key in tables[clip] for clip in clips)
        ]
        names = [clip.removeprefix(f"{REAL}/") for clip in clips]
        parts.append("## PA-MPJPE of each real clip\n\n" + markdown_lines(("variant", *names), lines))
    return "\n".join(parts)


def _cells(variant: Variant, rows: Mapping[str, Row]) -> list[str]:
    found = rows[variant.key]
    paper = NOTHING if variant.paper_percent is None else number(variant.paper_percent, 1, signed=True)
    change = mean_and_spread(found.changes, 1, signed=True)
    return [variant.title, str(found.seeds), *found.cells(), change, paper, str(found.stopped)]


def _errors(rows: Mapping[str, Row], key: str) -> list[float]:
    return rows[key].each["pa_mpjpe"] if key in rows else []


def _plot(tables: Mapping[str, Mapping[str, Row]]) -> bytes:
    """PA-MPJPE against source only in percent, a panel for each target, and the paper's own at its own scale."""
    titles = {v.key: v.title for v in VARIANTS}
    shown = [[v.title for v in group if any(v.key in rows for rows in tables.values())] for group in GROUPS]
    panels = [
        DotPanel(
            "real clips, mean" if target == REAL else target,
            {titles[key]: r.changes for key, r in rows.items()},
            "change of PA-MPJPE, %",
        )
        for target, rows in tables.items()
    ]
    paper = {v.title: [v.paper_percent] for v in VARIANTS if v.paper_percent is not None}
    return change_dots(shown, [*panels, DotPanel("the paper, Human3.6M", paper, "%, at a scale of its own")])

"""Who has labels: adaptation alone, beside labels of the target, beside a second source, and on an unseen target.

settings.json                     of the generated grounds
trials/seedN/TARGET-NAME.json     a finished trial's figures; its presence means done
seedN/                            the proving grounds, unless they lie elsewhere (experiments/proving_ground.py)
settings_study.json, .md, .png    what all finished trials say together, renewed after each seed

A setting is no switch of the method: it follows from the sets that `adapt` is given. With real data sets, S for a
generated set such as SURREAL, H for Human3.6M, M for MPI-INF-3DHP and W for video of anybody:

    unsupervised    S->H   adapt --source S --target H
    semi            S->H   the same with --labelled S1, one subject of H, and without it in --target
    two-sources     SH->W  adapt --source S --labelled H --target W
    unseen          S->W   adapt --source S --target W, then tested on M, which adaptation never saw

docs/data.md has the commands, from the data sets' folders on.

Labels help by themselves, so each setting has a twin without adaptation: as many steps on the same labels alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import override, preset, to_dict
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments.proving_ground import DOMAINS_TRIED, ProvingGround, proving_ground, spread
from sa3dhp_edge.experiments.trials import HEADS, Row, about, figures_on, finished, mean_and_spread, row
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import REPLAY_CLIPS
from sa3dhp_edge.jobs.embedded import Target, unlabelled
from sa3dhp_edge.jobs.labelled_source import SYNTH, training_pictures
from sa3dhp_edge.jobs.pretrain import source_motion
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, begun_settings
from sa3dhp_edge.report.dots import DotPanel, change_dots
from sa3dhp_edge.report.tables import markdown_lines
from sa3dhp_edge.training.distributed import refuse_team

LABELLED_SUBJECTS = 4
"""So many of the target's people, a clip each, have labels where a setting gives it some."""
SECOND_SOURCE = "wide"
BASELINE = "source"
_LABELS_ALONE = "labels-alone"


@dataclass(frozen=True)
class Setting:
    """Which labels there are beside the source's, and where the test is.

    Attributes:
        key: its name for files and `--settings`.
        paper: the paper's name for such a setting.
        beside: labelled frames that are replayed beside the source's: of some subjects of the target, whose clips are
            then not adapted to, or of a second source.
        unseen: tested on the other target, of which adaptation has seen nothing.
    """

    key: str
    title: str
    paper: str
    beside: Literal["nothing", "subjects", "second source"] = "nothing"
    unseen: bool = False

    @property
    def trial(self) -> str:
        """The name its trial is kept under; labels, not the place of the test, make a trial."""
        return next(s.key for s in SETTINGS if s.beside == self.beside)


SETTINGS: tuple[Setting, ...] = (
    Setting("unsupervised", "unsupervised", "S->H"),
    Setting("semi", f"{LABELLED_SUBJECTS} labelled subjects of the target", "S->H, semi-supervised", "subjects"),
    Setting("two-sources", f"two sources, the second `{SECOND_SOURCE}`", "SH->W", "second source"),
    Setting("unseen", "target unseen in adaptation", "S->W, tested elsewhere", unseen=True),
)


def settings_study(
    *, out: Path, grounds: Path | None, seeds: tuple[int, ...], chosen: tuple[str, ...], preset_name: str | None,
    overrides: tuple[str, ...],
) -> Report:  # fmt: skip
    """Measure settings on the generated targets for every seed; what is done is kept.

    Args:
        grounds: where the source models and targets lie or are to be made; None for `out`.
        chosen: keys of settings; none for all.

    Raises:
        ConfigError: a setting that is not known, or others than the experiment was begun with.
    """
    refuse_team("an experiment", "start it without torchrun")
    known = {setting.key: setting for setting in SETTINGS}
    if unknown := [key for key in chosen if key not in known]:
        raise ConfigError(f"--settings: there is no {unknown[0]!r}", f"there are: {', '.join(known)}")
    asked = [setting for key, setting in known.items() if not chosen or key in chosen]
    settings = override(preset(preset_name or "demo"), overrides)
    with RunFolder.start(out, settings, resume=out.exists()):
        for seed in seeds:
            folder, kept = (grounds or out) / f"seed{seed}", out / "trials" / f"seed{seed}"
            with proving_ground(folder, replace(settings, seed=seed), kept=kept) as ground:
                for domain in ground.targets:
                    ground.trial(BASELINE, domain, None)
                    for setting in {s.trial: s for s in asked}.values():
                        _tried(ground, setting, domain)
            publish(out)
    return publish(out)


def _tried(ground: ProvingGround, setting: Setting, domain: str) -> None:
    """One setting's trial, and its twin on the labels alone."""
    given, cfg = with_labels(ground, setting, domain), ground.settings.adapt
    given.trial(setting.trial, domain, cfg)
    alone = replace(cfg, losses=("replay",) * len(cfg.losses), target_statistics=False)
    given.trial(f"{setting.trial}-{_LABELS_ALONE}", domain, alone)


def with_labels(ground: ProvingGround, setting: Setting, domain: str) -> ProvingGround:
    """The ground with what a setting adds to its labels and takes from the clips that are adapted to."""
    assert isinstance(ground.labelled, FrameSet)
    if setting.beside == "subjects":
        own = FrameSet.load(ground.folder / "targets" / domain / "target")
        clips = own.clips()
        count = min(LABELLED_SUBJECTS, len(clips) - 1)
        subjects, rest = (own.take(np.concatenate(part)) for part in (clips[:count], clips[count:]))
        target = Target(unlabelled(rest), ground.targets[domain].test)
        return replace(ground, labelled=(ground.labelled, subjects), targets=ground.targets | {domain: target})
    if setting.beside == "second source":
        return replace(ground, labelled=(ground.labelled, _second_source(ground)))
    return ground


def _second_source(ground: ProvingGround) -> FrameSet:
    """Labelled frames of another domain, rendered once for each ground."""
    settings = ground.settings
    source = replace(
        settings.source, domain=SECOND_SOURCE, clips=min(settings.source.clips, REPLAY_CLIPS), streaming=False
    )
    motion, _ = source_motion(settings, None)
    folder = ground.folder / "second"
    with training_pictures(folder, replace(settings, source=source), SYNTH, motion, ground.log) as frames:
        assert isinstance(frames, FrameSet)
        return frames


@dataclass(frozen=True)
class Measured:
    """One setting on one target: before, after its labels alone, and after adaptation beside them.

    Attributes:
        adapted_to: the domain whose clips adaptation saw.
        gain: change of PA-MPJPE in percent from the labels alone to adaptation, for each seed; those of the rows are
            against the source model.
    """

    adapted_to: str
    before: Row
    labels: Row
    adapted: Row
    gain: list[float]


def measured(trials: Sequence[Report]) -> dict[str, dict[str, Measured]]:
    """Tested domain -> setting -> what was measured."""
    found: dict[str, dict[str, Measured]] = {}
    for tested in DOMAINS_TRIED:
        source = figures_on(trials, tested).get(BASELINE, {})
        for setting in SETTINGS:
            to = next(d for d in DOMAINS_TRIED if d != tested) if setting.unseen else tested
            figures = figures_on(trials, to, f"on_{tested}_" if setting.unseen else "")
            adapted, labels = (figures.get(setting.trial + end, {}) for end in ("", f"-{_LABELS_ALONE}"))
            if source and adapted and labels:
                before = {seed: figures for seed, figures in source.items() if seed in adapted}
                rows = [row(seeds, source) for seeds in (before, labels, adapted)]
                gain = row(adapted, labels).changes
                found.setdefault(tested, {})[setting.key] = Measured(to, rows[0], rows[1], rows[2], gain)
    return found


def publish(out: Path) -> Report:
    """Write what all finished trials in a folder say; the mean PA-MPJPE of each setting on each target."""
    trials = finished(out / "trials")
    tables = measured(trials)
    begun = begun_settings(out)
    record = about("settings", trials) | {
        "settings": None if begun is None else to_dict(begun),
        "labelled_subjects": LABELLED_SUBJECTS,
        "second_source": SECOND_SOURCE,
        "tested_on": {
            tested: {
                key: {
                    "adapted_to": m.adapted_to, "source_only": m.before.record(), "labels_alone": m.labels.record(),
                    "adapted": m.adapted.record(), "gain_percent": spread(m.gain) if m.gain else None,
                }
                for key, m in found.items()
            }
            for tested, found in tables.items()
        },
    }  # fmt: skip
    write_json(out / "settings_study.json", record)
    write_text(out / "settings_study.md", _markdown(tables))
    write_bytes(out / "settings_study.png", _plot(tables))
    means = {
        tested: {key: sum(m.adapted.each["pa_mpjpe"]) / m.adapted.seeds for key, m in found.items()}
        for tested, found in tables.items()
    }
    return {"out": str(out), "pa_mpjpe": means}


def _markdown(tables: Mapping[str, Mapping[str, Measured]]) -> str:
    heads = (
        "setting", "the paper's", "adapted to", "seeds", "PA-MPJPE, source only", "labels alone", "adapted",
        "change by adaptation, %", *(f"{head}, adapted" for head in HEADS if head != "PA-MPJPE"), "stopped",
    )  # fmt: skip
    parts = [
        "Errors in mm; mean ± sample standard deviation over the seeds (n - 1). `labels alone` takes as many steps on "
        "the same labels without adaptation; the change by adaptation is against it, seed by seed.\n"
    ]
    for tested, found in tables.items():
        lines = []
        for setting in (s for s in SETTINGS if s.key in found):
            m = found[setting.key]
            pa = (mean_and_spread(r.each["pa_mpjpe"], 1) for r in (m.before, m.labels, m.adapted))
            others = (cell for head, cell in zip(HEADS, m.adapted.cells(), strict=True) if head != "PA-MPJPE")
            change = mean_and_spread(m.gain, 1, signed=True)
            cells = (setting.title, setting.paper, m.adapted_to, str(m.adapted.seeds), *pa, change, *others)
            lines.append([*cells, str(m.adapted.stopped)])
        parts.append(f"## tested on the `{tested}` domain\n\n" + markdown_lines(heads, lines, 3))
    return "\n".join(parts)


def _plot(tables: Mapping[str, Mapping[str, Measured]]) -> bytes:
    """PA-MPJPE against the source model in percent, labels alone and adapted, a panel for each tested domain."""
    groups = [[f"{s.key}: labels alone", f"{s.key}: adapted"] for s in SETTINGS]
    panels = []
    for tested, found in tables.items():
        changes: dict[str, Sequence[float]] = {}
        for key, m in found.items():
            changes |= {f"{key}: labels alone": m.labels.changes, f"{key}: adapted": m.adapted.changes}
        panels.append(DotPanel(f"tested on {tested}", changes, "change of PA-MPJPE against source only, %"))
    return change_dots(groups, panels)

"""What finished trials say together: each figure over the seeds, as rows, as a table and as a record.

Every `spread` is a mean and a sample standard deviation (n - 1 in the denominator); a change is always against the
same seed's own baseline, so that what one source model has over another does not count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sa3dhp_edge.experiments.proving_ground import machine, spread
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.tables import NOTHING, number

REAL = "real"
"""The target that is the mean over all real clips; one of them is `real/NAME`."""
Seeds = dict[int, dict[str, float]]
"""Seed -> figures."""
_HEADS = {
    "mpjpe": ("MPJPE", 1), "pa_mpjpe": ("PA-MPJPE", 1), "pa_mpjpe_true_bones": ("PA-MPJPE, true bones", 1),
    "pck_150": ("PCK@150", 3), "auc": ("AUC", 3), "source_pa_mpjpe": ("source PA-MPJPE", 1),
}  # fmt: skip
FIGURES = tuple(_HEADS)
COST = ("adapt_s", "held_mb")
"""Of a trial that took gradient steps."""
HEADS = tuple(title for title, _ in _HEADS.values())


@dataclass(frozen=True)
class Row:
    """One thing that was tried on one target.

    Attributes:
        each: figure -> its value for each seed; one that was not measured is not there.
        changes: of PA-MPJPE in percent against the baseline, for each seed that both have.
        gains_mm: by how much PA-MPJPE fell, for the same seeds.
        stopped: so many seeds were stopped by the guard.
    """

    each: dict[str, list[float]]
    changes: list[float]
    gains_mm: list[float]
    stopped: int

    @property
    def seeds(self) -> int:
        return len(self.each["pa_mpjpe"])

    def cells(self) -> list[str]:
        """Accuracy as texts, under `HEADS`."""
        return [mean_and_spread(self.each.get(name, []), digits) for name, (_, digits) in _HEADS.items()]

    def record(self) -> Report:
        """For JSON."""
        figures = {name: spread(values) for name, values in self.each.items()}
        change = spread(self.changes) if self.changes else None
        return figures | {"change_percent": change, "stopped_by_guard": self.stopped, "seeds": self.seeds}


def finished(kept: Path) -> list[Report]:
    """What every trial that is done found."""
    return [json.loads(path.read_text()) for path in sorted(kept.glob("seed*/*.json"))]


def figures_on(trials: Sequence[Report], target: str, prefix: str = "") -> dict[str, Seeds]:
    """Name -> seed -> `FIGURES` and "stopped" of the trials on a target.

    Args:
        target: `REAL` takes the mean over the clips, where a name and seed has been tried on all of them.
        prefix: of the figures' names: "on_park_" are those on another target than the one adapted to.
    """
    if target == REAL:
        clips = sorted({t["target"] for t in trials if t["target"].startswith(f"{REAL}/")})
        return _mean([figures_on(trials, clip, prefix) for clip in clips])
    found: dict[str, Seeds] = {}
    for trial in trials:
        if trial["target"] == target:
            figures = {name: float(trial[prefix + name]) for name in FIGURES if prefix + name in trial}
            figures |= {"source_pa_mpjpe": trial["source_pa_mpjpe"], "stopped": trial.get("stopped_by_guard", False)}
            if cost := (trial.get("report") or {}).get("cost"):
                figures |= {"adapt_s": cost["seconds"], "held_mb": cost["held_mb"]}
            found.setdefault(trial["name"], {})[trial["seed"]] = figures
    return found


def _mean(clips: Sequence[dict[str, Seeds]]) -> dict[str, Seeds]:
    """The mean over clips of what all of them have."""
    if not clips:
        return {}
    found: dict[str, Seeds] = {}
    for name, seeds in clips[0].items():
        for seed, figures in seeds.items():
            same = [clip[name][seed] for clip in clips if seed in clip.get(name, {})]
            if len(same) == len(clips):
                means = {k: float(np.mean([one[k] for one in same])) for k in figures if all(k in one for one in same)}
                found.setdefault(name, {})[seed] = means | {"stopped": float(any(one["stopped"] for one in same))}
    return found


def row(of: Seeds, baseline: Seeds) -> Row:
    """One thing over its seeds, beside the baseline."""
    shared = sorted(set(of) & set(baseline))
    changes = [100 * (of[s]["pa_mpjpe"] / baseline[s]["pa_mpjpe"] - 1) for s in shared]
    each = {
        k: [of[s][k] for s in sorted(of)] for k in (*FIGURES, *COST) if all(k in figures for figures in of.values())
    }
    gains_mm = [baseline[s]["pa_mpjpe"] - of[s]["pa_mpjpe"] for s in shared]
    return Row(each, changes, gains_mm, round(sum(figures["stopped"] for figures in of.values())))


def mean_and_spread(values: Sequence[float], digits: int, *, signed: bool = False) -> str:
    """A figure over the seeds, as tables write it."""
    if not values:
        return NOTHING
    mean = number(float(np.mean(values)), digits, signed=signed)
    return mean if len(values) < 2 else f"{mean} ± {number(float(np.std(values, ddof=1)), digits)}"


def about(name: str, trials: Sequence[Report]) -> Report:
    """What an experiment's record begins with."""
    return {
        "experiment": name, "seeds": sorted({t["seed"] for t in trials}), "machine": machine(),
        "commits": sorted({t["commit"] for t in trials}),
        "spread": "sample standard deviation over the seeds (n - 1)",
        "minutes": sum(t["seconds"] for t in trials) / 60, "cpu_minutes": sum(t["cpu_seconds"] for t in trials) / 60,
        "minutes_of": "the trials alone, without source models and rendering",
    }  # fmt: skip

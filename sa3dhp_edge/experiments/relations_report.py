"""What the study of relations says: does farther carry better, and which rules would be chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.experiments.proving_ground import spread
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.palette import BLUE, VERMILION
from sa3dhp_edge.report.scatter import Point, ScatterPanel, scatter_panels
from sa3dhp_edge.report.tables import Cell, Column, markdown_table, number

FITTED_SHARE = 0.5
"""T fits a rule where its held-out error is below this share of d, and below the best constant's error."""
SIGNIFICANT = 0.05
PERMUTATIONS = 20_000
LATENTS = {"z": "poses", "v": "motions"}
_FIGURES = (
    "over_random", "distance", "t_latent", "t_share", "mean_share", "t_mm", "identity_mm", "mean_mm", "exact_mm",
)  # fmt: skip
_GIVEN = (
    "distance", "over_random", "pa_mpjpe", "source_only_mm", "source_continued_mm", "gain_mm", "gain_over_replay_mm",
)  # fmt: skip
LOSSES = ("l1z", "l1v", "l2v")
_COLOURS = {"l1z": BLUE, "l1v": BLUE, "l2v": VERMILION}


@dataclass(frozen=True)
class RuleRow:
    """One rule over the seeds.

    Attributes:
        loss: that adapted under the rule alone.
        each: a figure's name -> its value for each seed. "distance" is d, "over_random" is d over the distance of
            random pairs; "t_share" and "mean_share" are the held-out errors of T and of the best constant over d;
            "gain_mm" and "gain_over_replay_mm" are what PA-MPJPE is lower by than "source_only_mm", the source
            model's, and "source_continued_mm", that of the source model continued with replay alone.
    """

    latent: str
    rule: str
    loss: str
    each: dict[str, list[float]]

    def mean(self, figure: str) -> float:
        return float(np.mean(self.each[figure]))

    def std(self, figure: str) -> float:
        """Sample standard deviation over the seeds; nan with fewer than two."""
        values = self.each[figure]
        return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan

    @property
    def fitted(self) -> bool:
        """T has learned the rule."""
        share = self.mean("t_share")
        return share < FITTED_SHARE and share < self.mean("mean_share")


def rule_rows(found: Sequence[Report]) -> list[RuleRow]:
    """One row a rule, poses first, then the farthest first.

    Args:
        found: what each seed measured of each rule: "latent", "rule", "loss", "distance", "over_random", "errors"
            (of `relation_errors`), and the errors and gains of `RuleRow`.
    """
    each: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for one in found:
        errors, d = one["errors"], one["distance"]
        figures = {name: one[name] for name in _GIVEN}
        figures |= {f"{answer}_mm": errors[answer]["mm"] for answer in errors}
        figures |= {"t_latent": errors["t"]["latent"], "t_share": errors["t"]["distance"] / d}
        figures["mean_share"] = errors["mean"]["distance"] / d
        row = each.setdefault((one["latent"], one["rule"], one["loss"]), {})
        for name, value in figures.items():
            row.setdefault(name, []).append(float(value))
    rows = [RuleRow(*key, values) for key, values in each.items()]
    return sorted(rows, key=lambda r: (list(LATENTS).index(r.latent), -r.mean("over_random")))


def rank_correlation(x: Sequence[float], y: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Spearman's rho, ties at their mean rank, and its two-sided p-value over random orders of `y`.

    Returns:
        (rho, p); nan and 1 where there are fewer than three pairs or one side is constant.
    """
    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return float("nan"), 1.0
    a, b = _ranks(x), _ranks(y)
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    rho = float(a @ b / scale)
    orders = np.random.default_rng(seed).permuted(np.tile(b, (PERMUTATIONS, 1)), axis=1)
    as_far = np.abs(orders @ a / scale) >= abs(rho) - 1e-12
    return rho, float((1 + as_far.sum()) / (1 + PERMUTATIONS))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks about their mean."""
    _, where, count = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[where]
    return np.asarray(rank - rank.mean())


def chosen_rules(rows: Sequence[RuleRow]) -> dict[str, str]:
    """loss -> the farthest rule that T fits, for each loss that has one."""
    fitted = sorted((r for r in rows if r.fitted), key=lambda r: -r.mean("over_random"))
    return {
        loss: next(r.rule for r in fitted if r.loss == loss) for loss in LOSSES if any(r.loss == loss for r in fitted)
    }


def verdict(rows: Sequence[RuleRow]) -> str:
    """Does farther adapt better here, and which rules would be chosen: computed from the figures."""
    said = [_answer(name, own) for latent, name in LATENTS.items() if (own := [r for r in rows if r.latent == latent])]
    chosen = []
    for loss, rule in chosen_rules(rows).items():
        gains = {r.rule: r.mean("gain_over_replay_mm") for r in rows if r.loss == loss}
        best = max(gains, key=lambda name: gains[name])
        other = "the best" if best == rule else f"the best is {best} with {number(gains[best], signed=True)} mm"
        chosen.append(f"{rule} for {loss} ({number(gains[rule], signed=True)} mm, {other})")
    criterion = f"The farthest rules whose T errs by less than {FITTED_SHARE:g} d and less than the best constant:"
    return " ".join([*said, criterion, "; ".join(chosen) or "none"]) + "."


def _answer(name: str, rows: Sequence[RuleRow]) -> str:
    """Does farther adapt better on one latent."""
    rho, p = _correlation(rows)
    shown = "shows" if p < SIGNIFICANT and rho > 0 else "contradicts" if p < SIGNIFICANT else "does not show"
    shown = "has too few rules to say" if math.isnan(rho) else shown
    gains = [(r.mean("gain_over_replay_mm"), r.std("gain_over_replay_mm")) for r in rows]
    clear = sum(gain > (0 if math.isnan(std) else std) for gain, std in gains)
    return (
        f"On {name} the study {shown} that farther is better (Spearman {number(rho, 2, signed=True)}, {_p(p)}): T fits"
        f" {sum(r.fitted for r in rows)} of {len(rows)} rules, and {clear} beat the source model continued"
        + ("." if all(math.isnan(std) for _, std in gains) else " by more than one deviation over the seeds.")
    )


def publish(out: Path, found: Sequence[Report], about: Report) -> Report:
    """Write `relations.json`, `relations.md` and `relations.png`.

    Args:
        found: as `rule_rows` wants it.

    Returns:
        what was said and chosen.
    """
    rows = rule_rows(found)
    result = {"verdict": verdict(rows), "chosen": chosen_rules(rows)}
    table = [
        {"latent": r.latent, "rule": r.rule, "loss": r.loss, "fitted": r.fitted}
        | {name: spread(values) for name, values in r.each.items()}
        for r in rows
    ]
    write_json(out / "relations.json", {**about, **result, "table": table, "found": list(found)})
    write_text(out / "relations.md", markdown(rows))
    write_bytes(out / "relations.png", plot(rows))
    return result


def markdown(rows: Sequence[RuleRow]) -> str:
    """A table for each latent, farthest rule first, and what it all says."""
    only, continued = (number(rows[0].mean(name)) for name in ("source_only_mm", "source_continued_mm"))
    seeds = len(rows[0].each["distance"])
    lines = [
        f"Each rule alone, mean and deviation over {seeds} seed{'s' * (seeds != 1)}. d is the mean distance that a"
        " rule carries a held-out latent; errors of T are held out too: as the mean absolute difference of a latent's"
        " numbers, as a distance over d (1 is the identity's), and in mm beside the identity, the best constant and the"
        f" goal itself, decoded. Gains are PA-MPJPE on the target's test, mm: against the source model ({only}) and"
        f" against it continued with replay alone for as many steps ({continued}).",
    ]
    columns = [
        Column("rule"), Column("loss"), Column("d / random", digits=2), Column("d", digits=2),
        Column("T", digits=3), Column("T / d", digits=2), Column("constant / d", digits=2),
        *(Column(f"{name}, mm", digits=0) for name in ("T", "identity", "constant", "goal")),
        Column("gain on source", digits=1), Column("gain on continued", digits=1),
    ]  # fmt: skip
    for latent, name in LATENTS.items():
        cells: list[tuple[Cell, ...]] = [
            (r.rule, r.loss, *(r.mean(f) for f in _FIGURES), _gain(r, "gain_mm"), _gain(r, "gain_over_replay_mm"))
            for r in rows
            if r.latent == latent
        ]
        if cells:
            lines += ["", f"Rules on {name}:", "", markdown_table(columns, cells).rstrip("\n")]
    return "\n".join([*lines, "", verdict(rows)]) + "\n"


def _gain(row: RuleRow, figure: str) -> str:
    std = row.std(figure)
    return number(row.mean(figure), 1, signed=True) + ("" if math.isnan(std) else f" ± {number(std, 1)}")


def plot(rows: Sequence[RuleRow]) -> bytes:
    """Gain over the source continued against d, one panel a latent; the chosen rules filled."""
    chosen = set(chosen_rules(rows).items())
    behind = rows[0].mean("source_continued_mm") - rows[0].mean("source_only_mm")
    panels = []
    for latent, name in LATENTS.items():
        own = [r for r in rows if r.latent == latent]
        if not own:
            continue
        points = [
            Point(
                r.rule, r.mean("over_random"), r.mean("gain_over_replay_mm"), r.std("over_random"),
                r.std("gain_over_replay_mm"), _COLOURS[r.loss], (r.loss, r.rule) in chosen,
            )
            for r in own
        ]  # fmt: skip
        rho, p = _correlation(own)
        colours = " · vermilion: another tempo" if any(r.loss == "l2v" for r in own) else ""
        aside = f"Spearman {number(rho, 2, signed=True)}, {_p(p)} · filled: farthest that T fits{colours}"
        lines = {"source continued": 0.0} | ({"source only": behind} if abs(behind) < _reach(points) else {})
        panels.append(ScatterPanel(f"Rules on {name}", aside, points, lines))
    return scatter_panels(
        panels, "d: moved distance / distance of random pairs", "gain on source continued, PA-MPJPE mm"
    )


def _reach(points: Sequence[Point]) -> float:
    """A line farther off than this would press the points together."""
    return 2 * max(abs(p.y) + (0.0 if math.isnan(p.y_std) else p.y_std) for p in points)


def _correlation(rows: Sequence[RuleRow]) -> tuple[float, float]:
    """Of d with the gain, over the seeds' means; the same for both gains, which differ by a constant."""
    return rank_correlation([r.mean("over_random") for r in rows], [r.mean("gain_over_replay_mm") for r in rows])


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 3)}"

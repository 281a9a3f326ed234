"""What the acceptance study found, as tables, a plot and JSON: the score, each signal for itself, the refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.adaptation.acceptance import Fit, Verdict, changes
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import Settings, to_dict
from sa3dhp_edge.experiments.acceptance_refusals import Refusal
from sa3dhp_edge.experiments.acceptance_runs import Run, plain
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.relations_report import rank_correlation
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.tables import Column, markdown_lines, markdown_table, number
from sa3dhp_edge.report.verdicts import Curve, Judged, roc, verdict_panels

BETTER_MM, WORSE_MM = 3.0, -2.0
"""From these gains on a model is truly better, or truly worse."""
REACH_MM = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What was said of a run by a fit that has not seen its seed and target."""

    run: Run
    verdict: Verdict

    @property
    def asked(self) -> bool:
        """No hard rule refused it."""
        return bool(np.isfinite(self.verdict.expected_gain_mm))


def shares(outcomes: Sequence[Outcome]) -> Report:
    """How many of the truly better and worse models there are, and what share got the right answer."""
    better = [o for o in outcomes if o.run.gain_pa_mm >= BETTER_MM]
    worse = [o for o in outcomes if o.run.gain_pa_mm <= WORSE_MM]
    taken = [o.run.gain_pa_mm for o in outcomes if o.verdict.accepted]
    return {
        "models": len(outcomes), "refused_outright": sum(not o.asked for o in outcomes),
        "better": len(better), "better_accepted": _mean([o.verdict.accepted for o in better]),
        "better_accepted_where_asked": _mean([o.verdict.accepted for o in better if o.asked]),
        "worse": len(worse), "worse_refused": _mean([not o.verdict.accepted for o in worse]),
        "accepted": len(taken), "accepted_gain_mm": _mean(taken), "accepted_least_gain_mm": min(taken, default=None),
        "area": curve(outcomes).area,
    }  # fmt: skip


def _by_kind(outcomes: Sequence[Outcome]) -> dict[str, Report]:
    """The shares on generated targets and, where there are any, on real clips."""
    real = [o for o in outcomes if o.run.is_real]
    generated = {"generated": shares([o for o in outcomes if not o.run.is_real])}
    return generated | ({"real": shares(real)} if real else {})


def curve(outcomes: Sequence[Outcome]) -> Curve:
    """Of the expected gain, over the truly better and worse models that no hard rule refused."""
    clear = [o for o in outcomes if o.asked and not WORSE_MM < o.run.gain_pa_mm < BETTER_MM]
    score = np.array([o.verdict.expected_gain_mm for o in clear])
    return roc(score, np.array([o.run.gain_pa_mm >= BETTER_MM for o in clear], bool))


def signal_rows(outcomes: Sequence[Outcome]) -> list[tuple[str, float, float, float]]:
    """For each signal: its change's rank correlation with the gain, over all models and over those that no hard rule
    refused, and the area under its curve, 1 - area where it is higher for worse models."""
    gains = np.array([o.run.gain_pa_mm for o in outcomes])
    asked = np.array([o.asked for o in outcomes])
    clear = asked & ((gains >= BETTER_MM) | (gains <= WORSE_MM))
    columns = [changes(o.run.before, o.run.after) | {"moved_mm": o.run.moved_mm} for o in outcomes]
    rows = []
    for name in columns[0]:
        change = np.array([c[name] for c in columns])
        area = roc(change[clear], gains[clear] >= BETTER_MM).area
        every, some = (rank_correlation(change[k].tolist(), gains[k].tolist())[0] for k in (slice(None), asked))
        rows.append((name, every, some, area))
    return sorted(rows, key=lambda row: -abs(np.nan_to_num(row[2])))


def publish(
    out: Path, outcomes: Sequence[Outcome], rivals: Mapping[str, Sequence[Outcome]], fit: Fit,
    shown: Sequence[Refusal], settings: Settings, command: str,
) -> Report:  # fmt: skip
    """Write acceptance.json, .md and .png, and fit.json.

    Args:
        outcomes: of the chosen figures.
        rivals: what other choices of figures give, by name.
    """
    said = _by_kind(outcomes)
    signals, reasons = signal_rows(outcomes), _outright(outcomes)
    fit.save(out / "fit.json")
    result: Report = {
        "experiment": "acceptance", "command": command, "better_from_mm": BETTER_MM, "worse_from_mm": WORSE_MM,
        "left_out": "each pair of seed and target, and each recording, is judged by a fit to the others", "said": said,
        "rivals": {name: _by_kind(each) for name, each in rivals.items()},
        "signals": [dict(zip(("name", "rho", "rho_asked", "area"), row, strict=True)) for row in signals],
        "refused_outright": reasons, "refusals": [asdict(r) for r in shown], "fit": asdict(fit),
        "models": [asdict(o) for o in outcomes],
        "machine": machine(), "commit": commit(), "settings": to_dict(settings),
    }  # fmt: skip
    write_json(out / "acceptance.json", plain(result))
    write_text(out / "acceptance.md", _markdown(said, rivals, signals, reasons, shown, fit))
    curves = {"expected gain": curve(outcomes)} | {name: curve(each) for name, each in rivals.items()}
    judged = [Judged(o.verdict.expected_gain_mm, o.run.gain_pa_mm, o.verdict.accepted, o.run.is_real) for o in outcomes]
    write_bytes(out / "acceptance.png", verdict_panels(curves, judged, fit.margin_mm, REACH_MM))
    return {"out": str(out)} | said


def _markdown(
    said: dict[str, Report], rivals: Mapping[str, Sequence[Outcome]], signals: list[tuple[str, float, float, float]],
    reasons: dict[str, int], shown: Sequence[Refusal], fit: Fit,
) -> str:  # fmt: skip
    heads = [
        Column("judged by"), Column("models", digits=0), Column("refused outright", digits=0),
        Column(f"better by {BETTER_MM:g} mm: accepted", digits=2), Column("of those asked", digits=2),
        Column(f"worse by {-WORSE_MM:g} mm: refused", digits=2), Column("area", digits=3),
        Column("mean gain of accepted", "mm", digits=1, signed=True), Column("least", "mm", digits=1, signed=True),
    ]  # fmt: skip
    keys = (
        "models", "refused_outright", "better_accepted", "better_accepted_where_asked", "worse_refused", "area",
        "accepted_gain_mm", "accepted_least_gain_mm",
    )  # fmt: skip
    rows = {"the score": said} | {name: _by_kind(each) for name, each in rivals.items()}
    named = {f"{name}, {kind}": found for name, kinds in rows.items() for kind, found in kinds.items()}
    parts = [
        "Models of every quality, judged without labels by a fit that has not seen their seed and target, or their "
        "recording; the truth is the target's PA-MPJPE.\n",
        markdown_table(heads, [(name, *(row[k] for k in keys)) for name, row in named.items()]),
        f"The score: {' '.join(f'{w:+.3g} x {k}' for k, w in fit.weights_mm.items())}, from changes; accepted from "
        f"{fit.margin_mm:.1f} mm on; fitted on {fit.from_runs} models.\n",
        "Each signal for itself, by the change from one model to the next (above 0 where it fell):\n",
        markdown_table(
            [Column("signal"), Column("rank correlation with the gain", digits=2, signed=True),
             Column("without those refused outright", digits=2, signed=True), Column("area", digits=2)], signals,
        ),
        "Refused outright, and why:\n",
        markdown_lines(["reason", "models"], [[reason, str(n)] for reason, n in reasons.items()]),
        "A better model judged on its own evidence, and what must be refused:\n",
        markdown_lines(
            ["shown", "accepted", "expected gain, mm", "said"],
            [[r.shown, "yes" if r.verdict.accepted else "no", number(r.verdict.expected_gain_mm, 1, signed=True),
              r.verdict.reason] for r in shown], 4,
        ),
    ]  # fmt: skip
    return "\n".join(parts)


def _outright(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many models were refused by each hard rule."""
    reasons = [o.verdict.reason.partition(":")[0] for o in outcomes if not o.asked]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None

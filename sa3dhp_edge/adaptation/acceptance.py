"""Is the adapted model better than the one before? Answered without a label of the target, and so that it can say no.

First come reasons to refuse that need no fit: footage that says nothing, figures that are not finite, collapse,
forgetting. What is left is weighed: the changes of a few figures, times weights that `experiment acceptance` fitted
where the truth is known, give an expected gain in mm; below a margin the answer is no.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.adaptation.guard import Health
from sa3dhp_edge.adaptation.signals import Signals
from sa3dhp_edge.adaptation.target import LEAST_FRAMES
from sa3dhp_edge.atomic import write_json
from sa3dhp_edge.config import AdaptConfig
from sa3dhp_edge.errors import ModelError

FITTED = Path(__file__).with_name("acceptance.json")
"""What `experiment acceptance` found; shipped with the package."""
FORMAT = 1
LEAST_LIKENESS = 0.3
"""Pictures of one clip that are less alike than this show no one scene: noise, or cuts at every picture."""
LEAST_CHANGE = 3e-4
"""A clip whose pictures differ less than this shows one still."""
LEAST_PRESENCE = 0.0
"""Mean logit of a person being there."""
CHANCE_SHARE = 0.8
"""A source error above this share of what poses put to wrong frames have says that the labels are of something else."""
SWAPPED_RATIO = 1.2
"""A source error above this multiple of that with left and right exchanged says that they are."""
FIT_REACH_MM = 50.0
"""Gains and losses beyond this count as this: whether a model is ruined or merely bad is all the same."""
_NO_FIGURES = ("frames", "likeness", "change", "source_chance_mm", "source_swapped_mm")
"""What says nothing of one G against another."""
_DIFFERENCES = (
    "presence", "swaps", "odd",
    "source_mpjpe_mm", "source_pa_mpjpe_mm", "dressed_mpjpe_mm", "dressed_pa_mpjpe_mm",
)  # fmt: skip

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """Whether the later model may take the earlier one's place.

    Attributes:
        accepted: it may.
        expected_gain_mm: how much PA-MPJPE on the target is expected to fall; nan where it was not asked for.
        reason: one sentence that a user can read.
    """

    accepted: bool
    expected_gain_mm: float
    reason: str


def judge(before: Signals, after: Signals, cfg: AdaptConfig, fit: Fit | None = None) -> Verdict:
    """Say yes or no to a model that was looked at on the same evidence as the one before it.

    Args:
        cfg: the guard's limits, `collapse_floor` and `forgetting_ceiling`.
        fit: None for the one that is shipped.

    Raises:
        ModelError: the shipped fit is missing or damaged.
    """
    if said := objection(before, after, cfg):
        return Verdict(False, math.nan, said)
    fit = fit or Fit.load(FITTED)
    gain = fit.expected_gain_mm(changes(before, after))
    if gain < fit.margin_mm:
        said = f"no better: a gain of {gain:+.1f} mm is expected, {fit.margin_mm:.1f} mm would be enough"
        return Verdict(False, gain, said)
    return Verdict(True, gain, f"better: a gain of {gain:+.1f} mm is expected")


def objection(before: Signals, after: Signals, cfg: AdaptConfig) -> str | None:
    """Why nothing more needs to be asked, or None."""
    if before.frames < LEAST_FRAMES:
        return f"too little footage: {before.frames} pictures to judge by, {LEAST_FRAMES} are needed"
    if not before.likeness >= LEAST_LIKENESS:
        return "the footage shows no scene: pictures of one clip have nothing in common, as in noise"
    if before.change < LEAST_CHANGE:
        return "the footage does not move: one still picture again and again"
    if before.presence < LEAST_PRESENCE:
        return "the footage shows nobody: the network sees no person in it"
    if lost := [k for k, v in asdict(before).items() if math.isfinite(v) and not math.isfinite(getattr(after, k))]:
        return f"the adapted network gives numbers that are not finite ({lost[0]})"
    for name, seen in (("network before", before), ("adapted network", after)):
        if seen.source_mpjpe_mm > SWAPPED_RATIO * seen.source_swapped_mm:
            return f"another skeleton: the {name} takes left for right on labelled source frames"
    if before.source_mpjpe_mm > CHANCE_SHARE * before.source_chance_mm:
        return (
            f"another skeleton: on labelled source frames the network before errs by {before.source_mpjpe_mm:.0f} mm, "
            f"with poses of other frames by {before.source_chance_mm:.0f} mm; are the joints in another order?"
        )
    if after.presence < LEAST_PRESENCE:
        return "the adapted network no longer sees a person in the footage"
    return _health(after).fault(_health(before), cfg)


def changes(before: Signals, after: Signals) -> dict[str, float]:
    """What became of each figure, above 0 where it fell; 0 where it is not known.

    Differences of errors, shares and logits; of all others the logarithm of before over after.
    """
    found = {}
    for name in (f.name for f in fields(Signals) if f.name not in _NO_FIGURES):
        a, b = getattr(before, name), getattr(after, name)
        change = a - b if name in _DIFFERENCES else math.log(max(a, 1e-6) / max(b, 1e-6))
        found[name] = change if math.isfinite(change) else 0.0
    return found


@dataclass(frozen=True)
class Fit:
    """Weights of changes, fitted where the gain is known.

    Attributes:
        weights_mm: change -> expected gain for each unit of it; what has no weight is not looked at.
        margin_mm: an expected gain below this is refused.
        from_runs: how many models it was fitted on.
    """

    weights_mm: Mapping[str, float]
    margin_mm: float
    from_runs: int

    def expected_gain_mm(self, change: Mapping[str, float]) -> float:
        """Of the change from one model to the next; nothing changed gives 0."""
        return float(sum(weight * change[name] for name, weight in self.weights_mm.items()))

    def save(self, path: Path) -> None:
        write_json(path, {"format": FORMAT} | asdict(self))

    @staticmethod
    def load(path: Path) -> Fit:
        """Raises:
        ModelError: no file, or one that does not hold a fit of this version.
        """
        try:
            about = json.loads(path.read_text())
            if about.pop("format") != FORMAT:
                raise ValueError("another format")
            fit = Fit(**about)
            fit.expected_gain_mm(dict.fromkeys((f.name for f in fields(Signals)), 0.0))
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise ModelError(f"{path} holds no fit of the acceptance score: {e}", "install the package again") from e
        return fit


def fitted(
    rows: Sequence[Mapping[str, float]], gains_mm: Floats, names: Sequence[str], ridge: float
) -> dict[str, float]:
    """Weights in mm for each unit of the named changes, by ridge regression of changes of equal deviation.

    Without a constant: a model that changed nothing is expected to gain nothing, and from no rows nothing ever is.
    Gains count to +-`FIT_REACH_MM`.
    """
    x = np.array([[row[name] for name in names] for row in rows]).reshape(len(rows), len(names))
    size = np.maximum(np.sqrt((x**2).sum(0) / max(len(x), 1)), 1e-9)
    x, y = x / size, np.clip(gains_mm, -FIT_REACH_MM, FIT_REACH_MM)
    weights = np.linalg.solve(x.T @ x + ridge * max(len(x), 1) * np.eye(len(names)), x.T @ y) / size
    return dict(zip(names, weights.tolist(), strict=True))


def _health(signals: Signals) -> Health:
    return Health(signals.spread_mm, signals.source_mpjpe_mm)

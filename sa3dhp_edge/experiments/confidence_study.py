"""Does a pose's expected error tell its true one? Cue by cue, on labelled source frames and on real clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.model_folder import read_weights
from runtime.model import Model, ModelOutput
from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.calibration import fitted
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.scored_clips import scored_clips
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.evaluate import crops_of, nominal_crops
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.risk import RiskPanel, risk_panels
from sa3dhp_edge.report.tables import Column, markdown_table
from sa3dhp_edge.skeleton import MIRROR

CLIP_FRAMES = 100
"""So many frames of each real clip are scored."""
SOURCE, REAL = "source, held out", "real clips, all"
ERRORS = {"pa_mpjpe": "PA-MPJPE", "mpjpe": "MPJPE"}
RUNTIME = ("doubt", "disagreement", "cycle")
"""The cues a device has: see `confidence_cues`."""
MIRRORED = (*RUNTIME, "mirror")
"""With a second look at the mirrored crop, which costs as much again: distance of the two poses in mm, as a log."""
_FOLDS, _BINS = 5, 8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Looked:
    """What a model makes of N pictures whose truth is known.

    Attributes:
        name: of the test.
        cues: cue -> (N,), the greater the worse.
        errors: error's name -> (N,) mm.
    """

    name: str
    cues: dict[str, Floats]
    errors: dict[str, Floats]

    def matrix(self, names: tuple[str, ...]) -> Floats:
        """(N, K) the named cues."""
        return np.stack([self.cues[name] for name in names], 1)


class Rated(NamedTuple):
    """One test with the expected errors (N,) mm by the runtime's cues, and with the mirrored look besides."""

    looked: Looked
    expected: Floats
    mirrored: Floats


def confidence(*, model: str, clips: Path | None, source: Path, out: Path) -> Report:
    """Fit the expected error on labelled source frames and test it: on frames left out, and on real clips.

    Source frames are rated by a fit to the clips of other folds, real ones by the fit to all source frames.

    Args:
        model: exported.
        clips: prepared clips with 3D truth; None leaves real video out.
        source: labelled frames that the model has not learned from.
        out: gets confidence.json, confidence.md, confidence.png.

    Raises:
        DataError: frames without labels or of one clip only, or clips that cannot be read.
    """
    loaded = Model.load(model)
    frames = FrameSet.load(source)
    if frames.joints_mm is None or len(np.unique(frames.clip)) < 2:
        raise DataError(f"{source} has no labels or only one clip", "give --source a run's source_held_out")
    own = _on_source(loaded, frames)
    real = [] if clips is None else _on_clips(loaded, clips)
    loaded.close()
    tests = {name: _rated(name, own, frames.clip, real) for name in ERRORS}
    figures = {error: [_figures(error, r) for r in rated] for error, rated in tests.items()}
    formula = {}
    for error in ERRORS:
        offset, weights = fitted(own.matrix(RUNTIME), own.errors[error])
        formula[error] = {"offset": offset, **dict(zip(RUNTIME, weights.tolist(), strict=True))}
    _publish(out, tests, figures, formula, clips)
    return {"out": str(out)} | {
        error: {f["test"]: f["rank"]["expected"] for f in rows} for error, rows in figures.items()
    }


def _on_source(model: Model, frames: FrameSet) -> Looked:
    assert frames.joints_mm is not None
    cues, pose = _looked_at(model, nominal_crops(frames, model.crop_px))
    sized = metrics.at_subject_size(pose, frames.joints_mm, frames.clips())
    return Looked(SOURCE, cues, _errors(sized, frames.joints_mm))


def _on_clips(model: Model, clips: Path) -> list[Looked]:
    """Each clip and, where there are several, all of them together."""
    found = []
    for clip in scored_clips(clips, model.crop_px, CLIP_FRAMES):
        cues, pose = _looked_at(model, crops_of(clip.images, model.crop_px))
        found.append(Looked(clip.name, cues, _errors(clip.placed(pose), clip.truth_mm)))
    cues = {name: np.concatenate([c.cues[name] for c in found]) for name in found[0].cues}
    errors = {name: np.concatenate([c.errors[name] for c in found]) for name in ERRORS}
    return [*found, Looked(REAL, cues, errors)]


def _errors(pose_mm: NDArray[np.float32], truth_mm: NDArray[np.float32]) -> dict[str, Floats]:
    return {"pa_mpjpe": metrics.pa_mpjpe(pose_mm, truth_mm), "mpjpe": metrics.mpjpe(pose_mm, truth_mm)}


def _looked_at(model: Model, batches: list[NDArray[np.uint8]]) -> tuple[dict[str, Floats], NDArray[np.float32]]:
    """Every cue, those of the mirrored look among them, and the poses (N, 17, 3)."""
    flip = _flip_transformer(model)
    parts: list[dict[str, Floats]] = []
    poses = []
    for pictures in batches:
        plain = model.estimate(pictures)
        mirrored = model.estimate(np.ascontiguousarray(pictures[:, :, ::-1]))
        cues = dict(zip(RUNTIME, plain.cues.T, strict=True)) | {"mirror": np.log1p(_apart_mm(plain, mirrored))}
        if flip is not None:
            with torch.no_grad():
                carried = flip(torch.from_numpy(plain.z)).numpy()
            cues["relation"] = np.abs(carried - mirrored.z).mean(-1).astype(np.float64)
        parts.append(cues)
        poses.append(plain.pose_mm)
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, np.concatenate(poses)


def _apart_mm(plain: ModelOutput, mirrored: ModelOutput) -> Floats:
    """(N,) mm between a pose and that of the mirrored crop, mirrored back."""
    back = (mirrored.pose_mm * np.array([-1, 1, 1], np.float32))[:, list(MIRROR)]
    return np.asarray(np.linalg.norm(plain.pose_mm - back, axis=-1).mean(-1), np.float64)


def _flip_transformer(model: Model) -> nn.Module | None:
    """T of the mirror rule, where the model has learned it; from its weights, since not every folder has its graph."""
    return read_weights(model.folder).relations.get(("z", "flip"))


def _rated(error: str, own: Looked, clip: NDArray[np.int32], real: list[Looked]) -> list[Rated]:
    """All tests with their expected errors; the source's by folds of clips."""
    fold = np.unique(clip, return_inverse=True)[1] % _FOLDS
    sides = []
    for names in (RUNTIME, MIRRORED):
        x, y = own.matrix(names), own.errors[error]
        expected = np.empty(len(y))
        for k in np.unique(fold):
            expected[fold == k] = _expect(x[fold != k], y[fold != k], x[fold == k])
        sides.append([expected, *(_expect(x, y, r.matrix(names)) for r in real)])
    return [Rated(*row) for row in zip([own, *real], sides[0], sides[1], strict=True)]


def _expect(x: Floats, y: Floats, other: Floats) -> Floats:
    """Expected errors of other cues by a fit to (x, y), within the range of the latter, as a device has them."""
    offset, weights = fitted(x, y)
    seen = np.exp(offset + x @ weights)
    return np.clip(np.exp(offset + other @ weights), seen.min(), seen.max())


def _figures(error: str, rated: Rated) -> Report:
    """Rank correlations, areas under the risk-coverage curve, and expected against true error in bins."""
    truth = rated.looked.errors[error]
    scores = rated.looked.cues | {"expected": rated.expected, "expected, mirrored": rated.mirrored}
    bins = reliability(rated.expected, truth)
    curve = risk(rated.expected, truth)
    return {
        "test": rated.looked.name,
        "frames": len(truth),
        "true_mm": float(truth.mean()),
        "expected_mm": float(rated.expected.mean()),
        "off_in_bins_mm": float(np.mean([abs(e - t) for e, t in bins])),
        "bins": bins,
        "rank": {name: rank_correlation(score, truth) for name, score in scores.items()},
        "area_mm": {
            "random": float(truth.mean()),
            **{name: float(risk(score, truth).mean()) for name, score in scores.items()},
            "oracle": float(risk(truth, truth).mean()),
        },
        "risk_mm": {f"{share:.0%}": float(curve[max(round(share * len(curve)) - 1, 0)]) for share in (0.25, 0.5, 0.75)},
    }


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation; ties share their mean rank, and nan where all values are equal."""
    x, y = (ranks - ranks.mean() for ranks in (_ranks(a), _ranks(b)))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else float("nan")


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def risk(score: Floats, error_mm: Floats) -> Floats:
    """(N,) mean error of the 1, 2, ... N frames with the lowest scores: the risk-coverage curve, its mean the area.

    Source: Geifman & El-Yaniv 2017, sec. 2; Geifman et al. 2019 (AURC).
    """
    order = np.argsort(score, kind="stable")
    return np.asarray(np.cumsum(error_mm[order]) / np.arange(1, len(order) + 1))


def reliability(expected_mm: Floats, error_mm: Floats) -> list[tuple[float, float]]:
    """Mean expected and mean true error of `_BINS` groups of equally many frames, by growing expectation."""
    groups = np.array_split(np.argsort(expected_mm, kind="stable"), min(_BINS, len(expected_mm)))
    return [(float(expected_mm[g].mean()), float(error_mm[g].mean())) for g in groups]


def _publish(
    out: Path, tests: dict[str, list[Rated]], figures: dict[str, list[Report]], formula: Report, clips: Path | None
) -> None:
    write_text(out / "confidence.md", "\n".join(_tables(ERRORS[e], rows) for e, rows in figures.items()))
    shown = [r for r in tests["pa_mpjpe"] if r.looked.name in (SOURCE, REAL)]
    write_bytes(out / "confidence.png", risk_panels([_panel(r) for r in shown], ERRORS["pa_mpjpe"]))
    write_json(
        out / "confidence.json",
        {
            "what": "expected error exp(offset + weights . cues), fitted on held-out source frames; rank: Spearman; "
            "area_mm: mean error over all shares of frames kept; real clips: 13 joints, crops around the true joints",
            "command": "sa3dhp-edge experiment confidence --model MODEL --source FRAMESET"
            + ("" if clips is None else " --clips CLIPS"),
            "commit": commit(), "machine": machine(), "formula": formula, "tests": figures,
        },
    )  # fmt: skip


def _tables(title: str, rows: list[Report]) -> str:
    """Two Markdown tables: how well each cue ranks, and what the expected error is worth."""
    cues = list(rows[0]["rank"])
    ranks = markdown_table(
        [Column("rank correlation", ""), *(Column(c, digits=2) for c in cues)],
        [(f["test"], *(f["rank"][c] for c in cues)) for f in rows],
    )
    areas = ("random", "expected", "expected, mirrored", "oracle")
    heads = [Column("", ""), Column("frames", digits=0), Column("true", "mm", 0), Column("expected", "mm", 0)]
    heads += [Column("off in bins", "mm", 0), Column("best half", "mm", 0)]
    heads += [Column(f"area, {a}", "mm", 1) for a in areas]
    worth = markdown_table(
        heads,
        [
            (
                f["test"], float(f["frames"]), f["true_mm"], f["expected_mm"], f["off_in_bins_mm"],
                f["risk_mm"]["50%"], *(f["area_mm"][a] for a in areas),
            )
            for f in rows
        ],
    )  # fmt: skip
    return f"### {title}\n\n{ranks}\n{worth}"


def _panel(rated: Rated) -> RiskPanel:
    truth = rated.looked.errors["pa_mpjpe"]
    curves = {
        "by expected error": risk(rated.expected, truth),
        "and the mirrored crop": risk(rated.mirrored, truth),
        "oracle": risk(truth, truth),
    }
    return RiskPanel(rated.looked.name, reliability(rated.expected, truth), curves)

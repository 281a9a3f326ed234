"""What error in mm the cues of a pose promise: fitted on labelled frames that G has not learned from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.source import read_frames
from sa3dhp_edge.adaptation.views import nobody_views
from sa3dhp_edge.contract import Confidence, ErrorModel, confidence_cues
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet

MOST_FRAMES = 1024
"""So many frames, evenly spread, are enough for a handful of coefficients."""
LEAST_FRAMES = 8
_RIDGE = 1e-3
"""Holds the weights of cues that a few frames cannot tell apart, as a share of what the frames say."""

Floats = NDArray[np.float64]


def source_confidence(g: nn.Module, e_p: nn.Module, d_p: nn.Module, frames: FrameSet, crop_px: int) -> Confidence:
    """Everything a run-time confidence is measured against, from labelled frames that G has not seen.

    Poses are brought to the size of each clip's person before they are compared, so the expected error is that of
    somebody whose height is known.

    Raises:
        TrainingError: frames without labels.
    """
    if frames.joints_mm is None:
        raise TrainingError("a confidence can only be calibrated on labelled frames")
    frames = frames.take(_evenly(len(frames)))
    truth = frames.joints_mm
    assert truth is not None
    cues, pose, cycle, score = _looked_at(g, e_p, d_p, frames.images, crop_px)
    nobody = _looked_at(g, e_p, d_p, _without_person(frames), crop_px)[0]
    sized = metrics.at_subject_size(pose, truth, frames.clips())
    strangers = np.roll(sized, len(sized) // 2, 0)
    models = [
        calibrated(cues, error(sized, truth), float(np.nanmean(error(strangers, truth))), nobody)
        for error in (metrics.mpjpe, metrics.pa_mpjpe)
    ]
    median = None if score is None else float(np.median(score.mean(-1)))
    return Confidence(float(np.median(cycle)), median, *models)


def calibrated(
    cues: NDArray[np.floating], error_mm: NDArray[np.floating], chance_mm: float, nobody: NDArray[np.floating] | None
) -> ErrorModel | None:
    """The expected error of poses as a function of their cues; None where the cues tell nothing of it.

    Args:
        cues: (N, 3) of `confidence_cues`.
        error_mm: (N,) what each pose's error is; frames where it is not finite are left out.
        chance_mm: mean error of other frames' poses.
        nobody: (M, 3) cues of pictures in which nobody is whole; None leaves them out.

    A pose is useless at the error by chance, or earlier where three quarters of the pictures without a person promise
    less than that; yet never below the largest expected error of the labelled frames unless chance is.
    """
    known = np.isfinite(error_mm) & np.isfinite(cues).all(-1)
    if known.sum() < LEAST_FRAMES or not np.isfinite(chance_mm):
        return None
    offset, weights = fitted(np.asarray(cues[known], np.float64), np.asarray(error_mm[known], np.float64))
    if not weights.any():
        return None
    seen = np.exp(offset + cues[known] @ weights)
    least, typical, most = (float(v) for v in (seen.min(), np.median(seen), seen.max()))
    useless = chance_mm
    if nobody is not None:
        empty = float(np.quantile(np.exp(np.minimum(offset + nobody @ weights, 50.0)), 0.25))
        useless = min(chance_mm, max(empty, most))
    if not typical < useless:
        return None
    w0, w1, w2 = (float(w) for w in weights)
    return ErrorModel(offset, (w0, w1, w2), least, typical, most, useless)


def fitted(cues: Floats, error_mm: Floats) -> tuple[float, Floats]:
    """Offset and weights (K,) of exp(offset + weights . cues) for cues (N, K), the weights not below 0.

    A Poisson regression: unlike least squares on logarithms it meets the mean of the errors, and that is what is
    promised. A cue with a negative weight, the most negative first, is left out and the rest fitted anew.

    Source: McCullagh & Nelder 1989, sec. 2.5 (iteratively reweighted least squares) and sec. 6.2.
    """
    centre, spread = cues.mean(0), cues.std(0)
    used = [i for i in range(cues.shape[1]) if spread[i] > 1e-9]
    weights = np.zeros(cues.shape[1])
    scale = float(error_mm.mean())
    while True:
        x = np.concatenate([np.ones((len(cues), 1)), (cues[:, used] - centre[used]) / spread[used]], 1)
        b = _poisson(x, error_mm / scale)
        if not used or b[1:].min() >= 0:
            break
        used.pop(int(b[1:].argmin()))
    weights[used] = b[1:] / spread[used]
    return float(b[0] + np.log(scale) - centre @ weights), weights


def _poisson(x: Floats, y: Floats) -> Floats:
    """b of E[y] = exp(x b) by Newton's steps; the first column of x is ones, y has a mean near 1."""
    ridge = _RIDGE * len(y) * np.eye(x.shape[1])
    ridge[0, 0] = 0
    b = np.zeros(x.shape[1])
    for _ in range(50):
        mean = np.exp(np.clip(x @ b, -10, 10))
        step = np.linalg.solve(x.T @ (x * mean[:, None]) + ridge, x.T @ (y - mean) - ridge @ b)
        b = b + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return b


def _looked_at(
    g: nn.Module, e_p: nn.Module, d_p: nn.Module, images: NDArray[np.uint8], crop_px: int
) -> tuple[Floats, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Cues (N, 3), poses (N, 17, 3) mm, cycles (N,) and scores (N, 17), if any, of stored pictures."""
    pose, uv, readings = read_frames(g, d_p, images, crop_px)
    z, camera = (torch.cat([getattr(r, name) for r in readings]).numpy() for name in ("z", "camera"))
    scores = [r.score for r in readings if r.score is not None]
    score = torch.cat(scores).numpy() if scores else None
    with torch.no_grad():
        cycle = np.abs(z - e_p(torch.from_numpy(pose)).numpy()).mean(-1)
    return confidence_cues(pose, camera, uv, score, cycle), pose, cycle, score


def _without_person(frames: FrameSet) -> NDArray[np.uint8]:
    """Stored pictures that hold no whole person, made of those of a set."""
    rng, side = generator(0, 9), frames.images.shape[1]
    parts = []
    for start in range(0, len(frames), 128):
        stored = np.asarray(frames.images[start : start + 128])
        made = nobody_views(rng, len(stored)).crops(stored, side)
        parts.append((made * 255).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def _evenly(count: int) -> NDArray[np.intp]:
    """At most `MOST_FRAMES` of so many positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(np.intp))

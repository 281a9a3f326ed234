"""An expected error meets the errors it was fitted to, never falls with doubt, and says when it knows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.model_folder import read_weights
from sa3dhp_edge.adaptation.calibration import calibrated, fitted, source_confidence
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet

TRUE = np.array([1.5, 0.3, 0.0])


def made(rng: np.random.Generator, count: int = 10000) -> tuple[np.ndarray, np.ndarray]:
    """Cues like real ones, and errors that scatter by half about what the first two of them say."""
    cues = np.stack([rng.uniform(0.2, 0.9, count), rng.normal(4, 0.4, count), rng.normal(3.5, 0.5, count)], 1)
    return cues, np.exp(2.5 + cues @ TRUE) * rng.gamma(4, 1 / 4, count)


def test_a_known_law_is_found_again(rng: np.random.Generator) -> None:
    cues, error = made(rng)
    offset, weights = fitted(cues, error)
    assert weights == pytest.approx(TRUE, abs=0.1)
    expected = np.exp(offset + cues @ weights)
    assert expected.mean() == pytest.approx(error.mean(), rel=1e-3), "the mean is met, not that of the logarithms"
    for part in np.array_split(np.argsort(expected), 4):
        assert expected[part].mean() == pytest.approx(error[part].mean(), rel=0.08)


def test_a_cue_that_falls_with_the_error_is_left_out(rng: np.random.Generator) -> None:
    cues, error = made(rng)
    cues[:, 2] = -np.log(error) + rng.normal(0, 0.3, len(error))
    offset, weights = fitted(cues, error)
    assert weights[2] == 0
    assert weights[:2] == pytest.approx(TRUE[:2], abs=0.1)
    alone = fitted(cues[:, :2], error)
    assert offset == pytest.approx(alone[0])
    assert weights[:2] == pytest.approx(alone[1])


def test_what_is_promised_lies_in_the_range_that_was_seen(rng: np.random.Generator) -> None:
    cues, error = made(rng)
    model = calibrated(cues, error, 500.0, None)
    assert model is not None
    promised = model.expected_mm(cues)
    assert (promised.min(), promised.max()) == pytest.approx((model.least_mm, model.most_mm))
    assert np.median(promised) == pytest.approx(model.typical_mm)
    beyond = np.array([[5.0, 9, 9], [-5, 0, 0], [np.nan, 4, 4]])
    assert model.expected_mm(beyond) == pytest.approx([model.most_mm, model.least_mm, model.most_mm])


def test_pictures_without_a_person_bound_what_is_useful(rng: np.random.Generator) -> None:
    cues, error = made(rng)
    nobody = np.tile([1.0, 4.2, 3.5], (50, 1))
    plain, bounded = calibrated(cues, error, 900.0, None), calibrated(cues, error, 900.0, nobody)
    assert plain is not None
    assert bounded is not None
    assert plain.useless_mm == 900
    assert bounded.useless_mm == pytest.approx(max(bounded.most_mm, bounded.unbounded_mm(nobody)[0]))
    assert bounded.confidence(nobody + np.array([0.3, 0, 0])).max() == 0
    blind = calibrated(cues, error, 900.0, nobody - 5)
    assert blind is not None
    assert blind.useless_mm == pytest.approx(blind.most_mm), "no labelled frame loses its confidence to them"


def test_what_the_cues_cannot_tell_is_not_promised(rng: np.random.Generator) -> None:
    cues, error = made(rng, 200)
    assert calibrated(np.ones_like(cues), error, 500.0, None) is None
    assert calibrated(-cues, error, 500.0, None) is None
    assert calibrated(cues, error, 10.0, None) is None, "no better than by chance"
    assert calibrated(cues[:5], error[:5], 500.0, None) is None
    error[10:] = np.nan
    assert calibrated(cues, error, 500.0, None) is not None, "frames without truth are left out"


def test_a_trained_model_is_calibrated_on_its_held_out_frames(tiny_run: Path) -> None:
    model, frames = read_weights(tiny_run), FrameSet.load(tiny_run / "source_held_out")
    known = source_confidence(model.g, model.e_p, model.d_p, frames, model.settings.image.crop_px)
    written = model.confidence
    assert (known.cycle, known.joint_score) == pytest.approx((written.cycle, written.joint_score), rel=1e-3)
    assert (known.mpjpe is None) == (written.mpjpe is None), "what the run has written down"
    assert known.cycle > 0
    assert known.joint_score is not None
    with pytest.raises(TrainingError, match="labelled"):
        source_confidence(model.g, model.e_p, model.d_p, frames.without_labels(), 32)

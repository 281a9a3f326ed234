"""The figures of the confidence study by hand, and the study itself on the tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from runtime.model import Model
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.confidence_study import (
    SOURCE,
    _flip_transformer,
    confidence,
    rank_correlation,
    reliability,
    risk,
)
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.pose_autoencoder import LATENT
from sa3dhp_edge.shipped import FOLDER


def test_the_rank_correlation_is_spearmans(rng: np.random.Generator) -> None:
    a = rng.integers(0, 6, 50).astype(float)
    b = a + rng.normal(0, 2, 50)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(a, np.exp(b)) == pytest.approx(rank_correlation(a, b))
    assert np.isnan(rank_correlation(a, np.ones(50)))


def test_risk_by_hand_and_between_oracle_and_worst(rng: np.random.Generator) -> None:
    error = np.array([40.0, 10, 30, 20])
    assert risk(np.array([4.0, 1, 3, 2]), error) == pytest.approx([10, 15, 20, 25])
    assert risk(np.array([1.0, 4, 2, 3]), error) == pytest.approx([40, 35, 30, 25])
    error = rng.gamma(2, 50, 300)
    areas = [risk(s, error).mean() for s in (error, error + rng.normal(0, 60, 300), -error)]
    assert areas == sorted(areas)
    assert risk(rng.normal(size=300), error)[-1] == pytest.approx(error.mean())


def test_reliability_groups_by_expectation() -> None:
    bins = reliability(
        np.repeat([1.0, 2, 3, 4, 5, 6, 7, 8], 3)[::-1], np.repeat([2.0, 4, 6, 8, 10, 12, 14, 16], 3)[::-1]
    )
    assert bins == [(n, 2 * n) for n in range(1, 9)]


def test_the_study_writes_table_figure_and_numbers(tiny_run: Path, tiny_model: Path, tmp_path: Path) -> None:
    result = confidence(model=str(tiny_model), clips=None, source=tiny_run / "source_held_out", out=tmp_path / "o")
    assert set(result) == {"out", "pa_mpjpe", "mpjpe"}
    written = json.loads((tmp_path / "o" / "confidence.json").read_text())
    (figures,) = written["tests"]["pa_mpjpe"]
    assert (figures["test"], figures["frames"]) == (SOURCE, 12)
    assert {"doubt", "disagreement", "cycle", "mirror", "relation", "expected"} <= set(figures["rank"])
    areas = figures["area_mm"]
    assert areas["oracle"] <= areas["expected"]
    assert areas["random"] == pytest.approx(figures["true_mm"])
    assert min(written["formula"]["mpjpe"][cue] for cue in ("doubt", "disagreement", "cycle")) >= 0
    assert "| source, held out |" in (tmp_path / "o" / "confidence.md").read_text()
    assert (tmp_path / "o" / "confidence.png").read_bytes()[1:4] == b"PNG"


def test_frames_that_cannot_be_folded_are_refused(tiny_run: Path, tiny_model: Path, tmp_path: Path) -> None:
    frames = FrameSet.load(tiny_run / "source_held_out")
    for name, bad in {"bare": frames.without_labels(), "one": frames.take(frames.clips()[0])}.items():
        bad.save(tmp_path / name)
        with pytest.raises(DataError, match="no labels or only one clip"):
            confidence(model=str(tiny_model), clips=None, source=tmp_path / name, out=tmp_path / "o")


def test_the_shipped_model_which_has_no_graph_of_its_relations_is_asked_for_them() -> None:
    model = Model.load(FOLDER)
    flip = _flip_transformer(model)
    model.close()
    assert flip is not None
    z = torch.full((3, LATENT), 0.2)
    assert flip(z).shape == z.shape

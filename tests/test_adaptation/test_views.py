"""Crops that hold nobody: what the presence output learns from."""

from __future__ import annotations

import numpy as np

from sa3dhp_edge.adaptation.views import nobody_views


def test_a_crop_without_a_person_never_shows_a_whole_one() -> None:
    """The places where a person's joints lie are out of sight, or all but a few are: it is seen from too near."""
    views = nobody_views(np.random.default_rng(0), 400)
    inner = np.array([[x, y] for x in (-0.6, 0, 0.6) for y in (-0.6, 0, 0.6)], np.float32)
    seen = inner @ views.matrix[:, :, :2].swapaxes(1, 2) + views.matrix[:, None, :, 2]
    inside = (np.abs(seen) < 1).all(-1).sum(1)
    assert (inside <= 2).all()
    assert (inside == 0).mean() > 0.3

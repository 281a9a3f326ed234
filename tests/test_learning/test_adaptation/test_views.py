"""Crops: what they show, and those that hold nobody, which the presence output learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample

from sa3dhp_edge.adaptation.views import nobody_views, plain_views, random_views
from sa3dhp_edge.crop import FIELD


def test_a_crop_without_a_person_never_shows_a_whole_one() -> None:
    """The places where a person's joints lie are out of sight, or all but a few are: it is seen from too near."""
    views = nobody_views(np.random.default_rng(0), 400)
    inner = np.array([[x, y] for x in (-0.6, 0, 0.6) for y in (-0.6, 0, 0.6)], np.float32)
    seen = inner @ views.matrix[:, :, :2].swapaxes(1, 2) + views.matrix[:, None, :, 2]
    inside = (np.abs(seen) < 1).all(-1).sum(1)
    assert (inside <= 2).all()
    assert (inside == 0).mean() > 0.3


@pytest.mark.parametrize("px", [32, 64, 96])
@pytest.mark.parametrize("plain", [False, True])
def test_a_crop_shows_what_an_affine_grid_finds(px: int, plain: bool) -> None:
    """The crop's twin: PyTorch's own grid. Pixels of a whole crop seen plainly are those that are stored."""
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (6, 96, 96, 3), np.uint8)
    views = plain_views(6) if plain else random_views(rng, 6, tilt_deg=40)
    inverse = [np.linalg.inv(np.vstack([m, [0, 0, 1]]))[:2] / FIELD for m in views.matrix]
    grid = affine_grid(torch.tensor(np.array(inverse), dtype=torch.float32), [6, 3, px, px], align_corners=False)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    wanted = grid_sample(images, grid, padding_mode="border", align_corners=False)
    crops = views.crops(pictures, px)
    assert crops.is_contiguous()
    assert (crops - wanted).abs().max() < 1e-4
    if plain and px == 64:
        assert torch.equal(
            (crops * 255).round().byte().permute(0, 2, 3, 1), torch.from_numpy(pictures[:, 16:80, 16:80])
        )

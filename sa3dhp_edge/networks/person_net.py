"""Frame -> where people are: most of G's first three stages, and a head at an eighth of the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sa3dhp_edge.networks.image_to_latent import EdgeG
from sa3dhp_edge.networks.resnet import BasicBlock

STRIDE = 8
"""Pixels of a cell of the maps; the picture's sides are multiples of twice as much."""
UNIT_PX = 64.0
"""The size that the maps' lengths are given in."""
_RARE = -4.0


class PersonNet(nn.Module):
    """(b, 3, h, w) normalised -> (b, 4, h / 8, w / 8): logit of a person, way to the square's centre, log of its side.

    The way (x, y) is from the cell's centre in units of `UNIT_PX`; the side is over `UNIT_PX`. The cell that answers
    for a person is where the middle of the square's part inside the frame lies.
    After: Zhou et al. 2019, Objects as Points.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        thin = width // 2
        self.stem = nn.Sequential(nn.Conv2d(3, thin, 3, 2, 1, bias=False), nn.BatchNorm2d(thin), nn.ReLU(inplace=True))
        self.layer1 = nn.Sequential(BasicBlock(thin, width, 2))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2))
        self.layer3 = nn.Sequential(BasicBlock(2 * width, 4 * width, 2), BasicBlock(4 * width, 4 * width))
        self.lateral = nn.ModuleList(nn.Conv2d(c, 2 * width, 1) for c in (2 * width, 4 * width))
        self.mix = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True)
        )
        self.maps = nn.Conv2d(2 * width, 4, 1)
        nn.init.normal_(self.maps.weight, std=0.01)
        with torch.no_grad():
            assert self.maps.bias is not None
            self.maps.bias.copy_(torch.tensor([_RARE, 0.0, 0.0, 0.0]))

    def start_from(self, g: EdgeG) -> None:
        """Take what a trained G has of the same form: it knows people already."""
        for name in ("stem", "layer1", "layer2", "layer3"):
            own = getattr(self, name)  # G's finer layers have a block more, which is left out
            own.load_state_dict(
                {k: v for k, v in getattr(g.backbone, name).state_dict().items() if k in own.state_dict()}
            )
        for lateral, theirs in zip(self.lateral, g.joints.lateral, strict=False):
            lateral.load_state_dict(theirs.state_dict())
        self.mix.load_state_dict(g.joints.mix[:3].state_dict())

    def forward(self, image: Tensor) -> Tensor:
        """(b, 3, h, w), h and w multiples of 16."""
        fine = self.layer2(self.layer1(self.stem(image)))
        coarse = self.lateral[1](self.layer3(fine))
        joined = self.lateral[0](fine) + interpolate(coarse, scale_factor=2.0, mode="nearest")
        return self.maps(self.mix(joined))  # type: ignore[no-any-return]

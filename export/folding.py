"""Batch norms folded into the convolutions before them, so that a device's weights are plain and keep their names."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(net: nn.Module) -> nn.Module:
    """A frozen copy without batch norms: `x.conv1.weight` and a new `x.conv1.bias` hold what conv1 and bn1 did.

    A batch norm is folded where it is registered right behind its convolution, as in all of this project's networks.
    The same weights always fold to the same numbers.
    """
    net = copy.deepcopy(net).eval()
    for module in list(net.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return net.requires_grad_(False)

"""Batch norms folded into the convolutions before them, so that a device's weights are plain and keep their names."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(net: nn.Module) -> nn.Module:
    """A frozen copy without batch norms: `x.conv1.weight` and a new `x.conv1.bias` hold what conv1 and bn1 did.

    A batch norm is folded where it is registered right behind its convolution, as in all of this project's networks.
    The same weights always fold to the same numbers.
    """
    net = copy.deepcopy(net).eval()
    for path, conv_name, norm_name in list(_normed(net)):
        module = net.get_submodule(path)
        setattr(module, conv_name, fuse_conv_bn_eval(getattr(module, conv_name), getattr(module, norm_name)))
        setattr(module, norm_name, nn.Identity())
    return net.requires_grad_(False)


def fold_scales(net: nn.Module) -> dict[str, Tensor]:
    """By the name of a convolution's weight: what `folded` multiplies it by, (c, 1, 1, 1) for its c channels."""
    scales = {}
    for path, conv_name, norm_name in _normed(net):
        norm = net.get_submodule(f"{path}.{norm_name}".lstrip("."))
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None
        scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        scales[f"{path}.{conv_name}.weight".lstrip(".")] = scale.reshape(-1, 1, 1, 1)
    return scales


def _normed(net: nn.Module) -> Iterator[tuple[str, str, str]]:
    """Every convolution with a batch norm right behind it: the path of their parent, and the names of both in it."""
    for path, module in net.named_modules():
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                yield path, conv_name, norm_name

"""Residual networks: the small block of the edge backbone, and ResNet-50 up to res4f with torchvision's names."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import relu

from sa3dhp_edge.errors import InputError

_UNREADABLE = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, fig. 5 left)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = _shortcut(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut; the stride sits on the 3x3, as in torchvision."""

    def __init__(self, c_in: int, c_mid: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, 4 * c_mid, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * c_mid)
        self.downsample = _shortcut(c_in, 4 * c_mid, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = relu(self.bn1(self.conv1(x)))
        out = relu(self.bn2(self.conv2(out)))
        return relu(self.bn3(self.conv3(out)) + self.downsample(x))


class ResNet50ToRes4(nn.Module):
    """(b, 3, S, S) -> (b, 1024, S / 16, S / 16); parameter names are torchvision's resnet50."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)

    def forward(self, image: Tensor) -> Tensor:
        x = self.maxpool(relu(self.bn1(self.conv1(image))))
        return self.layer3(self.layer2(self.layer1(x)))  # type: ignore[no-any-return]

    def load_imagenet(self, path: Path) -> None:
        """Take the backbone's part of a torchvision ResNet-50 state dict (.safetensors or .pth).

        Raises:
            InputError: no such file, or one that is no ResNet-50.
        """
        if not path.is_file():
            raise InputError(
                f"no ImageNet weights at {path}", "set image.imagenet_weights to a torchvision ResNet-50 file"
            )
        try:
            state = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, weights_only=True, map_location="cpu")
            )
        except (*_UNREADABLE, SafetensorError, UnpicklingError) as e:
            raise InputError(f"{path} cannot be read as weights: {type(e).__name__}", "download it again") from e
        own = self.state_dict()
        counts = {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}  # older files have none
        state = counts | state if isinstance(state, dict) else counts
        missing = [k for k in own if k not in state or getattr(state[k], "shape", None) != own[k].shape]
        if missing:
            raise InputError(f"{path} is no torchvision ResNet-50: {missing[0]} is missing or of another shape")
        self.load_state_dict({k: state[k] for k in own})


def _shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))


def _stage(c_in: int, c_mid: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(c_in, c_mid, stride)
    return nn.Sequential(first, *(Bottleneck(4 * c_mid, c_mid) for _ in range(blocks - 1)))

"""What is done to a stored picture before G sees it: one plane motion, one change of light; labels follow.

A view is a (2, 3) matrix that carries crop coordinates of the stored picture to those of the network's crop,
so views compose by multiplication and a rule on pixels is one more factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.networks.image_to_latent import MEAN, STD
from sa3dhp_edge.skeleton import MIRROR
from sa3dhp_edge.training.device import CPU

FAR_TILT_DEG = 50.0
"""The largest in-plane turn that a rule makes (method, section 6)."""
_PLAIN = np.eye(2, 3, dtype=np.float32)


@dataclass(frozen=True)
class Views:
    """One view a picture.

    Attributes:
        matrix: (b, 2, 3) float32, stored uv -> crop uv.
        tilt_flip: (b, 3, 3) float32, the same on poses: a turn about the optical axis, perhaps a mirror.
    """

    matrix: NDArray[np.float32]
    tilt_flip: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.matrix)

    def then(self, rule: Rule) -> Views:
        """The same views with a rule's spatial part done afterwards."""
        linear = rule.linear()
        return Views(linear[:2, :2] @ self.matrix, linear @ self.tilt_flip)

    def crops(self, pictures: NDArray[np.uint8], crop_px: int, device: torch.device = CPU) -> Tensor:
        """(b, P, P, 3) uint8 stored pictures -> (b, 3, crop_px, crop_px) float in 0..1, made on the device.

        Differs: outside the stored picture the border pixel is repeated; the stored margin makes that rare.
        """
        margin, odd = divmod(pictures.shape[1] - crop_px, 2)
        if crop_px * FIELD == pictures.shape[1] and not odd and (self.matrix == _PLAIN).all():  # it lies there as it is
            inner = pictures[:, margin : margin + crop_px, margin : margin + crop_px]
            stored = torch.from_numpy(np.ascontiguousarray(inner.transpose(0, 3, 1, 2)))
            return stored.to(device, non_blocking=True).float().div_(255)
        full = np.tile(np.eye(3, dtype=np.float32), (len(self), 1, 1))
        full[:, :2] = self.matrix
        inverse = torch.from_numpy(np.linalg.inv(full)[:, :2] / np.float32(FIELD)).to(device, non_blocking=True)
        stored = torch.from_numpy(np.array(pictures)).to(device, non_blocking=True)
        images = stored.permute(0, 3, 1, 2).float()
        return grid_sample(images, _grid(inverse, crop_px), padding_mode="border", align_corners=False).div_(255)

    def joints_uv(self, uv: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, 17, 2) of the stored nominal crop to the view's; left and right change places in a mirror."""
        moved = uv @ self.matrix[:, :, :2].swapaxes(1, 2) + self.matrix[:, None, :, 2]
        return self._sides(moved)

    def poses(self, pose_mm: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, 17, 3) mm in the stored crop's frame to the view's."""
        return self._sides(pose_mm @ self.tilt_flip.swapaxes(1, 2))

    def joints_uv_back(self, uv: NDArray[np.float32]) -> NDArray[np.float32]:
        """The inverse of `joints_uv`."""
        back = np.linalg.inv(self.matrix[:, :, :2])
        return self._sides((uv - self.matrix[:, None, :, 2]) @ back.swapaxes(1, 2))

    def poses_back(self, pose_mm: NDArray[np.float32]) -> NDArray[np.float32]:
        """The inverse of `poses`."""
        return self._sides(pose_mm @ self.tilt_flip)

    def _sides(self, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        mirrored = (np.linalg.det(self.tilt_flip) < 0)[:, None, None]
        return np.where(mirrored, joints[:, list(MIRROR)], joints).astype(np.float32)


def _grid(matrix: Tensor, side: int) -> Tensor:
    """(b, 2, 3) maps of crop coordinates to what they are at every pixel of a crop: (b, side, side, 2).

    What `affine_grid` says to the last digit or two, in a small part of its time on a CPU.
    """
    at = (torch.arange(side, device=matrix.device) + 0.5) * 2 / side - 1
    along_row = matrix[:, :, :1] * at
    down = matrix[:, :, 1:2] * at + matrix[:, :, 2:]
    return (along_row[:, :, None] + down[..., None]).permute(0, 2, 3, 1)


def plain_views(count: int) -> Views:
    """The nominal crop itself."""
    return Views(np.tile(_PLAIN, (count, 1, 1)), np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)))


def random_views(
    rng: np.random.Generator, count: int, *, tilt_deg: float, mirror: bool = True, far_share: float = 0.0
) -> Views:
    """Jitter as a tracker makes it: turn within +-tilt_deg, size 0.8..1.15, shift, mirror for one in two.

    Args:
        far_share: of the views turn within +-`FAR_TILT_DEG` instead, as a tilted camera and the in-plane rules do.
    """
    reach = np.where(rng.random(count) < far_share, FAR_TILT_DEG, tilt_deg)
    angle = np.radians(rng.uniform(-1, 1, count) * reach)
    sign = np.where(mirror & (rng.random(count) < 0.5), -1.0, 1.0)
    turn = np.zeros((count, 3, 3))
    turn[:, 0, 0], turn[:, 0, 1] = sign * np.cos(angle), -sign * np.sin(angle)
    turn[:, 1, 0], turn[:, 1, 1], turn[:, 2, 2] = np.sin(angle), np.cos(angle), 1
    size = rng.uniform(0.8, 1.15, count)
    shift = rng.uniform(-0.1, 0.1, (count, 2))
    matrix = np.concatenate([turn[:, :2, :2] * size[:, None, None], shift[:, :, None]], -1)
    return Views(matrix.astype(np.float32), turn.astype(np.float32))


def nobody_views(rng: np.random.Generator, count: int) -> Views:
    """Crops without a whole person: a corner of the stored picture, or a part of the body from too near."""
    corner = rng.random(count)[:, None] < 0.5
    out_there = rng.choice([-1.0, 1.0], (count, 2)) * rng.uniform(1.0, 1.15, (count, 2))
    centre = np.where(corner, out_there, rng.uniform(-0.5, 0.5, (count, 2)))
    size = np.where(corner[:, 0], rng.uniform(2.5, 4, count), rng.uniform(3.5, 8, count))
    linear = np.eye(2) * size[:, None, None]
    matrix = np.concatenate([linear, -size[:, None, None] * centre[:, :, None]], -1)
    return Views(matrix.astype(np.float32), np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)))


def change_light(
    rng: np.random.Generator, crops: Tensor, strength: float = 1.0, group: NDArray[np.intp] | None = None
) -> Tensor:
    """Photometric change: gain, contrast, colour, gamma, grey, blur; and noise, which is each picture's own.

    Args:
        crops: (b, 3, S, S) in 0..1.
        strength: 0 leaves pictures as they are.
        group: (b,) numbers from 0; pictures of one number, as the frames of a window, share one change of light.
    """
    group = np.arange(len(crops)) if group is None else group
    n, at = int(group.max()) + 1, crops.device
    row = torch.from_numpy(group).to(at)

    def draw(low: float, high: float, *shape: int) -> Tensor:  # around 1, nearer to it the weaker the change
        values = 1 + (rng.uniform(low, high, (n, *shape)) - 1) * strength
        return torch.from_numpy(values.astype(np.float32)).reshape(n, -1, 1, 1).to(at)[row]

    gain = draw(0.6, 1.4) * draw(0.85, 1.15, 3)
    brightness = crops.new_zeros(n).index_add_(0, row, crops.mean((1, 2, 3))) / torch.bincount(row, minlength=n)
    middle = brightness[row].view(-1, 1, 1, 1)
    contrast = draw(0.6, 1.5)
    x = (crops * (gain * contrast)).add_(middle * gain * (1 - contrast)).clamp_(1e-3, 1).pow_(draw(0.7, 1.5))
    grey, blurred = (
        torch.from_numpy(np.flatnonzero((rng.random(n) < chance * strength)[group])).to(at) for chance in (0.15, 0.2)
    )
    x[grey] = x[grey].mean(1, keepdim=True)
    x[blurred] = avg_pool2d(x[blurred], 3, 1, 1, count_include_pad=False)
    seeded = torch.Generator(at).manual_seed(int(rng.integers(2**62)))
    grain = torch.randn(x.shape, generator=seeded, device=at)
    return x.addcmul_(grain, (draw(0, 2) - 1).abs() * 0.04).clamp_(0, 1)


def cover(rng: np.random.Generator, crops: Tensor, share: float = 0.3) -> Tensor:
    """Lay a rectangle of one colour over some pictures, as things and other people do."""
    out, side = crops.clone(), crops.shape[-1]
    for i in np.flatnonzero(rng.random(len(crops)) < share):
        w, h = rng.integers(side // 8, side // 2, 2)
        x, y = rng.integers(0, side - w), rng.integers(0, side - h)
        out[i, :, y : y + h, x : x + w] = torch.from_numpy(rng.random((3, 1, 1), dtype=np.float32)).to(out.device)
    return out


def normalised(crops: Tensor) -> Tensor:
    """0..1 to the network's numbers."""
    return (crops - crops.new_tensor(MEAN).view(3, 1, 1)).div_(crops.new_tensor(STD).view(3, 1, 1))

"""What the person detector learns from: parts of generated frames, and what its maps should say of each."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa3dhp_edge.crop import normalise, square_box
from sa3dhp_edge.jobs.crowd_set import CrowdSet
from sa3dhp_edge.networks.image_to_latent import MEAN, STD
from sa3dhp_edge.networks.person_net import STRIDE, UNIT_PX

SIZES_WH = ((256, 160), (256, 160), (176, 224))
"""Sizes of training pictures, a batch has one of them."""
LEAST_SEEN = 6
"""Who shows fewer joints inside the picture is neither asked for nor forbidden."""
LEAST_SIDE_PX = 16.0
_FAR_OFF = 4.0
_LARGEST_SCALE = 1.7
_SPREAD = 0.07
"""Standard deviation of the bump around a person's cell, over the square's side."""


class Answer(NamedTuple):
    """What the maps of a picture should be: heat (h, w) with 1 at people's cells, way and side (3, h, w), the weight of
    the latter (h, w), and where heat is not asked for (h, w)."""

    heat: NDArray[np.float32]
    square: NDArray[np.float32]
    weight: NDArray[np.float32]
    ignored: NDArray[np.bool_]


def batch_of(frames: CrowdSet, count: int, seed: int, step: int) -> tuple[Tensor, ...]:
    """Pictures (b, 3, h, w) and their answers, stacked: heat, square, weight, ignored; a function of seed and step."""
    rng = np.random.default_rng((seed, step))
    size_wh = SIZES_WH[int(rng.integers(len(SIZES_WH)))]
    pictures, answers = [], []
    for i in rng.integers(len(frames.images_bgr), size=count):
        picture, joints, seen = _seen_anew(rng, frames, int(i), size_wh)
        pictures.append(_recoloured(rng, picture))
        answers.append(answer(joints, seen, size_wh))
    images = normalise(np.stack(pictures)[..., ::-1].copy(), MEAN, STD)
    return torch.from_numpy(images), *(torch.from_numpy(np.stack(column)) for column in zip(*answers, strict=True))


def _seen_anew(
    rng: np.random.Generator, frames: CrowdSet, i: int, size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """A part of a frame at another size, a little stretched, mirrored or not; its joints, and which are seen."""
    image, joints = frames.images_bgr[i], frames.joints_px[i]
    here = np.isfinite(joints).all((1, 2))
    joints, seen = joints[here], frames.seen[i][here]
    size, whole = np.array(size_wh), np.array(image.shape[1::-1])
    least = float((size / whole).max()) * 1.06
    scale = least * (_LARGEST_SCALE / least) ** (rng.random() ** 1.5)
    scales = scale * np.array([1.0, rng.uniform(1 / 1.06, 1.06)])
    shift = -rng.uniform(0, 1, 2) * np.maximum(whole * scales - size, 0)
    matrix = np.array([[scales[0], 0, shift[0]], [0, scales[1], shift[1]]])
    if rng.random() < 0.5:
        matrix = np.array([[-1, 0, size[0] - 1], [0, 1, 0]]) @ np.vstack([matrix, [0, 0, 1]])
    if scale < 0.75:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0.5), np.uint8)
    picture = cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    joints = np.asarray(joints @ matrix[:, :2].T + matrix[:, 2], np.float32)
    return np.asarray(picture, np.uint8), joints, seen & ((joints >= 0) & (joints < size)).all(-1)


def _recoloured(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Another exposure, contrast, white balance and saturation; now and then blur, noise and compression."""
    levels = np.arange(256) / 255.0
    gamma, contrast, lift = rng.uniform(0.6, 1.6), rng.uniform(0.6, 1.3), rng.uniform(-0.15, 0.15)
    gains = rng.uniform(0.88, 1.12, 3)
    table = (levels[:, None] ** gamma - 0.5) * contrast * gains + 0.5 + lift
    picture = np.asarray(cv2.LUT(picture, (table.clip(0, 1) * 255).astype(np.uint8)[None]), np.uint8)
    if rng.random() < 0.15:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None], 3, 2).astype(np.uint8)
    if rng.random() < 0.25:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    if rng.random() < 0.3:
        noise = rng.standard_normal(picture.shape, np.float32) * rng.uniform(2, 12)
        picture = (picture + noise).clip(0, 255).astype(np.uint8)
    return picture


def answer(joints_px: NDArray[np.float32], seen: NDArray[np.bool_], size_wh: tuple[int, int]) -> Answer:
    """What the maps of a picture of `size_wh` with these people, (P, 17, 2) and (P, 17), should be."""
    w, h = size_wh[0] // STRIDE, size_wh[1] // STRIDE
    centres = np.stack(np.meshgrid((np.arange(w) + 0.5) * STRIDE, (np.arange(h) + 0.5) * STRIDE))
    heat, square, weight = (np.zeros(shape, np.float32) for shape in ((h, w), (3, h, w), (h, w)))
    made = Answer(heat, square, weight, np.zeros((h, w), np.bool_))
    nearest = np.zeros((h, w), np.float32)
    for joints, count in sorted(zip(joints_px, seen.sum(1), strict=True), key=lambda p: float(np.ptp(p[0]))):
        x0, y0, x1, y1 = square_box(joints)
        side, size = x1 - x0, np.array(size_wh)
        inside = np.array([np.clip((x0, x1), 0, size[0] - 1), np.clip((y0, y1), 0, size[1] - 1)])
        if count == 0 or (np.ptp(inside, 1) < 2).any():
            continue
        if count < LEAST_SEEN or side < LEAST_SIDE_PX:
            part = (np.abs(centres - inside.mean(1)[:, None, None]) <= 0.35 * np.ptp(inside, 1)[:, None, None]).all(0)
            made.ignored[part] = True
            continue
        column, row = (inside.mean(1) // STRIDE).astype(int)
        middle = centres[:, row, column]
        sigma = np.clip(_SPREAD * np.ptp(inside, 1).min(), 0.7 * STRIDE, _FAR_OFF * STRIDE)
        bump = np.exp(-((centres - middle[:, None, None]) ** 2).sum(0) / (2 * sigma**2)).astype(np.float32)
        np.maximum(made.heat, bump, out=made.heat)
        near = (bump > 0.5) & (bump > nearest)
        nearest[near] = bump[near]
        way = (np.array([(x0 + x1) / 2, (y0 + y1) / 2])[:, None, None] - centres) / UNIT_PX
        made.square[:2, near] = way[:, near]
        made.square[2, near] = np.log(side / UNIT_PX)
        made.weight[near] = bump[near]
    return made

"""From light to stored bytes: lens, exposure, colour, noise, sharpening and compression."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.domain import Domain

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


class Sensor(NamedTuple):
    """One clip's camera electronics; lengths in pixels of a 128-pixel crop, `gains` (3,) RGB."""

    exposure: float
    gains: Array
    gamma: float
    contrast: float
    saturation: float
    noise: float
    blur_px: float
    motion_blur_px: float
    motion_blur_deg: float
    sharpen: float
    jpeg_quality: int


def draw_sensor(rng: np.random.Generator, d: Domain) -> Sensor:
    """A camera's electronics within the domain's levers; bad ones are as likely as good ones."""
    shift = rng.uniform(-1, 1) * d.white_balance
    gains = np.array([1 + shift, 1 + 0.4 * d.white_balance * rng.uniform(-1, 1), 1 - shift], np.float32)
    return Sensor(
        float(rng.uniform(*d.exposure)), gains, float(rng.uniform(*d.gamma)), float(rng.uniform(*d.contrast)),
        float(rng.uniform(*d.saturation)), float(rng.uniform(*d.noise)), float(rng.uniform(*d.blur_px)),
        float(rng.uniform(*d.motion_blur_px)) * float(rng.random() < 0.4), float(rng.uniform(0, 180)),
        float(rng.uniform(*d.sharpen)),
        int(rng.uniform(*d.jpeg_quality)),
    )  # fmt: skip


@compiled
def _develop(
    light: Array, gains: Array, gamma: float, contrast: float, saturation: float, noise: float, seed: int
) -> Picture:
    height, width = light.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    table = np.empty(1024, np.float32)
    for i in range(1024):  # film curve, display gamma and contrast by light level
        value = (1 - np.exp(-1.6 * i / 255)) ** (gamma / 2.2)
        table[i] = 0.5 + contrast * (value - 0.5)
    state = np.uint32(seed)
    for y in range(height):
        for x in range(width):
            r = table[min(int(light[y, x, 0] * gains[0] * 255), 1023)]
            g = table[min(int(light[y, x, 1] * gains[1] * 255), 1023)]
            b = table[min(int(light[y, x, 2] * gains[2] * 255), 1023)]
            grey = 0.3 * r + 0.59 * g + 0.11 * b
            for c in range(3):
                value = grey + saturation * ((r if c == 0 else (g if c == 1 else b)) - grey)
                state = np.uint32(state * np.uint32(1664525) + np.uint32(1013904223))
                s = state ^ (state >> np.uint32(15))
                dice = (s & 255) + ((s >> 8) & 255) + ((s >> 16) & 255) + ((s >> 24) & 255)
                value += noise * (np.float32(dice) - 510) / 148
                out[y, x, c] = np.uint8(min(max(value * 255 + 0.5, 0), 255))
    return out


def exposure_gain(light: Array) -> float:
    """The gain of automatic exposure, which does not make up for all of the darkness: from (H, W, 3) linear light."""
    return float((0.32 / (light.mean() + 1e-3)) ** 0.8)


def develop(light: Array, sensor: Sensor, auto_gain: float, scale: float, seed: int) -> NDArray[np.uint8]:
    """(H, W, 3) linear RGB to (H, W, 3) uint8 RGB; `scale` is this picture's pixels per pixel of a 128-pixel crop."""
    if sensor.blur_px * scale > 0.15:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), sensor.blur_px * scale), np.float32)
    length = sensor.motion_blur_px * scale
    if length > 1:
        side = 2 * int(np.ceil(length / 2)) + 1
        kernel = np.zeros((side, side), np.float32)
        a = np.radians(sensor.motion_blur_deg)
        for s in np.linspace(-0.5, 0.5, 4 * side) * length:
            kernel[round(side // 2 + s * np.sin(a)), round(side // 2 + s * np.cos(a))] += 1
        light = np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)
    gains = sensor.gains * np.float32(auto_gain * sensor.exposure)
    picture = _develop(
        light, gains, sensor.gamma, sensor.contrast, sensor.saturation, sensor.noise, seed * 2654435761 % 2**32
    )
    if sensor.sharpen > 0.05:
        soft = cv2.GaussianBlur(picture, (0, 0), max(scale, 0.5))
        picture = np.asarray(cv2.addWeighted(picture, 1 + sensor.sharpen, soft, -sensor.sharpen, 0), np.uint8)
    if sensor.jpeg_quality < 97:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg_quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return picture

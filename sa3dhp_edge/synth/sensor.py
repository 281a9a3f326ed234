"""From light to stored bytes: lens, exposure, colour, noise, sharpening and compression."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.domain import Domain

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


class Sensor(NamedTuple):
    """One clip's lens and electronics; lengths in pixels of a 128-pixel crop, `gains` (3,) RGB, `shutter_s` open.

    `shrink` is how many crop pixels one of the camera's spans. `banding` (4,): brightness falls off by the first two
    towards right and bottom, and rolls by the third with a period of the fourth, in picture heights.
    """

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
    shrink: float
    video_blocks: bool
    defocus_px: float
    banding: Array
    shutter_s: float


def draw_sensor(rng: np.random.Generator, d: Domain) -> Sensor:
    """A camera within the domain's levers."""

    def slight(low_high: tuple[float, float]) -> float:
        return float(low_high[0] + (low_high[1] - low_high[0]) * rng.random() ** d.defects)

    shift = rng.uniform(-1, 1) * d.white_balance
    gains = np.array([1 + shift, 1 + 0.4 * d.white_balance * rng.uniform(-1, 1), 1 - shift], np.float32)
    exposure, gamma, contrast, saturation = (
        float(rng.uniform(*r)) for r in (d.exposure, d.gamma, d.contrast, d.saturation)
    )
    noise, blur, motion_blur = slight(d.noise), slight(d.blur_px), slight(d.motion_blur_px)
    motion_blur, angle = motion_blur * float(rng.random() < 0.4), float(rng.uniform(0, 180))
    sharpen, quality = float(rng.uniform(*d.sharpen)), d.jpeg_quality[0] + d.jpeg_quality[1] - slight(d.jpeg_quality)
    low, blocks, defocus, banding = rng.random(4) < (d.low_resolution, d.video_blocks, d.defocus, d.banding)
    least, most = d.low_resolution_factor
    shrink, defocus_px = least + (most - least) * rng.random() ** 2, float(rng.uniform(*d.defocus_px))
    bands = np.array([*rng.uniform(-0.4, 0.4, 2), max(rng.uniform(-0.15, 0.15), 0), rng.uniform(0.2, 2)], np.float32)
    return Sensor(
        exposure, gains, gamma, contrast, saturation, noise, blur, motion_blur, angle, sharpen, int(quality),
        shrink if low else 1.0, bool(blocks), defocus_px if defocus else 0.0, bands * np.float32(banding),
        float(rng.uniform(0.004, 0.035)) * float(rng.random() < d.limb_blur),
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


def out_of_focus(light: Array, face: NDArray[np.int32], face_part: NDArray[np.int32], blur_px: float) -> Array:
    """Light (H, W, 3) with all but the labelled person blurred; `face` is the z-buffer's, `face_part` (F,)."""
    if blur_px < 0.3:
        return light
    k = face.shape[0] // light.shape[0]
    person = np.append(face_part < len(PARTS), False).astype(np.float32)[face]  # NOTHING, -1, finds the last one
    sharp = cv2.resize(person, (face.shape[1] // k, face.shape[0] // k), interpolation=cv2.INTER_AREA)[..., None]
    soft = cv2.GaussianBlur(np.concatenate([light * (1 - sharp), 1 - sharp], -1), (0, 0), blur_px)
    around = soft[..., :3] / np.maximum(soft[..., 3:], 1e-3)
    return np.asarray(sharp * light + (1 - sharp) * around, np.float32)


def develop(light: Array, sensor: Sensor, auto_gain: float, scale: float, seed: int) -> Picture:
    """(H, W, 3) linear RGB to (H, W, 3) uint8 RGB; `scale` is this picture's pixels per pixel of a 128-pixel crop."""
    height, width = light.shape[:2]
    if sensor.shrink > 1:
        size_wh = (max(round(width / sensor.shrink), 1), max(round(height / sensor.shrink), 1))
        light, scale = np.asarray(cv2.resize(light, size_wh, interpolation=cv2.INTER_AREA)), scale / sensor.shrink
    light = _through_lens(light, sensor, scale)
    gains = sensor.gains * np.float32(auto_gain * sensor.exposure)
    picture = _develop(
        light, gains, sensor.gamma, sensor.contrast, sensor.saturation, sensor.noise, seed * 2654435761 % 2**32
    )
    if sensor.sharpen > 0.05:
        soft = cv2.GaussianBlur(picture, (0, 0), max(scale, 0.5))
        picture = np.asarray(cv2.addWeighted(picture, 1 + sensor.sharpen, soft, -sensor.sharpen, 0), np.uint8)
    picture = _stored(picture, sensor)
    if sensor.shrink > 1:
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return picture


def _through_lens(light: Array, sensor: Sensor, scale: float) -> Array:
    """Blur, the streaks of a moved camera, and uneven brightness."""
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
    right, down, depth, period = sensor.banding
    if right or down:
        x, y = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in light.shape[1::-1])
        rows = (1 + down * y) * (1 + depth * np.sin(2 * np.pi * y / period))
        light = light * (rows[:, None, None] * (1 + right * x)[None, :, None])
    return light


def _stored(picture: Picture, sensor: Sensor) -> Picture:
    """What is left after compression: blocks, and for video colour at half the resolution and smeared flat areas."""
    if sensor.video_blocks:
        height, width = picture.shape[:2]
        luma, red, blue = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb))
        chroma = cv2.resize(cv2.merge([red, blue]), (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
        chroma = cv2.resize(np.asarray(chroma, np.uint8) & 0xFC | 2, (width, height), interpolation=cv2.INTER_LINEAR)
        _, data = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, max(sensor.jpeg_quality // 2, 12)])
        coarse = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
        soft = cv2.blur(coarse, (3, 3))
        flat = cv2.absdiff(coarse, soft) < 6  # the codec's own smoothing across the borders of blocks
        luma = np.where(flat, soft, coarse)
        return np.asarray(cv2.cvtColor(cv2.merge([luma, *cv2.split(chroma)]), cv2.COLOR_YCrCb2RGB), np.uint8)
    if sensor.jpeg_quality < 97:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg_quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return picture

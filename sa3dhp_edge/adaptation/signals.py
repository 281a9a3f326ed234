"""What can be said of a G without a label of the target: figures that tell a better model from a worse one.

Each figure is read off the same target pictures and labelled source frames, so two models can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sa3dhp_edge import metrics
from sa3dhp_edge.adaptation.dressed import dress
from sa3dhp_edge.adaptation.guard import pose_spread_mm
from sa3dhp_edge.adaptation.poses import generator
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.source import measure, read_frames
from sa3dhp_edge.adaptation.views import change_light, normalised, plain_views
from sa3dhp_edge.errors import TrainingError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.image_to_latent import project
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.motion_autoencoder import WINDOW, WINDOW_FPS
from sa3dhp_edge.skeleton import JOINTS, MIRROR
from sa3dhp_edge.training.device import on_device, training_device

MOST_FRAMES = 256
RULES = tuple(Rule.parse(name) for name in ("flip", "tilt30", "tilt-30", "flip_tilt50"))
"""Besides the picture as it is, seen through these."""
BATCH = 128
_PELVIS, _NECK, _HEAD, _RIGHT_HIP, _LEFT_HIP = (
    JOINTS.index(name) for name in ("pelvis", "neck", "head_top", "right_hip", "left_hip")
)
_CELLS = 8
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Signals:
    """Figures of one G on target pictures and on labelled source frames; nan where a figure cannot be had.

    Attributes:
        frames: target pictures looked at.
        likeness: correlation of a picture with the next of its clip: near 0 noise.
        change: 1 - correlation of a run's most unlike picture with its first, both at 8 x 8 cells: near 0 a still.
        view_mm: how far apart the poses are that G reads in a picture, mirrored and tilted, each turned back.
        view_uv: the same of the 2D joints, crop coordinates.
        light_mm: how far the pose moves when the light changes.
        relation: |T_z(G(x)) - G(rule(x))| over the rules the model has learned, latent units.
        projection_uv: distance of the projected 3D pose from the 2D joints.
        cycle: |z - E_p(D_p(z))|, latent units.
        score: mean share of a joint's map within its best cells, 0..1.
        presence: mean logit of a whole person being there.
        spread_mm: see `pose_spread_mm`.
        upright_spread_mm: deviation of the joints after each pose is turned to one facing and upright.
        motion_mm: mean movement of a joint from one picture to the next.
        jitter: second difference of the joints in time over `motion_mm`, no unit.
        swaps: share of steps in time that are shorter with left and right exchanged.
        odd: share of poses with the head below the pelvis.
        denoising: |z - D_m(E_m(z))| over windows of one second, latent units.
        statistics: how far the pictures' batch statistics are from those G normalises with, in deviations.
        source_mpjpe_mm, source_pa_mpjpe_mm: on labelled source frames.
        source_chance_mm, source_swapped_mm: MPJPE of the same poses, each put to another frame, or left for right.
        dressed_mpjpe_mm, dressed_pa_mpjpe_mm: on the same people in front of the target, see `dress`.
    """

    frames: int
    likeness: float
    change: float
    view_mm: float
    view_uv: float
    light_mm: float
    relation: float
    projection_uv: float
    cycle: float
    score: float
    presence: float
    spread_mm: float
    upright_spread_mm: float
    motion_mm: float
    jitter: float
    swaps: float
    odd: float
    denoising: float
    statistics: float
    source_mpjpe_mm: float
    source_pa_mpjpe_mm: float
    source_chance_mm: float
    source_swapped_mm: float
    dressed_mpjpe_mm: float
    dressed_pa_mpjpe_mm: float


class Seen(NamedTuple):
    """What one G makes of the evidence: its figures, and its poses (n, 17, 3) mm of the pictures as they are."""

    signals: Signals
    pose_mm: Array


@dataclass(frozen=True)
class Evidence:
    """What models are compared on; the same for all of them.

    Attributes:
        target: pictures in order of time, best such as were not adapted on; labels are not looked at.
        source: labelled frames, held out.
        dressed: the same people as the target might show them, see `dress`.
    """

    target: FrameSet
    source: FrameSet
    dressed: FrameSet

    @staticmethod
    def chosen(target: FrameSet, clips: Sequence[NDArray[np.intp]], source: FrameSet) -> Evidence:
        """At most `MOST_FRAMES` of each: runs from the middle of target clips, and source frames evenly spread.

        Args:
            clips: indices of the target clips to choose from, best such as are not adapted on.

        Raises:
            TrainingError: the source frames have no labels, or there are no pictures.
        """
        if not source.labelled or not len(source) or not clips:
            raise TrainingError(
                "a model is judged on target pictures and labelled source frames, and one of them is missing",
                "give a labelled frame set as the source and a target with a clip of one person",
            )
        few = [clips[i] for i in _evenly(len(clips), MOST_FRAMES // (WINDOW + 2))]
        most = MOST_FRAMES // max(len(few), 1)
        runs = [clip[(skip := max(len(clip) - most, 0) // 2) : skip + most] for clip in few]
        index = np.sort(np.concatenate([np.arange(0), *runs]))
        seen, labelled = target.without_labels().take(index), source.take(_evenly(len(source), MOST_FRAMES))
        return Evidence(seen, labelled, dress(labelled, seen.images))


def look(model: ModelSet, evidence: Evidence) -> Seen:
    """Every figure of a model's G: six forward passes over the target's pictures, two over the source's.

    The same numbers each time; the model is left as it was.
    """
    target, px = evidence.target, model.settings.image.crop_px
    with _statistics_gap(model.g) as gaps:
        plain = _read(model, target.images, px)
    turned = [_read(model, target.images, px, rule) for rule in RULES]
    lit = _read(model, target.images, px, light=True)
    pairs = list(zip(RULES, turned, strict=True))
    pose = plain.pose_mm.numpy()
    dressed = measure(model.g, model.d_p, evidence.dressed, px)
    signals = Signals(
        frames=len(target),
        **_alike(target),
        view_mm=_disagreement([plain.pose_mm, *(_undone(rule, view.pose_mm) for rule, view in pairs)]),
        view_uv=_disagreement([plain.uv, *(_undone(rule, view.uv) for rule, view in pairs)]),
        light_mm=_disagreement([plain.pose_mm, lit.pose_mm]),
        relation=_relation(model, plain.z, pairs),
        projection_uv=float((project(plain.pose_mm, plain.camera) - plain.uv).norm(dim=-1).mean()),
        cycle=float((plain.z - _encoded(model, plain.pose_mm)).abs().mean()),
        score=float(plain.score.mean()),
        presence=float(plain.presence.mean()),
        spread_mm=pose_spread_mm(pose),
        upright_spread_mm=_upright_spread_mm(pose),
        **_in_time(target, pose),
        odd=float((pose[:, _HEAD, 1] > pose[:, _PELVIS, 1]).mean()),
        denoising=_denoising(model, plain.z.numpy(), target),
        statistics=float(np.mean(gaps)) if gaps else math.nan,
        **_on_source(model, evidence.source),
        dressed_mpjpe_mm=dressed["mpjpe"],
        dressed_pa_mpjpe_mm=dressed["pa_mpjpe"],
    )
    return Seen(signals, pose)


def moved_mm(before: Seen, after: Seen) -> float:
    """Mean distance of the joints that two models read in the same pictures."""
    return float(np.linalg.norm(before.pose_mm - after.pose_mm, axis=-1).mean())


class _View(NamedTuple):
    """What G says of the pictures in one view, on the CPU; nan where it has no such output."""

    z: Tensor
    pose_mm: Tensor
    uv: Tensor
    camera: Tensor
    score: Tensor
    presence: Tensor


def _read(
    model: ModelSet, pictures: NDArray[np.uint8], crop_px: int, rule: Rule | None = None, light: bool = False
) -> _View:
    """G on stored pictures seen plainly, or with a rule done to them, or in another light."""
    device, rng = training_device(), generator(0, 8)
    parts: list[_View] = []
    model.g.eval()
    with on_device(device, model.g, model.d_p), torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            part = np.asarray(pictures[start : start + BATCH])
            views = plain_views(len(part)) if rule is None else plain_views(len(part)).then(rule)
            crops = views.crops(part, crop_px, device)
            reading = model.g(normalised(change_light(rng, crops) if light else crops))
            pose = model.d_p(reading.z)
            uv = project(pose, reading.camera) if reading.joints_uv is None else reading.joints_uv
            unknown = reading.z.new_full((len(part),), math.nan)
            score = unknown if reading.score is None else reading.score.mean(1)
            presence = unknown if reading.presence is None else reading.presence
            columns = (reading.z, pose, uv, reading.camera, score, presence)
            parts.append(_View(*(column.float().cpu() for column in columns)))
    return _View(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _on_source(model: ModelSet, source: FrameSet) -> dict[str, float]:
    """Errors on labelled frames, and such as chance and the wrong sides would make."""
    assert source.joints_mm is not None
    pose, _, _ = read_frames(model.g, model.d_p, source.images, model.settings.image.crop_px)
    pose = metrics.at_subject_size(pose, source.joints_mm, source.clips())
    other, exchanged = np.roll(pose, len(pose) // 2, 0), pose[:, list(MIRROR)]
    named = {"mpjpe": pose, "chance": other, "swapped": exchanged}
    errors = {f"source_{k}_mm": float(metrics.mpjpe(p, source.joints_mm).mean()) for k, p in named.items()}
    return errors | {"source_pa_mpjpe_mm": float(metrics.pa_mpjpe(pose, source.joints_mm).mean())}


def _undone(rule: Rule, joints: Tensor) -> Tensor:
    """The inverse of a rule's spatial part on joints (n, 17, 3) mm or (n, 17, 2) uv."""
    back = joints[:, list(MIRROR)] if rule.flip else joints
    size = joints.shape[-1]
    return back @ torch.from_numpy(rule.linear()[:size, :size])


def _disagreement(views: list[Tensor]) -> float:
    """Mean distance of joints from their mean over the views."""
    stacked = torch.stack(views)
    return float((stacked - stacked.mean(0)).norm(dim=-1).mean())


def _relation(model: ModelSet, z: Tensor, pairs: list[tuple[Rule, _View]]) -> float:
    """Mean |T_z(z) - z of the view| over the rules that the model has learned."""
    known = [(model.relations["z", r.name], view) for r, view in pairs if ("z", r.name) in model.relations]
    with torch.no_grad():
        return float(np.mean([float((t.cpu()(z) - view.z).abs().mean()) for t, view in known])) if known else math.nan


def _encoded(model: ModelSet, pose_mm: Tensor) -> Tensor:
    with torch.no_grad():
        return model.e_p.cpu()(pose_mm)  # type: ignore[no-any-return]


def _upright_spread_mm(pose_mm: Array) -> float:
    """Mean distance of joints from their mean, once the spine points up and the hips lie across."""
    up = pose_mm[:, _PELVIS] - pose_mm[:, _NECK]
    across = pose_mm[:, _LEFT_HIP] - pose_mm[:, _RIGHT_HIP]
    y = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    x = across - (across * y).sum(-1, keepdims=True) * y
    x /= np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)
    own = pose_mm @ np.stack([x, y, np.cross(x, y)], -1)
    return float(np.linalg.norm(own - own.mean(0), axis=-1).mean())


def _in_time(target: FrameSet, pose_mm: Array) -> dict[str, float]:
    """Movement, jitter and swapped sides between neighbouring pictures of a clip."""
    steps, bends, swaps = [], [], []
    for clip in target.clips():
        poses = pose_mm[clip]
        step = np.linalg.norm(np.diff(poses, axis=0), axis=-1).mean(-1)
        crossed = np.linalg.norm(poses[1:][:, list(MIRROR)] - poses[:-1], axis=-1).mean(-1)
        steps.append(step)
        swaps.append(crossed < step)
        bends.append(np.linalg.norm(np.diff(poses, 2, axis=0), axis=-1).mean(-1))
    motion, bend, swapped = (_mean(np.concatenate([np.zeros(0), *parts])) for parts in (steps, bends, swaps))
    return {"motion_mm": motion, "jitter": bend / max(motion, 1e-6), "swaps": swapped}


def _denoising(model: ModelSet, z: Array, target: FrameSet) -> float:
    """|z - D_m(E_m(z))| over as many windows of one second as the clips have; nan where none is as long."""
    windows = []
    for clip in target.clips():
        stamps = target.time_s[clip]
        for first in np.arange(stamps[0], stamps[-1] - (WINDOW - 1) / WINDOW_FPS + 1e-6, WINDOW / WINDOW_FPS):
            wanted = first + np.arange(WINDOW) / WINDOW_FPS
            windows.append(np.stack([np.interp(wanted, stamps, column) for column in z[clip].T], -1))
    if not windows:
        return math.nan
    batch = torch.from_numpy(np.stack(windows).astype(np.float32))
    with torch.no_grad():
        return float((model.d_m.cpu()(model.e_m.cpu()(batch)) - batch).abs().mean())


def _alike(target: FrameSet) -> dict[str, float]:
    """How alike pictures of a clip are: neighbours as they are, and those farthest apart without their grain."""
    neighbours, changes = [], []
    for clip in target.clips():
        grey = [np.asarray(target.images[i]).mean(-1, dtype=np.float32) for i in clip]
        coarse = [cv2.resize(g, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA) for g in grey]
        neighbours += [_correlation(a, b) for a, b in pairwise(grey)]
        changes += [1 - min(_correlation(coarse[0], c) for c in coarse[1:])] if len(clip) > 1 else []
    return {"likeness": _mean(np.array(neighbours)), "change": _mean(np.array(changes))}


def _correlation(a: Array, b: Array) -> float:
    """Of two pictures; 0 where one is all of one colour."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-6))


@contextmanager
def _statistics_gap(g: nn.Module) -> Iterator[list[float]]:
    """While open, each pass adds for each normalisation how far a channel's mean is from the running one, in
    deviations, and how many times larger or smaller its deviation is, as a logarithm."""
    gaps: list[float] = []

    def compare(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(layer, nn.BatchNorm2d)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        x = inputs[0].float()
        deviation = (layer.running_var + layer.eps).sqrt()
        shift = ((x.mean((0, 2, 3)) - layer.running_mean) / deviation).abs()
        stretch = ((x.std((0, 2, 3)) + layer.eps) / deviation).log().abs()
        gaps.append(float((shift + stretch).mean()))

    hooks = [m.register_forward_hook(compare) for m in g.modules() if isinstance(m, nn.BatchNorm2d)]
    try:
        yield gaps
    finally:
        for hook in hooks:
            hook.remove()


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    """At most so many positions, evenly over `count`."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.intp))


def _mean(values: NDArray[np.floating]) -> float:
    return float(values.mean()) if len(values) else math.nan

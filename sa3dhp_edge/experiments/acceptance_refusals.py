"""What acceptance must refuse whatever the score says: footage without content, labels of another skeleton."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.adaptation.acceptance import Fit, Verdict, judge
from sa3dhp_edge.adaptation.signals import Evidence, look
from sa3dhp_edge.adaptation.statistics import reestimate_statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.experiments.acceptance_runs import Bed, between
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.networks.trainable import restore, snapshot
from sa3dhp_edge.skeleton import MIRROR, J

SHARE = 0.3
"""Of the target in the statistics of the model that is judged: one that the unspoiled evidence speaks for."""


@dataclass(frozen=True)
class Refusal:
    """What was shown, and what was said."""

    shown: str
    verdict: Verdict


def refusals(bed: Bed, fit: Fit) -> list[Refusal]:
    """One model that is better, judged on its own evidence and on spoiled evidence."""
    model = bed.model()
    start = snapshot(model.g)
    reestimate_statistics(model.g, TargetClips(bed.learned()), bed.settings.image.crop_px, bed.settings.seed)
    end = between(start, snapshot(model.g), SHARE)
    said = []
    for name, evidence in evidences(bed.clips, bed.watched(), bed.probe):
        restore(model.g, start)
        before = look(model, evidence).signals
        restore(model.g, end)
        said.append(Refusal(name, judge(before, look(model, evidence).signals, bed.settings.adapt, fit)))
    return said


def evidences(clips: FrameSet, watched: list[NDArray[np.intp]], source: FrameSet) -> Iterator[tuple[str, Evidence]]:
    """The evidence as it is, and spoiled in every way that must be noticed."""
    own = Evidence.chosen(clips, watched, source)
    yield "a better model, on the target", own
    pictures, rng = own.target.images, np.random.default_rng(0)
    noise = rng.integers(0, 256, pictures.shape, np.uint8)
    corner = pictures[:, : pictures.shape[1] // 4, : pictures.shape[2] // 4]
    empty = np.stack([cv2.resize(c, pictures.shape[2:0:-1], interpolation=cv2.INTER_LINEAR) for c in corner])
    first = np.concatenate([np.repeat(clip[:1], len(clip)) for clip in own.target.clips()])
    grain = rng.normal(0, 3, pictures.shape)
    still = (pictures[first] + grain).clip(0, 255).astype(np.uint8)
    for name, images in (("a noise video", noise), ("a video of nobody", empty), ("a still, repeated", still)):
        yield name, replace(own, target=replace(own.target, images=images))
    yield "eight pictures", Evidence.chosen(own.target, [own.target.clips()[0][:8]], source)
    shifted = [*range(1, J), 0]
    for name, order in (("left and right exchanged", list(MIRROR)), ("joints in another order", shifted)):
        assert source.joints_mm is not None
        assert source.joints_uv is not None
        other = replace(source, joints_mm=_rooted(source.joints_mm[:, order]), joints_uv=source.joints_uv[:, order])
        yield f"source labels: {name}", Evidence.chosen(clips, watched, other)


def _rooted(joints_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    return joints_mm - joints_mm[:, :1]

"""What else could be done to poses over time: bones learned of the person, and the motion prior. On real clips.

alternatives.md     table
alternatives.json   the same of every clip, with machine and commit

Every variant begins with `smooth`, or replaces it:

    smooth              as `run` does with files
    bones, learned      each bone the median of what the network said of it so far, left and right as one
    bones, from 2D      so that the turned bones fill their 2D ones, so far (least squares, held by the template)
    bones, true         hips, shoulders and limbs as long as the truth's: what could be gained at most
    motion              instead: 30 frames at a time through E_m and D_m, windows laid over each other
    motion of smooth    the same of smoothed poses
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.model_folder import read_weights
from runtime.config import SmoothingConfig
from runtime.model import Model
from runtime.service import iterate_poses
from runtime.smoothing import Seen, smoothed
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.smoothing_study import clip_folders
from sa3dhp_edge.geometry import fit_weak_perspective
from sa3dhp_edge.jobs.evaluate import COMMON, ClipTruth, by_frame, clip_figures, clip_truth, common_joints_mm
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.motion_autoencoder import WINDOW, WINDOW_FPS
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.report.tables import Cell, Column, markdown_table
from sa3dhp_edge.shipped import model_folder
from sa3dhp_edge.skeleton import (
    BONES,
    DIFFERENCES,
    JOINTS,
    MIRROR,
    PARENTS,
    TEMPLATE_BONE_MM,
    bone_directions,
    bone_lengths_mm,
    pose_from_directions,
)

_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)
_OTHER_SIDE = [MIRROR[joint] - 1 for joint in range(1, len(JOINTS))]
_RECENT = 300
"""Bones are learned of so many frames."""
_HELD = 30.0
"""The template counts as much as so many frames in which a bone is seen in its full length."""
_STEP = 3
"""Frames between the beginnings of two windows."""

Found = list[Pose | None]
Floats = NDArray[np.float64]


def alternatives(*, clips: Path, out: Path, model: str) -> Report:
    """Figures of every variant on every clip; a table in `out`.

    Args:
        clips: as `experiment smoothing` takes them.
        model: its folder, with weights in it, or `shipped`.

    Raises:
        DataError, ModelError: no clip there; no such model, or one without weights.
    """
    networks, rows = read_weights(model_folder(model)), []
    for name, folder in clip_folders(clips):
        truth = clip_truth(folder)
        raw = _looked_at(model, folder, truth)
        smooth = by_frame(((frame, poses) for frame, poses, _ in smoothed(raw, SmoothingConfig())), len(truth.scored))
        plain = by_frame(((frame, poses) for frame, poses, _ in raw), len(truth.scored))
        fps = 1 / float(np.median(np.diff([frame.time_s for frame, _, _ in raw])))
        variants = {
            "smooth": smooth,
            "bones, learned": with_bones(smooth, learned_mm(smooth)),
            "bones, from 2D": with_bones(smooth, from_2d_mm(smooth, networks)),
            "bones, true": with_bones(smooth, [_true_mm(truth)] * len(smooth)),
            "motion": through_motion(plain, plain, fps, networks),
            "motion of smooth": through_motion(smooth, plain, fps, networks),
        }
        rows += [{"clip": name, "variant": key} | _figures(found, truth) for key, found in variants.items()]
    write_json(
        out / "alternatives.json",
        {"experiment": "alternatives", "model": model, "machine": machine(), "commit": commit(), "rows": rows},
    )
    write_text(out / "alternatives.md", _page(rows))
    return {"out": str(out), "rows": len(rows)}


def _looked_at(model: str, folder: Path, truth: ClipTruth) -> list[Seen]:
    loaded = Model.load(model, 1)
    seen = iterate_poses(loaded, folder / "video.mp4", intrinsics=truth.camera, smoothing="raw")
    found: list[Seen] = [(Frame(_NO_PICTURE, frame.index, frame.time_s), poses, 0.0) for frame, poses in seen]
    loaded.close()
    return found


def with_bones(found: Found, lengths_mm: Sequence[Floats]) -> Found:
    """The same directions with each frame's (16,) lengths."""
    made: Found = []
    for pose, lengths in zip(found, lengths_mm, strict=True):
        if pose is not None:
            joints = pose_from_directions(bone_directions(pose.joints_mm), lengths.astype(np.float32))
            pose = replace(pose, joints_mm=joints)
        made.append(pose)
    return made


def learned_mm(found: Found) -> list[Floats]:
    """(16,) of each frame: median of the network's own lengths so far, both sides as one."""
    said: list[Floats] = []
    learned = []
    for pose in found:
        if pose is not None:
            own = bone_lengths_mm(pose.joints_mm).astype(np.float64)
            said.append((own + own[_OTHER_SIDE]) / 2)
        learned.append(np.median(said[-_RECENT:], 0) if said else TEMPLATE_BONE_MM.astype(np.float64))
    return learned


def from_2d_mm(found: Found, networks: ModelSet) -> list[Floats]:
    """(16,) of each frame: lengths that lay the bones, seen along the line of sight, on their 2D ones so far."""
    template = TEMPLATE_BONE_MM.astype(np.float64)
    along: list[Floats] = []
    weight: list[Floats] = []
    learned = []
    for pose in found:
        if pose is not None:
            crop = _decoded(np.stack([pose.z]), networks)[0]
            scale = max(float(fit_weak_perspective(crop, pose.joints_px)[0]), 1e-6) / 1000
            flat, seen = bone_directions(crop.astype(np.float32))[:, :2], DIFFERENCES @ pose.joints_px / scale
            along.append((flat * seen).sum(-1).astype(np.float64))
            weight.append((flat * flat).sum(-1).astype(np.float64))
        a = np.sum(along[-_RECENT:], 0) + _HELD * template
        w = np.sum(weight[-_RECENT:], 0) + np.full(len(template), _HELD)
        lengths = np.clip((a + a[_OTHER_SIDE]) / (w + w[_OTHER_SIDE]), 0.6 * template, 1.6 * template)
        learned.append(lengths * (template.sum() / lengths.sum()))
    return learned


def _true_mm(truth: ClipTruth) -> Floats:
    """(16,): median of the truth where it has both ends, half of the width between the sides for hips and shoulders."""
    xyz, names = truth.joints_mm[truth.scored], list(COMMON)
    lengths = TEMPLATE_BONE_MM.astype(np.float64)
    for bone, name in enumerate(BONES):
        side, _, part = name.partition("_")
        if part in ("hip", "shoulder"):
            other = name.replace(side, "left" if side == "right" else "right")
            ends, share = (name, other), 0.5
        else:
            ends, share = (name, JOINTS[PARENTS[bone + 1]]), 1.0
        if set(ends) <= set(names):
            apart = xyz[:, names.index(ends[0])] - xyz[:, names.index(ends[1])]
            lengths[bone] = share * float(np.median(np.linalg.norm(apart, axis=-1)))
    return lengths


def through_motion(found: Found, raw: Found, fps: float, networks: ModelSet) -> Found:
    """Every unbroken stretch of a second or more through E_m and D_m; shorter ones are as they were."""
    made = list(found)
    there = [n for n, pose in enumerate(found) if pose is not None]
    for _, run in groupby(enumerate(there), lambda pair: pair[1] - pair[0]):
        stretch = [n for _, n in run]
        if (len(stretch) - 1) / fps < (WINDOW - 1) / WINDOW_FPS:
            continue
        poses = [pose for n in stretch if (pose := found[n]) is not None]
        said = [pose for n in stretch if (pose := raw[n]) is not None]
        crop = _decoded(np.stack([pose.z for pose in said]), networks)
        turn = _turns(crop, np.stack([pose.joints_mm for pose in said]).astype(np.float64))
        size = np.linalg.norm(said[0].joints_mm) / np.linalg.norm(crop[0])
        before = np.stack([pose.joints_mm for pose in poses]) @ np.swapaxes(turn, 1, 2) / size
        with torch.no_grad():
            z = networks.e_p(torch.from_numpy(before.astype(np.float32))).numpy().astype(np.float64)
        after = size * _decoded(_windows(z, fps, networks), networks) @ turn
        for n, pose, joints in zip(stretch, poses, after, strict=True):
            made[n] = replace(pose, joints_mm=joints.astype(np.float32))
    return made


def _windows(z: Floats, fps: float, networks: ModelSet) -> Floats:
    """(T, 32) latents at `fps` through the auto-encoder at its own rate, and back at `fps`."""
    stamps = np.arange(len(z)) / fps
    ticks = np.arange(int(stamps[-1] * WINDOW_FPS + 1e-6) + 1) / WINDOW_FPS
    even = np.stack([np.interp(ticks, stamps, row) for row in z.T], 1)
    last = len(even) - WINDOW
    starts = sorted({*range(0, last + 1, _STEP), last})
    with torch.no_grad():
        given = torch.from_numpy(np.stack([even[s : s + WINDOW] for s in starts]).astype(np.float32))
        parts = networks.d_m(networks.e_m(given)).numpy()
    weight, total = np.hanning(WINDOW + 2)[1:-1, None], np.zeros((len(even), 1))
    mean = np.zeros_like(even)
    for start, part in zip(starts, parts, strict=True):
        mean[start : start + WINDOW] += weight * part
        total[start : start + WINDOW] += weight
    mean /= total
    return np.stack([np.interp(stamps, ticks, row) for row in mean.T], 1)


def _decoded(z: NDArray[np.floating], networks: ModelSet) -> Floats:
    """(T, 17, 3) mm, template size, in the crop's frame."""
    with torch.no_grad():
        return np.asarray(networks.d_p(torch.from_numpy(z.astype(np.float32))).numpy(), np.float64)


def _turns(crop: Floats, camera: Floats) -> Floats:
    """(T, 3, 3) that take poses of the crop's frame, as rows, to the camera's."""
    u, _, vt = np.linalg.svd(np.swapaxes(crop, 1, 2) @ camera)
    u[:, :, -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return np.asarray(u @ vt)


def _figures(found: Found, truth: ClipTruth) -> Report:
    lengths = np.stack([bone_lengths_mm(pose.joints_mm) for pose in found if pose is not None])
    spread = float(lengths.astype(np.float64).std(0).mean())
    return clip_figures(common_joints_mm(found), truth.joints_mm, truth.scored) | {"bone_spread": spread}


def _page(rows: Sequence[Report]) -> str:
    names = ("pa_mpjpe", "mpjpe_rigid", "mpjpe", "jitter", "bone_spread")
    columns = [Column("variant"), Column("clip"), Column("PA-MPJPE", "mm", 1), Column("one rotation", "mm", 1)]
    columns += [Column("MPJPE", "mm", 1), Column("jitter", "mm a frame^2", 1), Column("bones vary by", "mm", 2)]
    cells: list[tuple[Cell, ...]] = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        cells += [(variant, row["clip"], *(row[name] for name in names)) for row in own]
        cells.append((variant, "mean", *(float(np.mean([row[name] for row in own])) for name in names)))
    return markdown_table(columns, cells)

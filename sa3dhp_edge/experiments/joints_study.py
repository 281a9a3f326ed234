"""Does a joint's confidence tell its error? On real clips with 3D truth, as the runtime gives it.

joints.md     how well joints are ranked, and what their confidence promises
joints.json   the same, with machine and commit
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.model import Model
from runtime.service import iterate_poses
from sa3dhp_edge import metrics
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.contract import ErrorModel
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.confidence_study import rank_correlation, reliability, risk
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.smoothing_study import clip_folders
from sa3dhp_edge.jobs.evaluate import COMMON, by_frame, clip_truth, common_joints_mm
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.tables import Cell, Column, markdown_table
from sa3dhp_edge.skeleton import JOINTS

ALL = "all"
_SCORED = [JOINTS.index(name) for name in list(COMMON)[1:]]
"""The pelvis, on which poses are laid, has no error."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """N frames of a clip: confidence and error in mm of the scored joints (N, 12), and of poses (N,) confidence."""

    name: str
    joint: Floats
    pose: Floats
    error_mm: Floats


def joints(*, clips: Path, out: Path, model: str) -> Report:
    """Figures of every clip, and of all together; a table in `out`.

    Args:
        clips: as `experiment smoothing` takes them.
        model: its folder, or `shipped`.

    Raises:
        DataError: no clip there, or a model that gives joints no confidence.
    """
    loaded = Model.load(model, 1)
    reference = loaded.contract.confidence.mpjpe
    if reference is None or not reference.weights[1]:
        raise DataError(f"{model} does not know its joints' confidence", "name a model that knows its expected error")
    found = [_judged(loaded, folder, name) for name, folder in clip_folders(clips)]
    loaded.close()
    together = (np.concatenate([getattr(one, part) for one in found]) for part in ("joint", "pose", "error_mm"))
    rows = [_figures(one) for one in [*found, Judged(ALL, *together)]]
    promises = _promises([*found], reference)
    write_json(
        out / "joints.json",
        {"experiment": "joints", "machine": machine(), "commit": commit(), "rows": rows, "promises_mm": promises},
    )
    write_text(out / "joints.md", _page(rows, promises))
    return {"out": str(out), "clips": len(found), "rank": rows[-1]["joint"], "rank_of_pose": rows[-1]["pose"]}


def _judged(model: Model, folder: Path, name: str) -> Judged:
    """The joints of every frame that has truth and somebody."""
    truth = clip_truth(folder)
    seen = iterate_poses(model, folder / "video.mp4", intrinsics=truth.camera, smoothing="raw")
    poses = by_frame(seen, len(truth.scored))
    kept = [n for n, pose in enumerate(poses) if pose is not None and truth.scored[n]]
    there = [pose for n in kept if (pose := poses[n]) is not None]
    error = metrics.joint_errors(common_joints_mm(there), truth.joints_mm[kept])[:, 1:]
    sure = [pose.joint_confidence for pose in there if pose.joint_confidence is not None]
    joint, whole = np.stack(sure)[:, _SCORED].astype(np.float64), np.array([pose.confidence for pose in there])
    return Judged(name, joint, whole, error)


def _figures(one: Judged) -> Report:
    """Spearman's rank correlations of doubt and error, and areas under the risk-coverage curve, of single joints."""
    doubt, error = 1 - one.joint, one.error_mm
    of_pose = np.repeat(1 - one.pose, error.shape[1])
    return {
        "clip": one.name,
        "frames": len(error),
        "pose": rank_correlation(of_pose, error.ravel()),
        "joint": rank_correlation(doubt.ravel(), error.ravel()),
        "within": float(np.nanmean([rank_correlation(d, e) for d, e in zip(doubt, error, strict=True)])),
        "over_time": float(np.nanmean([rank_correlation(d, e) for d, e in zip(doubt.T, error.T, strict=True)])),
        "area_random": float(error.mean()),
        "area_pose": float(risk(of_pose, error.ravel()).mean()),
        "area_joint": float(risk(doubt.ravel(), error.ravel()).mean()),
        "area_oracle": float(risk(error.ravel(), error.ravel()).mean()),
    }


def _promises(found: list[Judged], reference: ErrorModel) -> list[tuple[float, float]]:
    """Expected by the confidence and true, mm, of groups of equally many joints of all clips."""
    expected = np.concatenate([(1 - one.joint).ravel() for one in found]) * reference.useless_mm
    return reliability(expected, np.concatenate([one.error_mm.ravel() for one in found]))


def _page(rows: list[Report], promises: list[tuple[float, float]]) -> str:
    names = ("pose", "joint", "within", "over_time", "area_random", "area_pose", "area_joint", "area_oracle")
    heads = ("rank, pose alone", "rank, joint", "within a frame", "one joint over time")
    columns = [Column("clip"), Column("frames", digits=0), *(Column(head, digits=2) for head in heads)]
    columns += [Column(f"area, {name}", "mm", 1) for name in ("random", "pose alone", "joint", "oracle")]
    cells: list[tuple[Cell, ...]] = [(r["clip"], float(r["frames"]), *(r[name] for name in names)) for r in rows]
    bins: list[tuple[Any, ...]] = [("expected", *(e for e, _ in promises)), ("true", *(t for _, t in promises))]
    groups = [Column("joints of all clips, surest first"), *(Column(str(i + 1), "mm", 0) for i in range(len(promises)))]
    return f"{markdown_table(columns, cells)}\n{markdown_table(groups, bins)}"

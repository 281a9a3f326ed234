"""What does smoothing over time do to error, jitter and delay on real clips?

smoothing.md     table
smoothing.json   the same of every clip, with machine and commit
smoothing.png    what each preset changes, each clip a dot
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import numpy as np

from runtime.config import SmoothingConfig, SmoothingName
from runtime.model import Model
from runtime.service import iterate_poses
from runtime.smoothing import Seen, smoothed
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.jobs.evaluate import by_frame, clip_figures, clip_truth, common_joints_mm
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.report.dots import DotPanel, change_dots
from sa3dhp_edge.report.tables import Cell, Column, markdown_table
from sa3dhp_edge.skeleton import TEMPLATE_BONE_MM, pose_from_directions

PRESETS: tuple[SmoothingName, ...] = get_args(SmoothingName)
SPEEDS_MM_S = (200.0, 2000.0)
"""A slow and a fast hand."""
_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def smoothing(*, clips: Path, out: Path, models: Sequence[str]) -> Report:
    """Figures of every preset on every clip and model; tables and a plot in `out`.

    Args:
        clips: a folder with video.mp4 and gt_joints.npz, or with such folders in it or one further below.
        models: model folders, or `shipped`; where `{clip}` is in a name, the clip's own name takes its place.

    Raises:
        DataError: no clip there, or a damaged one.
        ModelError: no such model.
    """
    folders = clip_folders(clips)
    rows = []
    for name in models:
        for clip, folder in folders:
            rows += [{"model": name, "clip": clip} | row for row in _of_clip(_model(name, clip), folder)]
    lags_ms = {preset: [lag_ms(preset, speed) for speed in SPEEDS_MM_S] for preset in PRESETS}
    result: Report = {
        "experiment": "smoothing", "machine": machine(), "commit": commit(), "settings": asdict(SmoothingConfig()),
        "lag_ms": {preset: dict(zip(map(str, SPEEDS_MM_S), each, strict=True)) for preset, each in lags_ms.items()},
        "rows": rows,
    }  # fmt: skip
    write_json(out / "smoothing.json", result)
    write_text(out / "smoothing.md", _page(rows, lags_ms))
    write_bytes(out / "smoothing.png", _plot(rows))
    return {"out": str(out), "clips": len(folders), "models": len(models)}


def clip_folders(clips: Path) -> list[tuple[str, Path]]:
    """Names and folders of the clips with truth in a folder, or one or two below.

    Raises:
        DataError: there is none.
    """
    folders = sorted(path.parent for below in ("", "*/", "*/*/") for path in clips.glob(f"{below}gt_joints.npz"))
    if not folders:
        raise DataError(f"{clips} holds no clip with gt_joints.npz", "name a folder of clips with 3D truth")
    return [(folder.relative_to(clips).as_posix(), folder) for folder in folders]


def _model(name: str, clip: str) -> str:
    return name.replace("{clip}", clip.replace("/", "_"))


def _of_clip(model: str, folder: Path) -> Iterator[Report]:
    """The figures of each preset, from one look of the network at the clip."""
    truth, loaded = clip_truth(folder), Model.load(model, 1)
    raw = iterate_poses(loaded, folder / "video.mp4", intrinsics=truth.camera, smoothing="raw")
    seen: list[Seen] = [(Frame(_NO_PICTURE, frame.index, frame.time_s), poses, 0.0) for frame, poses in raw]
    loaded.close()
    for preset in PRESETS:
        found = by_frame(
            ((frame, poses) for frame, poses, _ in smoothed(seen, SmoothingConfig(preset))), len(truth.scored)
        )
        yield {"preset": preset} | clip_figures(common_joints_mm(found), truth.joints_mm, truth.scored)


def lag_ms(preset: SmoothingName, speed_mm_s: float, fps: float = 30.0) -> float:
    """How far a steady motion is behind, in milliseconds, when it comes out; the wait for it is `lag_s` beside."""
    joints = pose_from_directions(np.tile(np.array([0, -1, 0], np.float32), (16, 1)), TEMPLATE_BONE_MM)
    flat, z = np.zeros((17, 2), np.float32), np.zeros(32, np.float32)
    seen: list[Seen] = []
    for n in range(60):
        root = np.array([speed_mm_s * n / fps, 0, 3000], np.float32)
        seen.append((Frame(_NO_PICTURE, n, n / fps), (Pose(joints, root, flat, (0, 0, 1, 1), 1.0, 1, z),), 0.0))
    _, (pose,), _ = list(smoothed(seen, SmoothingConfig(preset)))[45]
    assert pose.root_mm is not None
    return 1000 * (45 / fps - float(pose.root_mm[0]) / speed_mm_s)


def _mean(rows: Sequence[Report], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _page(rows: Sequence[Report], lags_ms: dict[SmoothingName, list[float]]) -> str:
    columns = (
        Column("model"), Column("clip"), Column("preset"), Column("PA-MPJPE", "mm"), Column("one rotation", "mm"),
        Column("MPJPE", "mm"), Column("jitter", "mm a frame^2"), Column("of the truth"),
    )  # fmt: skip
    cells: list[tuple[Cell, ...]] = [
        (row["model"], row["clip"], row["preset"], row["pa_mpjpe"], row["mpjpe_rigid"], row["mpjpe"], row["jitter"],
         row["jitter_truth"])
        for row in rows
    ]  # fmt: skip
    for preset in PRESETS:
        own = [row for row in rows if row["preset"] == preset]
        names = ("pa_mpjpe", "mpjpe_rigid", "mpjpe", "jitter", "jitter_truth")
        cells.append(("all", "mean", preset, *(_mean(own, name) for name in names)))
    speeds = " and ".join(f"{speed / 1000:g}" for speed in SPEEDS_MM_S)
    lags = "; ".join(f"{preset} {' and '.join(f'{v:.0f}' for v in each)}" for preset, each in lags_ms.items())
    waits = SmoothingConfig().lag_s
    return (
        f"{markdown_table(columns, cells)}\nBehind a hand of {speeds} m/s, in ms at 30 frames a second: {lags}. "
        f"smooth waits {waits:g} s for what comes next.\n"
    )


def _plot(rows: Sequence[Report]) -> bytes:
    raw = {(row["model"], row["clip"]): row for row in rows if row["preset"] == "raw"}
    others = tuple(preset for preset in PRESETS if preset != "raw")

    def changes(name: str, percent: bool = False) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {preset: [] for preset in others}
        for row in rows:
            before = raw[row["model"], row["clip"]][name]
            if row["preset"] in found:
                found[row["preset"]].append((row[name] - before) * (100 / before if percent else 1))
        return found

    return change_dots(
        (others,),
        (
            DotPanel("PA-MPJPE", changes("pa_mpjpe"), "change, mm"),
            DotPanel("MPJPE after one rotation", changes("mpjpe_rigid"), "change, mm"),
            DotPanel("jitter", changes("jitter", percent=True), "change, %"),
        ),
    )

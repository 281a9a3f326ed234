"""What adaptation is worth where the truth is known: the source model, two free baselines, and each loss added."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sa3dhp_edge.adaptation.adapt import reestimate_statistics
from sa3dhp_edge.adaptation.log import Log
from sa3dhp_edge.adaptation.model_set import ModelSet
from sa3dhp_edge.adaptation.source import measure
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.trainable import snapshot
from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import Settings, override, preset, to_dict
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import adapt_model
from sa3dhp_edge.jobs.embedded import Target, embedded_target
from sa3dhp_edge.jobs.pretrain import train_source_model
from sa3dhp_edge.jobs.run_folder import Report, RunFolder
from sa3dhp_edge.report.bars import ErrorRow, errors_bars
from sa3dhp_edge.report.tables import markdown_lines

TARGET_CLIPS, TEST_CLIPS = 48, 48
ORDER = ("lcr", "hcr", "l1z", "l1v", "l2v")
"""The paper's order; each variant adds one."""


@dataclass(frozen=True)
class Variant:
    """A row of the table: which losses G moves under; None for no gradient step at all."""

    name: str
    losses: tuple[str, ...] | None
    statistics: bool = False
    """Begin from the target's batch-normalisation statistics."""


def variants() -> list[Variant]:
    """Source and baselines first, then the paper's order, then the exact form of the constraint."""
    added = [Variant("+ " + ORDER[i], ORDER[: i + 1]) for i in range(len(ORDER))]
    return [
        Variant("source only", None),
        Variant("target statistics", None, statistics=True),
        Variant("source continued", ("replay",) * len(ORDER)),
        *added,
        Variant("target statistics, then all", ORDER, statistics=True),
        Variant("exact alone", ("exact",) * len(ORDER)),
    ]


def adaptation(*, out: Path, seeds: tuple[int, ...], preset_name: str | None, overrides: tuple[str, ...]) -> Report:
    """Every variant from the same source model, for each seed; a table, a plot and a JSON file in `out`.

    An interrupted experiment goes on where it was: finished variants are kept.
    """
    settings = override(preset(preset_name or "demo"), overrides)
    settings = replace(settings, source=replace(settings.source, streaming=False))  # all variants replay one set
    rows: dict[str, dict[str, list[float]]] = {}
    started = time.monotonic()
    for seed in seeds:
        for name, figures in _one_seed(out / f"seed{seed}", replace(settings, seed=seed)).items():
            for key, value in figures.items():
                rows.setdefault(name, {}).setdefault(key, []).append(value)
    table: dict[str, dict[str, dict[str, Any]]] = {
        name: {key: {"mean": float(np.mean(v)), "std": float(np.std(v)), "each": v} for key, v in columns.items()}
        for name, columns in rows.items()
    }
    result = {
        "experiment": "adaptation", "seeds": list(seeds), "table": table, "settings": to_dict(settings),
        "minutes": (time.monotonic() - started) / 60, "machine": machine(), "commit": commit(),
    }  # fmt: skip
    write_json(out / "adaptation.json", result)
    bars = [
        ErrorRow(n, c["mpjpe"]["mean"], c["pa_mpjpe"]["mean"], c["mpjpe"]["std"], c["pa_mpjpe"]["std"])
        for n, c in table.items()
    ]
    write_bytes(out / "adaptation.png", errors_bars(bars, "source only"))
    write_text(out / "adaptation.md", _markdown(table, len(seeds)))
    return {"out": str(out), "table": {n: {k: v["mean"] for k, v in c.items()} for n, c in table.items()}}


def _one_seed(folder: Path, settings: Settings) -> dict[str, dict[str, float]]:
    """Figures of every variant on the labelled test of the target, for one seed."""
    run = RunFolder.start(folder, settings, resume=folder.exists())
    results: dict[str, dict[str, float]] = {}
    with Log(folder) as log:
        train_source_model(run, "synth", None, log)
        labelled, probe = FrameSet.load(folder / "source"), FrameSet.load(folder / "source_held_out")
        target = embedded_target(folder, settings, TARGET_CLIPS, TEST_CLIPS, log)
        for variant in variants():
            path = folder / "variants" / f"{variant.name.replace(' ', '_')}.json"
            if not path.exists():
                fresh = ModelSet.load(run.weights)
                write_json(path, _try(variant, replace(fresh, settings=settings), target, labelled, probe, log, folder))
            results[variant.name] = json.loads(path.read_text())
            log.say(f"seed {settings.seed}: {variant.name}: PA-MPJPE {results[variant.name]['pa_mpjpe']:.1f} mm")
    return results


def _try(
    variant: Variant, model: ModelSet, target: Target, labelled: FrameSet, probe: FrameSet, log: Log, folder: Path
) -> dict[str, float]:
    """One variant's figures; the model's G is spent."""
    settings, px = model.settings, model.settings.image.crop_px
    extra: dict[str, float] = {}
    before = snapshot(model.g)
    if variant.statistics and not variant.losses:
        reestimate_statistics(model.g, TargetClips(target.clips), px, settings.seed)
    elif variant.losses:
        cfg = replace(settings.adapt, losses=variant.losses, target_statistics=variant.statistics)
        name = variant.name.replace(" ", "_")
        keep = folder / "training" / f"{name}.safetensors"
        model, report = adapt_model(
            replace(model, settings=replace(settings, adapt=cfg)), target.clips, labelled, probe, log, keep,
            watch=lambda g: {"target_pa_mpjpe": measure(g, model.d_p, target.test, px)["pa_mpjpe"]},
        )  # fmt: skip
        keep.unlink(missing_ok=True)
        extra = {"stopped_by_guard": float(report["fault"] is not None), "cycles": float(report["cycles"])}
    moved = [(model.g.state_dict()[k].float() - v.float()).square().sum() for k, v in before.items()]
    extra["weight_change"] = float(torch.stack(moved).sum().sqrt())
    figures = measure(model.g, model.d_p, target.test, px)
    return figures | {f"source_{k}": v for k, v in measure(model.g, model.d_p, probe, px).items()} | extra


def _markdown(table: dict[str, Any], seeds: int) -> str:
    heads = ("variant", "MPJPE", "PA-MPJPE", "PA-MPJPE, true bones", "PCK@150", "source PA-MPJPE")
    rows = []
    for name, c in table.items():
        cells = [f"{c[k]['mean']:.1f} ± {c[k]['std']:.1f}" for k in ("mpjpe", "pa_mpjpe", "pa_mpjpe_true_bones")]
        cells += [f"{c['pck_150']['mean']:.3f}", f"{c['source_pa_mpjpe']['mean']:.1f}"]
        rows.append([name, *cells])
    head = f"Error on the labelled test of the target domain, mean and deviation over {seeds} seeds, mm.\n\n"
    return head + markdown_lines(heads, rows)


def machine() -> dict[str, str]:
    """What a figure was measured on."""
    return {"system": platform.platform(), "torch": torch.__version__, "threads": str(torch.get_num_threads())}


def commit() -> str:
    """The repository's commit, where there is one."""
    here = Path(__file__).parent
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"

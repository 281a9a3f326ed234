"""From a run to the model that comes with the program: exported, measured on real clips, described. In one step:

    python -m sa3dhp_edge.jobs.ship runs/source --clips CLIPS

`sa3dhp_edge/shipped_model/` then holds the model as `export` makes one, with matrices in half precision and each once,
`figures.json` with what was measured, and `MODEL_CARD.md`, written from it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.model_folder import read_weights, write_model
from runtime.model import Model
from sa3dhp_edge import __version__, atomic, shipped
from sa3dhp_edge.adaptation.calibration import source_confidence
from sa3dhp_edge.adaptation.source import measure, read_frames
from sa3dhp_edge.config import PRESETS, Settings, to_dict
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.datasets.prepared import READER
from sa3dhp_edge.errors import InputError, NobodyFound
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.crops import parity_pictures
from sa3dhp_edge.jobs.evaluate import on_clip_folder
from sa3dhp_edge.jobs.model_card import model_card
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.networks.model_set import ModelSet

CARD, FIGURES = "MODEL_CARD.md", "figures.json"


def ship(run: Path, clips: Path, out: Path = shipped.FOLDER, *, name: str = "", notes: tuple[str, ...] = ()) -> Report:
    """Make the shipped model's folder; one that is there is replaced when all went well.

    What its confidence is measured against is worked out anew on the pictures held out.

    Args:
        run: a finished run with the labelled pictures it held out.
        clips: prepared real clips with 3D truth, for the figures.
        name: written into the model; else the run's.
        notes: what the card has to add to the recipe.

    Returns:
        the figures of the card.

    Raises:
        InputError: a run without held-out pictures or without motion from outside, which the card speaks of.
        ParityError: the exported networks do not compute what the rounded ones compute.
    """
    probe = run / "source_held_out"
    if not (probe / "set.json").is_file():
        raise InputError(f"{run} holds no source_held_out", "name a run of `pretrain`")
    takes, steps = READER.inventory(clips).takes, recipe(run)
    if not any("--poses" in step for step in steps):
        raise InputError(f"{run} was made without --poses", "the card says which motion capture was learned from")
    frames, trained = FrameSet.load(probe), read_weights(run)
    px = trained.settings.image.crop_px
    settings = replace(trained.settings, adapt=PRESETS[trained.settings.preset].adapt)  # as of today, not of the run
    confidence = source_confidence(trained.g, trained.e_p, trained.d_p, frames, px)
    trained = replace(trained, settings=settings, confidence=confidence)
    pictures = parity_pictures(frames, trained.settings.seed)
    with atomic.publish_folder(out) as folder:
        parity = write_model(trained, folder, name=name or run.name, pictures=pictures, refuse=False, half=True)
        rounded = read_weights(folder)
        figures = {
            "model": _about(folder, rounded),
            "made_with": {"version": __version__, "commit": _commit()},
            "recipe": steps,
            "notes": list(notes),
            "half_precision_moves_mm": _moved(trained, rounded, frames),
            "parity_mm": max(pose.max_mm for pose in parity.poses),
            "own_domain": {"frames": len(frames)} | measure(rounded.g, rounded.d_p, frames, px),
            "clips": _on_clips(folder, clips, takes),
        }
        atomic.write_json(folder / FIGURES, figures)
        atomic.write_text(folder / CARD, model_card(figures))
    return figures


def recipe(run: Path) -> list[str]:
    """The commands that make a run and the runs it started from, oldest first, with folders' names for their paths.

    Every setting is named that is not the preset's of today or, after `--from`, not the one before.
    """
    inputs, settings = _json(run / "inputs.json"), _json(run / "settings.json")
    start = inputs.get("--from")
    steps: list[str] = []
    if start is None:
        before = to_dict(PRESETS.get(settings["preset"], Settings()))
        line = f"sa3dhp-edge pretrain --preset {settings['preset']}"
    else:
        name, before, steps = _before(start)
        line = f"sa3dhp-edge pretrain --from runs/{name}"
    if inputs.get("--source", "synth") != "synth":
        line += " --source LABELLED"
    if inputs.get("--poses") is not None:
        line += " --poses CMU_BVH"
    line += "".join(f" --set {key}={value}" for key, value in _changes(before, settings))
    return [*steps, f"{line} --out runs/{run.name}"]


def _before(start: str) -> tuple[str, dict[str, Any], list[str]]:
    """Name, settings and recipe of what a run started from: another run, or a model that was shipped."""
    parent = shipped.model_folder(start)
    parent = parent.parent if parent.name == "weights" else parent
    if (parent / "inputs.json").is_file():
        return parent.name, _json(parent / "settings.json"), recipe(parent)
    if (parent / FIGURES).is_file():
        told = _json(parent / FIGURES)
        return told["model"]["name"], _json(parent / "weights" / "settings.json")["settings"], list(told["recipe"])
    return parent.name, {}, []


def _changes(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings that differ, as `--set` takes them; `adapt` has no part in training, nor has the machine's size."""
    found: list[tuple[str, str]] = []
    for key, value in after.items():
        old = before.get(key)
        if prefix + key in ("adapt", "preset", "threads", "source.workers"):
            continue
        if isinstance(value, dict):
            found += _changes(old if isinstance(old, dict) else {}, value, f"{prefix}{key}.")
        elif (list(old) if isinstance(old, tuple) else old) != value:
            found.append((prefix + key, ",".join(map(str, value)) if isinstance(value, list) else str(value)))
    return found


def _about(folder: Path, model: ModelSet) -> Report:
    contract = read_contract(folder)
    return {
        "name": contract.name, "sha256": contract.sha256(), "created": contract.created, "crop_px": contract.crop_px,
        "backbone": model.settings.image.backbone, "width": model.settings.image.width,
        "parameters": sum(p.numel() for net in (model.g, model.d_p) for p in net.parameters()),
        "bytes": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
        "seed": model.settings.seed, "lineage": list(contract.lineage), "versions": contract.versions,
    }  # fmt: skip


def _moved(trained: ModelSet, rounded: ModelSet, frames: FrameSet) -> dict[str, float]:
    """How far half precision moves the joints of the pictures held out, the pelvis left out, which cannot move."""

    def poses(model: ModelSet) -> NDArray[np.float32]:
        return read_frames(model.g, model.d_p, frames.images, model.settings.image.crop_px)[0]

    away = np.linalg.norm(poses(trained) - poses(rounded), axis=-1)[:, 1:]
    return {"pictures": len(away), "mean": float(away.mean()), "max": float(away.max())}


def _on_clips(folder: Path, clips: Path, takes: tuple[str, ...]) -> dict[str, Report]:
    """What `eval` says of every clip, by its name; a clip without a person found is said to have none."""
    model, figures = Model.load(folder), {}
    try:
        for take in takes:
            path = clips if clips.name == take else clips / take
            try:
                figures[take] = on_clip_folder(model, path, None)
            except NobodyFound:
                figures[take] = {"found": 0.0}
    finally:
        model.close()
    return figures


def _commit() -> str:
    """Of the checkout this runs in, with `-dirty` where files were changed; empty outside of one."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} is not there", "name a run of `pretrain`")
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def main() -> None:
    """Parse, make, say what was measured."""
    parser = argparse.ArgumentParser(description="make the model that comes with the program from a run")
    parser.add_argument("run", type=Path, help="a run of `pretrain`")
    parser.add_argument("--clips", type=Path, required=True, help="folder of prepared real clips with 3D truth")
    parser.add_argument("--name", default="", help="written into the model; else the run's")
    parser.add_argument("--note", action="append", default=[], help="a line about the recipe; can be repeated")
    parser.add_argument("--out", type=Path, default=shipped.FOLDER, help="the folder to make or to replace")
    given = parser.parse_args()
    figures = ship(given.run.resolve(), given.clips, given.out, name=given.name, notes=tuple(given.note))
    print(json.dumps(figures, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()

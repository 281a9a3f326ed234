"""From a run, or a model, to a model folder a device can load."""

from __future__ import annotations

from pathlib import Path

from export.model_folder import read_weights, write_model
from runtime.clip_cutter import cut_clips
from runtime.engines.build import build_engine
from runtime.engines.request import EngineRequest
from runtime.engines.store import default_engines
from runtime.model import Model
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import SOURCE_MODEL
from sa3dhp_edge.jobs.crops import calibration_pictures, frames_of, parity_pictures
from sa3dhp_edge.jobs.parity_page import write_parity_page
from sa3dhp_edge.jobs.run_folder import Report, RunFolder
from sa3dhp_edge.shipped import model_folder


def export_model(
    *, run: str, out: Path, name: str | None, crops: Path | None, precision: str = "fp32", refit: bool = False,
    engine: bool = False,
) -> Report:  # fmt: skip
    """Write a model folder, compared in mm with the trained networks before it appears, and a page about it.

    Args:
        run: a run's folder, or a model to export again: `shipped`, or its folder.
        crops: frame set or video to compare on, and to take INT8 scales from; else the run's own pictures.
        precision: of `contract.PRECISIONS`.
        refit: also write the weights as a refittable engine takes them.
        engine: also build this machine's TensorRT engine of it, in the default folder.

    Raises:
        EngineError, MissingPackage: the engine cannot be built; the model is there.
        ParityError: the exported networks differ by more than the precision's budget; nothing is written.
        InputError: too few pictures for INT8.

    Returns:
        where the model is, how far it is from the trained one and, where the run's adaptation does not want it used in
        place of the model before, why: `not_accepted`.
    """
    refuse_existing(out)
    folder = model_folder(run)
    model = read_weights(folder)
    frames = frames_of(folder, model) if crops is None else _frames(crops, folder, model.settings.image.crop_px)
    seed = model.settings.seed
    report = write_model(
        model, out, name=name or out.name, pictures=parity_pictures(frames, seed), precision=precision,
        calibration=calibration_pictures(frames, seed) if precision == "int8" else None, refit=refit,
    )  # fmt: skip
    page = write_parity_page(out / "parity.html", report, name or out.name)
    about = {"model": str(out), "page": str(page), "crops": len(frames)}
    if engine:
        built, _ = build_engine(out, EngineRequest(refit=refit), default_engines())
        about["engine"] = str(built.folder)
    return about | report.to_dict() | _refused(RunFolder(folder, model.settings))


_MOST_FRAMES = 1200
"""Of a video that is compared on: more are not looked at."""


def _refused(run: RunFolder) -> Report:
    """Why a run's own adaptation would not use this model, and what it would use; nothing where it would."""
    verdict = run.report("adapt").get("verdict") if run.done("adapt") else None
    if verdict is None or verdict["accepted"]:
        return {}
    return {"not_accepted": f"{verdict['reason']}; the model before it: {run.path / SOURCE_MODEL}"}


def _frames(crops: Path, run: Path, crop_px: int) -> FrameSet:
    if (crops / "set.json").exists():
        return FrameSet.load(crops)
    if not crops.exists():
        raise InputError(f"there is no frame set or video at {crops}", "name one, or leave --crops out")
    serving = next((p for p in (run / SOURCE_MODEL, run) if (p / "contract.json").exists()), None)
    if serving is None:
        raise InputError(
            f"{run} has no exported model yet that could find people in {crops}",
            "export without --crops first, or give a frame set",
        )
    return cut_clips(crops, Model.load(serving), crop_px, max_frames=_MOST_FRAMES)

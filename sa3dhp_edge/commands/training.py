"""Commands that train: demo, adapt, pretrain, experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import (
    Box,
    Detector,
    Json,
    Poses,
    Preset,
    Resume,
    Sets,
    Source,
    box_px,
    show,
    whole_numbers,
    working,
)
from sa3dhp_edge.extras import need

Run = Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run: checkpoints, report, logs.")]

experiment = typer.Typer(
    help="Measure the method where the truth is known: on generated domains.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder to fill.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Show the whole loop on generated video.

    Adapts, exports, runs and reports, in minutes on a CPU.

    \b
    Example:
      sa3dhp-edge demo --out demo
    """
    need("adapt", "the demo")
    from sa3dhp_edge.jobs.demo import demo as job

    with working():
        result = job(out, seed)
    show(result, as_json)


def adapt(
    target: Annotated[Path, typer.Option(help="Unlabelled video: a file, a folder of files, or a frame set.")],
    out: Run,
    source: Source = "synth",
    poses: Poses = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="A model or run to start from: no training before.")
    ] = None,
    preset: Preset = None,
    sets: Sets = None,
    resume: Resume = False,
    box: Box = None,
    detector: Detector = None,
    as_json: Json = False,
) -> None:
    """Adapt the image network to unlabelled video of one camera.

    \b
    Examples:
      sa3dhp-edge adapt --target hall.mp4 --from MODEL --out runs/hall
      sa3dhp-edge adapt --target clips/ --preset edge --set adapt.cycles=100 --out runs/clips
    """
    place = box_px(box)
    need("adapt", "adaptation")
    from sa3dhp_edge.jobs.adapt import adapt as job

    with working(resume=out):
        result = job(
            target=target,
            source=source,
            poses=poses,
            start=start,
            preset=preset,
            overrides=tuple(sets or ()),
            out=out,
            resume=resume,
            box=place,
            detector=detector,
        )
    show(result, as_json)


def pretrain(
    out: Run,
    source: Source = "synth",
    poses: Poses = None,
    preset: Preset = None,
    sets: Sets = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train a source model, before any unlabelled video.

    \b
    Example:
      sa3dhp-edge pretrain --preset edge --out runs/source
    """
    need("adapt", "training")
    from sa3dhp_edge.jobs.pretrain import pretrain as job

    with working(resume=out):
        result = job(source=source, poses=poses, preset=preset, overrides=tuple(sets or ()), out=out, resume=resume)
    show(result, as_json)


@experiment.command("adaptation")
def adaptation(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")],
    seeds: Annotated[str, typer.Option(help="One whole experiment for each.")] = "0,1,2",
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure what adaptation changes, term by term.

    Errors in mm with their spread over the seeds.

    \b
    Example:
      sa3dhp-edge experiment adaptation --out docs/results/adaptation --seeds 0,1,2
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.jobs.experiment import adaptation as job

    with working():
        result = job(out=out, seeds=drawn, preset_name=preset, overrides=tuple(sets or ()))
    show(result, as_json)

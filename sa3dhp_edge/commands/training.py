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
    Examples:
      sa3dhp-edge pretrain --preset edge --out runs/source
      torchrun --nproc-per-node 8 -m sa3dhp_edge pretrain --out runs/source --set source.parts=8
    """
    need("adapt", "training")
    from sa3dhp_edge.jobs.pretrain import pretrain as job

    with working(resume=out):
        result = job(source=source, poses=poses, preset=preset, overrides=tuple(sets or ()), out=out, resume=resume)
    if result:  # of several processes one has a result
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


@experiment.command("levers")
def levers(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to test on as well.")
    ] = None,
    poses: Poses = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="A run whose pose auto-encoder is used.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="One network with all levers for each.")] = "0,1,2",
    variant_seeds: Annotated[int, typer.Option(min=1, help="Networks without a lever: for the first so many.")] = 1,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure what each lever of the generated pictures is worth.

    Small networks learn without it and are tested; what the seed alone does stands beside.

    \b
    Example:
      sa3dhp-edge experiment levers --out docs/results/levers --clips clips/ --from runs/source
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.jobs.levers import levers as job

    with working():
        result = job(
            out=out,
            clips=clips,
            poses=poses,
            start=start,
            seeds=drawn,
            variant_seeds=variant_seeds,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("images")
def images(
    run: Annotated[Path, typer.Option(help="A run that kept milestones: --set source.milestones=10.")],
    out: Annotated[Path, typer.Option(help="Folder for table and figure.")],
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to test on as well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a source model's error against the number of pictures it has learned from.

    \b
    Example:
      sa3dhp-edge experiment images --run runs/source --clips clips/ --out docs/results/source
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.jobs.learning_curve import learning_curve as job

    with working():
        result = job(run=run, clips=clips, out=out)
    show(result, as_json)

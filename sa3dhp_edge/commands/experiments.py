"""Commands that measure the method where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import Json, Poses, Preset, Sets, show, whole_numbers, working
from sa3dhp_edge.extras import need

experiment = typer.Typer(
    help="Measure the method where the truth is known: on generated domains.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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

"""Commands that measure the method where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import Json, Poses, Preset, Sets, names, show, whole_numbers, working
from sa3dhp_edge.extras import need

experiment = typer.Typer(
    help="Measure the method, and the device's loop, where the truth is known.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


Grounds = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where source models and targets lie or are made, for several experiments."),
]


@experiment.command("ablation")
def ablation(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    table: Annotated[
        str, typer.Option(help="paper: its losses beside baselines; beyond: what it does not have, with its cost.")
    ] = "paper",
    seeds: Annotated[str, typer.Option(help="One source model for each; on real clips one adaptation.")] = "0,1,2",
    variants: Annotated[str, typer.Option(metavar="LIST", help="As lcr,without-l1v,exact; else all.")] = "",
    targets: Annotated[str, typer.Option(metavar="LIST", help="Of site, park and real; else all there are.")] = "",
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to adapt to as well.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="The run or model that is adapted to real clips.")
    ] = None,
    poses: Poses = None,
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure what each loss of adaptation is worth, beside free baselines.

    Losses one after the other in the paper's order, and each left out. Finished trials are kept.

    \b
    Examples:
      sa3dhp-edge experiment ablation --out docs/results/ablation
      sa3dhp-edge experiment ablation --table beyond --out docs/results/beyond --targets site
      sa3dhp-edge experiment ablation --out docs/results/ablation --targets real --clips clips/ --from runs/source
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.ablation import ablation as job

    with working():
        result = job(
            out=out,
            table=table,
            grounds=grounds,
            seeds=drawn,
            variants=names(variants),
            targets=names(targets),
            clips=clips,
            start=start,
            poses=poses,
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("settings")
def settings(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    seeds: Annotated[str, typer.Option(help="One source model for each.")] = "0,1,2",
    chosen: Annotated[
        str, typer.Option("--settings", metavar="LIST", help="Of unsupervised, semi, two-sources, unseen; else all.")
    ] = "",
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure adaptation with more labels, and on a target it has not seen.

    Alone, beside a few labelled subjects of the target, and beside a second source.

    \b
    Example:
      sa3dhp-edge experiment settings --out docs/results/settings --grounds docs/results/ablation
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.settings_study import settings_study as job

    with working():
        result = job(
            out=out,
            grounds=grounds,
            seeds=drawn,
            chosen=names(chosen),
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("relations")
def relations(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    rules: Annotated[
        str, typer.Option(metavar="LIST", help="As z:flip,v:backward; z or v alone is every candidate for it.")
    ] = "z,v",
    seeds: Annotated[str, typer.Option(help="One source model for each.")] = "0,1,2",
    domain: Annotated[str, typer.Option(help="Generated domain to adapt to.")] = "site",
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure whether relations that carry a latent farther adapt better.

    Every rule alone: how far it carries, how well it is learned, and what it gains.

    \b
    Example:
      sa3dhp-edge experiment relations --out docs/results/relations --rules z,v:backward --set adapt.cycles=20
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.relations_study import relations as job

    with working():
        result = job(
            out=out,
            grounds=grounds,
            rules=names(rules),
            seeds=drawn,
            domain=domain,
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("speed")
def speed(
    out: Annotated[Path, typer.Option(help="Folder for tables.")],
    start: Annotated[
        str | None, typer.Option("--from", "--model", metavar="MODEL", help="Time this model; else fresh weights.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0,
    compiled: Annotated[bool, typer.Option("--compile/--no-compile", help="Try torch.compile as well.")] = True,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure how fast training and adaptation go on this machine, and where their time and memory go.

    Minutes, and best on a machine that does nothing else.

    \b
    Example:
      sa3dhp-edge experiment speed --out docs/results/speed --threads 2
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.speed_study import speed as job

    with working():
        result = job(
            out=out,
            start=start,
            preset_name=preset,
            overrides=tuple(sets or ()),
            threads=threads,
            compiled=compiled,
        )
    show(result, as_json)


@experiment.command("acceptance")
def acceptance(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    seeds: Annotated[str, typer.Option(help="One source model for each.")] = "0,1,2",
    domains: Annotated[str, typer.Option(metavar="LIST", help="Generated targets; else site and park.")] = "",
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth: a test that no fit sees.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="The run or model that is changed on real clips.")
    ] = None,
    poses: Poses = None,
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure whether a better model is known without labels.

    Models of every quality, from adaptations of all kinds; the score is fitted and tested on others.

    \b
    Example:
      sa3dhp-edge experiment acceptance --out docs/results/acceptance --grounds docs/results/ablation
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.acceptance_study import acceptance as job

    with working():
        result = job(
            out=out,
            grounds=grounds,
            seeds=drawn,
            domains=names(domains),
            clips=clips,
            start=start,
            poses=poses,
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
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
    from sa3dhp_edge.experiments.levers import levers as job

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
    from sa3dhp_edge.experiments.learning_curve import learning_curve as job

    with working():
        result = job(run=run, clips=clips, out=out)
    show(result, as_json)

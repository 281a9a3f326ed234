"""Commands about recordings to learn from: data check, data pack, data synth."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sa3dhp_edge.commands.words import Json, Resume, show, working
from sa3dhp_edge.extras import need

if TYPE_CHECKING:
    from sa3dhp_edge.jobs.data_check import DataReport

data = typer.Typer(
    help="Data sets on the disk: what they are and whether they can be used.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Side(str, Enum):
    """What of a data set can be labelled."""

    train = "train"
    validation = "validation"
    test = "test"


Workers = Annotated[int, typer.Option(min=0, help="Processes that work side by side; 0 takes all cores.")]
Lossless = Annotated[bool, typer.Option("--lossless", help="Store PNG instead of JPEG of quality 95.")]


@data.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A data set's folder, in its official layout.")],
    dataset: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Which data set it is; else the folder is asked.")
    ] = None,
    takes: Annotated[int, typer.Option(min=0, help="Takes to read, evenly spread; 0 reads all.")] = 24,
    allow_lossy: Annotated[
        bool, typer.Option("--allow-lossy", help="Accept a skeleton that lacks some of the 17 joints.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Picture of samples to draw.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a sheet that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Say what a folder of recordings is.

    What it holds and lacks, whether joints, cameras and pictures agree, and how its skeleton becomes the project's;
    exit status 1 when something must be mended or allowed.

    \b
    Examples:
      sa3dhp-edge data check /data/mpi_inf_3dhp --sheet samples.png
      sa3dhp-edge data check clips --as prepared --allow-lossy
    """
    from sa3dhp_edge.jobs.data_check import check as job

    with working():
        report = job(
            folder=folder, dataset=dataset, takes=takes, allow_lossy=allow_lossy, sheet=sheet, overwrite=overwrite
        )
    if as_json:
        show(report, as_json)
    else:
        _print(report)
    if report.problems:
        raise typer.Exit(1)


@data.command("synth")
def synth(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to fill with shards.")],
    clips: Annotated[int, typer.Option(min=1, help="How many clips, each of another person in another place.")],
    seconds: Annotated[float | None, typer.Option(min=0, help="Length of a clip; else as in the preset.")] = None,
    preset: Annotated[str, typer.Option(help="Where size, rate and domain come from: edge, paper or demo.")] = "edge",
    domain: Annotated[str | None, typer.Option(help="What the world looks like: wide, studio or site.")] = None,
    px: Annotated[int | None, typer.Option(min=32, help="Side of the crop that a network will see.")] = None,
    fps: Annotated[float | None, typer.Option(min=0.01, help="Frames a second; low ones differ more.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 0,
    poses: Annotated[Path | None, typer.Option(metavar="FOLDER", help="3D motion beside the generated one.")] = None,
    backgrounds: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photos to put behind some of the people.")
    ] = None,
    workers: Workers = 0,
    lossless: Lossless = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Generate labelled pictures into shards.

    Training with `--source synth` needs none: it generates while it learns. Shards are for several runs of the same
    pictures, and for other programs.

    \b
    Example:
      sa3dhp-edge data synth --out shards --clips 5000 --preset edge --domain wide
    """
    need("export", "generating pictures")
    from sa3dhp_edge.jobs.data_synth import synth as job

    with working(resume=out):
        report = job(
            out=out, clips=clips, seconds=seconds, preset=preset, domain=domain, px=px, fps=fps, seed=seed,
            poses=poses, backgrounds=backgrounds, workers=workers, lossless=lossless, resume=resume,
        )  # fmt: skip
    show(report, as_json)


@data.command("pack")
def pack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A data set's folder, in its official layout.")],
    out: Annotated[Path, typer.Option(metavar="SHARDS", help="Folder to fill with shards.")],
    dataset: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Which data set it is; else the folder is asked.")
    ] = None,
    split: Annotated[Side, typer.Option(help="Side of the official protocol.")] = Side.train,
    px: Annotated[int, typer.Option(min=32, help="Side of the crop that a network will see.")] = 128,
    fps: Annotated[float | None, typer.Option(min=0.01, help="At most so many frames a second; else all.")] = None,
    allow_lossy: Annotated[
        bool, typer.Option("--allow-lossy", help="Accept a skeleton that lacks some of the 17 joints.")
    ] = False,
    workers: Workers = 0,
    lossless: Lossless = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Cut a data set's labelled recordings into shards.

    Crops around the person with 3D joints, camera and lens taken into account, ready for `--source`.

    \b
    Example:
      sa3dhp-edge data pack /data/mpi_inf_3dhp --out shards --split train --fps 5
    """
    from sa3dhp_edge.jobs.data_pack import pack as job

    with working(resume=out):
        report = job(
            folder=folder, out=out, dataset=dataset, allow_lossy=allow_lossy, split=split.value, px=px, fps=fps,
            workers=workers, lossless=lossless, resume=resume,
        )  # fmt: skip
    show(report, as_json)


def _print(report: DataReport) -> None:
    from rich.console import Console

    from sa3dhp_edge.report.data_table import counted, first_lines, names, skeleton_lines, splits_table

    read = "all read" if report.read == report.takes else f"{report.read} of them read"
    typer.echo(f"{report.title} in {report.folder}: {counted(report.takes, 'take')}, {read}")
    Console().print(splits_table(report.splits))
    typer.echo(f"subjects: {names(report.subjects)}")
    typer.echo(f"actions: {names(report.actions)}")
    typer.echo(f"frames per second: {names([f'{fps:g}' for fps in report.fps])}")
    sizes = names([f"{w}x{h}" for w, h in report.sizes_wh])
    pictures = counted(report.with_pictures, "take")
    typer.echo(f"with pictures: {pictures}, {sizes}; {counted(report.cameras, 'calibrated camera')}")
    typer.echo(f"with 3D joints: {counted(report.labelled, 'take')}")
    lines = [line for facts in report.skeletons for line in skeleton_lines(facts)]
    if report.projection_px is not None:
        lines.append(f"joints the camera projects lie {report.projection_px:.1f} px from those seen, in the median")
    lines.append(f"reading took {report.read_s_per_1000_frames:.2g} s for 1000 frames")
    for what, said in (("missing", report.missing), ("note", report.notes), ("problem", report.problems)):
        lines += first_lines(what, said)
    for line in lines:
        typer.echo(line)
    if report.sheet:
        typer.echo(f"sheet: {report.sheet}")

"""Commands for what `run` recorded: convert, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import Json, show, working


def convert(
    recording: Annotated[Path, typer.Argument(help="A recording of `run --out`, JSON Lines.")],
    out: Annotated[
        list[Path], typer.Option(metavar="FILE", help="What to make: .csv, .npz, .bvh, .trc or .c3d; can be repeated.")
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Make tables and motion-capture files of recorded poses.

    BVH, TRC and C3D hold one person: walk.bvh the first, walk.track2.bvh the one with track 2.

    \b
    Examples:
      sa3dhp-edge convert poses.jsonl --out walk.bvh --out walk.trc
      sa3dhp-edge convert poses.jsonl --out poses.csv
    """
    from runtime.outputs.formats import convert as job

    with working():
        made = job(recording, out, overwrite)
    show(made, as_json)


def schema() -> None:
    """Print the JSON Schema that every line of a recording follows.

    \b
    Example:
      sa3dhp-edge schema > poses-1.schema.json
    """
    from runtime.outputs.schema import schema_text

    typer.echo(schema_text(), nl=False)

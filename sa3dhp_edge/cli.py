"""The command line: which commands there are, what every one of them shares, and the exit status.

Exit status: 0 done, 1 an error with its hint, 2 wrong usage, 130 interrupted; a `run` that Ctrl-C ends is done, its
outputs whole. Results go to stdout, logs to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from sa3dhp_edge import __version__
from sa3dhp_edge.commands import (
    calibration,
    data,
    device,
    device_experiments,
    engines,
    models,
    recordings,
    run,
    service,
    training,
)
from sa3dhp_edge.commands.words import LogFormat
from sa3dhp_edge.errors import Sa3dhpError
from sa3dhp_edge.logs import say_error, start_logging

app = typer.Typer(
    help="3D human pose from one camera that teaches itself on unlabelled video.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(training.demo)
app.command("pretrain")(training.pretrain)
app.command("adapt")(training.adapt)
app.command("export")(models.export)
app.command("run")(run.run)
app.command("convert")(recordings.convert)
app.command("schema")(recordings.schema)
app.command("eval")(models.evaluate)
app.command("bench")(device.bench)
app.command("doctor")(device.doctor)
app.add_typer(calibration.calib, name="calib")
app.add_typer(data.data, name="data")
app.add_typer(engines.engine, name="engine")
app.add_typer(device_experiments.experiment, name="experiment")  # with those of `experiments` before its own
app.add_typer(service.service, name="service")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _shared(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings only.")] = False,
    log_format: Annotated[
        LogFormat, typer.Option(help="How messages look: json is one object a line.")
    ] = LogFormat.TEXT,
) -> None:
    start_logging(log_format.value, quiet)


def main() -> None:
    """Run the command line; an error the user can act on is two lines, or a traceback with SA3DHP_DEBUG=1."""
    try:
        app(prog_name="sa3dhp-edge")
    except Sa3dhpError as e:
        if os.environ.get("SA3DHP_DEBUG") == "1":
            raise
        say_error(e)
        sys.exit(e.exit_status)

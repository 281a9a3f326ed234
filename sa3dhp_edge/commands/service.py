"""Commands for a run that the system starts: service print."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.errors import ConfigError

service = typer.Typer(help="Run as a service of the system.", no_args_is_help=True)


@service.callback()
def _group() -> None:
    """Run as a service of the system."""


@service.command("print")
def print_unit(
    config: Annotated[Path, typer.Option(metavar="FILE", help="Settings of the run, in TOML.")] = Path(
        "/etc/sa3dhp-edge/run.toml"
    ),
) -> None:
    """Print a systemd unit for this installation.

    It has a watchdog, a limit of memory, a user of its own and a read-only system; see docs/service.md.

    \b
    Example:
      sa3dhp-edge service print --config /etc/sa3dhp-edge/run.toml > sa3dhp-edge.service
    """
    from runtime.systemd_unit import unit_text

    typer.echo(unit_text(_program(), config), nl=False)


def _program() -> Path:
    """Where this installation's `sa3dhp-edge` lies."""
    beside = Path(sys.executable).parent / "sa3dhp-edge"
    found = str(beside) if beside.is_file() else shutil.which("sa3dhp-edge")
    if found is None:
        raise ConfigError("no program sa3dhp-edge is installed", "pip install . in a virtual environment")
    return Path(found).absolute()

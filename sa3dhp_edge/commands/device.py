"""Commands that look at this machine: bench, doctor."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import (
    Backend,
    Engines,
    Json,
    Model,
    show,
    whole_numbers,
    working,
)
from sa3dhp_edge.shipped import SHIPPED


def bench(
    model: Model = SHIPPED,
    video: Annotated[Path | None, typer.Option(help="A video with a person; else pictures are made up.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames to time after the warm-up.")] = 200,
    threads: Annotated[str, typer.Option(metavar="N,N", help="CPU threads to compare; 0 takes all.")] = "1",
    people: Annotated[str, typer.Option(metavar="N,N", help="People in a frame, one batch, to compare.")] = "1",
    backend: Annotated[Backend, typer.Option(help="What computes the network.")] = Backend.ONNX,
    engines: Engines = None,
    soak_s: Annotated[float, typer.Option(min=0, help="Then run the whole loop for so many seconds.")] = 0.0,
    pin: Annotated[bool, typer.Option("--pin", help="Hold everything to as many cores as threads.")] = False,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="blazepose=PYTHON or trtexec=ENGINE beside us; can be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New folder for bench.json and bench.png.")] = None,
    as_json: Json = False,
) -> None:
    """Time a model on this machine.

    Milliseconds of each part, of one and more people, of the engine alone and of other programs beside it; "clean" is
    said only when the board did not throttle, its clocks were steady and nobody else worked.

    \b
    Examples:
      sa3dhp-edge bench --video hall.mp4 --threads 1,2 --people 1,4
      sa3dhp-edge bench --video hall.mp4 --pin --soak-s 1800 --out bench/hall
    """
    counts, crowds = _at_least(0, threads, "--threads"), _at_least(1, people, "--people")
    peers = _peers(peer or [])
    from sa3dhp_edge.jobs.bench import bench as job

    command = shlex.join(["sa3dhp-edge", *sys.argv[1:]])
    with working():
        report = job(
            out, model=model, video=video, frames=frames, threads=counts, people=crowds, backend=backend.value,
            engines=engines, soak_s=soak_s, pin=pin, peers=peers, command=command,
        )  # fmt: skip
    if as_json:
        show(report, as_json)
        return
    from rich.console import Console

    from sa3dhp_edge.report.bench_tables import bench_lines, bench_tables

    for table in bench_tables(report):
        Console().print(table)
    typer.echo("\n".join(bench_lines(report)))


def _at_least(least: int, text: str, option: str) -> tuple[int, ...]:
    values = whole_numbers(text, option)
    if min(values) < least:
        raise typer.BadParameter(f"{text!r} holds a number below {least}", param_hint=option)
    return values


def _peers(given: list[str]) -> dict[str, Path]:
    known = ("blazepose", "trtexec")
    named = dict(text.partition("=")[::2] for text in given)
    for name, path in named.items():
        if name not in known or not path:
            raise typer.BadParameter(f"{name!r} is not blazepose=PYTHON or trtexec=ENGINE", param_hint="--peer")
    return {name: Path(path) for name, path in named.items()}


def doctor(as_json: Json = False) -> None:
    """Look at this machine and say what is missing.

    Packages, cameras, GPU, disk and memory; exit status 1 when something must be mended.

    \b
    Example:
      sa3dhp-edge doctor
    """
    from sa3dhp_edge.doctor import examine

    with working():
        findings = examine()
    problems = sum(f.status == "problem" for f in findings)
    if as_json:
        typer.echo(json.dumps({"problems": problems, "findings": [asdict(f) for f in findings]}, indent=1))
    else:
        for f in findings:
            typer.echo(f"{f.status:<8} {f.name:<16} {f.detail}")
            if f.fix:
                typer.echo(f"{'':<8} {'':<16} hint: {f.fix}")
    if problems:
        raise typer.Exit(1)

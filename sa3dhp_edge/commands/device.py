"""Commands that need no training package: run, bench, doctor."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import (
    Backend,
    Box,
    Detector,
    Engines,
    Flip,
    Json,
    Model,
    Rotate,
    Smoothing,
    box_px,
    show,
    size_wh,
    whole_numbers,
    working,
)
from sa3dhp_edge.shipped import SHIPPED

Threads = Annotated[int, typer.Option(min=0, help="CPU threads of the network; 0 takes all.")]


def run(
    model: Model = SHIPPED,
    camera: Annotated[int | None, typer.Option(min=0, help="A camera by its number.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video file, every frame of it.")] = None,
    uri: Annotated[
        str | None, typer.Option("--input", metavar="URI", help="Any camera, stream, file or `-`; see docs/cameras.md.")
    ] = None,
    rotate: Annotated[Rotate, typer.Option(help="Turn every picture clockwise, before anything else.")] = Rotate.NONE,
    flip: Annotated[Flip, typer.Option(help="Then mirror it.")] = Flip.NONE,
    camera_format: Annotated[
        str | None, typer.Option(metavar="MJPG", help="Pixel format to ask the camera for.")
    ] = None,
    camera_size: Annotated[str | None, typer.Option(metavar="WxH", help="Size to ask the camera for.")] = None,
    camera_fps: Annotated[float | None, typer.Option(help="Frames per second to ask the camera for.")] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="A file or pipe behaves like a live camera: the newest frame wins.")
    ] = False,
    camera_timeout_s: Annotated[
        float | None, typer.Option(min=0.1, help="Give a camera up after so long without a frame; else try for ever.")
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Poses as .jsonl, .csv, .npz, .bvh, .trc or .c3d; can be repeated."),
    ] = None,
    overlay: Annotated[Path | None, typer.Option(help="Video with the skeleton drawn on it.")] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    max_people: Annotated[
        int, typer.Option(min=1, max=32, help="Follow so many people; 1 follows the one who matters.")
    ] = 1,
    latency_budget_ms: Annotated[
        float | None, typer.Option(min=1, help="Poses at most so late, by looking less around; cameras have 100.")
    ] = None,
    box: Box = None,
    detector: Detector = None,
    intrinsics: Annotated[Path | None, typer.Option(help="camera.json from `calib camera`.")] = None,
    height_mm: Annotated[float | None, typer.Option(help="The person's height: sizes follow; else 1700.")] = None,
    subject: Annotated[Path | None, typer.Option(help="subject.json from `calib subject`: the height.")] = None,
    smoothing: Annotated[
        Smoothing | None, typer.Option(help="Against jitter; else smooth for files, live for cameras.")
    ] = None,
    threads: Threads = 0,
    backend: Annotated[Backend, typer.Option(help="What computes; auto: TensorRT if built.")] = Backend.AUTO,
    engines: Engines = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a camera or a video into 3D poses.

    Ctrl-C ends it in order: what was recorded is whole, and the exit status is 0.

    \b
    Examples:
      sa3dhp-edge run --camera 0 --out poses.jsonl
      sa3dhp-edge run --video hall.mp4 --out poses.jsonl --overlay overlay.mp4
      sa3dhp-edge run --video hall.mp4 --out poses.jsonl --out walk.bvh --out walk.trc
      sa3dhp-edge run --input rtsp://camera/stream --rotate 90 --out poses.jsonl
      sa3dhp-edge run --model models/hall --camera 0 --intrinsics camera.json
    """
    if sum(given is not None for given in (camera, video, uri)) != 1:
        raise typer.BadParameter("name one of them, and only one", param_hint="--camera, --video, --input")
    place, wanted_wh = box_px(box), size_wh(camera_size, "--camera-size")
    from runtime.config import InputConfig, RuntimeConfig
    from runtime.service import run_stream

    config = RuntimeConfig(
        model=model,
        camera=camera,
        video=video,
        source=uri,
        camera_timeout_s=camera_timeout_s,
        input=InputConfig(int(rotate.value), flip.value, camera_format, wanted_wh, camera_fps, realtime),
        out=tuple(out or ()),
        overlay=overlay,
        overwrite=overwrite,
        max_people=max_people,
        latency_budget_ms=latency_budget_ms,
        box=place,
        detector=detector,
        intrinsics=intrinsics,
        height_mm=_height_mm(height_mm, subject),
        max_frames=max_frames,
        smoothing=None if smoothing is None else smoothing.value,
        threads=threads,
        backend=backend.value,
        engines=engines,
    )
    with working(), _generated(uri) as source:
        report = run_stream(replace(config, source=source))
    show(report, as_json)


@contextmanager
def _generated(uri: str | None) -> Iterator[str | None]:
    """synth:// as the address of a process that draws people; any other address as it is."""
    if uri != "synth://":
        yield uri
        return
    from sa3dhp_edge.jobs.synth_camera import synth_camera

    with synth_camera() as address:
        yield address


def _height_mm(given: float | None, subject: Path | None) -> float:
    """The height from whichever of both is given, else the usual one."""
    if given is not None and subject is not None:
        raise typer.BadParameter("give one of them", param_hint="--height-mm, --subject")
    from runtime.subject import load_subject
    from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM

    if subject is not None:
        return load_subject(subject).height_mm
    return TEMPLATE_HEIGHT_MM if given is None else given


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

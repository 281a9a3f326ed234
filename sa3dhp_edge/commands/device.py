"""Commands that need no training package: run, bench, calibrate, doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import Box, Detector, Json, Model, box_px, show, whole_numbers, working
from sa3dhp_edge.shipped import SHIPPED

Threads = Annotated[int, typer.Option(min=0, help="CPU threads of the network; 0 takes all.")]


def run(
    model: Model = SHIPPED,
    camera: Annotated[int | None, typer.Option(min=0, help="A camera by its number.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video file, every frame of it.")] = None,
    uri: Annotated[
        str | None, typer.Option("--input", metavar="URI", help="A stream's address, a device or a path.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON Lines file for the poses.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="Video with the skeleton drawn on it.")] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    box: Box = None,
    detector: Detector = None,
    intrinsics: Annotated[Path | None, typer.Option(help="camera.json from `calibrate`.")] = None,
    height_mm: Annotated[float, typer.Option(help="The person's height: sizes and distances follow from it.")] = 1700.0,
    threads: Threads = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a camera or a video into 3D poses.

    Ctrl-C ends it in order: what was recorded is whole, and the exit status is 0.

    \b
    Examples:
      sa3dhp-edge run --camera 0 --out poses.jsonl
      sa3dhp-edge run --video hall.mp4 --out poses.jsonl --overlay overlay.mp4
      sa3dhp-edge run --model models/hall --camera 0 --intrinsics camera.json
    """
    if sum(given is not None for given in (camera, video, uri)) != 1:
        raise typer.BadParameter("name one of them, and only one", param_hint="--camera, --video, --input")
    place = box_px(box)
    from runtime.config import RuntimeConfig
    from runtime.service import run_stream

    config = RuntimeConfig(
        model=model,
        camera=camera,
        video=video,
        source=uri,
        out=out,
        overlay=overlay,
        overwrite=overwrite,
        box=place,
        detector=detector,
        intrinsics=intrinsics,
        height_mm=height_mm,
        max_frames=max_frames,
        threads=threads,
    )
    with working():
        report = run_stream(config)
    show(report, as_json)


def bench(
    model: Model = SHIPPED,
    video: Annotated[Path | None, typer.Option(help="A video with a person; else pictures are made up.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames to time after the warm-up.")] = 200,
    threads: Annotated[str, typer.Option(metavar="N,N", help="CPU threads to compare.")] = "1",
    as_json: Json = False,
) -> None:
    """Time a model on this machine.

    Milliseconds of each part, and frames per second.

    \b
    Example:
      sa3dhp-edge bench --video hall.mp4 --threads 1,2
    """
    counts = whole_numbers(threads, "--threads")
    from runtime.bench import bench as job

    with working():
        result = job(model=model, video=video, frames=frames, threads=counts)
    show(result, as_json)


def calibrate(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures, or a video, of a chessboard.")],
    out: Annotated[Path, typer.Option(help="camera.json to write.")],
    board: Annotated[str, typer.Option(metavar="COLSxROWS", help="Inner corners of the board.")] = "9x6",
    square_mm: Annotated[float, typer.Option(min=0.1, help="Side of a square of the board.")] = 25.0,
    as_json: Json = False,
) -> None:
    """Measure a camera's focal length and distortion.

    With them distances and directions are true; without them the focal length is a guess.

    \b
    Example:
      sa3dhp-edge calibrate board/ --board 9x6 --square-mm 25 --out camera.json
    """
    columns, rows = whole_numbers(board, "--board", 2, separator="x")
    from calib.intrinsics import calibrate as job
    from calib.intrinsics import picture_size, save_intrinsics
    from sa3dhp_edge.atomic import refuse_existing

    refuse_existing(out)
    with working():
        intrinsics, rms_px = job(pictures, (columns, rows), square_mm)
        save_intrinsics(out, intrinsics, picture_size(pictures), rms_px)
    show({"file": out, "rms_px": rms_px, "focal_px": intrinsics.focal_px, "center_px": intrinsics.center_px}, as_json)


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

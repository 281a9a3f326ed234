"""The command `run`: poses from a camera or video, by options, by a settings file, or by both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

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
    Threads,
    box_px,
    show,
    size_wh,
    working,
)
from sa3dhp_edge.shipped import SHIPPED

NO_SETTINGS = ("config", "print_config", "as_json")
"""Parameters of `run` that are about the command. Every other one has the name of a setting of
`runtime.config.RuntimeConfig`, or of the records within it, and needs nothing else to reach it."""
_READ: dict[str, Callable[[Any], Any]] = {
    "rotate_deg": int,
    "box": box_px,
    "camera_size_wh": lambda text: size_wh(text, "--camera-size"),
}
"""How the texts of some options become the setting's value."""


def run(
    ctx: typer.Context,
    model: Model = SHIPPED,
    camera: Annotated[int | None, typer.Option(min=0, help="A camera by its number.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video file, every frame of it.")] = None,
    source: Annotated[
        str | None, typer.Option("--input", metavar="URI", help="Any camera, stream, file or `-`; see docs/cameras.md.")
    ] = None,
    rotate_deg: Annotated[
        Rotate, typer.Option("--rotate", help="Turn every picture clockwise, before anything else.")
    ] = Rotate.NONE,
    flip: Annotated[Flip, typer.Option(help="Then mirror it.")] = Flip.NONE,
    camera_format: Annotated[
        str | None, typer.Option(metavar="MJPG", help="Pixel format to ask the camera for.")
    ] = None,
    camera_size_wh: Annotated[
        str | None, typer.Option("--camera-size", metavar="WxH", help="Size to ask the camera for.")
    ] = None,
    camera_fps: Annotated[float | None, typer.Option(help="Frames per second to ask the camera for.")] = None,
    realtime: Annotated[
        bool,
        typer.Option("--realtime/--no-realtime", help="A file or pipe behaves like a camera: the newest frame wins."),
    ] = False,
    camera_timeout_s: Annotated[
        float | None, typer.Option(min=0.1, help="Give a camera up after so long without a frame; else try for ever.")
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Poses as .jsonl, .csv, .npz, .bvh, .trc or .c3d; can be repeated."),
    ] = None,
    send: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URI", help="Send poses to ws, udp, osc, mqtt, ros2 or rerun; see docs/outputs.md; can be repeated."
        ),
    ] = None,
    serve: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="A page to look at the run; loopback unless a host is named."),
    ] = None,
    serve_token: Annotated[
        str | None, typer.Option(help="What must be known to open the page; else made up for other machines.")
    ] = None,
    recordings: Annotated[Path | None, typer.Option(help="Folder of recordings that are started on the page.")] = None,
    window: Annotated[
        bool, typer.Option("--window/--headless", help="Show the picture with skeletons; closing it ends the run.")
    ] = False,
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
    world: Annotated[Path | None, typer.Option(help="world.json from `calib floor`: up, and the floor.")] = None,
    height_mm: Annotated[float | None, typer.Option(help="The person's height: sizes follow; else 1700.")] = None,
    subject: Annotated[Path | None, typer.Option(help="subject.json from `calib subject`: the height.")] = None,
    smoothing: Annotated[
        Smoothing | None, typer.Option(help="Against jitter; else smooth for files, live for cameras.")
    ] = None,
    threads: Threads = 0,
    backend: Annotated[Backend, typer.Option(help="What computes; auto: TensorRT if built.")] = Backend.AUTO,
    engines: Engines = None,
    overwrite: Annotated[bool, typer.Option("--overwrite/--no-overwrite", help="Replace outputs that exist.")] = False,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in TOML; the options given beside it win.")
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings as TOML, with what they mean, and exit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn a camera or a video into 3D poses.

    Ctrl-C ends it in order: what was recorded is whole, and the exit status is 0. A settings file holds all that can be
    said here, and more.

    \b
    Examples:
      sa3dhp-edge run --camera 0 --out poses.jsonl
      sa3dhp-edge run --video hall.mp4 --out poses.jsonl --overlay overlay.mp4
      sa3dhp-edge run --video hall.mp4 --out poses.jsonl --out walk.bvh --out walk.trc
      sa3dhp-edge run --input rtsp://camera/stream --rotate 90 --out poses.jsonl
      sa3dhp-edge run --camera 0 --serve 8080 --recordings recordings
      sa3dhp-edge run --camera 0 --send ws://:8765 --send mqtt://broker/hall
      sa3dhp-edge run --model models/hall --camera 0 --intrinsics camera.json
      sa3dhp-edge run --camera 0 --print-config > run.toml
      sa3dhp-edge run --config run.toml
    """
    said = _said(ctx)
    from runtime.run_file import INSTEAD, run_config

    for group in INSTEAD:
        if len(named := [_option(ctx, name) for name in group if name in said]) > 1:
            raise typer.BadParameter("give one of them, and only one", param_hint=", ".join(named))
    if config is None and not any(name in said for name in INSTEAD[0]):
        if not print_config:
            hint = ", ".join(_option(ctx, name) for name in INSTEAD[0])
            raise typer.BadParameter("name one of them, and only one, or a --config", param_hint=hint)
        said["camera"] = 0
    cfg = run_config(said, config, Path.cwd() if print_config else None)
    if print_config:
        from sa3dhp_edge.settings_file import toml_of

        typer.echo(toml_of(cfg), nl=False)
        return
    from runtime.service import run_stream

    with working(), _generated(cfg.source) as address:
        report = run_stream(replace(cfg, source=address))
    show(report, as_json)


def _said(ctx: typer.Context) -> dict[str, Any]:
    """The settings that stand on the command line, as plain values in the tables of `RuntimeConfig`."""
    from runtime.config import RuntimeConfig
    from sa3dhp_edge.settings import keys_of

    keys = {key[-1]: key for key in reversed(list(keys_of(RuntimeConfig)))}  # an outer setting stands for its name
    said: dict[str, Any] = {}
    for name, value in ctx.params.items():
        given = ctx.get_parameter_source(name)
        if name in NO_SETTINGS or given is None or given.name == "DEFAULT":
            continue
        table = said
        for part in keys[name][:-1]:
            table = table.setdefault(part, {})
        value = value.value if isinstance(value, Enum) else value
        table[name] = _READ[name](value) if name in _READ else value
    return said


def _option(ctx: typer.Context, name: str) -> str:
    return next(p.opts[0] for p in ctx.command.params if p.name == name)


@contextmanager
def _generated(uri: str | None) -> Iterator[str | None]:
    """synth:// as the address of a process that draws people; any other address as it is."""
    if uri != "synth://":
        yield uri
        return
    from sa3dhp_edge.jobs.synth_camera import synth_camera

    with synth_camera() as address:
        yield address

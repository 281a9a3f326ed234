"""Commands that train: demo, adapt, pretrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import (
    Box,
    Detector,
    Json,
    Poses,
    Preset,
    Resume,
    Sets,
    Source,
    box_px,
    show,
    working,
)
from sa3dhp_edge.extras import need
from sa3dhp_edge.shipped import SHIPPED

_FROM_NOTHING = "nothing"
Start = Annotated[
    str | None, typer.Option("--from", metavar="MODEL", help="A model or run to start from: no training before.")
]
AdaptStart = Annotated[
    str,
    typer.Option("--from", metavar="MODEL", help=f"A model or run to start from; `{_FROM_NOTHING}` trains all first."),
]
Labelled = Annotated[
    list[str] | None,
    typer.Option(metavar="FOLDER", help="Labelled frames to replay beside the source; can be repeated."),
]
Run = Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run: checkpoints, report, logs.")]


def demo(
    out: Annotated[Path, typer.Option(help="Folder to fill.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Show the whole loop on generated video.

    Adapts, exports, runs and reports, in minutes on a CPU.

    \b
    Example:
      sa3dhp-edge demo --out demo
    """
    need("adapt", "the demo")
    from sa3dhp_edge.jobs.demo import demo as job

    with working():
        result = job(out, seed)
    show(result, as_json)


def adapt(
    target: Annotated[Path, typer.Option(help="Unlabelled video: a file, a folder of files, or a frame set.")],
    out: Run,
    source: Source = "synth",
    labelled: Labelled = None,
    poses: Poses = None,
    start: AdaptStart = SHIPPED,
    preset: Preset = None,
    sets: Sets = None,
    resume: Resume = False,
    box: Box = None,
    detector: Detector = None,
    as_json: Json = False,
) -> None:
    """Adapt the image network to unlabelled video of one camera.

    \b
    Examples:
      sa3dhp-edge adapt --target hall.mp4 --out runs/hall
      sa3dhp-edge adapt --target clips/ --from runs/source --set adapt.cycles=100 --out runs/clips
      sa3dhp-edge adapt --target clips/ --labelled subject1/ --out runs/semi
    """
    place = box_px(box)
    need("adapt", "adaptation")
    from sa3dhp_edge.jobs.adapt import adapt as job

    with working(resume=out):
        result = job(
            target=target,
            source=source,
            poses=poses,
            start=None if start == _FROM_NOTHING else start,
            preset=preset,
            overrides=tuple(sets or ()),
            out=out,
            resume=resume,
            box=place,
            detector=detector,
            beside=tuple(labelled or ()),
        )
    show(result, as_json)


def pretrain(
    out: Run,
    source: Source = "synth",
    poses: Poses = None,
    start: Start = None,
    preset: Preset = None,
    sets: Sets = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train a source model, before any unlabelled video.

    \b
    Examples:
      sa3dhp-edge pretrain --preset edge --out runs/source
      sa3dhp-edge pretrain --from runs/source --out runs/longer
      torchrun --nproc-per-node 8 -m sa3dhp_edge pretrain --out runs/source --set source.parts=8
    """
    need("adapt", "training")
    from sa3dhp_edge.jobs.pretrain import pretrain as job

    with working(resume=out):
        result = job(
            source=source,
            poses=poses,
            start=start,
            preset=preset,
            overrides=tuple(sets or ()),
            out=out,
            resume=resume,
        )
    if result:  # of several processes one has a result
        show(result, as_json)

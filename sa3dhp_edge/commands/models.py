"""Commands about a finished model: export, eval."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import Box, Json, Model, box_px, show, working
from sa3dhp_edge.extras import need
from sa3dhp_edge.shipped import SHIPPED


class Precision(str, Enum):
    """Of `contract.PRECISIONS`; the command line offers these."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a model to export again.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The model folder to make.")],
    name: Annotated[str | None, typer.Option(help="Name written into the model; else the folder's.")] = None,
    crops: Annotated[
        Path | None,
        typer.Option(help="Frame set or video to compare on, and to calibrate INT8 with; else the run's own."),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="What the network's convolutions compute in.")] = Precision.FP32,
    refit: Annotated[bool, typer.Option("--refit", help="Also write weights for engines that take new ones.")] = False,
    engine: Annotated[bool, typer.Option("--engine", help="Also build this machine's TensorRT engine.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a run into a model folder a device can load.

    The exported networks are compared with the trained ones, in mm, as this processor and as a GPU computes them; a
    page says what was found. INT8 is given to as many layers as 3 mm allow.

    \b
    Examples:
      sa3dhp-edge export runs/hall --out models/hall
      sa3dhp-edge export runs/hall --out models/hall-int8 --precision int8 --crops hall.mp4
    """
    need("export", "export")
    from sa3dhp_edge.jobs.export import export_model

    with working():
        result = export_model(
            run=run, out=out, name=name, crops=crops, precision=precision.value, refit=refit, engine=engine
        )
    show(result, as_json)


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of a clip with its truth, or a labelled frame set.")],
    model: Model = SHIPPED,
    box: Box = None,
    as_json: Json = False,
) -> None:
    """Compare a model's poses with known ones, in mm.

    Mean joint error as it is, after one rotation and after similarity alignment; joints in the picture, in pixels; the
    pelvis before the camera, where that is known; and the share of frames with a person found.

    \b
    Example:
      sa3dhp-edge eval --model models/hall --data clips/test
    """
    place = box_px(box)
    from sa3dhp_edge.jobs.evaluate import evaluate as job

    with working():
        result = job(model=model, data=data, box=place)
    show(result, as_json)

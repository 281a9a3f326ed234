"""What the commands share: how values are written, how results are shown, how work is interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from sa3dhp_edge.errors import OutputError

_REFUSALS = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS}
"""A disk or a folder that refuses, wherever in a job it came up."""


class Backend(str, Enum):
    """What computes the network; of `runtime.backends.base.BackendName`."""

    AUTO = "auto"
    ONNX = "onnx"
    TENSORRT = "tensorrt"


class Smoothing(str, Enum):
    """What is done about jitter; of `runtime.config.SmoothingName`."""

    RAW = "raw"
    LIVE = "live"
    SMOOTH = "smooth"


class LogFormat(str, Enum):
    """How messages look; see `sa3dhp_edge.logs`."""

    TEXT = "text"
    JSON = "json"


class Flip(str, Enum):
    """The mirror image of a camera's pictures; of `runtime.config.InputConfig`."""

    NONE = "none"
    HORIZONTAL = "horizontal"
    VERTICAL = "vertical"


class Rotate(str, Enum):
    """Degrees clockwise; of `runtime.config.InputConfig`."""

    NONE = "0"
    RIGHT = "90"
    HALF = "180"
    LEFT = "270"


Threads = Annotated[int, typer.Option(min=0, help="CPU threads of the network; 0 takes all.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Model = Annotated[str, typer.Option(help="A model folder made by export, or the model that comes with the program.")]
Box = Annotated[
    str | None,
    typer.Option(metavar="X0,Y0,X1,Y1", help="Where the person is, in pixels; no detector is asked."),
]
Detector = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A person detector in ONNX, instead of the built-in one.")
]
Engines = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of engines; else $XDG_CACHE_HOME/sa3dhp-edge/engines, in ~/.cache."),
]
Preset = Annotated[str | None, typer.Option(help="Settings to start from: edge, paper or demo.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; can be repeated.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
Source = Annotated[
    str, typer.Option(help="Labelled source: 'synth' generates it; else a folder of shards or a frame set.")
]
Poses = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="3D motion to learn poses from, beside the generated one.")
]


def numbers(text: str, option: str, count: int | None = None, separator: str = ",") -> tuple[float, ...]:
    """Numbers written with a separator; anything else is a wrong use of `option`."""
    wanted = f"{count} numbers" if count else "numbers"
    try:
        values = tuple(float(part) for part in text.split(separator))
        if not all(map(math.isfinite, values)):
            raise ValueError
    except ValueError as e:
        raise typer.BadParameter(f"{text!r} is not {wanted} with {separator!r} between", param_hint=option) from e
    if count is not None and len(values) != count:
        raise typer.BadParameter(f"{text!r} has {len(values)} numbers, not {count}", param_hint=option)
    return values


def whole_numbers(text: str, option: str, count: int | None = None, separator: str = ",") -> tuple[int, ...]:
    """As `numbers`, and each of them whole."""
    values = numbers(text, option, count, separator)
    if any(not v.is_integer() for v in values):
        raise typer.BadParameter(f"{text!r} holds a number that is not whole", param_hint=option)
    return tuple(int(v) for v in values)


def names(text: str) -> tuple[str, ...]:
    """Words written with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def box_px(text: str | None) -> tuple[float, float, float, float] | None:
    """The value of `--box`: x0, y0, x1, y1 px with x0 < x1 and y0 < y1."""
    if text is None:
        return None
    x0, y0, x1, y1 = numbers(text, "--box", 4)
    if not (x0 < x1 and y0 < y1):
        raise typer.BadParameter(f"{text!r} is no box: x0 < x1 and y0 < y1 are needed", param_hint="--box")
    return x0, y0, x1, y1


def size_wh(text: str | None, option: str) -> tuple[int, int] | None:
    """WxH in pixels."""
    if text is None:
        return None
    width, height = whole_numbers(text.lower(), option, 2, "x")
    return width, height


@contextlib.contextmanager
def working(resume: Path | None = None) -> Iterator[None]:
    """Around a job: packages that print do so on stderr; an interrupted run says how it goes on."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except OSError as e:
        if e.errno not in _REFUSALS:
            raise
        where = f"{e.filename}: " if e.filename else "an output cannot be written: "
        raise OutputError(f"{where}{e.strerror}", "free some space, or name a folder you may write to") from e
    except KeyboardInterrupt:
        hint = f": the same command with --resume continues {resume}" if resume else ""
        typer.echo(f"interrupted{hint}", err=True)
        raise typer.Exit(130) from None


def show(result: object, as_json: bool) -> None:
    """Print the record or dictionary a job returned: JSON for a program, `name: value` lines for a person."""
    plain = _plain(result)
    if as_json:
        typer.echo(json.dumps(plain, indent=1, allow_nan=False))
    else:
        typer.echo("\n".join(_lines(plain)))


def _plain(value: Any) -> Any:
    """Only what JSON has: records become objects, paths text, numbers that are not finite null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _lines(plain: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in plain.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
            yield f"{indent}{name}:"
            for item in value:
                yield f"{indent}  - " + ", ".join(f"{k} {_short(v)}" for k, v in item.items())
        else:
            yield f"{indent}{name}: {_short(value)}"


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return ", ".join(_short(v) for v in value) if isinstance(value, list) else str(value)

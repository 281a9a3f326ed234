"""Commands that measure once, before a device is used: calib camera, calib floor, calib subject."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sa3dhp_edge.commands.words import Json, numbers, show, whole_numbers, working

if TYPE_CHECKING:
    from calib.board import Board
    from calib.intrinsics import Calibration

calib = typer.Typer(
    help="Measure what makes millimetres true: the camera, the floor, the person.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]


class Kind(str, Enum):
    """What board there is."""

    charuco = "charuco"
    chessboard = "chessboard"


@calib.command("camera")
def camera(
    camera: Annotated[int | None, typer.Option(min=0, help="A camera by its number; says what to show.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video of the board.")] = None,
    uri: Annotated[str | None, typer.Option("--input", metavar="URI", help="A stream's address or a device.")] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures of the board, of one size.")] = None,
    out: Annotated[Path | None, typer.Option(help="camera.json to write.")] = None,
    picture: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw what was shown, and the errors.")] = None,
    print_board: Annotated[Path | None, typer.Option(metavar="PDF|PNG", help="Only draw the board, to print.")] = None,
    paper: Annotated[str | None, typer.Option(help="A4, A3, Letter…; else the smallest that is enough.")] = None,
    board: Annotated[Kind, typer.Option(help="Only a chessboard must be seen whole.")] = Kind.charuco,
    size: Annotated[str, typer.Option(metavar="COLSxROWS", help="Inner corners: squares less one.")] = "9x6",
    square_mm: Annotated[float, typer.Option(min=0.1, help="Side of a square.")] = 25.0,
    marker_mm: Annotated[float | None, typer.Option(min=0.1, help="Side of a marker; else 72 % of a square.")] = None,
    dictionary: Annotated[str, typer.Option(help="OpenCV's name of the markers.")] = "DICT_5X5_100",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure a camera's focal length and distortion.

    With them distances and directions are true; without them the focal length is a guess. Views that are too few or
    too alike, and results that are not sure, are refused with what to show next; left and right are the camera's.

    \b
    Examples:
      sa3dhp-edge calib camera --print-board board.pdf
      sa3dhp-edge calib camera --camera 0 --out camera.json --picture coverage.png
      sa3dhp-edge calib camera --pictures board/ --board chessboard --size 9x6 --out camera.json
    """
    shown = _board(board, size, square_mm, marker_mm, dictionary)
    if print_board is not None:
        show(_print(shown, print_board, paper, overwrite), as_json)
        return
    if sum(given is not None for given in (camera, video, uri, pictures)) != 1:
        raise typer.BadParameter("name one of them, and only one", param_hint="--camera, --video, --input, --pictures")
    if out is None:
        raise typer.BadParameter("name the camera.json to write", param_hint="--out")
    from calib.session import calibrate_camera

    with working(), _status() as say:
        made = calibrate_camera(
            shown, out, camera=camera, video=video, uri=uri, pictures=pictures, picture=picture,
            overwrite=overwrite, say=say,
        )  # fmt: skip
    show({"file": out} | _summary(made) | ({"picture": picture} if picture else {}), as_json)


@calib.command("floor")
def floor(
    out: Annotated[Path, typer.Option(help="world.json to write.")],
    intrinsics: Annotated[Path | None, typer.Option(help="camera.json from `calib camera`.")] = None,
    camera: Annotated[int | None, typer.Option(min=0, help="A camera by its number; says what it still wants.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video of the board.")] = None,
    uri: Annotated[str | None, typer.Option("--input", metavar="URI", help="A stream's address or a device.")] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures of the board, of one size.")] = None,
    board: Annotated[Kind, typer.Option(help="Only a chessboard must be seen whole.")] = Kind.charuco,
    size: Annotated[str, typer.Option(metavar="COLSxROWS", help="Inner corners: squares less one.")] = "9x6",
    square_mm: Annotated[float, typer.Option(min=0.1, help="Side of a square, as measured.")] = 25.0,
    marker_mm: Annotated[float | None, typer.Option(min=0.1, help="Side of a marker; else 72 % of a square.")] = None,
    dictionary: Annotated[str, typer.Option(help="OpenCV's name of the markers.")] = "DICT_5X5_100",
    tilt_deg: Annotated[float | None, typer.Option(min=-90, max=90, help="How far the camera looks down.")] = None,
    roll_deg: Annotated[
        float | None, typer.Option(min=-180, max=180, help="How far it is turned clockwise, seen from behind; else 0.")
    ] = None,
    gravity: Annotated[
        str | None, typer.Option(metavar="X,Y,Z", help="Where things fall, in the camera's axes: level is 0,1,0.")
    ] = None,
    camera_height_mm: Annotated[float | None, typer.Option(help="The lens above the floor.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure how the camera stands over the floor: up, and where the floor is.

    The board lies on the floor, at several places one after the other, near and far, while the camera stays; or say
    what a spirit level or an accelerometer shows (at rest it shows the opposite of gravity: change the signs). All is
    of the pictures as the camera gives them, before --rotate and --flip.

    \b
    Examples:
      sa3dhp-edge calib floor --intrinsics camera.json --camera 0 --out world.json
      sa3dhp-edge calib floor --intrinsics camera.json --pictures floor/ --square-mm 60 --out world.json
      sa3dhp-edge calib floor --tilt-deg 12 --camera-height-mm 2200 --out world.json
      sa3dhp-edge calib floor --gravity 0.1,9.6,1.9 --camera-height-mm 2200 --out world.json
    """
    inputs = sum(given is not None for given in (camera, video, uri, pictures))
    if inputs + (tilt_deg is not None) + (gravity is not None) != 1:
        hint = "--camera, --video, --input, --pictures, --tilt-deg, --gravity"
        raise typer.BadParameter("name one of them, and only one", param_hint=hint)
    if not inputs:
        if roll_deg is not None and gravity is not None:
            raise typer.BadParameter("gravity says it already", param_hint="--roll-deg")
        show(_given(out, tilt_deg, roll_deg, gravity, camera_height_mm, overwrite), as_json)
        return
    if roll_deg is not None or camera_height_mm is not None:
        raise typer.BadParameter("the board says it", param_hint="--roll-deg, --camera-height-mm")
    if intrinsics is None:
        raise typer.BadParameter("name the camera.json of `calib camera`", param_hint="--intrinsics")
    shown = _board(board, size, square_mm, marker_mm, dictionary)
    from calib.floor import calibrate_floor

    with working(), _status() as say:
        made = calibrate_floor(
            shown, out, intrinsics, camera=camera, video=video, uri=uri, pictures=pictures, overwrite=overwrite, say=say
        )
    fit = made.fit
    show({
        "file": out, "tilt_deg": fit.world.tilt_deg, "roll_deg": fit.world.roll_deg,
        "camera_height_mm": fit.world.camera_mm[2], "tilt_sd_deg": fit.tilt_sd_deg, "height_sd_mm": fit.height_sd_mm,
        "rms_px": fit.rms_px, "views": len(made.views), "left_out": made.left_out,
    }, as_json)  # fmt: skip


def _given(
    out: Path, tilt_deg: float | None, roll_deg: float | None, gravity: str | None, height_mm: float | None,
    overwrite: bool,
) -> dict[str, object]:  # fmt: skip
    if height_mm is None:
        raise typer.BadParameter("say how high the lens is above the floor", param_hint="--camera-height-mm")
    down = None if gravity is None else numbers(gravity, "--gravity", 3)
    from calib.floor import save_given_world
    from runtime.world import World, up_of

    with working():
        up = up_of(tilt_deg or 0.0, roll_deg or 0.0) if down is None else [-v for v in down]
        world = World.above_floor(up, height_mm)
        save_given_world(out, world, overwrite)
    return {"file": out, "tilt_deg": world.tilt_deg, "roll_deg": world.roll_deg, "camera_height_mm": height_mm}


@calib.command("subject")
def subject(
    height_cm: Annotated[float, typer.Option(help="The person's height, standing, without shoes: 50 to 250.")],
    out: Annotated[Path, typer.Option(help="subject.json to write.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Note how tall the person is.

    One picture does not tell a tall person far away from a short one nearby: sizes and distances follow from the
    height.

    \b
    Example:
      sa3dhp-edge calib subject --height-cm 178 --out subject.json
    """
    from calib.subject import save_subject
    from runtime.subject import Subject

    with working():
        person = Subject(height_mm=10 * height_cm)
        save_subject(out, person, overwrite)
    show({"file": out, "height_mm": person.height_mm}, as_json)


def _board(kind: Kind, size: str, square_mm: float, marker_mm: float | None, dictionary: str) -> Board:
    columns, rows = whole_numbers(size, "--size", 2, separator="x")
    from calib.board import Board

    with working():
        return Board.of(kind.value, (columns, rows), square_mm, marker_mm, dictionary)


def _summary(made: Calibration) -> dict[str, object]:
    return {
        "rms_px": made.rms_px,
        "focal_px": made.intrinsics.focal_px,
        "focal_sd_px": made.focal_sd_px,
        "center_px": made.intrinsics.center_px,
        "distortion": made.intrinsics.distortion,
        "views": len(made.views),
        "left_out": made.left_out,
        "coverage": made.coverage.to_dict(),
    }


def _print(board: Board, path: Path, paper: str | None, overwrite: bool) -> dict[str, object]:
    from calib.printing import board_page, save_page

    with working():
        page = board_page(board, paper)
        save_page(path, page, overwrite)
    return {
        "file": path,
        "paper": page.paper,
        "paper_mm": page.size_mm,
        "px_per_mm": page.px_per_mm,
        "board": board.words(),
        "next": "print at 100 %, measure a row of squares, glue the sheet to something flat",
    }


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """One line on stderr that changes; where stderr is no terminal, a line for every change."""
    last = ""
    terminal = sys.stderr.isatty()

    def say(line: str) -> None:
        nonlocal last
        if line != last:
            typer.echo(f"\r{line:<{len(last)}}" if terminal else line, nl=not terminal, err=True)
            last = line

    try:
        yield say
    finally:
        if terminal and last:
            typer.echo(err=True)

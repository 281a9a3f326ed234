"""Commands about TensorRT engines: engine build, engine list, engine prune."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sa3dhp_edge.commands.words import Engines, Json, show, whole_numbers, working

if TYPE_CHECKING:
    from runtime.engines.inventory import EngineLine
    from runtime.engines.store import StoredEngine

engine = typer.Typer(
    help="TensorRT engines: built on the device, kept, and explained.", no_args_is_help=True, rich_markup_mode=None
)


@engine.command("build")
def build(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder made by export, or 'shipped'.")],
    target: Annotated[
        str | None, typer.Option("--for", metavar="SM", help="Build for another machine's GPU: sm86, sm89, …")
    ] = None,
    people: Annotated[
        str, typer.Option(metavar="MIN,OPT,MAX", help="People at once: least, usual, most; or the most alone.")
    ] = "1,1,4",
    workspace_mb: Annotated[int, typer.Option(min=1, help="Most scratch memory of one layer, MiB.")] = 1024,
    level: Annotated[int, typer.Option(min=0, max=5, help="How thoroughly to search: 0 quick to 5 slow.")] = 3,
    refit: Annotated[bool, typer.Option("--refit", help="Make an engine that takes new weights later.")] = False,
    dla: Annotated[int | None, typer.Option(min=0, help="Deep learning accelerator of a Jetson to run on.")] = None,
    limit_s: Annotated[float, typer.Option(min=1, help="End a build that takes longer, s.")] = 3600.0,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build even if the engine is there.")] = False,
    engines: Engines = None,
    as_json: Json = False,
) -> None:
    """Build a model's TensorRT engine for this machine.

    Its precision is that of the model's ONNX file. An engine that is there is kept. With --for it is built without a
    GPU, by TensorRT-RTX.

    \b
    Examples:
      sa3dhp-edge engine build models/hall
      sa3dhp-edge engine build shipped --for sm86
    """
    counts = whole_numbers(people, "--people")
    if len(counts) not in (1, 3):
        raise typer.BadParameter(f"{people!r} is neither MAX nor MIN,OPT,MAX", param_hint="--people")
    least, usual, most = counts if len(counts) == 3 else (1, 1, counts[0])
    from runtime.engines.build import build_engine
    from runtime.engines.request import EngineRequest
    from runtime.engines.store import default_engines
    from sa3dhp_edge.shipped import model_folder

    request = EngineRequest((least, usual, most), workspace_mb, level, refit, dla, target, limit_s)
    with working():
        made, now = build_engine(model_folder(model), request, engines or default_engines(), rebuild)
    show(_built(made, now), as_json)


@engine.command("list")
def list_(engines: Engines = None, as_json: Json = False) -> None:
    """Show the stored engines, and which of them can be used here.

    \b
    Example:
      sa3dhp-edge engine list
    """
    from runtime.engines.inventory import list_engines
    from runtime.engines.store import default_engines

    folder = engines or default_engines()
    with working():
        found = list_engines(folder)
    if as_json:
        show({"folder": folder, "engines": [asdict(e) for e in found]}, as_json)
    elif found:
        _table(found)
    else:
        typer.echo(f"no engine in {folder}\nhint: sa3dhp-edge engine build MODEL")


@engine.command("prune")
def prune(
    everything: Annotated[bool, typer.Option("--all", help="Remove usable engines as well.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    engines: Engines = None,
    as_json: Json = False,
) -> None:
    """Remove engines that will never be loaded again.

    Those made for another GPU, driver, TensorRT or model, damaged ones, and what interrupted builds left.

    \b
    Example:
      sa3dhp-edge engine prune --dry-run
    """
    from runtime.engines.inventory import prune_engines
    from runtime.engines.store import default_engines

    with working():
        pruned = prune_engines(engines or default_engines(), everything, dry_run)
    show(pruned, as_json)


def _built(made: StoredEngine, now: bool) -> dict[str, object]:
    record, depends = made.record, made.record.fingerprint
    return {
        "engine": made.folder,
        "built": "now" if now else f"already, {record.made}",
        "model": record.model,
        "gpu": depends.gpu,
        "compute_capability": depends.sm,
        "tensorrt": f"{depends.flavour} {depends.tensorrt}",
        "precision": depends.precision,
        "people": depends.people,
        "size_mb": record.size_mb,
        "seconds": record.seconds,
        "level": record.level,
    }


def _table(lines: list[EngineLine]) -> None:
    head = ("model", "precision", "people", "MB", "made", "state")
    rows = [(e.model or e.name, e.precision, e.people, f"{e.size_mb:.1f}", e.made[:16], e.state) for e in lines]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row, why in zip((head, *rows), ("", *(e.why for e in lines)), strict=True):
        cells = [
            cell.rjust(w) if i == 3 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join([*cells, why]).rstrip())

"""Time a model, and leave a folder from which the same numbers can be asked for again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.bench.report import BenchReport
from runtime.bench.timing import bench as measure
from sa3dhp_edge.atomic import publish_folder, refuse_existing, write_bytes, write_json
from sa3dhp_edge.extras import findable

FIGURES, PLOT = "bench.json", "bench.png"


def bench(out: Path | None = None, **wanted: Any) -> BenchReport:
    """Measure, and write bench.json, and bench.png where matplotlib is installed, to a new folder.

    Args:
        out: the folder; None writes nothing.
        wanted: as `runtime.bench.timing.bench`.

    Raises:
        OutputError: the folder exists already; nothing was measured then.
    """
    if out is not None:
        refuse_existing(out)
    report = measure(**wanted)
    if out is not None:
        with publish_folder(out) as folder:
            write_json(folder / FIGURES, json.loads(json.dumps(report.to_dict(), allow_nan=False)))
            if findable("matplotlib"):
                from sa3dhp_edge.report.bench_plot import bench_plot

                write_bytes(folder / PLOT, bench_plot(report))
    return report

"""What a benchmark found, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table as RichTable

from runtime.bench.conditions import Range
from runtime.bench.report import BenchReport, CropToPose, PeerTimes, Soak
from sa3dhp_edge.report.tables import Cell, Column, number, terminal_table

_P = ("p50", "p95", "p99")
_MS = tuple(Column(name, "", 1) for name in (*_P, "CPU"))


def bench_tables(report: BenchReport) -> Iterator[RichTable]:
    """The whole loop, from crop to pose, and other programs where there are any; 80 letters wide."""
    for threads, stages in report.latency_ms.items():
        a_second = number(report.frames_per_s[threads])
        loop = f"Whole loop, {threads_in_words(threads)}, ms a frame: {a_second} frames a second"
        rows: list[tuple[Cell, ...]] = [(stage, *(ms[p] for p in _P)) for stage, ms in stages.items()]
        yield terminal_table((Column("stage"), *_MS[:3]), rows, loop)
    yield _crops(report.crop_to_pose)
    if report.peers:
        yield _peers(report.peers)


def _crops(measured: tuple[CropToPose, ...]) -> RichTable:
    counts = (Column("threads", "", 0), Column("people", "", 0))
    more = (Column("engine", "", 1), Column("we add", "", 1), Column("people/s", "", 1))
    rows: list[tuple[Cell, ...]] = [
        (c.threads, c.people, *(c.whole.wall_ms[p] for p in _P), c.whole.cpu_ms["p50"], c.network.wall_ms["p50"],
         c.overhead_ms, c.people_per_s)
        for c in measured
    ]  # fmt: skip
    return terminal_table((*counts, *_MS, *more), rows, "From crop to pose, ms a frame")


def _peers(peers: tuple[PeerTimes, ...]) -> RichTable:
    shares = (Column("ours / its", "", 2), Column("of CPU", "", 2))
    rows: list[tuple[Cell, ...]] = [
        (p.name, *(p.spent.wall_ms[q] for q in _P), p.spent.cpu_ms["p50"], p.wall_share, p.cpu_share) for p in peers
    ]
    versions = ", ".join(dict.fromkeys(p.version for p in peers))
    return terminal_table((Column("name"), *_MS, *shares), rows, f"Others, in turns with ours, ms a frame: {versions}")


def bench_lines(report: BenchReport) -> Iterator[str]:
    """Start, soak, the board, and whether all of it is clean."""
    for threads, w in report.warm_up.items():
        yield (
            f"start, {threads_in_words(threads)}: {w.load_ms:.0f} ms to load, first answer {w.first_ms:.1f} ms, "
            f"fifth {w.fifth_ms:.1f} ms"
        )
    if report.soak is not None:
        yield _soaked(report.soak)
    seen = report.conditions
    told = [_range("CPU", seen.cpu_mhz, "MHz"), _range("GPU", seen.gpu_mhz, "MHz"),
            _range("hottest", seen.temperature_c, "°C"), _range("power", seen.power_w, "W")]  # fmt: skip
    yield f"board, told by {seen.told_by}: {', '.join(filter(None, told)) or 'it tells nothing'}"
    yield report.verdict


def threads_in_words(count: str) -> str:
    """A number of threads, as the report's keys have it; 0 stands for as many as there are cores."""
    return {"0": "all threads", "1": "1 thread"}.get(count, f"{count} threads")


def _soaked(soak: Soak) -> str:
    slope, error = soak.rss_slope_mb_per_h, soak.rss_slope_error
    growth = "too short to tell memory's growth" if slope is None else f"memory {slope:+.1f} ± {error:.1f} MB/h"
    return (
        f"soak of {soak.seconds:.0f} s, {soak.frames} frames: {soak.first_ms['p50']:.1f} ms at first, "
        f"{soak.steady_ms['p50']:.1f} ms steady, {growth}"
    )


def _range(name: str, values: Range | None, unit: str) -> str:
    return "" if values is None else f"{name} {values.low:.0f} to {values.high:.0f} {unit}"

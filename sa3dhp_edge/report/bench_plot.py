"""The figure of a benchmark: where a frame's time goes, what we add to the engine, and the long run."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from runtime.bench.report import BenchReport, CropToPose, PeerTimes, Soak
from sa3dhp_edge.report.bench_tables import threads_in_words
from sa3dhp_edge.report.canvas import WIDTH_PX, blank, note, plain, to_png
from sa3dhp_edge.report.palette import BLUE, INK, MUTED, OCHRE, PALE, RULE, VERMILION
from sa3dhp_edge.report.tables import number

_ROW_PX, _HEAD_PX, _SOAK_PX, _MARGIN_PX = 26, 66, 210, 30


def bench_plot(report: BenchReport) -> bytes:
    """PNG: bars of medians, p95 as a tick; below them the soak where there was one."""
    threads, first = next(iter(report.latency_ms.items()))
    compared = len(report.crop_to_pose) + len(report.peers)
    heights = [_HEAD_PX + _ROW_PX * len(first), _HEAD_PX + _ROW_PX * compared]
    if report.soak is not None:
        heights.append(_SOAK_PX)
    figure = blank(WIDTH_PX, sum(heights) + _MARGIN_PX)
    grid = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights})
    aside = f"ms, {threads_in_words(threads)}; bar: median, tick: 95th percentile"
    plain(grid[0], "Whole loop", aside)
    bars = [(name, ms["p50"], ms["p95"], BLUE if name == "total" else PALE, 0.0) for name, ms in first.items()]
    _bars(grid[0], bars)
    plain(grid[1], "From crop to pose, and others beside it", "ms per frame; dark: the engine alone")
    _bars(grid[1], [*map(_ours, report.crop_to_pose), *map(_peer, report.peers)])
    if report.soak is not None:
        _soak(grid[2], report.soak)
    figure.supxlabel(_shortened(report.verdict), fontsize=8, color=MUTED)
    return to_png(figure)


_Row = tuple[str, float, float, str, float]
"""Name, median, 95th percentile, colour, and how much of the bar is dark."""


def _ours(crop: CropToPose) -> _Row:
    name = f"ours, threads {crop.threads}, people {crop.people}"
    return name, crop.whole.wall_ms["p50"], crop.whole.wall_ms["p95"], PALE, crop.network.wall_ms["p50"]


def _peer(peer: PeerTimes) -> _Row:
    return f"{peer.name}, threads {peer.threads}", peer.spent.wall_ms["p50"], peer.spent.wall_ms["p95"], OCHRE, 0.0


def _bars(axes: Axes, rows: Sequence[_Row]) -> None:
    reach = max(p95 for _, _, p95, _, _ in rows)
    for at, (_, p50, p95, colour, dark) in enumerate(rows):
        axes.barh(at, p50, height=0.62, color=colour)
        axes.barh(at, min(dark, p50), height=0.62, color=BLUE)
        axes.plot([p95, p95], [at - 0.31, at + 0.31], color=INK, linewidth=1.2)
        axes.annotate(number(p50, 1), (p95, at), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_xlim(0, reach * 1.1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    for text in axes.get_yticklabels():
        text.set(color=INK, fontsize=8.5)


def _soak(axes: Axes, soak: Soak) -> None:
    """Latency to the left, memory to the right, over minutes."""
    plain(axes, "Soak", "blue: ms per frame, red: memory, MB")
    if len(soak.points) < 2:
        note(axes, "too short to draw")
        return
    minutes = [p.at_s / 60 for p in soak.points]
    axes.plot(minutes, [p.frame_ms for p in soak.points], color=BLUE, linewidth=1.4)
    axes.set_ylim(0, 3 * soak.steady_ms["p50"])  # each search at a start of the input would flatten all else
    axes.set_xlabel("minutes", fontsize=8, color=MUTED)
    memory = axes.twinx()
    memory.plot(minutes, [p.rss_mb for p in soak.points], color=VERMILION, linewidth=1.4)
    memory.set_ylim(0, 1.3 * max(p.rss_mb for p in soak.points))
    memory.tick_params(colors=VERMILION, labelsize=8, length=0)
    for spine in memory.spines.values():
        spine.set_visible(False)


def _shortened(text: str, most: int = 150) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

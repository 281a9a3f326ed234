"""A run's figures in Prometheus's words."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runtime.page.monitor import Monitor, Now
from runtime.sources import SourceState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES: tuple[SourceState, ...] = ("opening", "live", "stalled", "reopening", "lost", "closed")
_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}
_COUNTERS = {
    "frames": "Frames finished.",
    "poses": "Poses of all people.",
    "tracks": "Persons taken.",
    "dropped": "Frames of a live source that were older than the newest.",
    "corrupt": "Frames that could not be decoded.",
    "outages": "Times a live source gave no more frames.",
    "late": "Frames whose poses came after the latency budget.",
    "missed": "Frames that slow outputs lack.",
}


def metrics_text(monitor: Monitor) -> bytes:
    """The exposition format, as a scrape wants it."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(monitor))
    return bytes(generate_latest(registry))


class _Collector:
    """What `prometheus_client` asks for families of figures."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterable[Any]:
        """Every family."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        now, seen = self._monitor.now(), self._monitor.seen()
        yield InfoMetricFamily(
            "sa3dhp_run", "What runs.", {"source": now.source, "model": now.model, "model_sha256": now.model_sha256}
        )
        for name, what in _COUNTERS.items():
            yield CounterMetricFamily(f"sa3dhp_{name}", what, getattr(now.counts, name))
        yield GaugeMetricFamily("sa3dhp_up_seconds", "Since the start.", now.seconds)
        yield GaugeMetricFamily("sa3dhp_frames_per_second", "Lately.", now.fps)
        yield GaugeMetricFamily("sa3dhp_silent_seconds", "Since the last finished frame.", now.silent_s)
        yield GaugeMetricFamily("sa3dhp_healthy", "1 where /healthz says 200.", float(not now.trouble))
        yield GaugeMetricFamily("sa3dhp_people", "In the newest frame.", len(seen[1]) if seen is not None else 0)
        if (rss := _rss_bytes()) is not None:
            yield GaugeMetricFamily("sa3dhp_resident_memory_bytes", "Of the process.", rss)
        state = GaugeMetricFamily("sa3dhp_source_state", "1 for the state the source is in.", labels=["state"])
        for name in _STATES:
            state.add_metric([name], float(now.state == name))
        yield state
        yield from _latency(now)


def _latency(now: Now) -> Iterable[Any]:
    from prometheus_client.core import GaugeMetricFamily

    whole = {"total": now.latency_ms, "age": now.age_ms}
    stages = {stage: ms for stage, ms in (now.stages_ms | whole).items() if ms}
    family = GaugeMetricFamily(
        "sa3dhp_latency_milliseconds",
        "Of a frame by stage; age is from capture to poses.",
        labels=["stage", "quantile"],
    )
    for stage, ms in stages.items():
        for name, quantile in _QUANTILES.items():
            family.add_metric([stage, quantile], ms[name])
    yield family


def _rss_bytes() -> int | None:
    """Resident memory, where the system tells."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None

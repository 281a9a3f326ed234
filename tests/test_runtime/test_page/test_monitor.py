"""What the monitor says of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


def test_figures_are_of_what_was_written(monitor, clock, seen) -> None:
    clock.now_s += 10
    for i in range(60):
        clock.now_s += 0.05
        monitor.write(*seen(i, 1, 2))
    now = monitor.now()
    assert (now.counts.frames, now.counts.poses, now.counts.tracks) == (60, 120, 2)
    assert (now.counts.dropped, now.counts.corrupt, now.counts.outages) == (3, 2, 1)
    assert now.fps == pytest.approx(20, abs=0.7)
    assert now.latency_ms["p50"] == pytest.approx(34.5)
    assert now.trouble == ""
    assert "s3cret" not in now.source
    clock.now_s += 5
    assert monitor.now().fps == 0


def test_trouble_is_a_silent_loop_or_a_source_that_is_waited_for(monitor, clock, seen) -> None:
    heard = []
    monitor.on_state = lambda state, reason: heard.append(state)
    clock.now_s += 59
    assert monitor.now().trouble == ""
    clock.now_s += 2
    assert "no frame was finished for 61 s" in monitor.now().trouble
    monitor.write(*seen(0))
    assert monitor.now().trouble == ""
    clock.now_s += 11
    assert "no frame was finished for 11 s" in monitor.now().trouble
    monitor.write(*seen(1))
    monitor.heard("reopening", "rtsp://ann:s3cret@cam does not answer")
    assert monitor.now().trouble == "the source is reopening: rtsp://***@cam does not answer"
    monitor.heard("live", "")
    assert monitor.now().trouble == ""
    assert heard == ["reopening", "live"]


def test_what_outputs_lack_is_counted(monitor) -> None:
    monitor.outputs = [SimpleNamespace(missed=7), SimpleNamespace(missed=2)]
    assert monitor.now().counts.missed == 9

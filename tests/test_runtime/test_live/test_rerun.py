"""Rerun's file, read again by its own reader."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.live.rerun_view import RerunSender
from runtime.live.sender import LiveOutput

rr = pytest.importorskip("rerun")


def test_a_recording_holds_the_joints_in_time(tmp_path, moment) -> None:
    file = tmp_path / "made" / "w.rrd"
    sent = [moment(i, 1, 2) if i < 8 else moment(i, 1) for i in range(10)]
    with LiveOutput(RerunSender("rerun", file), most=100, close_s=30) as output:
        for one in sent:
            output.write(*one)
    assert output.sent == 10
    told = positions(file, "/world/1/joints")
    assert len(told) == 10
    for one, points in zip(sent, told, strict=True):
        assert np.abs(points - (one.poses[0].joints_mm + one.poses[0].root_mm)).max() < 0.1
    assert len(positions(file, "/world/2/joints")) == 8


def positions(file, entity: str) -> list[np.ndarray]:
    """(17, 3) of each moment in which the entity was logged, in order."""
    from rerun.chunk import RrdReader

    rows = []
    for chunk in RrdReader(file).stream():
        if str(chunk.entity_path) != entity:
            continue
        table = chunk.to_record_batch()
        names = [n for n in table.schema.names if "positions" in n]
        for name in names:
            frames = table.column("frame").to_pylist()
            rows += [(f, np.array(p)) for f, p in zip(frames, table.column(name).to_pylist(), strict=True) if p]
    return [points for _, points in sorted(rows, key=lambda row: row[0])]

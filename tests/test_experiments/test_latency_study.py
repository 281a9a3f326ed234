"""The latency study at its smallest: what it says follows from what it timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.experiments import latency_study


def test_larger_pictures_cost_what_their_pixels_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_study, "WARM_UP", 1)
    told = latency_study.latency(out=tmp_path, sizes=(96, 128, 160), threads=(1,), people=(1, 2), rounds=3, pin=False)
    assert told["networks"] == 4  # the paper's beside them
    result = json.loads((tmp_path / "latency.json").read_text())
    rows = {(row["network"], row["px"], row["people"]): row for row in result["rows"]}
    assert len(rows) == told["timed"] == 8
    small, middle, large = (rows["edge", px, 1]["gflop"] for px in (96, 128, 160))
    assert (large - small) / (middle - small) == pytest.approx((160**2 - 96**2) / (128**2 - 96**2))
    assert all(row["spent"]["count"] == 3 and row["spent"]["wall_ms"]["p50"] > 0 for row in rows.values())
    assert rows["paper", 224, 1]["spent"]["cpu_ms"]["p50"] > rows["edge", 96, 1]["spent"]["cpu_ms"]["p50"]
    page = (tmp_path / "latency.md").read_text()
    assert page.count("| edge ") == 6
    assert ("fit for it" in page) == result["conditions"]["clean"]


def test_a_size_that_no_network_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        latency_study.latency(out=tmp_path, sizes=(100,), threads=(1,), people=(1,), rounds=1, pin=False)

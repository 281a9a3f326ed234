"""The speed study at the smallest size: every table is there, and what it says adds up."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sa3dhp_edge.config import PAPER_LOSSES, PRESETS, override, preset
from sa3dhp_edge.experiments import g_speed, speed_study

TINY = (
    "image.width=8", "image.crop_px=64", "source.batch=4", "source.held_out_clips=1", "source.half_size=0.1",
    "adapt.clips_per_step=2", "adapt.frames_per_clip=2", "adapt.replay_batch=2", "adapt.consensus_batch=2",
)  # fmt: skip


def test_pictures_are_as_large_as_they_become_in_training() -> None:
    assert speed_study.sizes_px(preset("edge")) == (128, 96, 64)
    assert speed_study.sizes_px(preset("paper")) == (224,)


@pytest.mark.slow
def test_every_table_is_there_and_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = preset("paper")
    monkeypatch.setitem(PRESETS, "paper", replace(paper, image=replace(paper.image, crop_px=32)))
    monkeypatch.setattr(speed_study, "CLIP_S", 1.5)
    monkeypatch.setattr(speed_study, "matmul_gflops", lambda _: 50.0)
    monkeypatch.setattr(g_speed, "_apart", lambda function, arguments, limit_s: function(*arguments))
    told = speed_study.speed(
        out=tmp_path, start=None, preset_name="demo", overrides=TINY, threads=1, compiled=False
    )  # fmt: skip
    result = json.loads((tmp_path / "speed.json").read_text())
    assert [row["px"] for row in result["training"]] == [64, 64, 64, 32]
    assert {row["loss"] for row in result["adaptation"]} == {"consensus", *PAPER_LOSSES}
    for row in (*result["training"], *result["adaptation"]):
        assert sum(row["parts"].values()) == pytest.approx(row["seconds"])
        assert {"views", "light", "forward", "backward", "optimizer"} <= row["parts"].keys()
        assert row["gflop"] > 0
    by_loss = {(row["loss"], row["dtype"]): row["pictures"] for row in result["adaptation"]}
    assert by_loss["consensus", "bf16"] == 4  # two agreed frames and two replayed ones
    assert by_loss["lcr", "fp32"] == 2 * 2 * 2 + 2
    found = result["round"]
    assert found["seconds"] == told["round_s"]
    cfg = override(preset("demo"), TINY).adapt
    assert found["times"] == {
        "step": cfg.cycles, "consensus": cfg.cycles // cfg.refresh_every, "last look": 1,
        "guard": 1 + cfg.cycles // cfg.check_every,
    }  # fmt: skip
    assert all(seconds > 0 for seconds in found["once_s"].values())
    assert len(result["memory"]) == 6
    page = (tmp_path / "speed.md").read_text()
    for words in ("two passes", "resnet50", "not asked for", "% of matmul", result["commit"]):
        assert words in page


@pytest.mark.slow
def test_a_process_apart_ends_whatever_it_does() -> None:
    assert g_speed._apart(int, ("7",), 60) == 7
    assert g_speed._apart(int, ("seven",), 60) == "ValueError: invalid literal for int() with base 10: 'seven'"
    start = time.monotonic()
    assert g_speed._apart(time.sleep, (600,), 1) == "not done within 1 s"
    assert time.monotonic() - start < 60

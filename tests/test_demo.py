"""The demo from nothing, at the smallest size that still goes through every stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sa3dhp_edge import config
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.jobs import demo as demo_job

TINY = (
    "pose_autoencoder.steps=20", "motion_autoencoder.steps=5", "relations.steps=5", "relations.study_samples=20",
    "source.clips=12", "source.steps=5", "source.held_out_clips=3", "motion.procedural_seconds=90",
    "adapt.cycles=1", "adapt.clips_per_step=2", "adapt.replay_batch=4", "threads=1",
)  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets and rendered sets cut down; nothing else is changed."""
    tiny = config.override(config.preset("demo"), TINY)
    monkeypatch.setattr(demo_job, "preset", lambda name: tiny)
    monkeypatch.setattr(demo_job, "TARGET_CLIPS", 3)
    monkeypatch.setattr(demo_job, "TEST_CLIPS", 2)
    monkeypatch.setattr(demo_job, "VIDEO_SECONDS", 0.5)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_demo_ends_with_a_report_a_model_and_figures(tmp_path: Path) -> None:
    """Everything it promises lies in the folder, the page needs nothing else, and a second demo replaces the first."""
    out = tmp_path / "demo"
    for _ in range(2):
        figures = demo_job.demo(out, 0)
    page = (out / "report.html").read_text()
    assert 'src="http' not in page
    assert page.count("data:image/png") >= 5
    assert (out / "model" / "contract.json").is_file()
    assert json.loads((out / demo_job.MARKER).read_text())["finished"]
    assert figures["target_pa_mpjpe_before"] > 0
    assert (out / "target.mp4").stat().st_size > 0


def test_the_demo_refuses_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="exists already"):
        demo_job.demo(tmp_path, 0)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"

"""The detector study: how people and squares are paired, and a small one from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.finder import AbstractSearch, Candidate
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.experiments import detector_study as study
from sa3dhp_edge.experiments.detector_baselines import BASELINES


def test_a_square_counts_for_one_person_and_a_person_once() -> None:
    a, b = (0.0, 0.0, 100.0, 100.0), (30.0, 0.0, 130.0, 100.0)
    assert study.matched([a, b], [a]) == 1
    assert study.matched([a], [a, b]) == 1
    assert study.matched([a, b], [b, a]) == 2
    assert study.matched([a], [(70.0, 0.0, 170.0, 100.0)]) == 0


@pytest.mark.parametrize(("name", "make"), BASELINES)
def test_what_opencv_brings_finds_nobody_on_a_wall(name: str, make) -> None:
    assert make().find(np.full((240, 320, 3), 99, np.uint8)) == []
    assert make().find(np.full((20, 30, 3), 99, np.uint8)) == []


class Knows(AbstractSearch):
    """Finds what it is told, in every picture."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes

    def find(self, image_bgr: np.ndarray) -> list[Candidate]:
        return [Candidate(box, "found", 1.0) for box in self.boxes]


def test_figures_follow_from_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    (data / "gt3d" / "clip").mkdir(parents=True)
    (data / "videos").mkdir()
    joints = np.tile(np.random.default_rng(0).uniform(60, 140, (13, 2)), (4, 1, 1))
    np.savez(data / "gt3d" / "clip" / "gt_joints.npz", uv_px=joints)
    for video in (data / "gt3d" / "clip" / "video.mp4", data / "videos" / "a.mp4"):
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
        for _ in range(4):
            writer.write(np.full((240, 320, 3), 99, np.uint8))
        writer.release()
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"frames": {"a": {"0": [[50, 50, 150, 150]], "2": []}}}))
    right, wrong = study.square_box(study.with_head(joints[0])), (200.0, 100.0, 300.0, 200.0)
    monkeypatch.setattr(study, "ways", lambda: [
        ("nothing", lambda: study._Searched(Knows())), ("all", lambda: study._Searched(Knows(right, wrong))),
    ])  # fmt: skip
    told = study.detector_study(out=tmp_path / "out", data=data, labels=labels, every=2, scenes=1)
    assert (told["clips"], told["ways"]) == (3, 2)
    result = json.loads((tmp_path / "out" / "detector.json").read_text())
    scores = {(s["way"], s["clip"]): s for s in result["scores"]}
    assert (scores["all", "clip"]["people"], scores["all", "clip"]["found"]) == (2, 2)
    assert (scores["all", "a"]["people"], scores["all", "a"]["found"]) == (1, 1)
    assert scores["all", "a"]["wrong"] == 3  # one in the frame with somebody, both where nobody is
    assert scores["nothing", "a"]["squares"] == scores["nothing", "clip"]["found"] == 0
    assert "| all | 100 |" in (tmp_path / "out" / "detector.md").read_text()
    assert (tmp_path / "out" / "detector.png").stat().st_size > 1000


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip"):
        study.detector_study(out=tmp_path, data=tmp_path, labels=tmp_path / "none.json")

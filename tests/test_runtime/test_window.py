"""The window, on a stand-in for OpenCV's: what is shown, and what ends the run."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.config import RuntimeConfig
from runtime.outputs import read_poses
from runtime.service import run_stream
from runtime.window import Window
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.records import Frame


class Screen:
    """Remembers what is shown; keys and closing as a test says."""

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []
        self.open: set[str] = set()
        self.key_at: dict[int, int] = {}
        self.closed_at = -1


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           GTK3\n")
    monkeypatch.setattr(cv2, "namedWindow", lambda name, flags: made.open.add(name))
    monkeypatch.setattr(cv2, "imshow", lambda name, image: made.shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda ms: made.key_at.get(len(made.shown), -1))
    monkeypatch.setattr(cv2, "destroyWindow", made.open.discard)
    monkeypatch.setattr(
        cv2, "getWindowProperty", lambda name, what: 0.0 if len(made.shown) == made.closed_at else 1.0
    )  # fmt: skip
    return made


@pytest.mark.parametrize("how", ["q", "escape", "closed"])
def test_a_run_ends_in_order_when_its_window_is_closed(how, screen, fake_model, walk_video, tmp_path: Path) -> None:
    if how == "closed":
        screen.closed_at = 7
    else:
        screen.key_at[7] = {"q": ord("q"), "escape": 27 | 0x100000}[how]
    report = run_stream(RuntimeConfig(fake_model, video=walk_video, out=tmp_path / "w.jsonl", window=True))
    assert report.stopped
    assert 7 <= report.frames < 60
    assert len(screen.shown) == report.frames == len(read_poses(tmp_path / "w.jsonl")) - 1
    assert screen.open == set()


def test_large_frames_are_shrunk_and_another_key_ends_nothing(screen) -> None:
    stop = threading.Event()
    screen.key_at[1] = ord("x")
    with Window("w", stop) as window:
        window.write(Frame(np.zeros((2160, 3840, 3), np.uint8), 0, 0.0), (), 1.0)
    assert screen.shown[0].shape == (720, 1280, 3)
    assert not stop.is_set()


def test_without_windows_or_a_display_the_run_does_not_begin(monkeypatch, fake_model, walk_video, tmp_path) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    cfg = RuntimeConfig(fake_model, video=walk_video, out=tmp_path / "w.jsonl", window=True)
    with pytest.raises(OutputError, match="has no windows") as refused:
        run_stream(cfg)
    assert "--serve" in refused.value.hint
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OutputError, match="no display"):
        run_stream(cfg)
    assert list(tmp_path.iterdir()) == []
